"""The tables of the scan in the layout that a GPU reads fast.

Motifs lie in *groups* of 32, the lanes of a warp, by ascending width. All lanes look up the same 4-mer, so a
row of a table is 128 bytes that are read at once, without bank conflicts. An entry has both strands: the deficit of the
4-mer for the forward strand in its low 16 bits, and for the reverse strand in its high ones. Sums of deficits stay
below 2^16, so one addition serves both strands (`motifs.kmer_tables` limits a sum to 15 bits).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from epigept_batch.motifs.kmer_tables import KMERS, make_blocks
from epigept_batch.motifs.segments import cut_segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.motifs.kmer_tables import Block
    from epigept_batch.spec import MotifSet

Kind = TypeVar("Kind", bound=np.generic)
LANES = 32
"""Motifs per group; fewer in a group are filled up with motifs that have no hits."""
NO_HIT = -1
"""A limit that no deficit is within."""


class Motifs(NamedTuple):
    """Motifs in groups; a motif's *slot* is its group × 32 + its lane."""

    rows: NDArray[np.uint32]  # tables of all groups, each (pieces, 341, 32)
    row_starts: NDArray[np.int32]  # (groups,), where a group's tables begin in `rows`
    pieces: NDArray[np.int32]  # (groups,)
    near: NDArray[np.int32]  # (groups,), see `kmer_tables.apart`
    widths: NDArray[np.int32]  # (slots,)
    cuts: NDArray[np.int32]  # (slots,), largest deficit that may be a hit
    thresholds: NDArray[np.float64]  # (slots,)
    log_odds: NDArray[np.float64]  # matrices of all motifs, each (2, 4 × pieces, 4), as read along the forward strand
    odds_starts: NDArray[np.int32]  # (slots,), where a motif's matrices begin in `log_odds`
    factor_starts: NDArray[np.int32]  # (slots + 1,): a slot stands for factors[factor_starts[i]:factor_starts[i + 1]]
    factors: NDArray[np.int32]


class Segments(NamedTuple):
    """The segments of successive bins for every group; see `motifs.segments`."""

    bounds: NDArray[np.int32]  # bounds of all groups
    starts: NDArray[np.int32]  # (groups,), where a group's bounds begin
    counts: NDArray[np.int32]  # (groups,), number of segments
    spans: NDArray[np.int32]  # (runs, bins, 2): first and end segment of a bin's window for motifs of one width
    run_of: NDArray[np.int32]  # (slots,), row of `spans`
    minima_starts: NDArray[np.int32]  # (groups,), where a group's minima (segments, 32) begin in a window's


def make_motifs(motif_set: MotifSet, factors: Sequence[str]) -> tuple[Motifs, list[Block]]:
    """Lay out the motifs that represent one of the factors; return them with their blocks, one per group."""
    blocks = make_blocks(motif_set.motifs, factors, LANES)
    sizes = [int(block.tables.size) // 2 for block in blocks]
    odds = [int(block.log_odds[0].size) for block in blocks]
    counts = [block.factor_starts[1:] - block.factor_starts[:-1] for block in blocks]
    padded = [np.pad(count, (0, LANES - len(count))) for count in counts]
    return Motifs(
        rows=_joined((_packed(block) for block in blocks), np.uint32),
        row_starts=np.cumsum([0, *sizes], dtype=np.int32)[:-1],
        pieces=np.array([len(block.tables) for block in blocks], dtype=np.int32),
        near=np.array([block.near for block in blocks], dtype=np.int32),
        widths=_joined((_widths(block) for block in blocks), np.int32),
        cuts=_joined((np.where(_widths(block), -block.cuts.astype(np.int32), NO_HIT) for block in blocks), np.int32),
        thresholds=_joined((block.thresholds for block in blocks), np.float64),
        log_odds=_joined((block.log_odds for block in blocks), np.float64),
        odds_starts=np.cumsum([0, *np.repeat(odds, LANES)], dtype=np.int32)[:-1],
        factor_starts=np.cumsum(np.concatenate([[0], *padded]), dtype=np.int32),
        factors=_joined((block.factors for block in blocks), np.int32),
    ), blocks


def make_segments(blocks: Sequence[Block], motif_set: MotifSet, *, bin_bp: int, bins: int) -> Segments:
    """Cut the positions of successive bins into segments, for every group."""
    bounds, spans, run_of = [], [], []
    runs = 0
    for block in blocks:
        ends, of_runs = cut_segments(tuple(block.runs[:, 2].tolist()), motif_set.window, bin_bp, bins)
        of_lane = np.full(LANES, runs, dtype=np.int32)  # also of lanes without a motif: all refer to their own group
        for run, (first, end, _) in enumerate(block.runs):
            of_lane[first:end] = runs + run
        bounds.append(ends)
        spans.append(of_runs)
        run_of.append(of_lane)
        runs += len(of_runs)
    counts = np.array([len(ends) - 1 for ends in bounds], dtype=np.int32)
    return Segments(
        bounds=_joined(bounds, np.int32),
        starts=np.cumsum([0, *map(len, bounds)], dtype=np.int32)[:-1],
        counts=counts,
        spans=_joined(spans, np.int32).reshape(-1, bins, 2),
        run_of=_joined(run_of, np.int32),
        minima_starts=np.cumsum([0, *(counts * LANES)], dtype=np.int32)[:-1],
    )


def _packed(block: Block) -> NDArray[np.uint32]:
    """Return a block's tables with the deficits of both strands in one integer, uint32, (pieces, 341, 32)."""
    deficits = (-block.tables.astype(np.int32)).astype(np.uint32).reshape(-1, KMERS, 2, LANES)
    packed: NDArray[np.uint32] = deficits[:, :, 0] | deficits[:, :, 1] << np.uint32(16)
    return packed


def _widths(block: Block) -> NDArray[np.int32]:
    """Return the width of each lane's motif, int32, (32,); 0 without a motif."""
    widths = np.zeros(LANES, dtype=np.int32)
    for first, end, width in block.runs:
        widths[first:end] = width
    return widths


def _joined(parts: Iterable[NDArray[Any]], dtype: type[Kind]) -> NDArray[Kind]:
    """Return all values of arrays, one after the other."""
    flat = [part.ravel() for part in parts]
    return np.concatenate(flat).astype(dtype) if flat else np.zeros(0, dtype=dtype)
