"""The grammar of contacts: which bins of a simulated contig touch in a cell, and how strongly.

Anchors are sites of CTCF, read with their strand, which motif scores do not carry. A site has at most one mismatch to
the consensus, as a hit of the scan has.

- **anchor** = s·e of the site, as in the grammar of signals; each BLOCK factor multiplies it by (1 - s·e)³ with its own
  s and e in the site's bin. So an anchor depends on the cell, and so does the CTCF track there.
- **loop** = left anchor × right anchor, for every site on the forward strand and every site on the reverse strand 4 to
  64 kb to its right. Motifs of a loop point at each other. Other pairs have none. Sites of a bin share the strongest.
- **map**, at 1,024 bp = 1 / distance in bins + 3·(sum of the loops between both bins), up to 64 kb; beyond that, 0.

The factor 3 makes a loop stand out as in a HiChIP map. There is no noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from epigept_batch.simulation.grammar import BIN_BP, BLOCKERS, CTCF, FACTORS, WIDTH, occupancy
from epigept_batch.tiling import bins_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.simulation.grammar import Grammar

MAP_BP = 1_024
SHORTEST_LOOP, LONGEST_LOOP = 4_096, 65_536
"""Least and largest distance between the anchors' bins, in bp."""
LOOP_HEIGHT = 3.0
LEAST_LOOP = 0.05
"""Strength from which a loop counts as one in a list of loops."""
BLOCK_POWER = 3


class Loops(NamedTuple):
    """Loops of a contig in a cell, by left, then by right anchor.

    Attributes:
        left: int64, (loops,): bins of 128 bp.
        right: The same.
        strength: float64, (loops,), from 0 to 1.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    strength: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Anchors:
    """The CTCF sites of a contig, without a cell.

    Attributes:
        bins: int64, (sites,): bins of 128 bp in which they start.
        reverse: bool, (sites,): whether they lie on the reverse strand.
        strength: float64, (sites,), from 0.6 to 1.
        blockers: float64, (blockers, sites): strength of each BLOCK factor in the site's bin, 0 without a site.
    """

    bins: NDArray[np.int64]
    reverse: NDArray[np.bool_]
    strength: NDArray[np.float64]
    blockers: NDArray[np.float64]

    @classmethod
    def of(cls, grammar: Grammar, tokens: NDArray[np.uint8], scores: NDArray[np.float32]) -> Anchors:
        """Find the anchors of a contig.

        Args:
            grammar: The grammar of signals, which has the motifs.
            tokens: uint8, (bp,).
            scores: float32, (factors, bins), from `Grammar.motif_scores`.
        """
        consensus = grammar.consensus(CTCF)
        found = [_sites(tokens, site) for site in (consensus, 3 - consensus[::-1])]
        starts = np.concatenate([positions for positions, _ in found])
        full, missed = grammar.site_strengths(CTCF)
        misses = np.concatenate([mismatches for _, mismatches in found])
        reverse = np.repeat([False, True], [len(positions) for positions, _ in found])
        order = np.lexsort((reverse, starts))
        bins = starts[order] // BIN_BP
        strength = grammar.strength(scores)
        return cls(
            bins=bins,
            reverse=reverse[order],
            strength=np.where(misses[order] > 0, missed, full),
            blockers=strength[[FACTORS.index(name) for name in BLOCKERS]][:, bins],
        )

    def loops(self, tpm: NDArray[np.float64], *, least: float = LEAST_LOOP) -> Loops:
        """Return the loops in a cell.

        Args:
            tpm: float64, (factors,).
            least: Strength below which a loop is left out.
        """
        share = occupancy(tpm)
        left_by = (1 - self.blockers * share[[FACTORS.index(name) for name in BLOCKERS], None]) ** BLOCK_POWER
        bound = self.strength * share[FACTORS.index(CTCF)] * left_by.prod(axis=0)
        left, right = (_strongest(self.bins[of], bound[of]) for of in (~self.reverse, self.reverse))
        distance = (right[0] - left[0][:, None]) * BIN_BP
        strength = left[1][:, None] * right[1]
        one, other = np.nonzero((distance >= SHORTEST_LOOP) & (distance <= LONGEST_LOOP) & (strength >= least))
        return Loops(left[0][one], right[0][other], strength[one, other])


class Pixels(NamedTuple):
    """Pixels of a contig's map on and above the diagonal, by row, then by column.

    Attributes:
        rows: int64, (pixels,): bins of the contig.
        columns: The same.
        values: float64, (pixels,).
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]


def contact_map(loops: Loops, length: int) -> Pixels:
    """Return the map of a contig of `length` bp; `loops` without a least strength."""
    bins, reach = bins_of(length, MAP_BP), LONGEST_LOOP // MAP_BP
    distance = np.arange(reach + 1)
    band = np.tile(1 / np.maximum(distance, 1), (bins, 1))  # (bins, distances)
    left, right = (anchor * BIN_BP // MAP_BP for anchor in (loops.left, loops.right))
    np.add.at(band, (left, right - left), LOOP_HEIGHT * loops.strength)
    rows, away = np.nonzero(np.arange(bins)[:, None] + distance < bins)
    return Pixels(rows, rows + away, band[rows, away])


def _sites(tokens: NDArray[np.uint8], site: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where a site lies with at most one mismatch, and its mismatches."""
    windows = np.lib.stride_tricks.sliding_window_view(tokens, WIDTH)
    misses = sum((windows[:, place] != base).astype(np.int64) for place, base in enumerate(site))
    positions = np.flatnonzero(misses <= 1)
    return positions, misses[positions]


def _strongest(bins: NDArray[np.int64], bound: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return bins without repeats, in order, and the largest value of each."""
    unique, index = np.unique(bins, return_inverse=True)
    strongest = np.zeros(len(unique))
    np.maximum.at(strongest, index, bound)
    return unique, strongest
