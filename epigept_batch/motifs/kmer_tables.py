"""Motifs as tables: what the compiled scan reads instead of matrices.

A motif is cut into pieces of four positions. Each piece becomes a table with an entry for every 4-mer, so that the
score of an alignment is the sum of a few entries. Motifs of similar width lie side by side in *blocks* of 128, with
both strands.

An entry is the *deficit* of the 4-mer: how much less it scores than the piece's best 4-mer. It is rounded to an integer
in a unit that depends on the motif's range of scores. It is capped at a value above the deficit of any hit. Every 4-mer
with a base that is not ACGT within the motif gets the capped value. So the sum of a hit's entries is wrong by at most
half a unit per piece, and an alignment with a capped entry never counts as a hit.

Why no hit is missed: let x be the deficit of a word of P pieces, in units, as a real number, and let -s be the sum of
its entries. Each entry is rounded once, so |s - x| <= P/2, unless an entry is capped.

- A hit has a deficit of at most `highest` units. So none of its entries is capped, and
  s <= highest + P/2 < highest + `off_by(P)`, which is the cut. A sum with a capped entry lies at least CUT_OFF integers
  below the cut.
- If a word scores at least as high as another, then x <= x', so s <= x + P/2 <= x' + P/2 <= s' + P. So the sum of a
  bin's best word is at most P, `apart(P)`, below the bin's highest sum; both bounds are reached up to one integer.
- If -s is the bin's highest sum, no word of the bin scores more than the motif's best word minus (s - P/2) units.

In float64, a word's deficit and score have rounding errors too, of at most width² × 7 nats × 2^-53. A unit is at least
LEAST_RANGE / `highest` nats, so this is less than 1e-4 of an integer for any width that is read. `off_by` leaves at
least half an integer for it, and the difference of two sums is an integer, which cannot exceed P by a fraction.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.spec import Motif

PIECE = 4  # bases per table
KMERS = sum(4**length for length in range(PIECE + 1))
"""Rows of a table: all 4-mers, and all shorter prefixes before a first base that is not ACGT."""
COLUMNS = 128  # motifs per block: a row is 4 AVX-512 vectors per strand; 64 were slower, 256 no faster
CACHE_LINE = 64  # bytes
CUT_OFF = 2  # integers between a capped entry and the least sum of a hit
LEAST_RANGE = 1e-3  # nats, for a motif with only its best word as a hit
ROUNDING = 1e-6  # nats, well above the effect of summation order in float64


def off_by(pieces: int) -> int:
    """Return a bound on how far a sum of entries may lie from the exact deficit: P / 2, plus half or one."""
    return pieces // 2 + 1


def apart(pieces: int) -> int:
    """Return by how many integers a word's sum may lie below the sum of a word that does not score more."""
    return pieces


class Block(NamedTuple):
    """Up to 128 motifs, by ascending width; a named tuple because compiled code accepts it directly."""

    tables: NDArray[np.int16]  # (pieces, 341, 2 × 128), at most 0, in each motif's unit: forward, then reverse strands
    entries: NDArray[np.int16]  # (128, 2, pieces, 341), the same by motif and strand
    log_odds: NDArray[np.float64]  # (128, 2, widest, 4), as read along the forward strand
    best: NDArray[np.float64]  # (128,), score of the motif's best word, whose entries are 0
    units: NDArray[np.float64]  # (128,), nats per integer
    cuts: NDArray[np.int16]  # (128,), least sum that may be a hit
    thresholds: NDArray[np.float64]  # (128,)
    off: int  # see `off_by`
    near: int  # see `apart`
    runs: NDArray[np.int64]  # (runs, 3): first motif, end motif and width of each run of equal width
    factor_starts: NDArray[np.int64]  # motif i represents factors[factor_starts[i]:factor_starts[i + 1]]
    factors: NDArray[np.int64]


def aligned(shape: tuple[int, ...], value: int) -> NDArray[np.int16]:
    """Return a constant array that is aligned to a cache line, and so is every vector loaded from its rows."""
    room = np.empty(2 * math.prod(shape) + CACHE_LINE, dtype=np.uint8)
    first = -room.ctypes.data % CACHE_LINE
    array = room[first : len(room) - CACHE_LINE + first].view(np.int16).reshape(shape)
    array[:] = value
    return array


def kmer_rows(tokens: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the table row of the 4-mer that begins at each base except the last three.

    4-mers of ACGT come first, in order. Then come the prefixes before a first other base, longest first, so that the
    last row is the empty prefix.
    """
    codes = np.zeros(max(len(tokens) - PIECE + 1, 0), dtype=np.uint16)
    for place in range(PIECE):
        codes = codes * np.uint16(NO_BASE + 1) + tokens[place : place + len(codes)]
    return ROWS[codes]


def _row_numbers() -> NDArray[np.uint16]:
    """Return the row of each 4-mer over A, C, G, T and other, uint16, (625,)."""
    rows = np.zeros([NO_BASE + 1] * PIECE, dtype=np.uint16)
    first = 0
    for length in range(PIECE, -1, -1):
        words = np.arange(4**length, dtype=np.uint16) + np.uint16(first)
        clean = (slice(0, NO_BASE),) * length
        rest = () if length == PIECE else (NO_BASE,)
        rows[clean + rest] = words.reshape([4] * length + [1] * (PIECE - length - len(rest)))
        first += 4**length
    return rows.ravel()


ROWS = _row_numbers()
"""The row of each 4-mer over A, C, G, T and other, uint16, (625,)."""
_, _FIRST_OF_ROW = np.unique(ROWS, return_index=True)


def make_blocks(motifs: Sequence[Motif], factors: Sequence[str], columns: int = COLUMNS) -> list[Block]:
    """Group the motifs that represent one of the factors and can have a hit into blocks, by width.

    Args:
        motifs: Any motifs.
        factors: Names of the factors, to which `Block.factors` refers by number.
        columns: Motifs per block. Other processors than CPUs may want fewer; shapes of `Block` change accordingly.
    """
    index = {factor: number for number, factor in enumerate(factors)}
    wanted = [
        (motif, [index[factor] for factor in motif.factors if factor in index])
        for motif in motifs
        if motif.best_score >= motif.threshold - ROUNDING
    ]
    chosen = sorted((pair for pair in wanted if pair[1]), key=lambda pair: len(pair[0].probabilities))
    return [_make_block(chosen[first : first + columns], columns) for first in range(0, len(chosen), columns)]


def _make_block(chosen: Sequence[tuple[Motif, Sequence[int]]], columns: int) -> Block:
    widths = np.array([len(motif.probabilities) for motif, _ in chosen])
    pieces = max(2, ceil_div(int(widths.max()), PIECE))
    tables = aligned((pieces, KMERS, 2, columns), 0)
    log_odds = np.zeros((columns, 2, pieces * PIECE, 4))
    units, thresholds, cuts = np.ones(columns), np.zeros(columns), np.zeros(columns, dtype=np.int16)
    for number, (motif, _) in enumerate(chosen):
        scores = motif.log_odds
        log_odds[number, 0, : len(scores)] = scores
        log_odds[number, 1, : len(scores)] = scores[::-1, ::-1]
        thresholds[number] = motif.threshold
        units[number], slack = _unit(motif, pieces)
        cuts[number] = -slack
        for strand in range(2):
            tables[:, :, strand, number] = _entries(log_odds[number, strand], len(scores), units[number], slack)
    ends = [int(end) for end in np.flatnonzero(np.diff(widths)) + 1]
    runs = [(first, last, int(widths[first])) for first, last in pairwise([0, *ends, len(widths)])]
    return Block(
        tables=tables.reshape(pieces, KMERS, 2 * columns),
        entries=np.ascontiguousarray(tables.transpose(3, 2, 0, 1)),
        log_odds=log_odds,
        best=log_odds[:, 0].max(axis=2).sum(axis=1),
        units=units,
        cuts=cuts,
        thresholds=thresholds,
        off=off_by(pieces),
        near=apart(pieces),
        runs=np.array(runs, dtype=np.int64),
        factor_starts=np.cumsum([0] + [len(factors) for _, factors in chosen]),
        factors=np.array([factor for _, factors in chosen for factor in factors]),
    )


def _unit(motif: Motif, pieces: int) -> tuple[float, int]:
    """Return the nats per integer of a motif's tables, and the largest deficit that a hit's entries may sum to.

    It is the finest unit for which the lowest possible sum, with every piece capped, fits into 16 bits. Only scores
    above 0 count.
    """
    lacks = max(motif.best_score - max(motif.threshold, 0), LEAST_RANGE)
    highest = np.iinfo(np.int16).max // pieces - CUT_OFF - off_by(pieces)
    unit = lacks / highest
    return unit, highest + off_by(pieces)


def _entries(log_odds: NDArray[np.float64], width: int, unit: float, slack: int) -> NDArray[np.int16]:
    """Make a motif strand's tables, int16 (pieces, 341), from log-odds (pieces × 4, 4) that are 0 beyond the width."""
    lacks = np.zeros((len(log_odds), NO_BASE + 1))
    lacks[:, :NO_BASE] = log_odds.max(axis=1, keepdims=True) - log_odds
    lacks[:width, NO_BASE] = np.inf
    places = lacks.reshape(-1, PIECE, NO_BASE + 1)
    sums = sum(
        places[:, place].reshape(-1, *[NO_BASE + 1 if other == place else 1 for other in range(PIECE)])
        for place in range(PIECE)
    )
    by_row = np.asarray(sums).reshape(len(places), -1)[:, _FIRST_OF_ROW]
    return -np.minimum(np.rint(by_row / unit), slack + CUT_OFF).astype(np.int16)
