"""Compare simulated groups of samples whose truth is known, and measure time and memory.

    python benchmarks/compare.py

Replicates are made by multiplying the TPM of each factor of a cell by log-normal noise. The demo's network predicts
them. The same tests are also made on the true signal of each replicate, which shows what is due to the network.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from epigept_batch.commands.demo import CONTIG, CONTIG_BP, SEED
from epigept_batch.demo.package_data import packaged_model
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import BIN_BP, FACTORS, TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.simulation.write import as_fasta, write_table
from epigept_batch.tiling import Contig, bins_of
from epigept_batch.tracks.bigwig import BigWigWriter
from machine import measured, processor

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from valued_runs import write_run  # noqa: E402 - of the tests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SCRIPTS = Path(sys.executable).parent
REPLICATES, POOL = 4, 8
NOISE = 0.2
"""Standard deviation of the noise of ln(TPM)."""
FDR = 0.05
LEVEL = "0.5"
"""Mean ln(1 + signal) of all samples from which bins are tested: lower than by default, for more regions."""
LEAST = (0.0, 0.1, float(np.log(2)))
"""Smallest effects of the discoveries that are counted."""
ZERO = 1e-9
CHR22_BP = 50_818_468


class Comparison(NamedTuple):
    """Two groups of replicates, and the noise-free TPM of each."""

    name: str
    first: str
    second: str


class Row(NamedTuple):
    """A tested region."""

    start: int
    end: int
    effect: float
    fdr: float


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help="folder for inputs and tracks, kept")
    parser.add_argument("--only", choices=["null", "truth", "cost"], help="print only this part")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        print(f"{processor()}, {len(os.sched_getaffinity(0))} threads\n", flush=True)
        if options.only != "cost":
            world = World(work)
            if options.only != "truth":
                null(world)
            if options.only != "null":
                truth(world)
        if options.only in {None, "cost"}:
            cost(work)


class World:
    """A simulated contig, its cells, and replicates of them with predicted and with true tracks.

    Args:
        work: Folder for everything.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.grammar = Grammar(SEED, threads=len(os.sched_getaffinity(0)))
        self.tokens = make_contig(SEED, CONTIG, CONTIG_BP, self.grammar.motif_set)
        self.scores = self.grammar.motif_scores(self.tokens)
        (work / "genome.fa").write_bytes(as_fasta(CONTIG, self.tokens))
        one = make_expression(SEED, "cell39")
        self.cells = {"cell39": one, "cell40": make_expression(SEED, "cell40")}
        for kind in ("OPEN", "IDLE"):  # a factor that this cell expresses
            factor = next(name for name in FACTORS if name.startswith(kind) and one[FACTORS.index(name)] >= 1)
            without = one.copy()
            without[FACTORS.index(factor)] = 0.0
            self.cells[f"no{factor}"] = without
        self._replicate()

    @property
    def comparisons(self) -> list[Comparison]:
        """Each cell against the first."""
        first, *others = self.cells
        return [Comparison(f"{other} − {first}", other, first) for other in others]

    def names(self, cell: str) -> list[str]:
        """Return the names of a cell's replicates."""
        return [f"{cell}r{number}" for number in range(POOL if cell == "cell39" else REPLICATES)]

    def log_signal(self, tpm: Array) -> Array:
        """Return the true ln(1 + signal), float64, (bins, tracks)."""
        return np.log1p(self.grammar.truth(self.tokens, self.scores, tpm).astype(np.float64))

    def _replicate(self) -> None:
        """Write tables of all replicates, predict them, and write their true tracks as a run."""
        rng = np.random.default_rng(SEED)
        tables, true = [], {}
        for cell, tpm in self.cells.items():
            for name in self.names(cell):
                noisy = (tpm * np.exp(NOISE * rng.standard_normal(len(tpm)))).round(4)
                write_table(self.work / f"{name}.tsv", SEED, name, noisy)
                tables += ["--tpm", self.work / f"{name}.tsv"]
                signal = self.log_signal(noisy)
                true[name] = {track: {CONTIG: signal[:, number]} for number, track in enumerate(TRACKS)}
        write_run(self.work / "true", true, {CONTIG: CONTIG_BP})
        with packaged_model() as model:
            command = [
                SCRIPTS / "epigept-batch",
                "genome",
                *tables,
                "--fasta",
                self.work / "genome.fa",
                "--model",
                model,
            ]
            options = ["--device", "cpu", "--any-genome", "--quiet", "--out", self.work / "predicted"]
            subprocess.run([*command, *options], check=True)

    def tested(self, run: str, first: Sequence[str], second: Sequence[str]) -> dict[str, list[Row]]:
        """Compare two groups with the installed command; return the tested regions by track."""
        groups = ["--group", f"a={','.join(first)}", "--group", f"b={','.join(second)}"]
        out = self.work / f"{run}.compared"
        options = ["--threshold", LEVEL, "--out", out, "--force", "--quiet"]
        command = [SCRIPTS / "epigept-batch", "compare", self.work / run, *groups, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return {track: list(_rows(out / f"a-minus-b.{track}.regions.tsv")) for track in TRACKS}


def _rows(path: Path) -> Iterator[Row]:
    head, *lines = path.read_text().splitlines()
    names = head.split("\t")
    places = [names.index(name) for name in ("start", "end", "effect")]
    for line in lines:
        cells = line.split("\t")
        fdr = float(cells[names.index("fdr")]) if "fdr" in names else np.nan
        yield Row(*(int(cells[place]) for place in places[:2]), float(cells[places[2]]), fdr)


def null(world: World) -> None:
    """Print how often replicates of one cell seem to differ. Every discovery is false."""
    names = world.names("cell39")
    splits = [split for split in combinations(range(POOL), POOL // 2) if 0 in split]
    print(f"All {len(splits)} splits of {POOL} replicates of cell39 into two groups of {REPLICATES}, FDR {FDR}\n")
    print("| tracks | track | regions tested | splits with a discovery | mean share of regions discovered |")
    print("|---|---|---|---|---|")
    for run in ("predicted", "true"):
        found: dict[str, list[tuple[int, int]]] = {track: [] for track in TRACKS}
        for split in splits:
            first = [names[place] for place in split]
            second = [name for name in names if name not in first]
            for track, rows in world.tested(run, first, second).items():
                found[track].append((sum(row.fdr <= FDR for row in rows), len(rows)))
        for track, counts in found.items():
            number, tested = np.array(counts).T
            share = np.mean(number / np.maximum(tested, 1))
            print(f"| {run} | {track} | {tested.mean():,.0f} | {(number > 0).mean():.0%} | {share:.1%} |", flush=True)
    print()


def truth(world: World) -> None:
    """Print realised false discoveries between cells: regions whose true difference is 0 or has the other sign."""
    print(f"{REPLICATES} replicates of each cell, FDR {FDR}: discoveries, and share of them that are false\n")
    least = [f"effect ≥ {size:.2g}" if size else "any effect" for size in LEAST]
    print("| cells | tracks | track | tested | of these truly different | " + " | ".join(least) + " |")
    print("|" + "---|" * (5 + len(LEAST)))
    for comparison in world.comparisons:
        first, second = (world.log_signal(world.cells[cell]) for cell in (comparison.first, comparison.second))
        groups = [world.names(cell)[:REPLICATES] for cell in (comparison.first, comparison.second)]
        for run in ("predicted", "true"):
            for number, (track, rows) in enumerate(world.tested(run, *groups).items()):
                real = [_true_effect((first - second)[:, number], row) for row in rows]
                shown = [_false_share(rows, real, size) for size in LEAST]
                differ = np.mean(np.abs(real) > ZERO) if real else 0
                cells = [comparison.name, run, track, f"{len(rows):,}", f"{differ:.0%}", *shown]
                print("| " + " | ".join(cells) + " |", flush=True)
    print()


def _true_effect(difference: Array, row: Row) -> float:
    return float(difference[row.start // BIN_BP : -(-row.end // BIN_BP)].mean())


def _false_share(rows: Sequence[Row], real: Sequence[float], least: float) -> str:
    """Return the number of discoveries and the share that are false."""
    kept = [(row, true) for row, true in zip(rows, real, strict=True) if row.fdr <= FDR and abs(row.effect) >= least]
    if not kept:
        return "0"
    wrong = sum(abs(true) <= ZERO or np.sign(true) != np.sign(row.effect) for row, true in kept)
    return f"{len(kept):,}, {wrong / len(kept):.1%}"


def cost(work: Path) -> None:
    """Print time and memory of both commands at the size of chromosome 22, and of four times that."""
    print("| command | samples or cells | Mb | s | MB |\n|---|---|---|---|---|")
    for size in (1, 4):
        contig = Contig("chr22", CHR22_BP * size)
        run, training = work / f"run{size}", work / f"training{size}"
        for number in range(6):
            _write_track(run / f"s{number}.DNase.bw", contig, number)
            _write_track(training / f"c{number}.DNase.bw", contig, number + 9)
            _write_record(run, f"s{number}", contig)
        groups = ["--group", "a=s0,s1,s2", "--group", "b=s3,s4,s5"]
        program = SCRIPTS / "epigept-batch"
        pattern = f"{training}/{{cell}}.{{track}}.bw"
        cases: dict[tuple[str, int], list[str | Path]] = {
            ("mean", 6): ["mean", "--training", pattern, "--measured-space", "log1p", "--out", work / f"mean{size}"],
            ("compare A B", 2): ["compare", run, "s0", "s1", "--out", work / f"two{size}"],
            ("compare --group", 6): ["compare", run, *groups, "--out", work / f"groups{size}"],
            ("compare --mean", 1): ["compare", run, "s0", "--mean", work / f"mean{size}", "--out", work / f"to{size}"],
        }
        for (name, samples), words in cases.items():
            seconds, peak = measured([program, *words, "--force"])
            print(f"| {name} | {samples} | {contig.length / 1e6:.0f} | {seconds:.1f} | {peak / 1e6:.0f} |", flush=True)


def _write_track(path: Path, contig: Contig, seed: int) -> None:
    """Write ln(1 + signal) of a common profile with noise."""
    path.parent.mkdir(exist_ok=True)
    bins = bins_of(contig.length, BIN_BP)
    profile = np.random.default_rng(1).gamma(0.2, 1, bins)
    noise = np.random.default_rng(100 + seed).lognormal(0, 0.3, bins)
    writer = BigWigWriter(path, [contig], bin_bp=BIN_BP)
    writer.write(contig, 0, (profile * noise).astype(np.float32))
    writer.close()
    writer.publish()


def _write_record(run: Path, sample: str, contig: Contig) -> None:
    path = run / f"{sample}.DNase.bw"
    statistics = {"bins": 1, "mean": 0.2, "min": 0, "max": 9}
    quantiles = dict.fromkeys(("0.001", "0.01", "0.5", "0.99", "0.999"), 2.1)
    record = {
        "sample": sample,
        "inputs": {"selection of bins": {contig.name: [[0, bins_of(contig.length, BIN_BP)]]}},
        "space": "log1p",
        "statistics": {"DNase": {**statistics, "quantiles": quantiles}},
        "files": {path.name: path.stat().st_size},
    }
    (run / f"{sample}.run.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
