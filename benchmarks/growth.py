"""Measure scaling with windows, contigs, intervals and samples: seconds at a size, twice and four times that.

    python benchmarks/growth.py [--only CASE]

A cell shows seconds of wall-clock time and, in brackets, of processor time, which a busy machine changes less. The last
column divides the processor time of the largest size by that of the smallest. About 4 means linear time, and 16
quadratic time. Each step runs alone, without a network. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from epigept_batch.commands.run.resume import RunJournals
from epigept_batch.motifs.store import ScoreKey, ScoreStore
from epigept_batch.prediction.stitch import TileSignal
from epigept_batch.provenance.run_record import SampleFiles, write_record
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.regions import select_regions
from epigept_batch.tiling import Contig, Geometry, make_tiles, select_bins
from epigept_batch.timing import StageClock
from epigept_batch.tracks.writers import TrackWriters
from machine import processor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from epigept_batch.commands.run.plan import RunPlan
    from epigept_batch.tiling import Tile

GEOMETRY = Geometry(bins=1000, bin_bp=128)
SMALL = Geometry(bins=10, bin_bp=128)
"""Size of the journals' windows: small, because the number of windows is measured and not their bytes."""


class Taken(NamedTuple):
    """Seconds."""

    clock: float
    processors: float


class Case(NamedTuple):
    """A case that is made `n` times larger.

    Attributes:
        sizes: Sizes, from the smallest on.
        run: Runs the case in an empty folder, timed step by step.
    """

    sizes: tuple[int, int, int]
    run: Callable[[int, Path], Iterator[tuple[str, Taken]]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", choices=list(CASES), help="run only the case of this name")
    options = parser.parse_args()
    print(f"{processor()}\n\n| | sizes | seconds | | | growth |\n|---|---|---|---|---|---|")
    for name, case in CASES.items():
        if options.only in {"", name}:
            for step, taken in measured(case).items():
                sizes = " / ".join(f"{size:,}" for size in case.sizes)
                times = " | ".join(f"{clock:.2f} ({processors:.2f})" for clock, processors in taken)
                growth = taken[-1].processors / max(taken[0].processors, 0.01)
                print(f"| {name}: {step} | {sizes} | {times} | {growth:.1f} |", flush=True)


def measured(case: Case) -> dict[str, list[Taken]]:
    """Return the times of each step at each size."""
    steps: dict[str, list[Taken]] = {}
    for size in case.sizes:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["EPIGEPT_BATCH_HOME"] = f"{folder}/home"
            for step, seconds in case.run(size, Path(folder)):
                steps.setdefault(step, []).append(seconds)
    return steps


class Watch:
    """A stopwatch of wall-clock time, and of the processor time of this process and its children."""

    def __init__(self) -> None:
        gc.collect()
        self._last = self._now()

    def __call__(self) -> Taken:
        """Return the seconds since the last call, and restart."""
        now = self._now()
        taken = Taken(now.clock - self._last.clock, now.processors - self._last.processors)
        self._last = now
        return taken

    @staticmethod
    def _now() -> Taken:
        return Taken(time.perf_counter(), sum(os.times()[:4]))


def journals_of(folder: Path, tiles: Sequence[Tile], samples: int) -> RunJournals:
    """Return the journals of a run."""
    product = SimpleNamespace(
        files=lambda sample: SampleFiles(folder, sample.name, ("CTCF",)),
        kept=lambda signal: signal.taken(bin_bp=SMALL.bin_bp),
        shape=lambda _: (SMALL.bins, 1),
    )
    plan = SimpleNamespace(tiles=tiles, products=(product,), request=SimpleNamespace(fresh=False))
    those = [SimpleNamespace(name=f"s{number}", inputs=({"model": "m"},)) for number in range(samples)]
    return RunJournals(cast("RunPlan", plan), cast("Any", those), StageClock())


def keep(folder: Path, tiles: Sequence[Tile], samples: int) -> None:
    """Pass windows through the journals, from the network or from what is kept."""
    signal = np.ones((samples, SMALL.bins, 1), dtype=np.float32)
    bases = np.ones(SMALL.bins, dtype=np.bool_)
    with journals_of(folder, tiles, samples) as journals:
        journals.begin(cast("Any", SimpleNamespace(provider="CPU", arithmetic="fp32")))
        for _ in journals.joined(TileSignal(tile, signal, bases) for tile in journals.due):
            pass


def windows(number: int, folder: Path) -> Iterator[tuple[str, Taken]]:
    """Write the windows of one sample to its journal, and read them back."""
    contig = Contig("chr1", number * SMALL.window_bp)
    watch = Watch()
    tiles = make_tiles([contig], {"chr1": ((0, number * SMALL.bins),)}, geometry=SMALL)
    yield "tiles", watch()
    keep(folder, tiles, 1)
    yield "kept in the journal", watch()
    keep(folder, tiles, 1)
    yield "read from it", watch()


def samples(number: int, folder: Path) -> Iterator[tuple[str, Taken]]:
    """Write 20 windows to the samples' journals, read them back, and write records."""
    tiles = make_tiles([Contig("chr1", 20 * SMALL.window_bp)], {"chr1": ((0, 200),)}, geometry=SMALL)
    watch = Watch()
    keep(folder, tiles, number)
    yield "20 windows kept in the journals", watch()
    keep(folder, tiles, number)
    yield "20 windows read from them", watch()
    for sample in range(number):
        write_record(SampleFiles(folder, f"s{sample}", ("CTCF",)), {"inputs": {"model": "m"}})
    yield "records", watch()


def write_fasta(path: Path, contigs: int, bases: int) -> None:
    """Write contigs of `bases` bases, named as assemblers name them."""
    rng = np.random.default_rng(1)
    letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, bases + contigs)].tobytes().decode()
    with path.open("w") as stream:
        for number in range(contigs):
            stream.write(f">NODE_{number}_length_{bases}\n{letters[number : number + bases]}\n")


def contigs(number: int, folder: Path) -> Iterator[tuple[str, Taken]]:
    """Do what a run does with a genome in contigs of 1,000 bp."""
    fasta = folder / "g.fa"
    write_fasta(fasta, number, 1000)
    watch = Watch()
    genome = Genome(fasta)
    yield "FASTA indexed and opened", watch()
    digests = {contig.name: genome.md5(contig) for contig in genome.contigs}
    yield "digests made", watch()
    again = Genome(fasta)
    yield "FASTA opened", watch()
    if digests != {contig.name: again.md5(contig) for contig in again.contigs}:
        raise RuntimeError("digests are not the same")
    yield "digests read", watch()
    selection = select_bins(select_regions(genome.contigs), GEOMETRY.bin_bp)
    make_tiles(genome.contigs, selection, geometry=GEOMETRY)
    yield "regions and tiles", watch()
    regions = [f"{contig.name}:1-{contig.length}" for contig in genome.contigs]
    document = {"inputs": {"genome": digests, "selection of bins": selection}, "regions": regions}
    write_record(SampleFiles(folder, "s", ("CTCF",)), document)
    yield "run.json", watch()


def tracks(number: int, folder: Path) -> Iterator[tuple[str, Taken]]:
    """Write eight bigWigs with values in every contig."""
    those = [Contig(f"NODE_{contig}", 1000) for contig in range(number)]
    values = np.ones((8, GEOMETRY.bins_of(1000)), np.float32)
    watch = Watch()
    writers = TrackWriters([folder / f"{track}.bw" for track in range(8)], those, bin_bp=GEOMETRY.bin_bp, processes=1)
    for contig in those:
        writers.write(contig, 0, values)
    writers.close()
    writers.publish()
    writers.discard()
    yield "written and published", watch()


def stores(number: int, folder: Path) -> Iterator[tuple[str, Taken]]:
    """Make a place for every contig in a score store, and query it as a run does."""
    those = [Contig(f"NODE_{contig}", 1000) for contig in range(number)]
    watch = Watch()
    store = ScoreStore.create(folder / "scores", ScoreKey(1, "m", "0,128", GEOMETRY.bin_bp, ("CTCF",)))
    for contig in those:
        store.add(contig, "md5")
    yield "places made", watch()
    store = ScoreStore.open(folder / "scores")
    for contig in those:
        if store.difference(contig, "md5") or not store.missing(contig, store.blocks(contig)):
            raise RuntimeError("a store without scores has some")
    yield "compared with a genome", watch()


def scaffolds(number: int, folder: Path) -> Iterator[tuple[str, Taken]]:
    """Open an assembly in pieces of 60 bp, with as many names as a FASTA may have."""
    fasta = folder / "g.fa"
    write_fasta(fasta, number, 60)
    watch = Watch()
    Genome(fasta)
    yield "FASTA indexed and opened", watch()
    genome = Genome(fasta)
    yield "FASTA opened", watch()
    selection = select_bins(select_regions(genome.contigs), GEOMETRY.bin_bp)
    make_tiles(genome.contigs, selection, geometry=GEOMETRY)
    yield "regions and tiles", watch()


def intervals(number: int, folder: Path) -> Iterator[tuple[str, Taken]]:
    """Read a BED file with intervals from all over a chromosome of 250 Mb."""
    contig = Contig("chr1", 250_000_000)
    starts = np.random.default_rng(1).integers(0, contig.length - 500, number)
    bed = folder / "x.bed"
    bed.write_text("".join(f"chr1\t{start}\t{start + 500}\n" for start in starts))
    watch = Watch()
    regions = select_regions([contig], beds=[bed])
    yield "BED read", watch()
    make_tiles([contig], select_bins(regions, GEOMETRY.bin_bp), geometry=GEOMETRY)
    yield "tiles", watch()
    texts = [f"chr1:{start + 1}-{start + 500}" for start in starts]
    watch()
    if select_regions([contig], regions=texts) != regions:
        raise RuntimeError("regions are not those of the BED file")
    yield "as many --region", watch()


CASES = {
    "windows": Case((6_000, 12_000, 24_000), windows),
    "samples": Case((250, 500, 1_000), samples),
    "contigs": Case((2_500, 5_000, 10_000), contigs),
    "contigs of eight bigWigs": Case((2_500, 5_000, 10_000), tracks),
    "contigs of a store": Case((2_500, 5_000, 10_000), stores),
    "scaffolds": Case((125_000, 250_000, 500_000), scaffolds),
    "intervals": Case((25_000, 50_000, 100_000), intervals),
}


if __name__ == "__main__":
    main()
