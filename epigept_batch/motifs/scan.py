"""Motif scores as HOMER 4.11 computes them.

A motif's score at a position is Σ ln(max(p, 0.001) / 0.25) over its width, on either strand; an alignment with any
base other than ACGT is no alignment; a hit is a score at or above the motif's threshold. A bin's score for a factor is
its best hit of any of the factor's motifs that lies wholly within the bin's scan window, 0 without one.

How it is fast. Motifs are tables of 16-bit integers by 4-mer, indexed [piece, 4-mer, strand and motif]: one position
adds a few contiguous rows, which become vector instructions of 16 or 32 motifs each, and a block's tables stay in a
core's cache. Only maxima over *segments* of up to 16 positions are kept, cut where any bin's window begins or ends for
any width in the block, so that a bin's best score is the maximum over its segments.

How it is exact. Where a bin's maximum may be a hit, the positions that may have given it are scored again in float64.
Sums of integers do not depend on their order, so results do not depend on how the work is cut.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Timer
from typing import TYPE_CHECKING, Self

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.motifs.kernels import NOTHING, maxima_kernel, take_best
from epigept_batch.motifs.kmer_tables import COLUMNS, PIECE, aligned, kmer_rows, make_blocks
from epigept_batch.sequence.stretch import read_stretch
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import bins_of, ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.sequence.stretch import Stretch
    from epigept_batch.spec import MotifSet, ScanWindow
    from epigept_batch.tiling import Contig, Geometry

SEGMENT = 16  # positions; 8 and 32 were no faster
SHARE = 256  # bins scanned at a time, whose maxima and scores are all that takes memory
PATIENCE_S = 1.0  # before a user is told what takes so long


class MotifScanner:
    """Scores bins of sequence for every factor; a context manager, at whose end its threads end.

    Args:
        motif_set: Motifs and scan window.
        factors: Names in the order wanted; a factor without a motif scores 0 everywhere.
        bin_bp: Base pairs per bin.
        threads: How many work at once; the result is the same for any number.

    Raises:
        InputError: The scan window is empty.
    """

    def __init__(self, motif_set: MotifSet, factors: Sequence[str], *, bin_bp: int, threads: int = 1) -> None:
        window = motif_set.window
        if window.right <= window.left:
            raise InputError(f"motif window {window.left},{window.right} is empty; give LEFT,RIGHT with LEFT < RIGHT")
        self.window = window
        self.bin_bp = bin_bp
        self.factors = tuple(factors)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="scan")
        self._blocks = make_blocks(motif_set.motifs, self.factors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its threads; it scans no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def compile(self, say: Callable[[str], None]) -> None:
        """Have the code of every motif width ready; where that takes long, as after an installation, say so."""
        message = "compiling the motif scan, once for this installation: some seconds"
        timer = Timer(PATIENCE_S, say, [message])
        timer.start()
        try:
            self.scan(np.zeros(self.bin_bp, dtype=np.uint8), offset=0, bins=1)
        finally:
            timer.cancel()

    def scan(self, tokens: NDArray[np.uint8], *, offset: int, bins: int) -> NDArray[np.float32]:
        """Best hits of successive bins.

        Args:
            tokens: uint8, (bp,): A 0, C 1, G 2, T 3, any other 4. What lies outside scores nothing, as beyond a
                contig's end, so let them reach as far as the scan windows do.
            offset: Index in `tokens` of the first bin's first base.
            bins: How many.

        Returns:
            float32, (factors, bins): in nats, 0 without a hit.
        """
        scores = np.empty((len(self.factors), bins), dtype=np.float32)
        parts = max(self._threads, ceil_div(bins, SHARE))
        shares = [share for share in np.array_split(np.arange(bins), parts) if share.size]
        work = [
            self._pool.submit(self._scan_share, tokens, offset, int(share[0]), scores[:, share[0] : share[-1] + 1])
            for share in shares
        ]
        for share_done in work:
            share_done.result()
        return scores

    def geometry(self, bins: int) -> Geometry:
        """So many bins, with what their scan needs of the sequence around them."""
        return self.window.geometry(bins, self.bin_bp)

    def scores(self, stretch: Stretch) -> NDArray[np.float16]:
        """Scores of a stretch's bins as the network reads them, float16, (factors, bins); 0 beyond the contig's end."""
        scores = np.zeros((len(self.factors), stretch.bins), dtype=np.float16)
        inside = min(stretch.bins, bins_of(stretch.contig.length, self.bin_bp) - stretch.first)
        if inside > 0 and (stretch.reach != NO_BASE).any():
            scores[:, :inside] = self.scan(stretch.reach, offset=stretch.geometry.before, bins=inside)
        return scores

    def _scan_share(self, tokens: NDArray[np.uint8], offset: int, first_bin: int, scores: NDArray[np.float32]) -> None:
        """Fill `scores`, the columns of successive bins from `first_bin` on."""
        bins = scores.shape[1]
        best = np.zeros((len(self.factors), bins))
        start = offset + first_bin * self.bin_bp + self.window.left
        positions = (bins - 1) * self.bin_bp + self.window.right - self.window.left
        widest = max((block.tables.shape[0] for block in self._blocks), default=0) * PIECE
        reach = _padded(tokens, start, positions + widest)
        kmers = kmer_rows(reach)
        for block in self._blocks:
            widths = tuple(block.runs[:, 2].tolist())
            bounds, spans = _segments(widths, self.window, self.bin_bp, bins)
            maxima = aligned((len(bounds) - 1, COLUMNS), NOTHING)
            maxima_kernel(len(block.tables))(block.tables, kmers, bounds, maxima)
            take_best(block, maxima, bounds, spans, kmers, reach, best)
        scores[:] = best


class GenomeScan:
    """Scores of a genome by contig and bin, scanned when they are asked for; by several threads if they like.

    A context manager, at whose end the scanner is closed. The genome is not: others read it too.

    Args:
        genome: The sequence.
        scanner: What scans it.
    """

    def __init__(self, genome: Genome, scanner: MotifScanner) -> None:
        self._genome = genome
        self._scanner = scanner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._scanner.close()

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float16]:
        """Scores of successive bins, float16, (factors, bins); 0 beyond the contig's end.

        Args:
            contig: One of the genome's.
            first: The first bin.
            bins: How many.
        """
        geometry = self._scanner.geometry(bins)
        return self._scanner.scores(read_stretch(self._genome, contig, first, bins, geometry=geometry))


def _padded(tokens: NDArray[np.uint8], start: int, length: int) -> NDArray[np.uint8]:
    """tokens[start:start + length], with 4 wherever that lies outside."""
    padded = np.full(length, NO_BASE, dtype=np.uint8)
    first, last = max(start, 0), min(start + length, len(tokens))
    if first < last:
        padded[first - start : last - start] = tokens[first:last]
    return padded


@lru_cache(maxsize=64)  # the same for every window of a genome
def _segments(
    widths: tuple[int, ...], window: ScanWindow, bin_bp: int, bins: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where positions are cut, and which segments make up a bin's window.

    Returns:
        Bounds of the segments, int64, ascending; and int64 (widths, bins, 2): first and end segment of a bin's window
        for motifs of each width; equal where the motif is wider than the window.
    """
    starts = np.arange(bins) * bin_bp
    ends = [starts + max(window.right - window.left - width + 1, 0) for width in widths]
    grid = np.arange(0, max(int(end[-1]) for end in ends), SEGMENT)
    bounds = np.unique(np.concatenate([grid, starts, *ends]))
    firsts = np.searchsorted(bounds, starts)
    spans = np.stack([np.stack([firsts, np.searchsorted(bounds, end)], axis=1) for end in ends])
    return bounds, spans
