"""Measure the cost and accuracy of each form of the model file, against the published network in PyTorch.

    python benchmarks/precision.py --data ../shared/data

Makes a checkpoint of the published hg38 layout, converts it to every form, and runs `epigept-batch genome` over the
golden windows. Then all forms and PyTorch take turns in one process, so that a noisy machine slows all of them equally.
Prints Markdown. Needs the [test] extra, and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from golden import BIN_BP, LENGTH, ROOT, STARTS, WINDOW_BP, Window, fasta, make_checkpoint, read_window
from onnxruntime.quantization import QuantType, quantize_dynamic

from machine import measured, processor

sys.path.insert(0, str(ROOT / "tests"))

import bigwigs
from epigept_batch.inference.check import LIMITS
from epigept_batch.inference.cpu_form import read_cpu_form
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.session import open_session
from epigept_batch.spec import METADATA_KEY
from epigept_export.architectures import ARCHITECTURES, TRACKS
from epigept_export.checkpoint import read_state_dict
from reference import PublishedNetwork

FORMS = {
    "fp32": ["--precision", "fp32"],
    "fp16": ["--precision", "fp16"],
    "int8": ["--precision", "int8"],
    "fp32 plain": ["--precision", "fp32", "--attention", "plain"],
    "fp16 plain": ["--precision", "fp16", "--attention", "plain"],
}
PLAINLY = "int8, every product dynamic"
SMALL_WIDTH = 128  # width of the output layers, at most
SCRIPTS = Path(sys.executable).parent


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--work", type=Path, help="folder for checkpoint and model files, kept")
    parser.add_argument("--rounds", type=int, default=7, help="number of times to time each form")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        print(f"{processor()}, {options.threads} threads; onnxruntime {onnxruntime.__version__}, ", end="")
        print(f"torch {torch.__version__}, transformers {transformers.__version__}\n")
        models = convert_all(options.data, work, options.threads)
        models[PLAINLY] = quantise_plainly(models["fp32"], work)
        accuracy(options.data, work, models)
        speed(options.data, work, models, rounds=options.rounds, threads=options.threads)


def convert_all(data: Path, work: Path, threads: int) -> dict[str, Path]:
    """Make the model file of each form; print time, memory and size."""
    command = [
        *(SCRIPTS / "epigept-export", "convert", make_checkpoint(work), "--threads", str(threads)),
        *("--motifs", data / "motifs/all_motif_rmdup"),
        *("--motif-factors", data / "motifs/MotifMatch_human_rmdup.mat"),
        *("--expression-reference", data / "expression/reference_expression.tsv"),
    ]
    print("| convert | seconds | with `--no-verify` | peak memory, GB | with `--no-verify` | file, MB |")
    print("|---|---|---|---|---|---|")
    models = {}
    for form, words in FORMS.items():
        models[form] = work / f"{form.replace(' ', '.')}.onnx"
        run = [*command, *words, "--output", models[form]]
        bare_s, bare_bytes = measured([*run, "--no-verify"])
        whole_s, whole_bytes = measured(run)
        print(f"| {form} | {whole_s:.0f} | {bare_s:.0f} | {whole_bytes / 1e9:.2f} | {bare_bytes / 1e9:.2f} ", end="")
        print(f"| {models[form].stat().st_size / 1e6:.0f} |", flush=True)
    print()
    return models


def quantise_plainly(model: Path, work: Path) -> Path:
    """Quantise the fp32 file with ONNX Runtime's own tool, except the output layers; for comparison."""
    source, path = work / "cpu.onnx", work / "plainly.onnx"
    source.write_bytes(read_cpu_form(model))
    graph = onnx.load(source).graph
    small = {tensor.name for tensor in graph.initializer if tensor.dims and tensor.dims[-1] <= SMALL_WIDTH}
    kept = [node.name for node in graph.node if node.op_type == "MatMul" and small & set(node.input)]
    logging.disable(logging.WARNING)
    quantize_dynamic(
        source,
        path,
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Attention"],
        nodes_to_exclude=kept,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    quantised = onnx.load(path)
    del quantised.metadata_props[:]
    spec = replace(read_spec(model), precision="int8")
    quantised.metadata_props.add(key=METADATA_KEY, value=spec.to_json())
    onnx.save_model(quantised, path)
    return path


def accuracy(data: Path, work: Path, models: dict[str, Path]) -> None:
    """Print how close the bigWigs are to the golden windows."""
    print("| bigWigs against the golden windows | max abs error | its track | lowest r | its track | limits |")
    print("|---|---|---|---|---|---|")
    regions = [f"--region=chr2:{start + 1}-{min(start + WINDOW_BP, LENGTH)}" for start in STARTS]
    windows = {start: read_window(data, work, start) for start in STARTS}
    for form, model in models.items():
        out = work / f"tracks.{form.replace(' ', '.')}"
        command = [
            *(SCRIPTS / "epigept-batch", "genome", "--force", "--device", "cpu", *regions),
            *("--tpm", data / "expression/encode_rsem.tsv.gz", "--fasta", fasta(data, work)),
            *("--model", model, "--out", out),
        ]
        subprocess.run(command, check=True, capture_output=True)
        precision = json.loads((out / "encode_rsem.run.json").read_text())["precision"]
        figures = [figure for track in TRACKS for figure in track_figures(windows, out, track)]
        error, worst = max((error, track) for error, _, track in figures)
        r, least = min((r, track) for _, r, track in figures)
        limit = LIMITS[precision]
        print(f"| {form} | {error:.1e} | {worst} | {r:.7f} | {least} | {limit.error:g}, {limit.r:g} |", flush=True)
    print()


def track_figures(windows: dict[int, Window], out: Path, track: str) -> list[tuple[float, float, str]]:
    """Return the max abs error and Pearson r of each golden window."""
    values = bigwigs.bins(out / f"encode_rsem.{track}.bw", "chr2", bin_bp=BIN_BP)
    figures = []
    for start, window in windows.items():
        expected = window.signal[:, TRACKS.index(track)]
        found = values[start // BIN_BP :][: len(expected)]
        figures.append((float(np.abs(found - expected).max()), float(np.corrcoef(found, expected)[0, 1]), track))
    return figures


def speed(data: Path, work: Path, models: dict[str, Path], *, rounds: int, threads: int) -> None:
    """Time a window in each form and in PyTorch, in turn; print medians, ratios and the work of a window."""
    torch.set_num_threads(threads)
    architecture = ARCHITECTURES["hg38"]
    window = read_window(data, work, STARTS[0])
    published = PublishedNetwork(architecture, read_state_dict(make_checkpoint(work)))
    runs = {"PyTorch": lambda: published(window.tokens, window.motif_scores, window.expression)}
    for form, model in models.items():
        session = open_session(model, CPU, precision=form[:4], threads=threads, say=print)
        runs[form] = lambda session=session: session.signal(window.inputs())
    layer, rest = work_of_a_window()
    rate = 0.0
    seconds = {name: [] for name in runs}
    for _ in range(rounds + 1):
        rate = max(rate, matrix_rate())
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: median(values[1:]) for name, values in seconds.items()}  # the first round warms up
    print("| per window | seconds, median | minimum | speedup over PyTorch | GFLOP/s | share of product rate |")
    print("|---|---|---|---|---|---|")
    total = (sum(layer.values()) + rest) / 1e9
    for name, value in medians.items():
        done = total / value
        print(f"| {name} | {value:.3f} | {min(seconds[name][1:]):.3f} | {medians['PyTorch'] / value:.2f} ", end="")
        print(f"| {done:.0f} | {100 * done * 1e9 / rate:.0f} % |")
    print(f"\nA window takes {total:.0f} GFLOP: ", end="")
    print(", ".join(f"{name} {flop / 1e9:.0f}" for name, flop in layer.items()), end="")
    print(f", the rest {rest / 1e9:.0f}. Products of float32 matrices of these sizes run at {rate / 1e9:.0f} GFLOP/s.")


def work_of_a_window() -> tuple[dict[str, float], float]:
    """Return the FLOP of the transformer by part, and of convolutions and output layers together."""
    architecture = ARCHITECTURES["hg38"]
    bins, hidden, width, layers = architecture.bins, architecture.hidden, architecture.feed_forward, architecture.layers
    transformer = {
        "query, key, value": layers * 2 * bins * hidden * 3 * hidden,
        "attention": layers * 2 * 2 * bins * bins * hidden,
        "attention output": layers * 2 * bins * hidden * hidden,
        "feed-forward": layers * 2 * 2 * bins * hidden * width,
    }
    rest, length = 0.0, architecture.geometry.window_bp
    channels = architecture.channels
    for number, (kernel, pool) in enumerate(zip(architecture.kernels, architecture.pools, strict=True)):
        rest += 2 * length * kernel * channels[number] * channels[number + 1]
        length //= pool
    widths = architecture.output_widths
    return transformer, rest + sum(2 * bins * widths[n] * widths[n + 1] for n in range(len(widths) - 1))


def matrix_rate() -> float:
    """Return the FLOP per second of a product like those of the layers: the best of many."""
    left, right = torch.randn(1000, 968), torch.randn(968, 1024)
    times = []
    for _ in range(40):
        begun = time.perf_counter()
        torch.matmul(left, right)
        times.append(time.perf_counter() - begun)
    return 2 * 1000 * 968 * 1024 / min(times)


if __name__ == "__main__":
    main()
