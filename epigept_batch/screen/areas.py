"""Which bins of which region lie in which window."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from epigept_batch.tiling import ceil_div, make_tiles, select_bins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from epigept_batch.tiling import Contig, Geometry, Region, Tile


class Share(NamedTuple):
    """The bins of a region that lie in a window, counted from the window's first bin.

    Attributes:
        region: Number of the region.
        first: First bin.
        last: End, exclusive.
    """

    region: int
    first: int
    last: int


class Areas:
    """The windows that regions need, and the bins that each region has in each.

    Windows lie on the genome's grid, without overlap, so that every bin lies in one window.

    Args:
        contigs: The FASTA's contigs, in its order.
        regions: The regions, which may overlap each other.
        geometry: The network's window.

    Attributes:
        regions: The regions.
        tiles: The windows, in genome order.
    """

    def __init__(self, contigs: Sequence[Contig], regions: Sequence[Region], geometry: Geometry) -> None:
        self.regions = tuple(regions)
        self.tiles = make_tiles(contigs, select_bins(regions, geometry.bin_bp), geometry=geometry)
        numbers = {(tile.contig.name, tile.start // geometry.window_bp): tile.index for tile in self.tiles}
        shares: dict[int, list[Share]] = defaultdict(list)
        self._tiles_of: list[range] = []
        for number, region in enumerate(regions):
            begin, end = region.start // geometry.bin_bp, ceil_div(region.end, geometry.bin_bp)
            windows = range(begin // geometry.bins, ceil_div(end, geometry.bins))
            for window in windows:
                first = window * geometry.bins
                share = Share(number, max(begin - first, 0), min(end - first, geometry.bins))
                shares[numbers[region.contig, window]].append(share)
            last = numbers[region.contig, windows[-1]]
            self._tiles_of.append(range(numbers[region.contig, windows[0]], last + 1))
        self._shares: Mapping[int, Sequence[Share]] = shares

    def shares(self, tile: Tile) -> Sequence[Share]:
        """Return what lies in a window, in the order of the regions."""
        return self._shares[tile.index]

    @property
    def most(self) -> int:
        """The largest number of regions in a window."""
        return max(map(len, self._shares.values()), default=0)

    def tiles_of(self, regions: range) -> list[Tile]:
        """Return the windows that some regions need, in genome order."""
        return [self.tiles[number] for number in sorted({n for region in regions for n in self._tiles_of[region]})]
