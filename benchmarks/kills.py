"""Kill a genome run at random moments and let it go on until it is complete: nothing is lost, nothing partial shown.

    python benchmarks/kills.py --work DIR [--kills 40] [--seed 1] [--megabases 8]

Runs the demo's network over a generated genome, two samples at once, on the installed command alone. SIGKILL comes at a
random moment of the whole, writing of the journal and of the bigWigs among them. After each kill every file that has a
final name must be that of the uninterrupted run; at the end all values must be. Prints Markdown; exits 1 on a miss.
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
        phase: What the folder showed of it.
        journal: Bytes in the journals that were left.
    """

    after: float
    phase: str
    journal: int


def main() -> None:
    """Make the data, kill, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of what is made")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--megabases", type=float, default=8, help="of the generated genome")
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
            # A run that goes on is shorter: half of the moments are drawn from what one of that kind takes.
            limit = seconds * rng.choice([1.05, 0.6])
            kill = run_and_kill(work, float(rng.uniform(0.1, limit)))
            if kill is not None:
                kills.append(kill)
            check_final_names(work / "out", whole)
        finish(work)
        check_final_names(work / "out", whole, complete=True)
    report(kills, runs, seconds)


def write_inputs(work: Path, length: int) -> None:
    """A genome of two contigs, two tables and the demo's model."""
    grammar = Grammar(SEED, threads=2)
    sizes = {"sim31": length * 3 // 4, "sim32": length // 4}
    contigs = (as_fasta(name, make_contig(SEED, name, size, grammar.motif_set)) for name, size in sizes.items())
    (work / "genome.fa").write_bytes(b"".join(contigs))
    for cell in SAMPLES:
        write_table(work / f"{cell}.tsv", SEED, cell, make_expression(SEED, cell))
    shutil.copyfile(ROOT / "epigept_batch/demo" / MODEL, work / MODEL)


def command(work: Path, out: Path) -> list[str | Path]:
    """The run."""
    tables = [word for cell in SAMPLES for word in ("--tpm", work / f"{cell}.tsv")]
    options = ["--overlap", str(OVERLAP), "--device", "cpu", "--out", out]
    return [COMMAND, "genome", *tables, "--fasta", work / "genome.fa", "--model", work / MODEL, *options]


def uninterrupted(work: Path) -> tuple[dict[str, list[tuple[int, int, float]]], float]:
    """Every record of every track of a run that nothing disturbs, and its seconds."""
    out = work / "whole"
    shutil.rmtree(out, ignore_errors=True)
    for _ in range(2):  # the first compiles and indexes
        begun = time.perf_counter()
        subprocess.run([*command(work, out), "--force"], check=True, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
    return {path.name: records(path) for path in sorted(out.glob("*.bw"))}, seconds


def records(path: Path) -> list[tuple[int, int, float]]:
    """All records of a track."""
    with pyBigWig.open(str(path)) as track:
        return [record for name in track.chroms() for record in track.intervals(name) or ()]


def run_and_kill(work: Path, after: float) -> Kill | None:
    """Start the run and kill it; None where it was done before."""
    with subprocess.Popen(command(work, work / "out"), stderr=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            child.wait(after)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            return Kill(after, phase(work / "out"), sum(path.stat().st_size for path in journals(work / "out")))
    if child.returncode:
        raise SystemExit(f"a run that went on failed with {child.returncode}")
    return None


def journals(out: Path) -> list[Path]:
    """The journals that are there."""
    return sorted(out.glob(".*.journal"))


def phase(out: Path) -> str:
    """How far a killed run had come, by what it left."""
    if any(out.glob("*.bw")):
        return "publishing"
    if any(out.glob(".*.part*")):
        return "writing bigWigs"
    return "computing" if any(path.stat().st_size for path in journals(out)) else "starting"


def done(out: Path) -> bool:
    """Whether every sample has its record."""
    return all((out / f"{cell}.run.json").exists() for cell in SAMPLES)


def finish(work: Path) -> None:
    """Let the run end."""
    subprocess.run(command(work, work / "out"), check=True, stderr=subprocess.DEVNULL)


def check_final_names(out: Path, whole: dict[str, list[tuple[int, int, float]]], *, complete: bool = False) -> None:
    """See that what has a final name is whole, and in a complete run that all have and nothing else is left."""
    for path in out.glob("*.bw"):
        if records(path) != whole[path.name]:
            raise SystemExit(f"{path} differs from the uninterrupted run's")
    for path in out.glob("*.run.json"):
        json.loads(path.read_text())
    if complete:
        names = {path.name for path in out.iterdir()}
        expected = {*whole, *(f"{cell}.run.json" for cell in SAMPLES)}
        if names != expected:
            raise SystemExit(f"{out} holds {sorted(names ^ expected)} beside or not beside the outputs")


def report(kills: list[Kill], runs: int, seconds: float) -> None:
    """Print what was tried."""
    print(f"{processor()}\n")
    print(f"{len(kills)} kills of {runs} runs, of {seconds:.1f} s each undisturbed; every run was completed.\n")
    print("| killed while | times | bytes of journal that it left |\n|---|---|---|")
    for name in ("starting", "computing", "writing bigWigs", "publishing"):
        sizes = [kill.journal for kill in kills if kill.phase == name]
        print(f"| {name} | {len(sizes)} | {f'{min(sizes):,} to {max(sizes):,}' if sizes else ''} |")


if __name__ == "__main__":
    main()
