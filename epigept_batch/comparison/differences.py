"""The difference of two groups along the genome: its track, its statistics, and intervals where it is large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.intervals.hysteresis import Hysteresis, Rule
from epigept_batch.tiling import Region
from epigept_batch.tracks.statistics import BinStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from epigept_batch.intervals.hysteresis import Interval
    from epigept_batch.tiling import Contig
    from epigept_batch.tracks.bigwig import BigWigWriter

LOW_SHARE = 0.5
"""An interval extends to neighbouring bins whose difference is at least this share of the least effect."""


class IntervalFinder:
    """Collects the intervals of values along the genome.

    Args:
        rule: What an interval is.
        bin_bp: Base pairs per bin.
    """

    def __init__(self, rule: Rule, *, bin_bp: int) -> None:
        self._hysteresis = Hysteresis(rule)
        self._bin_bp = bin_bp
        self.regions: list[Region] = []

    def add(self, contig: Contig, first: int, values: NDArray[np.float32]) -> None:
        """Take successive bins of a contig, float32, (bins,)."""
        self._keep(contig, self._hysteresis.add(first, values))

    def end(self, contig: Contig) -> None:
        """End the contig."""
        self._keep(contig, self._hysteresis.end())

    def _keep(self, contig: Contig, intervals: Iterable[Interval]) -> None:
        for found in intervals:
            end = min(found.last * self._bin_bp, contig.length)
            self.regions.append(Region(contig.name, found.first * self._bin_bp, end))


class Difference:
    """A difference on its way: writes its track, counts its values, and finds where it is large.

    Args:
        minuend: Columns of the group that is compared.
        subtrahend: Columns of the group that is subtracted.
        writer: Its track.
        least_effect: Size of the difference that an interval reaches; None to look for none.
        bin_bp: Base pairs per bin.
    """

    def __init__(
        self,
        minuend: NDArray[np.intp],
        subtrahend: NDArray[np.intp],
        writer: BigWigWriter,
        *,
        least_effect: float | None,
        bin_bp: int,
    ) -> None:
        self._minuend, self._subtrahend = minuend, subtrahend
        self._writer = writer
        self._statistics = BinStatistics()
        rule = None if least_effect is None else Rule(high=least_effect, low=LOW_SHARE * least_effect)
        self._finders = {} if rule is None else {sign: IntervalFinder(rule, bin_bp=bin_bp) for sign in (1, -1)}

    def add(self, contig: Contig, first: int, values: NDArray[np.float32]) -> None:
        """Take successive bins of all columns, float32, (bins, columns): ln(1 + signal), NaN where not compared."""
        wide = values.astype(np.float64)
        exact = wide[:, self._minuend].mean(axis=1) - wide[:, self._subtrahend].mean(axis=1)
        difference = exact.astype(np.float32)
        known = difference[~np.isnan(difference)]
        if len(known):
            self._statistics.add(known)
            self._writer.write_known(contig, first, difference)
        for sign, finder in self._finders.items():
            finder.add(contig, first, sign * difference)

    def end(self, contig: Contig) -> None:
        """End the contig."""
        for finder in self._finders.values():
            finder.end(contig)

    def close(self) -> None:
        """Complete the track."""
        self._writer.close()

    @property
    def finds(self) -> bool:
        """Whether it looks for intervals."""
        return bool(self._finders)

    @property
    def intervals(self) -> list[Region]:
        """Where the difference is large, either way."""
        return [region for finder in self._finders.values() for region in finder.regions]

    def account(self) -> dict[str, Any]:
        """Return the statistics of its bins, JSON-compatible."""
        return self._statistics.account()


def overall(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of all columns, float32, (bins,), which does not depend on how samples are grouped."""
    means: NDArray[np.float64] = values.mean(axis=1, dtype=np.float64)
    return means.astype(np.float32)
