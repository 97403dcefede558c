"""Measure cohorts: speed-up, overhead, lost workers, memory, the size of the cube, and the model of `docs/scaling.md`.

    python benchmarks/cohort.py --data ../shared/data

`speed` and `model` run the network of the published size over real sequence. `memory` runs a network that answers at
once over a generated genome, so that all else is measured. Prints Markdown. Needs the [test] extra, and real data as in
the project's tests.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import host
import numpy as np
import onnx
import polars as pl
from golden import ROOT, SCRIPTS, fasta, make_model
from onnx import TensorProto, helper, numpy_helper

from epigept_batch.inference.model_file import read_spec
from machine import measured, processor

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = SCRIPTS / "epigept-batch"
BANK = 257
"""Windows of noise of the network that answers at once."""
WINDOWS = 18
"""Windows of the real piece."""


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--work", type=Path, help="folder to keep models, genomes and stores in")
    parser.add_argument("--samples", type=int, default=4, help="samples of the runs with the real network")
    parser.add_argument("--megabases", type=int, default=300, help="size of the generated genome")
    parser.add_argument("--only", choices=["speed", "memory", "cost"], help="print only this table")
    options = parser.parse_args()
    if options.only in {None, "cost"}:
        cost()
    if options.only == "cost":
        return
    with tempfile.TemporaryDirectory() as temporary:
        options.work = (options.work or Path(temporary)).resolve()
        options.work.mkdir(parents=True, exist_ok=True)
        options.model = make_model(options.data, options.work)
        print(f"{processor()}, {len(os.sched_getaffinity(0))} cores\n", flush=True)
        for name, table in (("speed", speed), ("memory", memory)):
            if options.only in {None, name}:
                table(options)


@dataclass(frozen=True)
class Ran:
    """A run over all units.

    Attributes:
        seconds: From the start of the program to its end, with the finalisation.
        steady: From the start of the first unit to the end of the last.
        computing: What workers spent on units, added up.
        pairs: Pairs of a window and a sample of each unit, in their order.
        together: Samples of a unit.
        scanning: Of `computing`, reading sequence and scanning.
        network: Of `computing`, the network.
        writing: Of `computing`, encoding and writing.
    """

    seconds: float
    steady: float
    computing: float
    pairs: tuple[int, ...]
    together: int
    scanning: float
    network: float
    writing: float

    @property
    def windows(self) -> int:
        """Windows that units read, one for each group of samples."""
        return sum(self.pairs) // self.together


def run(folder: Path, *words: object) -> float:
    """Run a command of `epigept-batch cohort`; return its seconds."""
    begun = time.perf_counter()
    done = subprocess.run(
        [PROGRAM, "cohort", words[0], folder, *map(str, words[1:])], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - begun


def sheet(options: argparse.Namespace, samples: int) -> Path:
    """Return a sheet of samples that differ from a real one by noise."""
    path, matrix = options.work / f"sheet.{samples}.tsv", options.work / f"matrix.{samples}.tsv"
    if not matrix.exists():
        real = pl.read_csv(
            options.data / "expression/encode_rsem.tsv.gz", separator="\t", infer_schema_length=None
        ).select("gene_id", "TPM")
        noise = np.random.default_rng(1).lognormal(0, 0.5, (samples, len(real)))
        columns = [pl.Series(f"s{number}", real["TPM"].to_numpy() * noise[number]) for number in range(samples)]
        frame = pl.DataFrame([real["gene_id"], *(column * (1e6 / column.sum()) for column in columns)])
        frame.write_csv(matrix, separator="\t", float_precision=3)
    path.write_text("sample\tfile\n" + "".join(f"s{number}\t{matrix.name}\n" for number in range(samples)))
    return path


def begin(options: argparse.Namespace, name: str, *words: object) -> Path:
    """Make a cohort of real samples and sequence, anew."""
    folder = options.work / name
    shutil.rmtree(folder, ignore_errors=True)
    inputs = ("--samples", sheet(options, options.samples), "--fasta", fasta(options.data, options.work))
    run(folder, "init", *inputs, "--model", options.model, "--device", "cpu", "--threads", 1, "--any-genome", *words)
    return folder


def markers(folder: Path) -> Iterator[dict]:
    """Yield the marker of each unit."""
    for path in (folder / "units").rglob("*.json"):
        yield json.loads(path.read_text())


def ran(folder: Path, seconds: float) -> Ran:
    """Return the figures of a run that is finished."""
    found, plan = list(markers(folder)), json.loads((folder / "plan.json").read_text())
    ends = [one["finished"] for one in found]
    begins = [one["finished"] - one["seconds"]["total"] - one["seconds"]["write"] for one in found]

    def total(*stages: str) -> float:
        return sum(one["seconds"].get(stage, 0.0) for one in found for stage in stages)

    return Ran(
        seconds=seconds,
        steady=max(ends) - min(begins),
        computing=total("total", "write"),
        pairs=tuple(one["pairs"] for one in sorted(found, key=lambda one: one["unit"])),
        together=min(plan["samples"], plan["shape"]["samples"]),
        scanning=total("sequence", "scan"),
        network=total("model"),
        writing=total("write"),
    )


def digests(folder: Path) -> dict[str, bytes]:
    """Return the values of a cohort, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in ("cube.zarr", "totals")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


def speed(options: argparse.Namespace) -> None:
    """Print the speed-up of two workers, what engines add, and what the model of cost predicts."""
    warm = begin(options, "warm", "--unit", "1x1", "--region", "chr2:1-100000")
    run(warm, "run", "--workers", 1)  # compiles the scan
    cases = {
        "one process": (("--unit", "2x2"), ("--workers", 1)),
        "two processes": (("--unit", "2x2"), ("--workers", 2)),
        "Ray, two nodes": (("--unit", "2x2"), ("--engine", "ray")),
        "one process, small units": (("--unit", "1x1"), ("--workers", 1)),
        "two processes, large units": (("--unit", f"3x{options.samples}"), ("--workers", 2)),
        "two processes, one killed": (("--unit", "2x2"), ("--workers", 2)),
    }
    found: dict[str, Ran] = {}
    values: dict[str, dict[str, bytes]] = {}
    print("| engine | unit | units | s in all | s of units | of it network | scan | writing ", end="")
    print("| speed-up | overhead | computed twice |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, (plan, words) in cases.items():
        folder = begin(options, "cohort", *plan)
        if "Ray" in name:
            seconds = on_ray(folder)
        elif "killed" in name:
            seconds = killed(folder)
        else:
            seconds = run(folder, "run", *words)
        one = found[name] = ran(folder, seconds)
        values[name] = digests(folder)
        workers = 1 if "one process" in name and "killed" not in name else 2
        gain = found["one process"].steady / one.steady
        overhead = 1 - one.computing / (workers * one.steady)
        twice = "one unit at most" if "killed" in name else "0"
        print(
            f"| {name} | {plan[1]} | {len(one.pairs)} | {one.seconds:.0f} | {one.steady:.1f} | {one.network:.1f} "
            f"| {one.scanning:.1f} | {one.writing:.2f} | {gain:.2f} | {overhead:.1%} | {twice} |",
            flush=True,
        )
    same = [values[name] == values["one process"] for name in cases if cases[name][0] == ("--unit", "2x2")]
    print(f"\nThe same bits in the cohorts with units of 2x2: {all(same)}\n")
    predicted(found)


def predicted(found: dict[str, Ran]) -> None:
    """Print what the model of cost says of runs, from the figures of the first one alone."""
    base = found["one process"]
    per_pair, per_window = base.network / sum(base.pairs), base.scanning / base.windows
    # Without the writing, which goes on while the next unit is computed.
    per_unit = (base.computing - base.network - base.scanning - base.writing) / len(base.pairs)
    print(f"From the first run: {per_pair:.3f} s a pair, {per_window:.3f} s a window, {per_unit:.3f} s a unit.\n")
    print("| run | predicted, s of units | measured | difference |")
    print("|---|---|---|---|")
    for name, one in found.items():
        if name == "one process" or "killed" in name:
            continue
        workers = 1 if name.startswith("one") else 2
        loads = [0.0] * workers
        for pairs in one.pairs:  # each goes to the worker that is free first
            loads[loads.index(min(loads))] += pairs * per_pair + pairs / one.together * per_window + per_unit
        expected = max(loads)
        print(f"| {name} | {expected:.1f} | {one.steady:.1f} | {one.steady / expected - 1:+.1%} |")
    print()


@dataclass(frozen=True)
class Worker:
    """What a worker takes for each stage, in seconds, and what an hour of it costs.

    Attributes:
        name: What it is.
        pair: The network, for a window and a sample.
        window: Reading and scanning a window, or reading its scores from a store.
        value: Encoding and writing a value beside the network; 0 if other cores do that meanwhile.
        start: Until the first unit begins.
        unit: The greatest number of samples that share a window.
        price: Of an hour, in dollars, as clouds ask for it on demand.
    """

    name: str
    pair: float
    window: float
    value: float
    start: float
    unit: int
    price: float


WORKERS = (
    Worker("one core of a CPU, fp32 (measured here)", 1.353, 0.071, 0, 3, 16, 0.05),
    Worker("H100, fp16 (expected, not measured)", 0.00045, 0.0002, 0, 15, 64, 3.0),
)
HG38_WINDOWS = 24_260
VALUES = 8000
BYTES_PER_VALUE = 1.2


def cost() -> None:
    """Print time, price and size for hg38 by the model of `docs/scaling.md`."""
    print("| worker | samples | workers | hours | dollars | a sample, dollars | cube, GB | written, MB a s |")
    print("|---|---|---|---|---|---|---|---|")
    for worker in WORKERS:
        for samples, numbers in ((1, (1, 8)), (100, (8, 64)), (17_000, (64, 256))):
            pairs, groups = HG38_WINDOWS * samples, -(-samples // worker.unit)
            work = pairs * (worker.pair + VALUES * worker.value) + HG38_WINDOWS * groups * worker.window
            size = pairs * VALUES * BYTES_PER_VALUE
            for number in numbers:
                seconds = worker.start + work / number
                hours = float(f"{seconds / 3600:.3g}")
                dollars = seconds * number / 3600 * worker.price
                print(
                    f"| {worker.name} | {samples:,} | {number} | {hours:,g} | {dollars:,.2f} "
                    f"| {dollars / samples:.3g} | {size / 1e9:,.1f} | {size / seconds / 1e6:,.0f} |"
                )
    print()


def killed(folder: Path) -> float:
    """Run with two processes, one of which is killed after the first unit; return the seconds."""
    begun = time.perf_counter()
    command = [PROGRAM, "cohort", "run", folder, "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        while not (first := next(markers(folder), None) if (folder / "units").exists() else None):
            time.sleep(0.05)
        os.kill(int(first["worker"]["process"]), signal.SIGKILL)
    if running.returncode:
        sys.exit("the run whose process was killed did not end well")
    return time.perf_counter() - begun


def on_ray(folder: Path) -> float:
    """Run on a Ray cluster of two nodes with one core each; return the seconds."""
    command = [sys.executable, ROOT / "tests/ray_cluster.py"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as cluster:
        address = cluster.stdout.readline().strip()
        seconds = run(folder, "run", "--engine", "ray", "--address", address)
        cluster.stdin.close()
    return seconds


def instant_model(options: argparse.Namespace) -> Path:
    """Return a model file whose network answers at once, with noise that compresses no better than a signal."""
    path = options.work / "instant.onnx"
    model = onnx.load(options.model, load_external_data=False)
    spec = read_spec(options.model)
    bins, tracks = spec.geometry.bins, len(spec.tracks)
    rng = np.random.default_rng(1)
    noise = np.abs(np.cumsum(rng.normal(0, 0.05, (BANK, bins, tracks)), axis=1)) + rng.random((BANK, bins, tracks)) / 8
    constants = {
        "bank": noise.astype(np.float32),
        "size": np.array(BANK, np.int64),
        "one": np.array([1], np.int64),
        "weights": rng.uniform(0, 1000, len(spec.factors)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["tokens"], ["wide"], to=TensorProto.INT64),
        helper.make_node("ReduceSum", ["wide", "one"], ["of_windows"], keepdims=1),
        helper.make_node("MatMul", ["expression", "weights"], ["mixed"]),
        helper.make_node("Cast", ["mixed"], ["of_samples"], to=TensorProto.INT64),
        helper.make_node("Add", ["of_windows", "of_samples"], ["of_pairs"]),
        helper.make_node("Mod", ["of_pairs", "size"], ["rows"]),
        helper.make_node("Gather", ["bank", "rows"], ["signal"], axis=0),
    ]
    inputs = [one for one in model.graph.input if one.name in {"tokens", "expression"}]
    outputs = [one for one in model.graph.output if one.name == "signal"]
    graph = helper.make_graph(
        nodes,
        "instant",
        inputs,
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    made.metadata_props.extend(model.metadata_props)
    onnx.save(made, path)
    return path


def memory(options: argparse.Namespace) -> None:
    """Print memory of the driver and a worker, rates and sizes, with a network that answers at once."""
    small = min(30, options.megabases)
    host.prepare(SimpleNamespace(**vars(options) | {"megabases": [small, options.megabases]}))
    model = instant_model(options)
    print(
        "| genome, Mb | samples | units | s | driver, MB | worker, MB | values, millions a s | cube, bytes a value ",
        end="",
    )
    print("| bigWigs, bytes a value | extracting, millions a s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for mb, samples in ((small, 4), (options.megabases, 4), (options.megabases, 64)):
        folder, out = options.work / "cube", options.work / "extracted"
        for old in (folder, out):
            shutil.rmtree(old, ignore_errors=True)
        inputs = ("--samples", sheet(options, samples), "--fasta", options.work / f"{mb}.fa", "--model", model)
        run(folder, "init", *inputs, "--device", "cpu", "--threads", 1, "--any-genome", "--unit", f"64x{samples}")
        begun = time.perf_counter()
        with subprocess.Popen(
            [PROGRAM, "cohort", "run", folder, "--workers", "2"], stderr=subprocess.DEVNULL
        ) as driver:
            peaks = {"driver": 0, "worker": 0}
            while driver.poll() is None:
                peaks["driver"] = max(peaks["driver"], peak(driver.pid))
                peaks["worker"] = max([peaks["worker"], *(peak(child) for child in children(driver.pid))])
                time.sleep(0.05)
        seconds = time.perf_counter() - begun
        record = json.loads((folder / "cohort.json").read_text())
        few = min(samples, 4)
        words = [word for number in range(few) for word in ("--sample", f"s{number}")]
        taken, _ = measured([PROGRAM, "cohort", "extract", folder, *words, "--out", out, "--threads", "2"])
        values = record["pairs"] * 1000 * 8
        size = sum(path.stat().st_size for path in out.glob("*.bw"))
        share = values * few / samples
        print(
            f"| {mb} | {samples} | {record['units']} | {seconds:.0f} | {peaks['driver'] / 1e6:.0f} "
            f"| {peaks['worker'] / 1e6:.0f} | {values / seconds / 1e6:.1f} | {record['bytes'] / values:.2f} "
            f"| {size / share:.2f} | {share / taken / 1e6:.1f} |",
            flush=True,
        )
    print()


def peak(pid: int) -> int:
    """Return the peak memory of a process so far, in bytes; 0 if it has ended."""
    try:
        return host.peak_of(pid)
    except (OSError, StopIteration):
        return 0


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    main()
