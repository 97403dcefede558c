"""Loops against all other pairs of bins of the same contig and distance."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.evaluation.contacts.areas import Ranks, joined, ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.contacts.loops import Anchors
    from epigept_batch.evaluation.contacts.scores import ContigScores
    from epigept_batch.tiling import Region


class LoopRanks:
    """Ranks loops, a contig at a time.

    A loop is the pair of bins that contain the midpoints of its anchors; loops with the same pair count once. Negatives
    are the other pairs of bins at the same distance, except those that lie within the anchors of any loop.

    Attributes:
        counts: Loops by whether they are compared and why not.
        negatives: Number of pairs of bins that loops were compared with.

    Args:
        bin_bp: Base pairs per bin.
    """

    def __init__(self, *, bin_bp: int) -> None:
        self._bin_bp = bin_bp
        self.counts: Counter[str] = Counter()
        self.negatives = 0
        self._ranks: dict[str, list[Ranks]] = {}

    def add(self, scores: ContigScores, loops: Sequence[Anchors]) -> None:
        """Rank the loops of a contig.

        Args:
            scores: The contig's bins.
            loops: All loops on the contig.
        """
        pixels = self._pixels(scores, loops)
        within = within_anchors(loops, bins=scores.bins, width=scores.width, bin_bp=self._bin_bp)
        for distance in sorted({distance for _, distance in pixels}):
            rows = np.array([row for row, own in pixels if own == distance])
            self._rank(scores, distance, rows, within[: max(scores.bins - distance, 0), distance])

    def _pixels(self, scores: ContigScores, loops: Sequence[Anchors]) -> list[tuple[int, int]]:
        """Return the pairs of bins of the loops that can be compared, each once, as row and distance."""
        found: dict[tuple[int, int], None] = {}
        for loop in loops:
            row, distance = pixel_of(loop, self._bin_bp)
            why = why_left_out(scores, row, distance)
            if why is None and (row, distance) in found:
                why = "repeated"
            self.counts[why or "compared"] += 1
            if why is None:
                found[row, distance] = None
        return list(found)

    def _rank(self, scores: ContigScores, distance: int, rows: NDArray[np.int64], within: NDArray[np.bool_]) -> None:
        """Rank the loops at one distance."""
        negative = scores.complete(distance) & ~within
        if not negative.any():
            self.counts["compared"] -= len(rows)
            self.counts["without_negatives"] += len(rows)
            return
        self.negatives += int(negative.sum())
        for name, values in scores.at(distance).items():
            self._ranks.setdefault(name, []).append(ranks(values[rows], values[negative]))

    def finish(self) -> dict[str, Ranks]:
        """Return the ranks of all loops by predictor; empty if there is none."""
        return {name: joined(parts) for name, parts in self._ranks.items()}


def pixel_of(pair: Anchors, bin_bp: int) -> tuple[int, int]:
    """Return the bin of the midpoint that comes first, and the distance to the other in bins."""
    first, second = sorted(_middle(place) // bin_bp for place in (pair.first, pair.second))
    return first, second - first


def distance_bp(pair: Anchors) -> int:
    """Return the distance between the midpoints of two anchors in bp."""
    return abs(_middle(pair.second) - _middle(pair.first))


def why_left_out(scores: ContigScores, row: int, distance: int) -> str | None:
    """Return why a pair of bins cannot be compared; None if it can."""
    if distance == 0:
        return "in_one_bin"
    if distance >= scores.width:
        return "too_far"
    return scores.why_incomplete(row, distance)


def within_anchors(loops: Sequence[Anchors], *, bins: int, width: int, bin_bp: int) -> NDArray[np.bool_]:
    """Return which pairs of bins overlap both anchors of any loop, bool, (bins, width), by row and distance."""
    within = np.zeros((bins, width), dtype=np.bool_)
    for loop in loops:
        for one, other in ((loop.first, loop.second), (loop.second, loop.first)):  # which may overlap
            (first, last), (start, end) = _bins(one, bin_bp), _bins(other, bin_bp)
            for row in range(first, last):
                within[row, max(start - row, 0) : max(end - row, 0)] = True
    return within


def _bins(place: Region, bin_bp: int) -> tuple[int, int]:
    return place.start // bin_bp, -(-place.end // bin_bp)


def _middle(place: Region) -> int:
    return (place.start + place.end - 1) // 2
