"""Tested enhancer-gene pairs: regulated ones against those that were tested and are not regulated.

Pairs of all distances are ranked together, so each predictor has its dependence on distance: attention by the expected
contact of its own run, the baselines by 1 / distance, to which contacts in nuclei are nearly proportional. (The ABC
model uses an exponent of 1.02.) The same power law times observed/expected attention shows what attention adds to it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.evaluation.contacts.loops import distance_bp, pixel_of, why_left_out
from epigept_batch.evaluation.contacts.scores import ATTENTION, ATTENTION_BY_DISTANCE, DISTANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.contacts.expected import Expected
    from epigept_batch.contacts.loops import Anchors
    from epigept_batch.evaluation.contacts.scores import ContigScores


class PairScores:
    """Scores labelled pairs, a contig at a time.

    Attributes:
        counts: Pairs by whether they are compared and why not.

    Args:
        bin_bp: Base pairs per bin.
        is_ratio: Whether attention is observed/expected by distance.
        expected: The expected attention by distance; None if it is not known.
    """

    def __init__(self, *, bin_bp: int, is_ratio: bool, expected: Expected | None) -> None:
        self._bin_bp = bin_bp
        self._is_ratio = is_ratio
        self._expected = expected
        self.counts: Counter[str] = Counter()
        self._rows: list[dict[str, float]] = []
        self._positive: list[bool] = []

    def add(self, scores: ContigScores, pairs: Sequence[Anchors], regulated: Sequence[bool]) -> None:
        """Score the pairs of a contig.

        Args:
            scores: The contig's bins.
            pairs: The pairs on the contig.
            regulated: Their labels.
        """
        for pair, label in zip(pairs, regulated, strict=True):
            row, distance = pixel_of(pair, self._bin_bp)
            why = why_left_out(scores, row, distance) or "compared"
            self.counts[why] += 1
            if label:
                self.counts[f"{why}_regulated"] += 1
            if why == "compared":
                self._rows.append(self._row(scores, row, distance, bp=distance_bp(pair)))
                self._positive.append(label)

    def _row(self, scores: ContigScores, row: int, distance: int, *, bp: int) -> dict[str, float]:
        """Return the scores of one pair; `bp` is the distance between its midpoints."""
        near = 1 / max(bp, self._bin_bp)
        attention = float(scores.attention[row, distance])
        expected = None
        if self._expected is not None:
            expected = float(self._expected.at(np.array([distance * self._bin_bp], dtype=np.float64))[0])
        found = {ATTENTION: attention}
        if self._is_ratio:
            found[ATTENTION] = attention * expected if expected is not None else attention * near
        if expected:
            ratio = attention if self._is_ratio else attention / expected
            found[ATTENTION_BY_DISTANCE] = ratio * near
        found[DISTANCE] = -float(bp)
        for name, signal in scores.accessibility.items():
            found[name] = float(signal[row] * signal[row + distance]) * near
        return found

    def finish(self) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
        """Return the scores by predictor, float64, (pairs,), and whether each pair is regulated, bool, (pairs,)."""
        names = [name for name in (self._rows[0] if self._rows else {}) if all(name in row for row in self._rows)]
        scores = {name: np.array([row[name] for row in self._rows]) for name in names}
        return scores, np.array(self._positive, dtype=np.bool_)
