"""What is compared on each pair of bins of a contig: attention, and the baselines that use none.

The values at one distance are compared with each other, so a factor of distance does not matter there: attention ranks
the same as observed/expected, and distance × accessibility ranks the same as the product of the two anchors' signals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ATTENTION = "attention"
ATTENTION_BY_DISTANCE = "attention_over_expected_by_distance"
DISTANCE = "distance"
PREDICTED_DNASE = "distance_and_predicted_accessibility"
MEASURED_DNASE = "distance_and_measured_accessibility"
BASELINES = (DISTANCE, PREDICTED_DNASE, MEASURED_DNASE)


@dataclass(frozen=True, eq=False)
class ContigScores:
    """The bins of a contig.

    Attributes:
        attention: float64, (bins, width): `[i, d]` is between bins i and i + d; NaN without a prediction.
        accessibility: Signal by name of the baseline, float64, (bins,); NaN without data.
        wanted: bool, (bins,): whether a bin lies in the compared regions.
    """

    attention: NDArray[np.float64]
    accessibility: Mapping[str, NDArray[np.float64]]
    wanted: NDArray[np.bool_]

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.attention)

    @property
    def width(self) -> int:
        """Number of distances."""
        return int(self.attention.shape[1])

    def at(self, distance: int) -> dict[str, NDArray[np.float64]]:
        """Return the scores of all pairs of bins at a distance, float64, (bins - distance,); NaN where not defined.

        Args:
            distance: In bins, above 0.
        """
        pairs = max(self.bins - distance, 0)
        scores = {ATTENTION: self.attention[:pairs, distance], DISTANCE: np.zeros(pairs)}
        for name, signal in self.accessibility.items():
            scores[name] = signal[:pairs] * signal[distance:][:pairs]
        return scores

    def complete(self, distance: int) -> NDArray[np.bool_]:
        """Return which pairs at a distance lie in the compared regions and have every score, bool, (pairs,)."""
        pairs = max(self.bins - distance, 0)
        has = self.wanted[:pairs] & self.wanted[distance:][:pairs]
        for values in self.at(distance).values():
            has = has & np.isfinite(values)
        return has

    def why_incomplete(self, row: int, distance: int) -> str | None:
        """Return why a pair of bins cannot be compared; None if it can."""
        if not (self.wanted[row] and self.wanted[row + distance]):
            return "outside"
        if np.isnan(self.attention[row, distance]):
            return "not_predicted"
        signals = (signal[[row, row + distance]] for signal in self.accessibility.values())
        return None if all(np.isfinite(signal).all() for signal in signals) else "without_accessibility"
