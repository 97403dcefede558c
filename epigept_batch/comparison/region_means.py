"""Means of regions in several columns, while the genome is read block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Region


class RegionMeans:
    """Means of ln(1 + signal) over the bases of regions that have data.

    Args:
        regions: The regions, in any order; they may overlap.
        columns: Number of columns.
        bin_bp: Base pairs per bin.
    """

    def __init__(self, regions: Sequence[Region], columns: int, *, bin_bp: int) -> None:
        self._bin_bp = bin_bp
        self._starts = np.array([region.start for region in regions], dtype=np.int64)
        self._ends = np.array([region.end for region in regions], dtype=np.int64)
        by_contig: dict[str, list[int]] = {}
        for number, region in enumerate(regions):
            by_contig.setdefault(region.contig, []).append(number)
        self._numbers = {contig: np.array(numbers) for contig, numbers in by_contig.items()}
        self._sums = np.zeros((len(regions), columns))
        self._bases = np.zeros(len(regions), dtype=np.int64)

    def on(self, contig: Contig) -> bool:
        """Whether any region lies on a contig."""
        return contig.name in self._numbers

    def add(self, contig: Contig, first: int, values: NDArray[np.float32]) -> None:
        """Take successive bins of a contig, float32, (bins, columns); a row of NaN has no data."""
        numbers = self._numbers[contig.name]
        begin, end = first * self._bin_bp, (first + len(values)) * self._bin_bp
        numbers = numbers[(self._starts[numbers] < end) & (self._ends[numbers] > begin)]
        if not len(numbers):
            return
        known = ~np.isnan(values[:, 0])
        filled = np.where(known[:, None], values, 0).astype(np.float64)
        sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(filled, axis=0) * self._bin_bp])
        bases = np.concatenate([[0], np.cumsum(known) * self._bin_bp])
        low = np.clip(self._starts[numbers], begin, end) - begin
        high = np.clip(self._ends[numbers], begin, end) - begin
        self._sums[numbers] += self._upto(high, sums, filled) - self._upto(low, sums, filled)
        self._bases[numbers] += self._upto(high, bases, known) - self._upto(low, bases, known)

    def _upto(self, places: NDArray[np.int64], sums: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """Return the sums over the bases before places, which may lie inside a bin."""
        bins, inside = np.divmod(places, self._bin_bp)
        of_bin = values[np.minimum(bins, len(values) - 1)]
        upto: NDArray[Any] = sums[bins] + (of_bin * inside if values.ndim == 1 else of_bin * inside[:, None])
        return upto

    @property
    def bases(self) -> NDArray[np.int64]:
        """Bases with data of each region, int64, (regions,)."""
        return self._bases

    @property
    def means(self) -> NDArray[np.float64]:
        """The means, float64, (regions, columns); NaN for a region without data."""
        with np.errstate(invalid="ignore"):
            return self._sums / self._bases[:, None]
