"""Attribute the difference between two samples to factors, each set to the other sample's value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.screen.changes import Changes


@dataclass(frozen=True, eq=False)
class Attribution:
    """The difference between two samples, and the share of each factor.

    Attributes:
        changes: Of both samples, with each factor set to the other sample's network input.
    """

    changes: Changes

    @property
    def difference(self) -> NDArray[np.float32]:
        """Mean signal of the second sample minus that of the first, float32, (regions, tracks)."""
        unperturbed = self.changes.unperturbed
        difference: NDArray[np.float32] = unperturbed[1] - unperturbed[0]
        return difference

    @property
    def in_first(self) -> NDArray[np.float32]:
        """Change of the first sample as each factor becomes the second's, float32, (factors, regions, tracks)."""
        in_first: NDArray[np.float32] = self.changes.change[0]
        return in_first

    @property
    def in_second(self) -> NDArray[np.float32]:
        """Change of the second sample as each factor becomes the first's, negated, (factors, regions, tracks)."""
        in_second: NDArray[np.float32] = np.float32(0) - self.changes.change[1]
        return in_second

    @cached_property
    def effect(self) -> NDArray[np.float32]:
        """Mean of both, float32, (factors, regions, tracks)."""
        effect: NDArray[np.float32] = (self.in_first + self.in_second) / np.float32(2)
        return effect

    @property
    def explained(self) -> NDArray[np.float32]:
        """Sum of the factors' effects, float32, (regions, tracks)."""
        return total_of(self.effect)

    @property
    def remainder(self) -> NDArray[np.float32]:
        """What the effects of single factors do not add up to, float32, (regions, tracks)."""
        remainder: NDArray[np.float32] = self.difference - self.explained
        return remainder


def total_of(effects: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add up the effects of all factors, (factors, …)."""
    total: NDArray[np.float32] = effects.sum(axis=0, dtype=np.float64).astype(np.float32)
    return total
