"""Motif scores as HOMER 4.11 computes them.

A motif's score at a position is Σ ln(max(p, 0.001) / 0.25) over its width, on either strand. Positions where the motif
would cover a base other than ACGT are skipped. A hit is a score at or above the motif's threshold. A bin's score for a
factor is the best hit of any of the factor's motifs that lies entirely within the bin's scan window, or 0 without one.

Why it is fast: motifs are tables of 16-bit integers by 4-mer, indexed [piece, 4-mer, strand and motif]. One position
adds a few contiguous rows, with vector instructions for 16 or 32 motifs each, and a block's tables stay in a core's
cache. Only maxima over *segments* of up to 16 positions are kept. Segments are cut where any bin's window begins or
ends for any width in the block, so that a bin's best score is the maximum over its segments.

Why it is exact: where a bin's maximum may be a hit, the candidate positions are scored again in float64. Sums of
integers do not depend on their order, so results do not depend on how the work is divided.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import TYPE_CHECKING, Self

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.motifs.kernels import NOTHING, maxima_kernel, take_best
from epigept_batch.motifs.kmer_tables import COLUMNS, PIECE, aligned, kmer_rows, make_blocks
from epigept_batch.motifs.segments import cut_segments
from epigept_batch.sequence.stretch import read_stretch
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.sequence.stretch import Stretch
    from epigept_batch.spec import MotifSet
    from epigept_batch.tiling import Contig, Geometry

SHARE = 256  # bins scanned at a time; only their maxima and scores take memory
PATIENCE_S = 1.0  # before the user is told about a slow compilation


class MotifScanner:
    """Scores bins of sequence for every factor; a context manager that ends its threads.

    Args:
        motif_set: Motifs and scan window.
        factors: Names, in the order of the results; a factor without a motif scores 0 everywhere.
        bin_bp: Base pairs per bin.
        threads: Number of threads; the result does not depend on it.

    Raises:
        InputError: The scan window is empty.
    """

    def __init__(self, motif_set: MotifSet, factors: Sequence[str], *, bin_bp: int, threads: int = 1) -> None:
        window = motif_set.window
        if window.right <= window.left:
            raise InputError(f"motif window {window.left},{window.right} is empty; use LEFT,RIGHT with LEFT < RIGHT")
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
        """End the threads; it cannot scan afterwards."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def compile(self, say: Callable[[str], None]) -> None:
        """Compile the code for every motif width; tell the user if it takes long, as after an installation."""
        message = "compiling the motif scan (some seconds, once per installation)"
        timer = Timer(PATIENCE_S, say, [message])
        timer.start()
        try:
            self.scan(np.zeros(self.bin_bp, dtype=np.uint8), offset=0, bins=1)
        finally:
            timer.cancel()

    def scan(self, tokens: NDArray[np.uint8], *, offset: int, bins: int) -> NDArray[np.float32]:
        """Return the best hits of successive bins.

        Args:
            tokens: uint8, (bp,): A 0, C 1, G 2, T 3, any other 4. Positions outside score nothing, as beyond a
                contig's end, so the tokens should cover the scan windows of all bins.
            offset: Index in `tokens` of the first bin's first base.
            bins: Number of bins.

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
        """Return a window of this many bins, with the flanking sequence that their scan needs."""
        return self.window.geometry(bins, self.bin_bp)

    def scores(self, stretch: Stretch) -> NDArray[np.float16]:
        """Return scores of a stretch's bins for the network, float16, (factors, bins); 0 beyond the contig."""
        scores = np.zeros((len(self.factors), stretch.bins), dtype=np.float16)
        inside = stretch.bins_inside
        if inside and (stretch.reach != NO_BASE).any():
            scores[:, :inside] = self.scan(stretch.reach, offset=stretch.geometry.before, bins=inside)
        return scores

    def _scan_share(self, tokens: NDArray[np.uint8], offset: int, first_bin: int, scores: NDArray[np.float32]) -> None:
        """Fill `scores`, the columns of successive bins that start at `first_bin`."""
        bins = scores.shape[1]
        best = np.zeros((len(self.factors), bins))
        start = offset + first_bin * self.bin_bp + self.window.left
        positions = (bins - 1) * self.bin_bp + self.window.right - self.window.left
        widest = max((block.tables.shape[0] for block in self._blocks), default=0) * PIECE
        reach = _padded(tokens, start, positions + widest)
        kmers = kmer_rows(reach)
        for block in self._blocks:
            widths = tuple(block.runs[:, 2].tolist())
            bounds, spans = cut_segments(widths, self.window, self.bin_bp, bins)
            maxima = aligned((len(bounds) - 1, COLUMNS), NOTHING)
            maxima_kernel(len(block.tables))(block.tables, kmers, bounds, maxima)
            take_best(block, maxima, bounds, spans, kmers, reach, best)
        scores[:] = best


class GenomeScan:
    """Scores of a genome by contig and bin, computed on request; thread-safe.

    A context manager that closes the scanner. It leaves the genome open, because others read it too.

    Args:
        genome: The sequence.
        scanner: The scanner to use.
    """

    def __init__(self, genome: Genome, scanner: MotifScanner) -> None:
        self._genome = genome
        self._scanner = scanner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._scanner.close()

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float16]:
        """Return scores of successive bins, float16, (factors, bins); 0 beyond the contig's end.

        Args:
            contig: A contig of the genome.
            first: The first bin.
            bins: Number of bins.
        """
        geometry = self._scanner.geometry(bins)
        return self._scanner.scores(read_stretch(self._genome, contig, first, bins, geometry=geometry))


def _padded(tokens: NDArray[np.uint8], start: int, length: int) -> NDArray[np.uint8]:
    """Return tokens[start:start + length], with 4 where that lies outside."""
    padded = np.full(length, NO_BASE, dtype=np.uint8)
    first, last = max(start, 0), min(start + length, len(tokens))
    if first < last:
        padded[first - start : last - start] = tokens[first:last]
    return padded
