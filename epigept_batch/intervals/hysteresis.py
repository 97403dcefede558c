"""Find intervals of high values in a stream of bins, with two thresholds (hysteresis)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Rule:
    """What an interval is: bins of at least `low`, of which one reaches `high`.

    Attributes:
        high: At least one bin of an interval has this value or more.
        low: The first and the last bin of an interval have this value or more; at most `high`.
        gap: Number of successive bins below `low` that may lie inside an interval.
        least: Length of an interval in bins, at least.

    Raises:
        ValueError: `low` is above `high`, or a number is NaN or negative.
    """

    high: float
    low: float
    gap: int = 0
    least: int = 1

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        if self.gap < 0 or self.least < 1:
            raise ValueError(f"gap {self.gap} or least {self.least} is too small")


@dataclass(frozen=True, eq=False)
class Interval:
    """Bins [first, last) of a contig.

    Attributes:
        first: The first bin.
        last: The bin after the last.
        values: float32, (last − first,): the values of its bins, without NaN.
    """

    first: int
    last: int
    values: NDArray[np.float32]


class Hysteresis:
    """Finds the intervals of a contig's bins as these arrive, in order.

    The result does not depend on how the bins are cut into blocks. Memory is that of a block and the longest interval.

    Args:
        rule: What an interval is. Thresholds are compared as float32, as the values are.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._first = 0
        self._pending = np.empty(0, dtype=np.float32)
        """Values from the first bin of an interval that may continue, or none. `_first` is the bin of the first."""
        self._next = 0

    def add(self, first_bin: int, values: NDArray[np.float32]) -> Iterator[Interval]:
        """Take successive bins, and yield the intervals that have ended.

        Args:
            first_bin: Number of the first of these bins. If bins were left out before it, an interval ends there.
            values: float32, (bins,). NaN is a bin without data, which ends an interval.
        """
        if first_bin != self._next:
            yield from self.end()
        self._next = first_bin + len(values)
        at = self._first if len(self._pending) else first_bin
        joined = np.concatenate([self._pending, values]) if len(self._pending) else values
        starts, ends = self._runs(joined)
        self._pending = np.empty(0, dtype=np.float32)
        if len(starts) and self._may_continue(joined[ends[-1] :]):
            self._first, self._pending = at + int(starts[-1]), joined[starts[-1] :].copy()
            starts, ends = starts[:-1], ends[:-1]
        yield from self._passing(at, joined, starts, ends)

    def end(self) -> Iterator[Interval]:
        """Yield the last interval, if there is one. The next bins may be of another contig."""
        pending, self._pending, self._next = self._pending, np.empty(0, dtype=np.float32), -1
        yield from self._passing(self._first, pending, *self._runs(pending))

    def _runs(self, values: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return where runs of bins of at least `low` begin and end (exclusive), with gaps bridged."""
        above = np.flatnonzero(values >= self._rule.low)
        if not len(above):
            return above, above
        missing = np.cumsum(np.isnan(values))
        parts = (np.diff(above) > self._rule.gap + 1) | (np.diff(missing[above]) > 0)
        starts = above[np.concatenate([[True], parts])]
        ends = above[np.concatenate([parts, [True]])] + 1
        return starts, ends

    def _may_continue(self, behind: NDArray[np.float32]) -> bool:
        """Whether a run may continue after these bins, which lie behind its last."""
        return len(behind) <= self._rule.gap and not np.isnan(behind).any()

    def _passing(
        self, at: int, values: NDArray[np.float32], starts: NDArray[np.intp], ends: NDArray[np.intp]
    ) -> Iterator[Interval]:
        """Yield the runs that are long enough and reach `high`."""
        if not len(starts):
            return
        edges = np.stack([starts, ends], axis=1).ravel()
        tops = np.maximum.reduceat(np.append(values, np.float32(-np.inf)), edges)[::2]
        kept = (tops >= self._rule.high) & (ends - starts >= self._rule.least)
        for first, last in zip(starts[kept].tolist(), ends[kept].tolist(), strict=True):
            yield Interval(at + first, at + last, values[first:last].copy())
