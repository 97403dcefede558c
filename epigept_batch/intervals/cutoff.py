"""The value that a given share of the bins reach, counted in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DROPPED_BITS = 16
"""Bits of a float32 that are ignored, so that 128 steps double a value."""
SMALLEST = float(np.finfo(np.float32).tiny)
"""The smallest cutoff, which only bins with a signal reach."""


class HighestShare:
    """Finds the cutoff that the highest bins of a track reach. It takes 256 kB for any number of bins."""

    def __init__(self) -> None:
        self._counts = np.zeros(1 << DROPPED_BITS, dtype=np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count bins.

        Args:
            values: float32, (bins,), of at least 0; NaN is not counted.
        """
        known = np.maximum(values[~np.isnan(values)], np.float32(0))
        self._counts += np.bincount(known.view(np.uint32) >> DROPPED_BITS, minlength=len(self._counts))

    def cutoff(self, share: float) -> float:
        """Return the highest value with few digits that at least this share of the bins reach.

        It is less than 0.8 % below the exact quantile, and never 0. If that is 0, it is the smallest value
        above 0, which fewer bins reach.
        """
        reach = np.cumsum(self._counts[::-1])[::-1]  # by step: bins that are at least its lowest value
        step = np.flatnonzero(reach >= share * reach[0])[-1]
        value = np.array([step << DROPPED_BITS], dtype=np.uint32).view(np.float32)[0]
        return max(float(value), SMALLEST)
