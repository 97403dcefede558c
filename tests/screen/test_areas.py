"""Which bins of which region lie in which window, against a count of every bin."""

import numpy as np
import pytest

from epigept_batch.screen.areas import Areas
from epigept_batch.tiling import Contig, Geometry, Region

CONTIGS = (Contig("a", 10_000), Contig("b", 90), Contig("c", 3_001))
GEOMETRY = Geometry(20, 16)


@pytest.mark.parametrize("seed", range(20))
def test_every_bin_of_every_region_lies_in_one_window(seed):
    draw = np.random.default_rng(seed)
    regions = []
    for _ in range(int(draw.integers(1, 30))):
        contig = CONTIGS[draw.integers(3)]
        start = int(draw.integers(contig.length))
        regions.append(Region(contig.name, start, int(draw.integers(start + 1, contig.length + 1))))
    areas = Areas(CONTIGS, regions, GEOMETRY)
    found = [[] for _ in regions]
    for tile in areas.tiles:
        for region, first, last in areas.shares(tile):
            assert regions[region].contig == tile.contig.name
            assert 0 <= first < last <= 20
            found[region] += [tile.start // 16 + bin_ for bin_ in range(first, last)]
    for region, bins in zip(regions, found, strict=True):
        assert bins == [b for b in range(10_000 // 16 + 1) if b * 16 < region.end and (b + 1) * 16 > region.start]
    assert areas.most == max(len(areas.shares(tile)) for tile in areas.tiles)
    for first in range(len(regions)):
        some = range(first, min(first + 3, len(regions)))
        needed = [tile for tile in areas.tiles if any(share.region in some for share in areas.shares(tile))]
        assert areas.tiles_of(some) == needed
