"""Measure the network on a GPU: kernels, rates by batch size, share of the peak, copies, a run over 300 Mb.

    python benchmarks/gpu.py --data ../shared/data --work DIR

Prints Markdown. `--device cpu` tests the script itself without a GPU. Needs the [test] extra, onnxruntime-gpu,
and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import host
import numpy as np
from golden import ROOT, SCRIPTS, STARTS, errors, make_model, read_window

from epigept_batch.commands.bench import HG38_BP
from epigept_batch.inference.arithmetic import window_flop
from epigept_batch.inference.device import Device, RunOptions, parse_device
from epigept_batch.inference.gpu.attention import attention_kernels
from epigept_batch.inference.gpu.driver import CudaDriver
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.runtime import CUDA_PROVIDER, import_runtime
from epigept_batch.inference.session import Session, measured_peak, open_sessions
from machine import processor

PRECISIONS = ("fp16", "fp32")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--work", type=Path, help="folder to keep model files, genome and scores in")
    parser.add_argument("--device", default="cuda:0", help="device, as in epigept-batch")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32], help="batch sizes")
    parser.add_argument("--megabases", type=int, nargs="+", default=[30, 300], help="genome sizes of whole runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        options.work = options.work or Path(temporary)
        options.work.mkdir(parents=True, exist_ok=True)
        models = {precision: make_model(options.data, options.work, precision) for precision in PRECISIONS}
        ort, runtime = import_runtime(note)
        on_gpu = CUDA_PROVIDER in ort.get_available_providers()
        name = CudaDriver().device_name(0) if on_gpu else processor()
        print(
            f"{name}, {len(os.sched_getaffinity(0))} cores of {processor()}; {datetime.now(UTC):%Y-%m-%d}; {runtime}\n"
        )
        for precision, path in models.items():
            named = ", ".join(kernels(path, parse_device(options.device)))
            print(f"{precision}: attention by {named or 'kernels that are not named'}\n", flush=True)
        rates(options, models)
        if on_gpu:
            copies(ort, options)
        runs(options, models)


def kernels(path: Path, device: Device) -> tuple[str, ...]:
    """Return what ONNX Runtime reports about the attention kernels it used; nothing on a CPU."""
    if device.kind != "cuda":
        return ()
    return attention_kernels(path, device.indices[0] if device.indices else 0)


def rates(options: argparse.Namespace, models: dict[str, Path]) -> None:
    """Print windows per second by batch size, the share of the peak, and errors on the golden windows."""
    windows = [read_window(options.data, options.work, start) for start in STARTS]
    print(
        "| precision | batch | windows per second, one feeder | all | TFLOP/s | of the measured peak | hg38, s ", end=""
    )
    print("| max abs error | lowest r |\n|---|---|---|---|---|---|---|---|---|")
    for precision, path in models.items():
        spec, peak = read_spec(path), 0.0
        flop = window_flop(spec)
        for size in options.sizes:
            wanted = RunOptions(precision, threads=len(os.sched_getaffinity(0)), batch_size=size)
            sessions = open_sessions(path, parse_device(options.device), wanted, say=note)
            peak = peak or measured_peak(sessions[0], threads=wanted.threads)
            error, least = errors(sessions[0], windows)
            one, every = (rate(some, windows[0], size) for some in (sessions[:1], sessions))
            hg38 = HG38_BP / spec.geometry.window_bp / every
            print(f"| {precision} | {size} | {one:.1f} | {every:.1f} | {every * flop / 1e12:.1f} ", end="")
            print(f"| {every * flop / peak:.0%} | {hg38:,.0f} | {error:.1e} | {least:.6f} |", flush=True)
        print(f"| {precision} | | | peak: | {peak / 1e12:.1f} | | | | |")
    print()


def rate(sessions: list[Session], window: object, size: int) -> float:
    """Return windows per second of concurrent sessions with ready-made inputs: the median of a few rounds."""
    inputs = window.inputs(size)
    seconds = []
    with ThreadPoolExecutor(len(sessions)) as pool:
        for _ in range(6):
            begun = time.perf_counter()
            list(pool.map(lambda session: [session.signal(inputs) for _ in range(max(1, 16 // size))], sessions))
            seconds.append(time.perf_counter() - begun)
    return len(sessions) * size * max(1, 16 // size) / median(seconds[1:])


def copies(ort: object, options: argparse.Namespace) -> None:
    """Print how long it takes to copy a batch's inputs to the GPU, from page-locked and from other memory."""
    driver = CudaDriver()
    window = read_window(options.data, options.work, STARTS[0])
    print("| batch | MB | to the GPU, ms | from page-locked memory | GB/s |\n|---|---|---|---|---|")
    for size in options.sizes:
        host_arrays = [np.stack([part] * size) for part in (window.tokens, window.motif_scores)]
        make = ort.OrtValue.ortvalue_from_shape_and_type
        device = [make(list(array.shape), array.dtype.type, "cuda", 0) for array in host_arrays]
        pageable = copying(host_arrays, device)
        for array in host_arrays:
            driver.lock_pages(array, 0)
        locked = copying(host_arrays, device)
        for array in host_arrays:
            driver.unlock_pages(array, 0)
        size_mb = sum(array.nbytes for array in host_arrays) / 1e6
        row = f"{size_mb:.1f} | {pageable * 1e3:.2f} | {locked * 1e3:.2f} | {size_mb / 1e3 / locked:.1f}"
        print(f"| {size} | {row} |", flush=True)
    print()


def copying(arrays: list[np.ndarray], device: list) -> float:
    """Return the seconds to copy arrays to the device: the median of a few."""
    seconds = []
    for _ in range(10):
        begun = time.perf_counter()
        for array, value in zip(arrays, device, strict=True):
            value.update_inplace(array)
        seconds.append(time.perf_counter() - begun)
    return median(seconds)


def runs(options: argparse.Namespace, models: dict[str, Path]) -> None:
    """Print the times of whole runs, with stored scores for the larger genome and a scan of the smaller one."""
    options.model = models["fp32"]
    host.prepare(options)
    table = options.data / "expression/encode_rsem.tsv.gz"
    print(
        "| run | windows | seconds | windows per second | at once | start, s | stages, s |\n"
        "|---|---|---|---|---|---|---|"
    )
    for precision, path in models.items():
        for mb, store in ((max(options.megabases), True), (min(options.megabases), False)):
            out = options.work / "out"
            command = [SCRIPTS / "epigept-batch", "genome", "--tpm", f"s={table}", "--fasta", options.work / f"{mb}.fa"]
            command += ["--model", path, "--device", options.device, "--out", out]
            command += ["--scores", options.work / f"{mb}.scores"] if store else []
            begun = time.perf_counter()
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            seconds = time.perf_counter() - begun
            record = json.loads((out / "s.run.json").read_text())
            shutil.rmtree(out)
            stages = record["seconds"]
            start = stages["inputs"] + stages["load"]
            rate = record["windows"] / (stages["total"] - start)
            said = ", ".join(f"{stage} {value:.1f}" for stage, value in stages.items())
            source = "from a store" if store else f"scanned by the {record['scan'].upper()}"
            print(f"| {precision}, {mb} Mb {source} | {record['windows']:,} ", end="")
            print(f"| {seconds:.1f} | {rate:.1f} | {record['batch_size']} | {start:.1f} | {said} |", flush=True)


def note(sentence: str) -> None:
    """Print to standard error."""
    print(sentence, file=sys.stderr)


if __name__ == "__main__":
    main()
