"""Selects the bins that are compared, that lie in peaks, and that the network was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.assemblies import names_of
from epigept_batch.tiling import bins_of, ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Region, Span


def by_contig(regions: Iterable[Region]) -> dict[str, list[Region]]:
    """Group regions by the name of their contig."""
    grouped: dict[str, list[Region]] = {}
    for region in regions:
        grouped.setdefault(region.contig, []).append(region)
    return grouped


def overlapped(regions: Iterable[Region], contig: Contig, bin_bp: int) -> NDArray[np.bool_]:
    """Return which bins of a contig overlap any of its regions, bool, (bins,)."""
    inside = np.zeros(bins_of(contig.length, bin_bp), dtype=np.bool_)
    for region in regions:
        inside[region.start // bin_bp : ceil_div(region.end, bin_bp)] = True
    return inside


def half_covered(regions: Iterable[Region], contig: Contig, bin_bp: int) -> NDArray[np.bool_]:
    """Return which bins of a contig its regions together cover by at least half, bool, (bins,): the bins in peaks."""
    covered = np.zeros(bins_of(contig.length, bin_bp), dtype=np.int64)
    end_before = 0
    for start, end in sorted((region.start, region.end) for region in regions):
        first = max(start, end_before)
        if first < end:
            _add_cover(covered, first, end, bin_bp)
            end_before = end
    size = np.full(len(covered), bin_bp)
    size[-1] = contig.length - (len(covered) - 1) * bin_bp
    return 2 * covered >= size


def _add_cover(covered: NDArray[np.int64], start: int, end: int, bin_bp: int) -> None:
    """Add the base pairs [start, end) to the cover of their bins."""
    first, last = start // bin_bp, (end - 1) // bin_bp
    covered[first : last + 1] += bin_bp
    covered[first] -= start - first * bin_bp
    covered[last] -= (last + 1) * bin_bp - end


def in_windows(runs: Mapping[str, Sequence[Span]], contig: Contig, *, bin_bp: int, window_bp: int) -> NDArray[np.bool_]:
    """Return which bins of a contig lie in any of the given windows of the grid, bool, (bins,).

    Args:
        runs: Window numbers [first, last), by any name of the contig.
        contig: The contig.
        bin_bp: Base pairs per bin.
        window_bp: Step of the grid, which starts at 0.
    """
    found = next((runs[name] for name in names_of(contig) if name in runs), ())
    inside = np.zeros(bins_of(contig.length, bin_bp), dtype=np.bool_)
    for first, last in found:
        inside[first * window_bp // bin_bp : ceil_div(last * window_bp, bin_bp)] = True
    return inside
