"""Bins of a region as the columns of a figure, which has fewer of them than a wide region has bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from epigept_batch.tiling import bins_of, ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Region

READ_BP = 8 << 20
"""Base pairs that are read at a time."""


class Series(Protocol):
    """A track that is read bin by bin."""

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float32]:
        """Return successive bins, float32, (bins,); NaN without data."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Successive columns, each of the same number of bins; the last may have fewer.

    Attributes:
        edges: int64, (columns + 1,): bp between columns.
        mean: float32, (columns,): mean of the bins that have data; NaN if none has.
        low: float32, (columns,): their minimum.
        high: float32, (columns,): their maximum. No peak is hidden by merging.
        bins: Bins per column.
    """

    edges: NDArray[np.int64]
    mean: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    bins: int

    @property
    def has_data(self) -> NDArray[np.bool_]:
        """Which columns have data, bool, (columns,)."""
        found: NDArray[np.bool_] = ~np.isnan(self.mean)
        return found

    def extremes(self) -> tuple[float, float]:
        """Return the lowest and the highest finite value; 0 without any."""
        finite = np.concatenate([part[np.isfinite(part)] for part in (self.low, self.high)])
        return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def read_columns(series: Series, contig: Contig, region: Region, *, bin_bp: int, most: int, whole: int) -> Columns:
    """Read the bins that overlap a region, and merge them if there are too many to be seen.

    Args:
        series: The track.
        contig: The contig of the region.
        region: The region.
        bin_bp: Base pairs per bin.
        most: Maximum number of columns of merged bins.
        whole: Maximum number of bins that are not merged, at least `most`.
    """
    first, last = region.start // bin_bp, bins_of(region.end, bin_bp)
    bins = 1 if last - first <= whole else ceil_div(last - first, most)
    step = bins * max(1, READ_BP // bin_bp // bins)  # whole columns at a time
    parts = [merged(series.read(contig, start, min(step, last - start)), bins) for start in range(first, last, step)]
    mean, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
    edges = np.minimum(np.append(np.arange(first, last, bins), last) * bin_bp, contig.length)
    return Columns(edges, mean, low, high, bins)


def merged(
    values: NDArray[np.float32], bins: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return mean, minimum and maximum of every `bins` successive values, without NaN; NaN if all are."""
    if bins == 1:
        return values, values, values
    rows = np.full((ceil_div(len(values), bins), bins), np.nan, dtype=np.float32)
    rows.reshape(-1)[: len(values)] = values
    has = ~np.isnan(rows)
    number = has.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (np.where(has, rows, 0).sum(axis=1, dtype=np.float64) / number).astype(np.float32)
    low, high = np.where(has, rows, np.inf).min(axis=1), np.where(has, rows, -np.inf).max(axis=1)
    low[number == 0] = high[number == 0] = np.nan
    return mean, low, high
