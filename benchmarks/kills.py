"""Kill a genome run at random moments and resume it until it is complete: nothing is lost or shown half-done.

    python benchmarks/kills.py --work DIR [--kills 40] [--seed 1] [--megabases 8]

Runs the demo's network over a generated genome, with two samples at once, through the installed command only. SIGKILL
comes at a random moment of the whole run, so also while it writes journals and bigWigs. After each kill, every file
with a final name must equal that of the uninterrupted run. At the end, all values must. Prints Markdown. Exits with 1
if one differs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyBigWig

from epigept_batch.commands.demo import MODEL, SEED
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.simulation.write import as_fasta, write_table
from machine import processor

ROOT = Path(__file__).parent.parent
COMMAND = Path(sys.executable).parent / "epigept-batch"
SAMPLES = ("cell39", "cell40")
OVERLAP = 16_384


class Kill(NamedTuple):
    """One kill.

    Attributes:
        after: Seconds after the start.
        phase: Stage of the run, as the folder shows it.
        journal: Bytes in the journals that are left.
    """

    after: float
    phase: str
    journal: int


def main() -> None:
    """Make the data, kill, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--megabases", type=float, default=8, help="size of the generated genome")
    options = parser.parse_args()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    write_inputs(work, int(options.megabases * 1e6))
    whole, seconds = uninterrupted(work)
    kills, runs = [], 0
    rng = np.random.default_rng(options.seed)
    while len(kills) < options.kills:
        shutil.rmtree(work / "out", ignore_errors=True)
        runs += 1
        while len(kills) < options.kills and not done(work / "out"):
            # A resumed run is shorter, so half of the moments come from its shorter duration.
            limit = seconds * rng.choice([1.05, 0.6])
            kill = run_and_kill(work, float(rng.uniform(0.1, limit)))
            if kill is not None:
                kills.append(kill)
            check_final_names(work / "out", whole)
        finish(work)
        check_final_names(work / "out", whole, complete=True)
    report(kills, runs, seconds)


def write_inputs(work: Path, length: int) -> None:
    """Write a genome of two contigs, two tables and the demo's model."""
    grammar = Grammar(SEED, threads=2)
    sizes = {"sim31": length * 3 // 4, "sim32": length // 4}
    contigs = (as_fasta(name, make_contig(SEED, name, size, grammar.motif_set)) for name, size in sizes.items())
    (work / "genome.fa").write_bytes(b"".join(contigs))
    for cell in SAMPLES:
        write_table(work / f"{cell}.tsv", SEED, cell, make_expression(SEED, cell))
    shutil.copyfile(ROOT / "epigept_batch/demo" / MODEL, work / MODEL)


def command(work: Path, out: Path) -> list[str | Path]:
    """Return the command of the run."""
    tables = [word for cell in SAMPLES for word in ("--tpm", work / f"{cell}.tsv")]
    options = ["--overlap", str(OVERLAP), "--device", "cpu", "--out", out]
    return [COMMAND, "genome", *tables, "--fasta", work / "genome.fa", "--model", work / MODEL, *options]


def uninterrupted(work: Path) -> tuple[dict[str, list[tuple[int, int, float]]], float]:
    """Return every record of every track of an undisturbed run, and its seconds."""
    out = work / "whole"
    shutil.rmtree(out, ignore_errors=True)
    for _ in range(2):  # the first run compiles and indexes
        begun = time.perf_counter()
        subprocess.run([*command(work, out), "--force"], check=True, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
    return {path.name: records(path) for path in sorted(out.glob("*.bw"))}, seconds


def records(path: Path) -> list[tuple[int, int, float]]:
    """Return all records of a track."""
    with pyBigWig.open(str(path)) as track:
        return [record for name in track.chroms() for record in track.intervals(name) or ()]


def run_and_kill(work: Path, after: float) -> Kill | None:
    """Start the run and kill it; return None if it ended first."""
    with subprocess.Popen(command(work, work / "out"), stderr=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            child.wait(after)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            return Kill(after, phase(work / "out"), sum(path.stat().st_size for path in journals(work / "out")))
    if child.returncode:
        raise SystemExit(f"a resumed run failed with {child.returncode}")
    return None


def journals(out: Path) -> list[Path]:
    """Return the existing journals."""
    return sorted(out.glob(".*.journal"))


def phase(out: Path) -> str:
    """Return how far a killed run came, judged by what it left."""
    if any(out.glob("*.bw")):
        return "publishing"
    if any(out.glob(".*.part*")):
        return "writing bigWigs"
    return "computing" if any(path.stat().st_size for path in journals(out)) else "starting"


def done(out: Path) -> bool:
    """Return whether every sample has its record."""
    return all((out / f"{cell}.run.json").exists() for cell in SAMPLES)


def finish(work: Path) -> None:
    """Let the run finish."""
    subprocess.run(command(work, work / "out"), check=True, stderr=subprocess.DEVNULL)


def check_final_names(out: Path, whole: dict[str, list[tuple[int, int, float]]], *, complete: bool = False) -> None:
    """Check that files with a final name are whole; in a complete run, also that only the outputs exist."""
    for path in out.glob("*.bw"):
        if records(path) != whole[path.name]:
            raise SystemExit(f"{path} differs from the uninterrupted run's")
    for path in out.glob("*.run.json"):
        json.loads(path.read_text())
    if complete:
        names = {path.name for path in out.iterdir()}
        expected = {*whole, *(f"{cell}.run.json" for cell in SAMPLES)}
        if names != expected:
            raise SystemExit(f"{out} has extra or missing outputs: {sorted(names ^ expected)}")


def report(kills: list[Kill], runs: int, seconds: float) -> None:
    """Print what was tried."""
    print(f"{processor()}\n")
    print(f"{len(kills)} kills of {runs} runs, of {seconds:.1f} s each undisturbed; every run was completed.\n")
    print("| killed while | times | bytes of journal left |\n|---|---|---|")
    for name in ("starting", "computing", "writing bigWigs", "publishing"):
        sizes = [kill.journal for kill in kills if kill.phase == name]
        print(f"| {name} | {len(sizes)} | {f'{min(sizes):,} to {max(sizes):,}' if sizes else ''} |")


if __name__ == "__main__":
    main()
