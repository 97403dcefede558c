"""Measure how much a genome run adds to its network, and its speedup over the published form in PyTorch.

    python benchmarks/throughput.py --data ../shared/data --openvino /path/to/other/venv/bin/python

The runs of a table take turns, so that a noisy machine slows all of them equally. Ratios are of medians. OpenVINO's
ONNX Runtime requires an environment of its own, with epigept-batch's [openvino] extra. Prints Markdown. Needs the
[test] extra, and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Self

from golden import ROOT, SCRIPTS, fasta, make_model

from machine import measured, processor

SHORT = 2
"""Windows of a short run. Its time is subtracted from that of a longer one, so that start and end do not count."""
RUNNER = Path(__file__).with_name("runner.py")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--work", type=Path, help="folder for checkpoint, model files and scores, kept")
    parser.add_argument("--openvino", type=Path, help="a Python with onnxruntime-openvino")
    parser.add_argument("--rounds", type=int, default=5, help="number of times to time each case")
    parser.add_argument("--windows", type=int, default=14, help="windows per run")
    parser.add_argument("--only", choices=["overhead", "pytorch"], help="print only this table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        options.work = options.work or Path(temporary)
        options.work.mkdir(parents=True, exist_ok=True)
        options.threads = len(os.sched_getaffinity(0))
        models = {precision: make_model(options.data, options.work, precision) for precision in ("fp32", "int8")}
        store = make_store(options, models["fp32"])
        print(f"{datetime.now(UTC):%Y-%m-%d}; {processor()}, {options.threads} threads\n", flush=True)
        for name, table in (("overhead", overhead), ("pytorch", pytorch)):
            if options.only in {None, name}:
                table(options, models, store)


def make_store(options: argparse.Namespace, model: Path) -> Path:
    """Scan the piece and keep its scores."""
    path = options.work / "scores"
    command = [SCRIPTS / "epigept-batch", "scan", "--fasta", fasta(options.data, options.work), "--model", model]
    subprocess.run([*command, "--out", path], check=True, capture_output=True)
    return path


class Process:
    """A `runner.py` that answers one request after the other."""

    def __init__(self, python: Path | str = sys.executable) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "export"), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [str(python), str(RUNNER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def ask(self, do: str, **options: Any) -> dict[str, float]:  # noqa: ANN401
        """Return the runner's answer."""
        words = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
        self._process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def in_turn(runs: dict[str, tuple[Process, dict[str, Any]]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each run, taken in turn after a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, (process, options) in runs.items():
            took = process.ask(**options)["seconds"]
            if number:
                seconds[name].append(took)
    return seconds


def overhead(options: argparse.Namespace, models: dict[str, Path], store: Path) -> None:
    """Print the time of a run against its network and its scan alone, and the time that further samples add."""
    shared = {"data": options.data, "work": options.work, "threads": options.threads, "windows": options.windows}
    model = {**shared, "model": models["fp32"]}
    with Process() as process:
        runs = {
            "model alone": {"do": "model", "device": "cpu", **model},
            "scan alone": {"do": "scan", **model},
            "whole, scanning": {"do": "whole", "device": "cpu", **model},
            "whole, scanning, nothing ahead": {"do": "whole", "device": "cpu", "overlapped": False, **model},
            "whole, from a store": {"do": "whole", "device": "cpu", "store": store, **model},
            "whole, 4 samples": {"do": "whole", "device": "cpu", "samples": 4, "store": store, **model},
        }
        seconds = in_turn({name: (process, run) for name, run in runs.items()}, options.rounds)
    took = {name: median(values) for name, values in seconds.items()}
    alone, scan = took["model alone"], took["scan alone"]
    print(f"| {options.windows} windows, fp32, CPU | seconds, median | minimum | ratio to model and scan alone |")
    print("|---|---|---|---|")
    for name, values in seconds.items():
        base = {"whole, from a store": alone, "whole, 4 samples": 4 * alone}.get(name, alone + scan)
        ratio = f"{took[name] / base:.3f}" if name.startswith("whole") else "—"
        print(f"| {name} | {took[name]:.2f} | {min(values):.2f} | {ratio} |")
    further = (took["whole, 4 samples"] - took["whole, from a store"]) / 3 / alone
    print(f"\nEach further sample: {further:.3f} of the model alone.\n")
    command = [SCRIPTS / "epigept-batch", "genome", "--device", "cpu", "--model", models["fp32"], "--force"]
    command += ["--tpm", options.data / "expression/encode_rsem.tsv.gz", "--fasta", fasta(options.data, options.work)]
    command += ["--out", options.work / "start", "--region", "chr2:128001-256000"]
    started = median(measured(command)[0] for _ in range(3)) - (alone + scan) / options.windows
    print(f"Start and end of the command, its one window not counted: {started:.1f} s.\n", flush=True)


def pytorch(options: argparse.Namespace, models: dict[str, Path], store: Path) -> None:
    """Print the speedup over PyTorch of a run from a store, and of its network alone."""
    shared = {"data": options.data, "work": options.work, "threads": options.threads}
    forms = {"fp32": ("fp32", "cpu"), "int8": ("int8", "cpu")}
    with Process() as ours, Process() as torch, Process(options.openvino or sys.executable) as theirs:
        runs = {"PyTorch": (torch, {"do": "torch", **shared})}
        processes = dict.fromkeys(forms, ours)
        if options.openvino:
            forms |= {"OpenVINO fp32": ("fp32", "openvino"), "OpenVINO bf16": ("fp32", "openvino:bf16")}
            processes |= dict.fromkeys(("OpenVINO fp32", "OpenVINO bf16"), theirs)
        errors = {}
        for form, (precision, device) in forms.items():
            run = {**shared, "model": models[precision], "device": device}
            errors[form] = processes[form].ask("errors", **run)
            runs[f"{form}, model"] = (processes[form], {"do": "model", **run, "windows": options.windows})
            for windows in (SHORT, options.windows):
                whole = {"do": "whole", "store": store, **run, "windows": windows}
                runs[f"{form}, {windows}"] = (processes[form], whole)
        seconds = in_turn(runs, options.rounds)
    torch_s = median(seconds["PyTorch"])
    print(f"PyTorch: {torch_s:.3f} s per window (minimum {min(seconds['PyTorch']):.3f}).\n")
    print("| | s per window, whole | start and end, s | speedup over PyTorch | of the model alone ", end="")
    print("| whole / model | max abs error | lowest r |\n|---|---|---|---|---|---|---|---|")
    for form in forms:
        model = median(seconds[f"{form}, model"]) / options.windows
        short, long = (median(seconds[f"{form}, {windows}"]) for windows in (SHORT, options.windows))
        whole = (long - short) / (options.windows - SHORT)
        print(f"| {form} | {whole:.3f} | {short - SHORT * whole:.2f} | {torch_s / whole:.2f} ", end="")
        print(f"| {torch_s / model:.2f} | {whole / model:.3f} ", end="")
        print(f"| {errors[form]['error']:.1e} | {errors[form]['r']:.6f} |")
    print(flush=True)


if __name__ == "__main__":
    main()
