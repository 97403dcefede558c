"""The scan of windows on a GPU, with the same scores as on the CPU to the bit.

The window's bases go up, and its scores stay in the GPU's memory. The steps are those of `motifs.scan`: sums of table
entries, minima of segments, and float64 scores of what may be the best hit of a bin.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.motifs.gpu import device, kernels
from epigept_batch.motifs.gpu.tables import LANES, Motifs, Segments, make_motifs, make_segments
from epigept_batch.motifs.kmer_tables import PIECE, ROWS
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.spec import MotifSet
    from epigept_batch.tiling import Geometry

WINDOWS = 4
"""Windows per launch; each takes 70 MB of the GPU's memory with the published motifs."""
WARPS = 8
"""Warps per block: bins or parts of the sequence that share a group of motifs."""
THREADS, SETTLERS = 128, 128
"""Threads per block of the other kernels, and blocks per window that score candidates."""


class GpuTables:
    """The motifs and the places of bins in a GPU's memory; shared by the scans of that GPU.

    Args:
        motif_set: Motifs and scan window.
        factors: Names, in the order of the scores; a factor without a motif scores 0 everywhere.
        geometry: The windows that are scanned.
        index: Index of the GPU.
    """

    def __init__(self, motif_set: MotifSet, factors: Sequence[str], geometry: Geometry, index: int = 0) -> None:
        motifs, blocks = make_motifs(motif_set, factors)
        segments = make_segments(blocks, motif_set, bin_bp=geometry.bin_bp, bins=geometry.bins)
        self.index = index
        self.geometry = geometry
        self.factors = len(factors)
        self.first = geometry.before + motif_set.window.left
        """Index in a window's reach of the first position at which a hit may begin."""
        self.groups = list(_of_equal_pieces(motifs.pieces))
        self.chunks = ceil_div(int(segments.counts.max(initial=0)), kernels.SEGMENTS * WARPS)
        self.positions = int(segments.bounds.max(initial=0)) + PIECE * int(motifs.pieces.max(initial=0))
        self.minima = int(segments.counts.sum()) * LANES
        self.slots = len(motifs.widths)
        with device.gpu(index):
            self.motifs = Motifs(*[device.uploaded(array) for array in motifs])
            self.segments = Segments(*[device.uploaded(array) for array in segments])
            self.offsets = device.uploaded(ROWS.astype(np.uint32) * np.uint32(LANES))


class GpuScan:
    """Scans windows in calls of up to a number of windows; for one thread at a time.

    Attributes:
        tables: The motifs on the GPU that scans.

    Args:
        tables: The same.
        windows: The most windows per call.
    """

    def __init__(self, tables: GpuTables, windows: int) -> None:
        self.tables = tables
        at_once = self._at_once = min(windows, WINDOWS)
        geometry = tables.geometry
        reach_bp = geometry.before + geometry.window_bp + geometry.after
        with device.gpu(tables.index):
            self._stream = device.stream()
            self._reach = device.zeros((at_once, reach_bp), np.uint8)
            self._inside = device.zeros((at_once,), np.int32)
            self._kmers = device.zeros((at_once, tables.positions), np.uint32)
            self._minima = device.zeros((at_once, tables.minima), np.uint32)
            self._found = device.zeros((at_once,), np.int32)
            self._candidates = device.zeros((at_once, tables.slots * geometry.bins), np.int32)
            self._best = device.zeros((at_once, tables.factors, geometry.bins), np.float64)

    def __call__(self, reach: NDArray[np.uint8], inside: NDArray[np.int32], scores: Any) -> None:  # noqa: ANN401
        """Score windows; returns when the scores are in the GPU's memory.

        Args:
            reach: uint8, (windows, bp): the bases of each window and those around it that its bins depend on
                (`Stretch.reach`).
            inside: int32, (windows,): the number of bins of each window that begin on the contig; the others score 0.
            scores: uint16, (at least as many windows, factors, bins): memory of the GPU, by its
                `__cuda_array_interface__`, into which the bits of float16 are written.
        """
        with device.gpu(self.tables.index):
            for begin in range(0, len(reach), self._at_once):
                some = slice(begin, begin + self._at_once)
                self.search(reach[some], inside[some])
                self._round(scores, begin, len(reach[some]))
            self._stream.synchronize()

    def best(self, reach: NDArray[np.uint8], inside: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the scores of no more windows than fit into one launch before they are rounded.

        Returns:
            float64, (windows, factors, bins).
        """
        with device.gpu(self.tables.index):
            self.search(reach, inside)
            self._stream.synchronize()
            found: NDArray[np.float64] = self._best.copy_to_host()[: len(reach)]
            return found

    def search(self, reach: NDArray[np.uint8], inside: NDArray[np.int32]) -> None:
        """Launch the search for the best hits of windows; see `__call__`."""
        tables, stream = self.tables, self._stream
        motifs, segments, geometry = tables.motifs, tables.segments, tables.geometry
        windows, bins = len(reach), geometry.bins
        device.upload(reach, self._reach, stream)
        device.upload(inside, self._inside, stream)
        kernels.clear[(ceil_div(bins, THREADS), tables.factors, windows), (THREADS, 1, 1), stream](
            self._found, self._best
        )
        if not tables.groups:
            return
        kernels.read_kmers[(ceil_div(tables.positions, THREADS), windows), (THREADS, 1), stream](
            self._reach, tables.first, tables.offsets, self._kmers
        )
        for pieces, first, number in tables.groups:
            kernels.minima_kernel(pieces)[(windows * tables.chunks, number), (LANES, WARPS), stream](
                motifs.rows,
                motifs.row_starts,
                segments.bounds,
                segments.starts,
                segments.counts,
                segments.minima_starts,
                motifs.near,
                first,
                tables.chunks,
                self._kmers,
                self._minima,
            )
        kernels.find_candidates[(ceil_div(bins, WARPS), tables.slots // LANES, windows), (LANES, WARPS, 1), stream](
            motifs.cuts,
            segments.spans,
            segments.run_of,
            segments.minima_starts,
            self._inside,
            self._minima,
            self._found,
            self._candidates,
        )
        kernels.settle[(SETTLERS, windows), (THREADS, 1), stream](
            motifs.rows,
            motifs.row_starts,
            motifs.pieces,
            motifs.near,
            motifs.widths,
            motifs.thresholds,
            motifs.log_odds,
            motifs.odds_starts,
            motifs.factor_starts,
            motifs.factors,
            segments.bounds,
            segments.starts,
            segments.spans,
            segments.run_of,
            segments.minima_starts,
            self._reach,
            tables.first,
            self._kmers,
            self._minima,
            self._found,
            self._candidates,
            self._best,
        )

    def _round(self, scores: Any, begin: int, windows: int) -> None:  # noqa: ANN401
        tables = self.tables
        grid = (ceil_div(tables.geometry.bins, THREADS), tables.factors, windows)
        kernels.round_scores[grid, (THREADS, 1, 1), self._stream](self._best, scores, begin)


def _of_equal_pieces(pieces: NDArray[np.int32]) -> Iterator[tuple[int, int, int]]:
    """Yield number of pieces, first group and number of groups of each run of groups with as many pieces."""
    ends = [*(np.flatnonzero(np.diff(pieces)) + 1).tolist(), len(pieces)]
    for first, end in pairwise([0, *ends]):
        if first < end:
            yield int(pieces[first]), first, end - first
