"""Average the band of a map into larger bins of any size, by the area that pixels share."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.tiling import bins_of, ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS_AT_ONCE = 1 << 16
LEAST_COVER = 0.5
"""Share of a pixel's area that must have values."""


def rebinned(band: NDArray[np.float64], *, from_bp: int, to_bp: int, length: int) -> NDArray[np.float64]:
    """Return the band of a contig in larger bins.

    A value is the mean of the pixels that overlap the larger pixel, weighted by the area of the overlap. The new size
    need not be a multiple of the old one: measured maps have bins of 5,000 bp, networks bins of 2^n bp.

    Args:
        band: float64, (bins, width): `[i, d]` is between bins i and i + d; NaN without a value.
        from_bp: Base pairs per bin of the band.
        to_bp: Base pairs per new bin; at least `from_bp`.
        length: Length of the contig in bp.

    Returns:
        float64, (new bins, new width); NaN if less than half of a pixel's area has values. On the diagonal, the mean is
        over the pixels on or above the old one.
    """
    if from_bp == to_bp:
        return band
    bins, width = bins_of(length, to_bp), ceil_div(band.shape[1] * from_bp, to_bp)
    sums, areas = np.zeros(bins * width), np.zeros(bins * width)
    halves = _shares(len(band), from_bp=from_bp, to_bp=to_bp, length=length)
    for first in range(0, len(band), ROWS_AT_ONCE):
        rows, offsets = np.nonzero(~np.isnan(band[first : first + ROWS_AT_ONCE]))
        rows += first
        values = band[rows, offsets]
        for (one, its_share), (other, other_share) in product(halves, halves):
            distance = other[rows + offsets] - one[rows]
            area = its_share[rows] * other_share[rows + offsets]
            keep = (area > 0) & (distance >= 0) & (distance < width)
            where = (one[rows] * width + distance)[keep]
            sums += np.bincount(where, (values * area)[keep], minlength=bins * width)
            areas += np.bincount(where, area[keep], minlength=bins * width)
    sizes = np.full(bins + width, to_bp, dtype=np.float64)
    sizes[bins - 1] = length - (bins - 1) * to_bp
    whole = sizes[:bins, None] * np.lib.stride_tricks.sliding_window_view(sizes, width)[:bins]
    whole[:, 0] /= 2  # above the old diagonal
    covered = areas.reshape(bins, width) >= LEAST_COVER * whole
    result = np.full((bins, width), np.nan)
    # In float32, equal values stay equal however they were summed, so that their ties are not broken.
    result[covered] = (sums.reshape(bins, width)[covered] / areas.reshape(bins, width)[covered]).astype(np.float32)
    return result


def _shares(
    bins: int, *, from_bp: int, to_bp: int, length: int
) -> tuple[tuple[NDArray[np.int64], NDArray[np.float64]], tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return the first and the last new bin that each old bin overlaps, and by how many bp; 0 if they are the same."""
    starts = np.arange(bins, dtype=np.int64) * from_bp
    ends = np.minimum(starts + from_bp, length)
    first, last = starts // to_bp, (ends - 1) // to_bp
    in_first = np.minimum(ends, (first + 1) * to_bp) - starts
    return (first, in_first.astype(np.float64)), (last, (ends - starts - in_first).astype(np.float64))
