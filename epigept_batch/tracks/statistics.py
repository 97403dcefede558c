"""Mean and quantiles of a track, counted while its bins are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP_BITS = 16
"""Bits of a float32 that are ignored when values are counted, so that 128 steps double a value."""
LEAST, MOST = 2.0**-16, 2.0**24
"""Limits between which sizes of values are counted in steps. Smaller ones count as 0; larger ones share a step."""
FIRST, LAST = (int(np.float32(limit).view(np.uint32)) >> STEP_BITS for limit in (LEAST, MOST))
STEPS = LAST - FIRST + 2
QUANTILES = (0.001, 0.01, 0.5, 0.99, 0.999)


class BinStatistics:
    """Statistics of the bins of a track, in 40 kB, or in 80 kB if any value is below 0.

    Values are counted in steps of their size, 128 per doubling, and quantiles are interpolated within their step. So a
    quantile differs by less than 0.8 % from the exact one, or by less than 2 ** -16 near 0.
    """

    def __init__(self) -> None:
        self._positive = np.zeros(STEPS, dtype=np.int64)
        self._negative: NDArray[np.int64] | None = None
        self._sum = 0.0
        self._least, self._most = np.inf, -np.inf

    def add(self, values: NDArray[np.float32]) -> None:
        """Count bins.

        Args:
            values: float32, (bins,), at least one and none NaN.
        """
        below = values < 0
        if below.any():
            if self._negative is None:
                self._negative = np.zeros(STEPS, dtype=np.int64)
            self._negative += _counts(values[below])
        self._positive += _counts(values[~below])
        self._sum += float(values.sum(dtype=np.float64))
        self._least = min(self._least, float(values.min()))
        self._most = max(self._most, float(values.max()))

    def account(self) -> dict[str, Any]:
        """Return the statistics, JSON-compatible.

        Returns:
            `bins` with data, their `mean`, `min`, `max`, and `quantiles` by their share, such as `"0.99"`. All but the
            number of bins are None if there is none.
        """
        below = 0 if self._negative is None else int(self._negative.sum())
        bins = below + int(self._positive.sum())
        if not bins:
            return {"bins": 0, "mean": None, "min": None, "max": None, "quantiles": None}
        return {
            "bins": bins,
            "mean": self._sum / bins,
            "min": self._least,
            "max": self._most,
            "quantiles": {str(share): self._quantile(share * bins, below) for share in QUANTILES},
        }

    def _quantile(self, rank: float, below: int) -> float:
        """Return the value of which so many bins are not larger; `below` is the number of those below 0."""
        if self._negative is not None and rank <= below:
            value = -_interpolated(self._negative, below - rank)
        else:
            value = _interpolated(self._positive, rank - below)
        return float(np.clip(value, self._least, self._most))


def _counts(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of values in each step of size, int64, (STEPS,)."""
    steps = (np.abs(values).view(np.uint32) >> STEP_BITS).astype(np.int64) - (FIRST - 1)
    return np.bincount(np.clip(steps, 0, STEPS - 1), minlength=STEPS)


def _interpolated(counts: NDArray[np.int64], rank: float) -> float:
    """Return the size of the value at a rank among counted sizes."""
    upto = np.cumsum(counts)
    step = min(int(np.searchsorted(upto, rank, side="left")), int(np.flatnonzero(counts)[-1]))
    if not step:
        return 0.0
    ends = np.array([FIRST + step - 1, FIRST + step], dtype=np.uint32) << STEP_BITS
    low, high = (float(end) for end in ends.view(np.float32))
    share = (rank - (upto[step] - counts[step])) / counts[step]
    return low + (high - low) * float(np.clip(share, 0, 1))
