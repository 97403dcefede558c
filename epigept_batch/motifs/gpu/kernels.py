"""The code of the scan that a GPU runs: sums of table entries, their minima, candidates, exact scores, rounding.

Each kernel does one step for several windows. Only what numba's simulator of CUDA also has is used.

`lower_minima` does nearly all of the work. A warp takes a few successive segments, and each lane one motif. For each
position and piece, the warp reads a row of a table, 128 successive bytes, from the L1 cache. Blocks that run at the
same time belong to one group of motifs, whose tables (44 kB per piece) fit into it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cuda as untyped
from numba import float32, int32, uint16, uint32, uint64

from epigept_batch.motifs.gpu.tables import LANES
from epigept_batch.motifs.kmer_tables import KMERS, PIECE
from epigept_batch.spec import NO_BASE

cuda: Any = untyped
Array = Any
"""An array in the GPU's memory."""
SEGMENTS = 8
"""Successive segments per warp."""
NOTHING = 0xFFFF
"""The minimum over no positions; more than any sum of deficits."""
LOW = 0xFFFF
UNIT, INFINITE = 2.0**-24, 0x7C00  # of float16: the smallest number, and the bits of infinity


@cuda.jit
def read_kmers(reach: Array, first: int, rows: Array, kmers: Array) -> None:
    """Set kmers (windows, positions) to the table rows of the 4-mers that begin at `first` of reach (windows, bp)."""
    position, window = cuda.grid(2)
    if position < kmers.shape[1] and window < kmers.shape[0]:
        code = 0
        for place in range(PIECE):
            code = code * (NO_BASE + 1) + base_at(reach, window, first + position + place)
        kmers[window, position] = rows[code]


@cache
def minima_kernel(pieces: int) -> Any:  # noqa: ANN401 - numba's
    """Return the code for tables of this many pieces; the compiler unrolls the loop over a constant number."""

    @cuda.jit
    def lower_minima(
        rows: Array,
        row_starts: Array,
        bounds: Array,
        bound_starts: Array,
        counts: Array,
        minima_starts: Array,
        first_group: int,
        chunks: int,
        kmers: Array,
        minima: Array,
    ) -> None:
        """Set minima (windows, …) to the least sum of deficits in each segment, on either strand.

        Block: (32, warps). Grid: (windows × chunks, groups). A chunk has `SEGMENTS` segments per warp.
        """
        lane, group = cuda.threadIdx.x, first_group + cuda.blockIdx.y
        window = cuda.blockIdx.x // chunks
        chunk = cuda.blockIdx.x - window * chunks
        first = (chunk * cuda.blockDim.y + cuda.threadIdx.y) * SEGMENTS
        row_start, bound_start = uint64(row_starts[group] + lane), bound_starts[group]
        of_window = kmers[window]
        for segment in range(first, min(first + SEGMENTS, counts[group])):
            least = uint32(NOTHING)
            # Unsigned, because a negative index would count from an array's end.
            place, end = uint64(bounds[bound_start + segment]), uint64(bounds[bound_start + segment + 1])
            while place < end:
                total = uint32(0)
                for piece in range(pieces):
                    row = uint64(of_window[place + uint64(piece * PIECE)]) * uint64(LANES)
                    total = uint32(total + rows[row_start + row + uint64(piece * KMERS * LANES)])
                least = min(least, uint32(total & uint32(LOW)), uint32(total >> uint32(16)))
                place += uint64(1)
            minima[window, minima_starts[group] + segment * LANES + lane] = uint16(least)

    return lower_minima


@cuda.jit
def find_candidates(
    cuts: Array,
    spans: Array,
    run_of: Array,
    minima_starts: Array,
    inside: Array,
    minima: Array,
    found: Array,
    candidates: Array,
) -> None:
    """Collect the motifs and bins that may have a hit: slot × bins + bin, in any order.

    Block: (32, bins). Grid: (bins, groups, windows). Sets found (windows,) to their number, and candidates
    (windows, slots × bins).
    """
    lane, group, window = cuda.threadIdx.x, cuda.blockIdx.y, cuda.blockIdx.z
    b = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    slot = group * LANES + lane
    if b < inside[window]:
        least = lowest(spans, run_of[slot], b, minima, window, minima_starts[group] + lane)
        if least <= cuts[slot]:
            number = cuda.atomic.add(found, window, 1)
            candidates[window, number] = slot * spans.shape[1] + b


@cuda.jit
def settle(
    rows: Array,
    row_starts: Array,
    pieces: Array,
    near: Array,
    widths: Array,
    thresholds: Array,
    log_odds: Array,
    odds_starts: Array,
    factor_starts: Array,
    factors: Array,
    bounds: Array,
    bound_starts: Array,
    spans: Array,
    run_of: Array,
    minima_starts: Array,
    reach: Array,
    first: int,
    kmers: Array,
    minima: Array,
    found: Array,
    candidates: Array,
    best: Array,
) -> None:
    """Raise best (windows, factors, bins) to the float64 scores of the candidates that are hits.

    Grid: (any number of threads, windows).
    """
    start, window = cuda.grid(2)
    step = cuda.gridDim.x * cuda.blockDim.x
    for number in range(start, found[window], step):
        slot = candidates[window, number] // spans.shape[1]
        b = candidates[window, number] - slot * spans.shape[1]
        group, lane = slot // LANES, slot % LANES
        run, minima_start = run_of[slot], minima_starts[group] + lane
        most = lowest(spans, run, b, minima, window, minima_start) + near[group]
        score = -np.inf
        for segment in range(spans[run, b, 0], spans[run, b, 1]):
            if minima[window, minima_start + segment * LANES] <= most:
                at = bound_starts[group] + segment
                for position in range(bounds[at], bounds[at + 1]):
                    total = uint32(0)
                    for piece in range(pieces[group]):
                        row = int32(piece * KMERS) + int32(kmers[window, position + piece * PIECE])
                        total = uint32(total + rows[row_starts[group] + row * LANES + lane])
                    for strand in range(2):
                        if (total >> uint32(16 * strand)) & uint32(LOW) <= most:
                            odds = odds_starts[slot] + strand * pieces[group] * PIECE * NO_BASE
                            exact = exact_score(log_odds, odds, widths[slot], strand, reach, window, first + position)
                            score = max(score, exact)
        if score >= thresholds[slot]:
            for factor in range(factor_starts[slot], factor_starts[slot + 1]):
                cuda.atomic.max(best, (window, factors[factor], b), score)


@cuda.jit
def clear(found: Array, best: Array) -> None:
    """Set found (windows,) and best (windows, factors, bins) to 0. Grid: (bins, factors, windows)."""
    b, factor, window = cuda.grid(3)
    if b < best.shape[2] and factor < best.shape[1] and window < best.shape[0]:
        best[window, factor, b] = 0.0
        if b == 0 and factor == 0:
            found[window] = 0


@cuda.jit
def round_scores(best: Array, scores: Array, begin: int) -> None:
    """Set scores (windows, factors, bins), from window `begin` on, to the bits of best in float16.

    The scan on a CPU rounds to float32 first, so this does too. Grid: (bins, factors, windows).
    """
    b, factor, window = cuda.grid(3)
    if b < best.shape[2] and factor < best.shape[1] and begin + window < scores.shape[0]:
        scores[begin + window, factor, b] = uint16(half_bits(float32(best[window, factor, b])))


@cuda.jit(device=True)
def base_at(reach: Array, window: int, position: int) -> int:
    """Return the token at a position of a window, 4 outside."""
    if 0 <= position < reach.shape[1]:
        return int(reach[window, position])
    return NO_BASE


@cuda.jit(device=True)
def lowest(spans: Array, run: int, b: int, minima: Array, window: int, start: int) -> int:
    """Return the least of the minima of a bin's segments for the motif whose minima begin at `start`."""
    least = NOTHING
    for segment in range(spans[run, b, 0], spans[run, b, 1]):
        least = min(least, int(minima[window, start + segment * LANES]))
    return least


@cuda.jit(device=True)
def exact_score(
    log_odds: Array, start: int, width: int, strand: int, reach: Array, window: int, position: int
) -> float:
    """Return the float64 score of an alignment, added up along the motif; -inf with a base that is not ACGT."""
    score = 0.0
    for step in range(width):
        place = width - 1 - step if strand else step
        base = base_at(reach, window, position + place)
        score += log_odds[start + place * NO_BASE + base] if base < NO_BASE else -np.inf
    return score


def round_to_half(value: float) -> int:
    """Return the bits of a number that is not negative, rounded to float16, half to even."""
    unit, bits = UNIT, 0
    while value >= 2048 * unit and bits < INFINITE:
        unit *= 2.0
        bits += 1024
    whole = int(value / unit)
    over = value / unit - whole
    if over > 0.5 or (over == 0.5 and whole % 2 == 1):  # noqa: PLR2004
        whole += 1
    return min(bits + whole, INFINITE)


half_bits = cuda.jit(device=True)(round_to_half)
