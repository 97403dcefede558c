"""What a threshold finds, and how often a predicted value lies in a peak: counts of bins, and shares of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_CALLED = 20
"""Fewest called bins for which a threshold is offered: with fewer, its precision would be chance."""
Z = 1.96
"""Standard errors on either side of a 95 % interval."""


class Threshold(NamedTuple):
    """A threshold for the predicted ln(1 + signal) of a bin, and what it found in the cells of the calibration.

    Attributes:
        value: A bin is called if its value is at least this.
        precision: Share of the called bins that lie in peaks.
        recall: Share of the bins in peaks that are called.
        f1: Harmonic mean of the two.
    """

    value: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class Curve:
    """Bins that are called at each threshold. A bin is called if its value is at least the threshold.

    Attributes:
        thresholds: float64, (thresholds,), ascending from 0: ln(1 + signal).
        called: int64, (thresholds,): bins that are called; the first number is that of all bins.
        true: int64, (thresholds,): called bins that lie in peaks; the first number is that of all bins in peaks.
    """

    thresholds: NDArray[np.float64]
    called: NDArray[np.int64]
    true: NDArray[np.int64]

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the called bins that lie in peaks, float64, (thresholds,); NaN where no bin is called."""
        return _ratio(self.true, self.called)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the bins in peaks that are called, float64, (thresholds,); NaN without bins in peaks."""
        return _ratio(self.true, np.broadcast_to(self.true[:1], self.true.shape))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall, float64, (thresholds,)."""
        return _ratio(2 * self.true, self.called + self.true[0])

    def at(self, number: int) -> Threshold:
        """Return a threshold by its number."""
        return Threshold(
            float(self.thresholds[number]),
            float(self.precision[number]),
            float(self.recall[number]),
            float(self.f1[number]),
        )

    def best(self) -> Threshold:
        """Return the threshold with the highest F1 of those that call enough bins."""
        return self.at(int(np.where(self._offered, self.f1, -1.0).argmax()))

    def most_precise(self) -> Threshold:
        """Return the threshold with the highest precision of those that call enough bins."""
        return self.at(int(np.where(self._offered, self.precision, -1.0).argmax()))

    def reaching(self, precision: float) -> Threshold | None:
        """Return the lowest threshold with at least that precision, which has the highest recall; None without one."""
        found = np.flatnonzero(self._offered & (self.precision >= precision))
        return self.at(int(found[0])) if len(found) else None

    @property
    def _offered(self) -> NDArray[np.bool_]:
        """Which thresholds call enough bins, bool, (thresholds,); always the first."""
        offered: NDArray[np.bool_] = self.called >= LEAST_CALLED
        offered[0] = True
        return offered


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins by their value, and how many of them lie in peaks.

    Attributes:
        lower: float64, (classes,), ascending from 0: the lowest value of each class, ln(1 + signal). A class ends where
            the next begins, and the last has no end.
        bins: int64, (classes,): bins with such a value.
        in_peaks: int64, (classes,): those of them that lie in peaks.
    """

    lower: NDArray[np.float64]
    bins: NDArray[np.int64]
    in_peaks: NDArray[np.int64]

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of the bins of each class that lie in peaks, float64, (classes,); NaN for a class without bins."""
        return _ratio(self.in_peaks, self.bins)

    @property
    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of the 95 % interval of each share, each float64, (classes,), as in `wilson`."""
        return wilson(self.in_peaks, self.bins)


def wilson(positive: NDArray[np.int64], number: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of Wilson's 95 % interval of a share (Wilson, J. Am. Stat. Assoc. 22:209, 1927).

    It treats bins as independent. Neighbouring bins are not, so the true interval is wider.

    Args:
        positive: Numbers of hits.
        number: Numbers of trials; 0 gives the interval from 0 to 1.
    """
    trials = number.astype(np.float64)
    centre = (positive + Z**2 / 2) / (trials + Z**2)
    share = np.divide(positive, trials, out=np.zeros_like(trials), where=trials > 0)
    half = Z / (trials + Z**2) * np.sqrt(trials * share * (1 - share) + Z**2 / 4)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio
