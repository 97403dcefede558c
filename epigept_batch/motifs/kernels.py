"""The compiled part of the scan: sums of table entries, their maxima, and exact scores of the best candidates."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from epigept_batch.motifs.kmer_tables import COLUMNS, KMERS, PIECE
from epigept_batch.spec import NO_BASE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from epigept_batch.motifs.kmer_tables import Block

WRITTEN_OUT = 8  # pieces with an unrolled sum: motifs of up to 32 bp
NOTHING = np.iinfo(np.int16).min
"""The maximum over no positions."""


def compiled(function: Callable[..., Any], *, inline: bool = False) -> Callable[..., Any]:
    """Compile a function when it is first called, and cache the code between runs if a cache folder is writable."""
    decorate = partial(numba.njit, nogil=True, error_model="numpy", forceinline=inline)
    try:
        code: Callable[..., Any] = decorate(cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache is writable
        code = decorate()(function)
    return code


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that is inlined into loops, where a call would cost more than its body."""
    return compiled(function, inline=True)


@cache
def maxima_kernel(pieces: int) -> Callable[..., None]:  # noqa: C901 - most branches are resolved at compile time
    """Return the code for tables of this many pieces. The compiler vectorises it only if the number is a constant."""
    has_3, has_4, has_5, has_6, has_7, has_8 = (pieces >= number for number in range(3, WRITTEN_OUT + 1))
    has_more = pieces > WRITTEN_OUT

    @compiled
    def raise_maxima(  # noqa: C901
        tables: NDArray[np.int16], kmers: NDArray[np.uint16], bounds: NDArray[np.int64], maxima: NDArray[np.int16]
    ) -> None:
        """Raise maxima (segments, 128) to the sums at the segments' positions, on either strand."""
        rest = np.zeros(2 * COLUMNS, dtype=np.int16)
        for segment in range(len(bounds) - 1):
            best = maxima[segment]
            for position in range(bounds[segment], bounds[segment + 1]):
                if kmers[position] == KMERS - 1:  # the first letter is not a base: runs of N cost nothing
                    continue
                a = tables[0, kmers[position]]
                b = tables[1, kmers[position + PIECE]]
                c = tables[2, kmers[position + PIECE * 2]] if has_3 else a
                d = tables[3, kmers[position + PIECE * 3]] if has_4 else a
                e = tables[4, kmers[position + PIECE * 4]] if has_5 else a
                f = tables[5, kmers[position + PIECE * 5]] if has_6 else a
                g = tables[6, kmers[position + PIECE * 6]] if has_7 else a
                h = tables[7, kmers[position + PIECE * 7]] if has_8 else a
                if has_more:
                    _sum_rows(rest, tables, kmers, position)
                    h = rest
                for i in range(COLUMNS):
                    j = i + COLUMNS
                    forward, reverse = a[i] + b[i], a[j] + b[j]
                    if has_3:
                        forward, reverse = forward + c[i], reverse + c[j]
                    if has_4:
                        forward, reverse = forward + d[i], reverse + d[j]
                    if has_5:
                        forward, reverse = forward + e[i], reverse + e[j]
                    if has_6:
                        forward, reverse = forward + f[i], reverse + f[j]
                    if has_7:
                        forward, reverse = forward + g[i], reverse + g[j]
                    if has_8:
                        forward, reverse = forward + h[i], reverse + h[j]
                    best[i] = max(best[i], np.int16(forward), np.int16(reverse))

    return raise_maxima


@inlined
def _sum_rows(rest: NDArray[np.int16], tables: NDArray[np.int16], kmers: NDArray[np.uint16], position: int) -> None:
    """Put the sum of the eighth and later pieces into `rest`."""
    rest[:] = 0
    for piece in range(WRITTEN_OUT - 1, tables.shape[0]):
        row = tables[piece, kmers[position + PIECE * piece]]
        for i in range(2 * COLUMNS):
            rest[i] += row[i]


@compiled
def take_best(  # noqa: C901 - one nest of loops
    block: Block,
    maxima: NDArray[np.int16],
    bounds: NDArray[np.int64],
    spans: NDArray[np.int64],
    kmers: NDArray[np.uint16],
    tokens: NDArray[np.uint8],
    best: NDArray[np.float64],
) -> None:
    """Raise best (factors, bins) to the hits among the segments' maxima (segments, 128).

    It goes motif by motif, so that a motif's tables and its factors' scores stay in the L1 cache for all of its hits.
    """
    near, off = block.near, block.off
    bins = best.shape[1]
    top = np.empty((bins, COLUMNS), dtype=np.int16)
    for run in range(len(block.runs)):
        first, end, width = block.runs[run]
        for b in range(bins):
            _highest(top[b], maxima, spans[run, b, 0], spans[run, b, 1])
        for i in range(first, end):
            factors = block.factors[block.factor_starts[i] : block.factor_starts[i + 1]]
            scored, exact = -1, 0.0  # the last segment scored, which the next bin's window often shares
            for b in range(bins):
                ceiling = block.best[i] + (top[b, i] + off) * block.units[i]
                if top[b, i] < block.cuts[i] or not _raises(best, factors, b, ceiling):
                    continue
                score = -np.inf
                for segment in range(spans[run, b, 0], spans[run, b, 1]):
                    if maxima[segment, i] < top[b, i] - near:
                        continue
                    if scored != segment:
                        scored, least = segment, maxima[segment, i] - near
                        exact = _exact_best(block, i, width, kmers, tokens, bounds[segment], bounds[segment + 1], least)
                    score = max(score, exact)
                if score >= block.thresholds[i]:
                    for factor in factors:
                        best[factor, b] = max(best[factor, b], score)


@inlined
def _highest(top: NDArray[np.int16], maxima: NDArray[np.int16], begin: int, stop: int) -> None:
    """Set `top` (128,) to the highest of the segments' maxima."""
    top[:] = NOTHING
    for segment in range(begin, stop):
        for i in range(COLUMNS):
            top[i] = max(top[i], maxima[segment, i])


@inlined
def _raises(best: NDArray[np.float64], factors: NDArray[np.int64], b: int, score: float) -> bool:
    """Whether a score exceeds the best so far of any of the factors in a bin."""
    raises = False
    for factor in factors:
        raises |= score > best[factor, b]
    return raises


@inlined
def _exact_best(
    block: Block,
    i: int,
    width: int,
    kmers: NDArray[np.uint16],
    tokens: NDArray[np.uint8],
    first: int,
    last: int,
    least: int,
) -> float:
    """Return the highest float64 score of alignments at positions [first, last) whose sums are at least `least`."""
    best = -np.inf
    for position in range(first, last):
        for strand in range(2):
            total = np.int64(0)
            for piece in range(block.entries.shape[2]):
                total += block.entries[i, strand, piece, kmers[position + PIECE * piece]]
            if total >= least:
                score = 0.0
                for step in range(width):  # along the motif, so that a word scores the same on either strand
                    place = width - 1 - step if strand else step
                    base = tokens[position + place]
                    score += block.log_odds[i, strand, place, base] if base < NO_BASE else -np.inf
                best = max(best, score)
    return best
