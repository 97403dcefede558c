"""The run of `epigept-batch scan`: stores the motif scores of a genome for any number of samples."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import OutputError
from epigept_batch.files import in_words
from epigept_batch.inference.model_file import read_spec
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.motifs.store import ScoreKey, ScoreStore
from epigept_batch.prediction.ahead import map_ahead
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.genome_verdict import judge_genome
from epigept_batch.sequence.regions import select_regions
from epigept_batch.tiling import ceil_div
from epigept_batch.timing import StageClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from epigept_batch.progress import Progress
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig

SAMPLED, SHARE = 32, 4
"""Limits for the windows that are scanned first, to estimate the size of the store. They are spread over all windows
that are due: at most 32, and at most one in 4."""
AHEAD = 2  # blocks per thread that may wait in its queue

Block = tuple["Contig", int]
"""A contig and the number of a block of its bins; the block starts at bin number × 1,000."""


@dataclass(frozen=True)
class ScanRequest:
    """What a user asks for.

    Attributes:
        fasta: The genome.
        model: The model file, for its motifs.
        out: The store.
        chromosomes: Names of whole contigs; empty for chr1-22, X and Y.
        all_contigs: Whether to scan every contig of the FASTA.
        threads: Number of threads that scan.
    """

    fasta: Path
    model: Path
    out: Path
    chromosomes: tuple[str, ...] = ()
    all_contigs: bool = False
    threads: int = 1


def run_scan(request: ScanRequest, progress: Progress) -> None:
    """Scan the windows that the store does not have yet.

    Args:
        request: What to do.
        progress: Receives an update per window.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    clock = StageClock()
    spec = read_spec(request.model)
    with Genome(request.fasta) as genome:
        _run(request, spec, genome, clock=clock, progress=progress)


def _run(request: ScanRequest, spec: Spec, genome: Genome, *, clock: StageClock, progress: Progress) -> None:
    """Scan the windows of the selected contigs that the store does not have yet."""
    regions = select_regions(genome.contigs, chromosomes=request.chromosomes, all_contigs=request.all_contigs)
    names = {region.contig for region in regions}
    contigs = [contig for contig in genome.contigs if contig.name in names]
    digests = genome.md5s(contigs)
    store = ScoreStore.create(request.out, ScoreKey.of(spec))
    for contig in contigs:
        store.add(contig, digests[contig.name])
    due: list[Block] = [(contig, block) for contig in contigs for block in store.missing(contig, store.blocks(contig))]
    if not due:
        progress.say(f"{request.out}: up to date, {in_words(store.size)}")
        return
    # Scores depend on the motifs alone, not on what the network was trained on: warn about the genome, refuse nothing.
    chosen = request.all_contigs or bool(request.chromosomes)
    for note in judge_genome(genome, regions, spec, chosen=chosen).notes:
        progress.say(f"{request.fasta}: {note}")
    there = sum(len(store.blocks(contig)) for contig in contigs) - len(due)
    if there:
        progress.say(f"{request.out}: {_windows(there)} already scanned; continuing with {len(due):,}")
    scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp, threads=request.threads)
    with GenomeScan(genome, scanner) as source:
        scanner.compile(progress.say)
        _scan_all(request, StoreScan(store, source, request.threads), due, progress)
    genome.check_unchanged()
    seconds = clock.seconds()["total"]
    progress.finish(f"{request.out}: {_windows(len(due))} after {seconds:.0f} s; {in_words(store.size)}")


def _scan_all(request: ScanRequest, scan: StoreScan, due: Sequence[Block], progress: Progress) -> None:
    """Scan blocks; after the first ones, which are spread over the genome, estimate the size of the store."""
    progress.start(len(due))
    step = max(SHARE, ceil_div(len(due), SAMPLED))
    sampled = due[::step]
    rest = [block for number, block in enumerate(due) if number % step]
    for _ in scan.run(sampled):
        progress.advance()
    _say_size(request, scan.store, sampled, rest, progress=progress)
    for _ in scan.run(rest):
        progress.advance()


def _say_size(
    request: ScanRequest, store: ScoreStore, sampled: Sequence[Block], rest: Sequence[Block], *, progress: Progress
) -> None:
    """Estimate the size of the store from the windows that were scanned first, and report it.

    Raises:
        OutputError: The disk has too little free space for the store.
    """
    mean = sum(store.block_size(*block) for block in sampled) / len(sampled)
    more, free = mean * len(rest), shutil.disk_usage(request.out).free
    if more > free:
        raise OutputError(
            f"requires about {in_words(more)} more, but only {in_words(free)} are free; free some space, choose "
            "another --out, or scan fewer chromosomes with --chromosome",
            request.out,
        )
    progress.say(f"{request.out}: will take about {in_words(store.size + more)}")


@dataclass(frozen=True, eq=False)
class StoreScan:
    """Scans blocks into a store, several at a time."""

    store: ScoreStore
    source: GenomeScan
    threads: int

    def run(self, blocks: Sequence[Block]) -> Iterator[Block]:
        """Yield the blocks in order, each as soon as it is stored. An interruption leaves no half-stored block."""
        return map_ahead(self._keep, blocks, workers=self.threads, ahead=AHEAD * self.threads)

    def _keep(self, block: Block) -> Block:
        contig, number = block
        first, last = self.store.span(contig, number)
        self.store.write(contig, number, self.source.read(contig, first, last - first))
        return block


def _windows(number: int) -> str:
    return f"{number:,} window{'s' if number != 1 else ''}"
