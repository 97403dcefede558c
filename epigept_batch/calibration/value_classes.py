"""Classes of values whose counts stand for all bins of a genome, so that memory does not grow with their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANTISSA_BITS = 23
"""Bits of float32 behind the exponent."""
LOWEST, HIGHEST = 2.0**-14, 2.0**7
"""Values below the first share a class with 0, and values from the second on share one too. ln(1 + signal) is at most
80."""


@dataclass(frozen=True)
class ValueClasses:
    """Classes of ln(1 + signal) with equal relative widths.

    A class is the values of float32 that begin with the same bits. So its lower end is exactly a float32, and a value
    is at least that end if and only if it lies in this class or in a higher one.

    Attributes:
        bits: Bits of the mantissa that tell classes apart: there are `2 ** bits` classes per doubling of the value.
    """

    bits: int

    @property
    def lower(self) -> NDArray[np.float64]:
        """The lowest value of each class, float64, (classes,), ascending from 0."""
        first, last = (_key(np.array([end], dtype=np.float32), self.bits)[0] for end in (LOWEST, HIGHEST))
        keys = np.arange(first, last + 1, dtype=np.uint32) << np.uint32(MANTISSA_BITS - self.bits)
        return np.concatenate([[0.0], keys.view(np.float32).astype(np.float64)])

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.lower)

    def of(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class of each value, int64, (values,).

        Args:
            values: float32, (values,): at least 0, and no NaN.
        """
        first = _key(np.array([LOWEST], dtype=np.float32), self.bits)[0]
        clipped = np.clip(values, 0, np.float32(HIGHEST)) + np.float32(0)  # which makes -0 to 0
        numbers = _key(clipped, self.bits).astype(np.int64) - int(first) + 1
        return np.maximum(numbers, 0)


def _key(values: NDArray[np.float32], bits: int) -> NDArray[np.uint32]:
    """Return the first bits of values of at least 0; their order is that of the values."""
    return np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) >> np.uint32(MANTISSA_BITS - bits)


def at_quantiles(weights: NDArray[np.float64], number: int) -> NDArray[np.int64]:
    """Return classes that cut a distribution into about equal parts, int64, ascending from class 0.

    Args:
        weights: float64, (classes,): the weight of each class.
        number: Number of parts; fewer are returned where classes are too heavy to be cut.
    """
    at_least = np.cumsum(weights[::-1])[::-1]
    wanted = np.linspace(1, 0, number, endpoint=False)[1:] * at_least[0]
    # The highest class from which on there is at least that weight.
    found = len(weights) - np.searchsorted(at_least[::-1], wanted) - 1
    return np.unique(np.concatenate([[0], found]))
