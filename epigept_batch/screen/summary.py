"""Sum the changes of all regions up, by factor and track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.screen.changes import rank_among_factors
from epigept_batch.screen.columns import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.screen.changes import Changes
    from epigept_batch.screen.columns import Columns
    from epigept_batch.tiling import Region


@dataclass(eq=False)
class Summary:
    """Mean and largest changes over regions, of one sample or one comparison.

    Attributes:
        regions: Number of regions with bases.
        sum: float64, (factors, tracks): sum of the changes.
        sum_of_sizes: float64, (factors, tracks): sum of |change|.
        largest: float64, (factors, tracks): the change whose size is largest.
        where: int64, (factors, tracks): number of its region; -1 where nothing changes.
        hits: float64, (factors,): bins with a motif hit, over all regions.
        regions_with_hit: int64, (factors,).
    """

    regions: int
    sum: NDArray[np.float64]
    sum_of_sizes: NDArray[np.float64]
    largest: NDArray[np.float64]
    where: NDArray[np.int64]
    hits: NDArray[np.float64]
    regions_with_hit: NDArray[np.int64]

    @classmethod
    def empty(cls, factors: int, tracks: int) -> Summary:
        """Return a summary of no regions."""
        one, two, three = (np.zeros((factors, tracks)) for _ in range(3))
        nowhere = np.full((factors, tracks), -1, dtype=np.int64)
        return cls(0, one, two, three, nowhere, np.zeros(factors), np.zeros(factors, np.int64))

    def add(self, change: NDArray[np.float32], changes: Changes) -> None:
        """Add regions that follow those added before.

        Args:
            change: (factors, regions, tracks).
            changes: What they are of.
        """
        there = np.flatnonzero(changes.bins)
        values = change[:, there].astype(np.float64)
        self.regions += len(there)
        self.hits += changes.hits[:, there].sum(axis=1)
        self.regions_with_hit += (changes.hits[:, there] > 0).sum(axis=1)
        if not len(there):
            return
        self.sum += values.sum(axis=1)
        self.sum_of_sizes += np.abs(values).sum(axis=1)
        place = np.abs(values).argmax(axis=1)
        found = np.take_along_axis(values, place[:, None], axis=1)[:, 0]
        better = np.abs(found) > np.abs(self.largest)
        self.largest[better] = found[better]
        self.where[better] = (changes.first + there[place])[better]

    def columns(
        self, factors: Sequence[str], tracks: Sequence[str], regions: Sequence[Region], what: str
    ) -> tuple[Columns, NDArray[np.int64]]:
        """Return a row per track and factor, with the factor of the largest mean |change| first in each track.

        Args:
            factors: Their names.
            tracks: Their names.
            regions: All regions.
            what: What is summed up, `change` or `effect`.

        Returns:
            The columns by name, and the number of the factor of each row.
        """
        count = max(self.regions, 1)
        order = np.argsort(-self.sum_of_sizes, axis=0, kind="stable")
        track, factor = np.repeat(np.arange(len(tracks)), len(factors)), order.T.ravel()
        at = factor, track
        ranks = rank_among_factors((self.sum_of_sizes / count).T.astype(np.float32))
        where = self.where[at]
        names = np.array(["", *map(label, regions)])
        columns = {
            "track": np.array(tracks)[track],
            "factor": np.array(factors)[factor],
            f"mean_absolute_{what}": (self.sum_of_sizes / count)[at],
            "rank": ranks[track, factor],
            "factors": np.full(len(track), len(factors)),
            f"mean_{what}": (self.sum / count)[at],
            f"largest_{what}": self.largest[at],
            "largest_in_region": where + 1,
            "largest_in": names[where + 1],
            "regions": np.full(len(track), self.regions),
            "regions_with_hit": self.regions_with_hit[factor],
            "bins_with_hit": self.hits[factor],
        }
        return columns, factor
