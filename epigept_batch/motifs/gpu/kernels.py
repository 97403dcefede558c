"""The code of the scan that a GPU runs: sums of table entries, their minima, candidates, exact scores, rounding.

Each kernel does one step for several windows. Only what numba's simulator of CUDA also has is used.

`lower_minima` does most of the work. A warp takes a few successive segments, and each lane one motif. For each
position and piece, the warp reads a row of a table, 128 successive bytes, from the L1 cache. Blocks that run at the
same time belong to one group of motifs, whose tables (44 kB per piece) fit into it.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
from numba import cuda as untyped
from numba import float32, uint16, uint32, uint64

from epigept_batch.motifs.gpu.tables import LANES
from epigept_batch.motifs.kmer_tables import KMERS, PIECE
from epigept_batch.spec import NO_BASE

cuda: Any = untyped
# numba warns of kernels with few blocks, as for the window of a small network.
warnings.filterwarnings("ignore", message="Grid size")
Array = Any
"""An array in the GPU's memory."""
SEGMENTS = 8
"""Successive segments per warp."""
LOW = 0xFFFF
PLACE_BITS = 4
"""Bits for the place of a position in its segment of 16."""
SUM_SHIFT = PLACE_BITS + 1
NOTHING = LOW << PLACE_BITS | (1 << PLACE_BITS) - 1
"""The sum and place of no position; more than those of any other."""
UNIT, INFINITE = 2.0**-24, 0x7C00  # of float16: the smallest number, and the bits of infinity


@cuda.jit
def read_kmers(reach: Array, first: int, offsets: Array, kmers: Array) -> None:
    """Set kmers (windows, positions) to the offsets of the 4-mers from `first` on of reach (windows, bp) in a table."""
    position, window = cuda.grid(2)
    if position < kmers.shape[1] and window < kmers.shape[0]:
        code = 0
        for place in range(PIECE):
            code = code * (NO_BASE + 1) + base_at(reach, window, first + position + place)
        kmers[window, position] = offsets[code]


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
        near: Array,
        first_group: int,
        chunks: int,
        kmers: Array,
        minima: Array,
    ) -> None:
        """Set minima (windows, …) to the best position of each segment, on the better strand.

        From the highest bit on: the sum of deficits, the place in the segment, and whether the sum of another position
        is so near that it might score more.

        Block: (32, warps). Grid: (windows × chunks, groups). A chunk has `SEGMENTS` segments per warp.
        """
        lane, group = cuda.threadIdx.x, first_group + cuda.blockIdx.y
        window = cuda.blockIdx.x // chunks
        chunk = cuda.blockIdx.x - window * chunks
        first = (chunk * cuda.blockDim.y + cuda.threadIdx.y) * SEGMENTS
        table, bound_start = rows[row_starts[group] + lane :], bound_starts[group]
        of_window = kmers[window]
        for segment in range(first, min(first + SEGMENTS, counts[group])):
            best, second, step = uint32(NOTHING), uint32(NOTHING), uint32(0)
            # Unsigned, because a negative index would count from an array's end.
            place, end = uint64(bounds[bound_start + segment]), uint64(bounds[bound_start + segment + 1])
            while place < end:
                total = uint32(0)
                for piece in range(pieces):
                    row = uint64(of_window[place + uint64(piece * PIECE)])
                    total = uint32(total + table[row + uint64(piece * KMERS * LANES)])
                low = min(uint32(total & uint32(LOW)), uint32(total >> uint32(16)))
                here = uint32(uint32(low << uint32(PLACE_BITS)) | step)
                second = min(second, max(best, here))
                best = min(best, here)
                step = uint32(step + uint32(1))
                place += uint64(1)
            apart = uint32(uint32(second >> uint32(PLACE_BITS)) - uint32(best >> uint32(PLACE_BITS)))
            rivals = uint32(1) if apart <= uint32(near[group]) else uint32(0)
            minima[window, minima_starts[group] + segment * LANES + lane] = uint32(uint32(best << uint32(1)) | rivals)

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
def settle(  # noqa: C901 - one nest of loops
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
            found_there = int(minima[window, minima_start + segment * LANES])
            if found_there >> SUM_SHIFT > most:
                continue
            at = bound_starts[group] + segment
            begin, end = bounds[at], bounds[at + 1]
            if found_there & 1 == 0:  # no other position of the segment can be the best
                begin += (found_there & ((1 << SUM_SHIFT) - 1)) >> 1
                end = begin + 1
            for position in range(begin, end):
                total = uint32(0)
                for piece in range(pieces[group]):
                    row = row_starts[group] + piece * KMERS * LANES + int(kmers[window, position + piece * PIECE])
                    total = uint32(total + rows[row + lane])
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
    """Return the least sum of a bin's segments for the motif whose minima begin at `start`."""
    least = LOW
    for segment in range(spans[run, b, 0], spans[run, b, 1]):
        least = min(least, int(minima[window, start + segment * LANES]) >> SUM_SHIFT)
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
