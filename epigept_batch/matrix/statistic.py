"""The mean, maximum or coverage of a track in regions, from its records. Bases without data do not count.

The mean is that of bigWigAverageOverBed (`mean`) and of deepTools' multiBigwigSummary. The latter reads zoom levels of
long regions, which are not exact at the ends of a region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from epigept_batch.matrix.regions import ContigRows
    from epigept_batch.tracks.records import Records

MEAN, MAX, COVERAGE = "mean", "max", "coverage"
STATISTICS = (MEAN, MAX, COVERAGE)


class RegionStatistic:
    """Gathers the records of one track in the regions of one contig.

    Args:
        rows: The regions, which may overlap.
        statistic: `mean` of the bases with data, `max` of them, or `coverage`, the share of bases with data.
    """

    def __init__(self, rows: ContigRows, statistic: str) -> None:
        self._starts, self._ends, self._statistic = rows.starts, rows.ends, statistic
        self._reach = np.maximum.accumulate(rows.ends)
        self._covered = np.zeros(len(rows.starts), dtype=np.int64)
        self._total = np.full(len(rows.starts), -np.inf if statistic == MAX else 0.0)

    def add(self, records: Records) -> None:
        """Add records that lie behind those added before, in the values that are averaged or compared.

        Records beside the regions have no effect.
        """
        # Rows outside of [low, high) end before these records or begin after them.
        low = int(np.searchsorted(self._reach, records.starts[0], side="right"))
        high = int(np.searchsorted(self._starts, records.ends[-1], side="left"))
        first = np.searchsorted(records.ends, self._starts[low:high], side="right")
        last = np.searchsorted(records.starts, self._ends[low:high], side="left")
        hit = first < last
        rows, first, last = low + np.flatnonzero(hit), first[hit], last[hit]
        if not len(rows):
            return
        starts, ends = self._starts[rows], self._ends[rows]
        before = np.concatenate([[0], np.cumsum(records.ends - records.starts)])
        over = np.maximum(starts - records.starts[first], 0) + np.maximum(records.ends[last - 1] - ends, 0)
        self._covered[rows] += before[last] - before[first] - over
        if self._statistic == MAX:
            found = _reduced(np.maximum, records.values, first, last)
            self._total[rows] = np.maximum(self._total[rows], found)
        elif self._statistic == MEAN:
            self._total[rows] += _sums(records, first, last, starts, ends)

    def values(self) -> NDArray[np.float64]:
        """Return the statistic, float64, (regions,): NaN without data, except for the coverage, which is then 0."""
        if self._statistic == COVERAGE:
            return self._covered / (self._ends - self._starts)
        known = self._covered > 0
        found = np.full(len(known), np.nan)
        divisor = self._covered[known] if self._statistic == MEAN else 1
        found[known] = self._total[known] / divisor
        return found


def _sums(
    records: Records,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the sums over the bases of regions that overlap the records [first, last), float64, (regions,).

    The records at both ends are weighted by their bases within the region. Nothing is subtracted, so that a sum has the
    precision of its own terms.
    """
    values, final = records.values.astype(np.float64), last - 1
    left = np.minimum(records.ends[first], ends) - np.maximum(records.starts[first], starts)
    sums: NDArray[np.float64] = values[first] * left
    several = final > first
    right = np.minimum(records.ends[final], ends) - records.starts[final]
    sums[several] += (values[final] * right)[several]
    inner = final > first + 1
    if inner.any():
        weighted = values * (records.ends - records.starts)
        sums[inner] += _reduced(np.add, weighted, first[inner] + 1, final[inner])
    return sums


def _reduced(
    operation: np.ufunc, values: NDArray[np.floating], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Reduce values[first:last] of each pair, none of which is empty; pairs may overlap."""
    edges = np.stack([first, last], axis=1).ravel()
    padded = np.append(values.astype(np.float64), 0.0)  # since an edge may lie behind the last value
    found: NDArray[np.float64] = operation.reduceat(padded, edges)[::2]
    return found


def merged(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the union of intervals that are sorted by start, as disjoint intervals, int64, (intervals,) each."""
    reach = np.maximum.accumulate(ends)
    begins = np.flatnonzero(np.concatenate([[True], starts[1:] > reach[:-1]]))
    return starts[begins], reach[np.append(begins[1:], len(starts)) - 1]


def statistic_of(parts: Iterable[Records], rows: ContigRows, statistic: str) -> NDArray[np.float64]:
    """Return a statistic of the regions of a contig, float64, (regions,).

    Args:
        parts: Records in order, at least those that overlap the regions.
        rows: The regions.
        statistic: One of `STATISTICS`.
    """
    gathered = RegionStatistic(rows, statistic)
    for records in parts:
        gathered.add(records)
    return gathered.values()
