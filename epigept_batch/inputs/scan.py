"""Motif scores as HOMER 4.11 computes them.

A motif's score at a position is Σ ln(max(p, 0.001) / 0.25) over its width, on either strand; an alignment with any
base other than ACGT is no alignment; a hit is a score at or above the motif's threshold. A bin's score for a factor is
its best hit of any of the factor's motifs that lies wholly within the bin's scan window, 0 without one.

How it is fast. A motif strand is a *column*: its matrix cut in pieces of four bases, each piece a table of 5⁴ sums
(A, C, G, T and anything else), so that a score is the sum of a few table entries. Columns of like width stand side by
side in *blocks* of 128, tables indexed [piece, 4-mer, column]: one position adds a few contiguous rows of 128, which
compilers turn into vector instructions. Only maxima are kept: the positions between two places where any bin's window
begins or ends for any width in the block form a *segment*, and a bin's best score is the maximum over its segments.

How it is exact. Table entries are integers, so that sums do not depend on their order and results not on how the work
is cut; the unit is a power of two a column, fine enough (error below 1e-6) and coarse enough not to overflow. A best
score too close to the threshold to decide so is computed again in float64.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.spec import Motif, MotifSet, ScanWindow

PIECE = 4  # bases a table
ALPHABET = 5  # A, C, G, T, anything else
KMERS = ALPHABET**PIECE
COLUMNS = 128  # a block: 8 AVX-512 or 16 AVX2 vectors of int32; 64 and 256 were no faster
NOTHING = np.iinfo(np.int32).min
"""Maximum over no position."""


class _Column(NamedTuple):
    """One strand of one motif."""

    scores: NDArray[np.float64]  # (width, 4), as read along the forward strand
    threshold: float
    factors: tuple[int, ...]


class _Block(NamedTuple):
    """Up to 128 columns, by ascending width; a named tuple because compiled code takes it as it is."""

    tables: NDArray[np.int32]  # (pieces, 625, 128), in each column's unit
    scores: NDArray[np.float64]  # (128, widest, 4), the exact values behind them
    units: NDArray[np.float64]  # (128,), entries a nat
    thresholds: NDArray[np.float64]  # (128,)
    runs: NDArray[np.int64]  # (runs, 3): first column, end column, width of neighbours of equal width
    factor_starts: NDArray[np.int64]  # column i stands for factors[factor_starts[i]:factor_starts[i + 1]]
    factors: NDArray[np.int64]


class MotifScanner:
    """Scores bins of sequence for every factor.

    Args:
        motif_set: Motifs and scan window.
        factors: Names in the order wanted; a factor without a motif scores 0 everywhere.
        bin_bp: Base pairs a bin.
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
        self._blocks = _make_blocks(motif_set.motifs, self.factors)

    def scan(self, tokens: NDArray[np.uint8], *, offset: int, bins: int) -> NDArray[np.float32]:
        """Best hits of successive bins.

        Args:
            tokens: uint8, (bp,): A 0, C 1, G 2, T 3, any other 4. What lies outside scores nothing, as beyond a
                contig's end, so let them reach as far as the scan windows do.
            offset: Index in `tokens` of the first bin's first base.
            bins: How many.

        Returns:
            float32, (bins, factors): in nats, 0 without a hit.
        """
        best = np.zeros((bins, len(self.factors)))
        shares = [share for share in np.array_split(np.arange(bins), self._threads) if share.size]
        work = [
            self._pool.submit(self._scan_share, tokens, offset, int(share[0]), best[share[0] : share[-1] + 1])
            for share in shares
        ]
        for share_done in work:
            share_done.result()
        return best.astype(np.float32)

    def _scan_share(self, tokens: NDArray[np.uint8], offset: int, first_bin: int, best: NDArray[np.float64]) -> None:
        """Fill `best`, the rows of successive bins from `first_bin` on."""
        start = offset + first_bin * self.bin_bp + self.window.left
        positions = (len(best) - 1) * self.bin_bp + self.window.right - self.window.left
        widest = max((block.tables.shape[0] for block in self._blocks), default=0) * PIECE
        reach = _padded(tokens, start, positions + widest)
        kmers = _kmers(reach)
        for block in self._blocks:
            bounds, spans = _segments(block.runs[:, 2], self.window, self.bin_bp, len(best))
            maxima = np.full((len(bounds) - 1, COLUMNS), NOTHING, dtype=np.int32)
            _segment_maxima(block.tables, kmers, bounds, maxima)
            _take_best(block, maxima, bounds, spans, reach, best)


def _padded(tokens: NDArray[np.uint8], start: int, length: int) -> NDArray[np.uint8]:
    """tokens[start:start + length], with 4 wherever that lies outside."""
    padded = np.full(length, ALPHABET - 1, dtype=np.uint8)
    first, last = max(start, 0), min(start + length, len(tokens))
    if first < last:
        padded[first - start : last - start] = tokens[first:last]
    return padded


def _kmers(tokens: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Index of the 4-mer that begins at each base but the last three."""
    kmers = np.zeros(max(len(tokens) - PIECE + 1, 0), dtype=np.uint16)
    for place in range(PIECE):
        kmers = kmers * np.uint16(ALPHABET) + tokens[place : place + len(kmers)]
    return kmers


def _make_blocks(motifs: Sequence[Motif], factors: Sequence[str]) -> list[_Block]:
    """Both strands of every motif that stands for one of the factors, by width, in blocks."""
    index = {factor: number for number, factor in enumerate(factors)}
    columns: list[_Column] = []
    for motif in motifs:
        wanted = tuple(index[factor] for factor in motif.factors if factor in index)
        if wanted:
            scores = motif.log_odds
            columns.append(_Column(scores, motif.threshold, wanted))
            columns.append(_Column(scores[::-1, ::-1], motif.threshold, wanted))
    columns.sort(key=lambda column: len(column.scores))
    return [_make_block(columns[first : first + COLUMNS]) for first in range(0, len(columns), COLUMNS)]


def _make_block(columns: Sequence[_Column]) -> _Block:
    widths = np.array([len(column.scores) for column in columns])
    pieces = max(2, -(-int(widths.max()) // PIECE))
    tables = np.zeros((pieces, KMERS, COLUMNS), dtype=np.int32)
    scores = np.zeros((COLUMNS, pieces * PIECE, 4))
    units = np.ones(COLUMNS)
    thresholds = np.zeros(COLUMNS)
    for number, column in enumerate(columns):
        scores[number, : len(column.scores)] = column.scores
        thresholds[number] = column.threshold
        tables[:, :, number], units[number] = _column_tables(column, pieces)
    ends = [int(end) for end in np.flatnonzero(np.diff(widths)) + 1]
    runs = [(first, last, int(widths[first])) for first, last in pairwise([0, *ends, len(widths)])]
    return _Block(
        tables=tables,
        scores=scores,
        units=units,
        thresholds=thresholds,
        runs=np.array(runs, dtype=np.int64),
        factor_starts=np.cumsum([0] + [len(column.factors) for column in columns]),
        factors=np.array([factor for column in columns for factor in column.factors]),
    )


def _column_tables(column: _Column, pieces: int) -> tuple[NDArray[np.int32], float]:
    """The column's tables, int32 (pieces, 625), and their entries a nat.

    An entry with a base other than ACGT within the motif's width is a penalty that no other piece can make good. The
    unit is the largest power of two at which the lowest possible sum, every piece at its lowest, stays in 31 bits.
    """
    width = len(column.scores)
    padded = np.zeros((pieces * PIECE, ALPHABET))
    padded[:width, :4] = column.scores
    values = np.zeros((pieces, *[ALPHABET] * PIECE))
    for piece in range(pieces):
        for place in range(PIECE):
            shape = [1] * PIECE
            shape[place] = ALPHABET
            values[piece] += padded[piece * PIECE + place].reshape(shape)
    reachable = np.maximum(column.scores.max(axis=1), 0).sum()
    penalty = reachable + abs(column.threshold) + 1
    spoilt = np.zeros(values.shape, dtype=bool)
    for position in range(width):
        piece, place = divmod(position, PIECE)
        np.moveaxis(spoilt[piece], place, 0)[ALPHABET - 1] = True
    values[spoilt] = -penalty
    lowest = np.abs(values.reshape(pieces, -1)).max(axis=1).sum()
    unit = 2.0 ** np.floor(np.log2(np.iinfo(np.int32).max / (lowest + 1)))
    return np.rint(values * unit).astype(np.int32).reshape(pieces, KMERS), unit


def _segments(
    widths: NDArray[np.int64], window: ScanWindow, bin_bp: int, bins: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where positions are cut, and which segments make up a bin's window.

    Returns:
        Bounds of the segments, int64, ascending; and int64 (widths, bins, 2): first and end segment of a bin's window
        for motifs of each width; equal where the motif is wider than the window.
    """
    starts = np.arange(bins) * bin_bp
    ends = [starts + max(window.right - window.left - int(width) + 1, 0) for width in widths]
    bounds = np.unique(np.concatenate([starts, *ends]))
    firsts = np.searchsorted(bounds, starts)
    spans = np.stack([np.stack([firsts, np.searchsorted(bounds, end)], axis=1) for end in ends])
    return bounds, spans


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _segment_maxima(  # noqa: C901 - the sums are written out, for the reason below
    tables: NDArray[np.int32], kmers: NDArray[np.uint16], bounds: NDArray[np.int64], maxima: NDArray[np.int32]
) -> None:
    """Raise maxima (segments, 128) to the scores of the segments' positions.

    The sums of two, three and four pieces are written out because only then are they kept in vector registers.
    """
    pieces = tables.shape[0]
    partial = np.empty(COLUMNS, dtype=np.int32)
    for segment in range(len(bounds) - 1):
        best = maxima[segment]
        for position in range(bounds[segment], bounds[segment + 1]):
            a = tables[0, kmers[position]]
            b = tables[1, kmers[position + 4]]
            if pieces == 2:  # noqa: PLR2004
                for i in range(COLUMNS):
                    best[i] = max(best[i], a[i] + b[i])
                continue
            c = tables[2, kmers[position + 8]]
            if pieces == 3:  # noqa: PLR2004
                for i in range(COLUMNS):
                    best[i] = max(best[i], a[i] + b[i] + c[i])
                continue
            d = tables[3, kmers[position + 12]]
            if pieces == 4:  # noqa: PLR2004
                for i in range(COLUMNS):
                    best[i] = max(best[i], a[i] + b[i] + c[i] + d[i])
                continue
            for i in range(COLUMNS):
                partial[i] = a[i] + b[i] + c[i] + d[i]
            for piece in range(4, pieces - 1):
                e = tables[piece, kmers[position + 4 * piece]]
                for i in range(COLUMNS):
                    partial[i] += e[i]
            e = tables[pieces - 1, kmers[position + 4 * (pieces - 1)]]
            for i in range(COLUMNS):
                best[i] = max(best[i], partial[i] + e[i])


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _take_best(
    block: _Block,
    maxima: NDArray[np.int32],
    bounds: NDArray[np.int64],
    spans: NDArray[np.int64],
    tokens: NDArray[np.uint8],
    best: NDArray[np.float64],
) -> None:
    """Raise best (bins, factors) to the hits among the segments' maxima (segments, 128)."""
    tolerance = block.tables.shape[0] / 2 + 1  # an entry is off by half a unit at most
    top = np.empty(COLUMNS, dtype=np.int32)
    for run in range(len(block.runs)):
        first, end, width = block.runs[run]
        for b in range(len(best)):
            begin, stop = spans[run, b]
            top[first:end] = NOTHING
            for segment in range(begin, stop):
                for i in range(first, end):
                    top[i] = max(top[i], maxima[segment, i])
            for i in range(first, end):
                score = top[i] / block.units[i]
                excess = score - block.thresholds[i]
                slack = tolerance / block.units[i]
                if top[i] == NOTHING or excess < -slack:
                    continue
                if excess < slack:
                    score = _exact_best(block.scores[i], width, tokens, bounds[begin], bounds[stop])
                    if score < block.thresholds[i]:
                        continue
                for k in range(block.factor_starts[i], block.factor_starts[i + 1]):
                    factor = block.factors[k]
                    best[b, factor] = max(best[b, factor], score)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _exact_best(scores: NDArray[np.float64], width: int, tokens: NDArray[np.uint8], first: int, last: int) -> float:
    """Highest score in float64 of the alignments that begin at positions [first, last)."""
    best = -np.inf
    for position in range(first, last):
        total = 0.0
        for place in range(width):
            base = tokens[position + place]
            total += scores[place, base] if base < ALPHABET - 1 else -np.inf
        best = max(best, total)
    return best
