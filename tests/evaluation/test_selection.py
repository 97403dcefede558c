"""Which bins are meant, against a base-by-base account."""

import numpy as np
import pytest

from epigept_batch.evaluation.selection import by_contig, half_covered, in_windows, overlapped
from epigept_batch.tiling import Contig, Region

CONTIG = Contig("chr1", 1003)


def per_base(regions):
    bases = np.zeros(CONTIG.length, bool)
    for region in regions:
        bases[region.start : region.end] = True
    return [bases[start : start + 50] for start in range(0, CONTIG.length, 50)]


@pytest.mark.parametrize("seed", range(20))
def test_bins_of_regions(seed):
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, CONTIG.length, 12)
    ends = np.minimum(starts + rng.integers(1, 120, 12), CONTIG.length)
    regions = [Region("chr1", int(start), int(end)) for start, end in zip(starts, ends, strict=True)]
    bins = per_base(regions)
    np.testing.assert_array_equal(overlapped(regions, CONTIG, 50), [bases.any() for bases in bins])
    expected = [2 * bases.sum() >= len(bases) for bases in bins]
    np.testing.assert_array_equal(half_covered(regions, CONTIG, 50), expected)


@pytest.mark.parametrize(
    ("regions", "peaks"),
    [
        ([(0, 24)], []),
        ([(0, 25)], [0]),
        ([(10, 20), (15, 35)], [0]),
        ([(10, 20), (10, 20), (10, 20)], []),
        ([(1000, 1002)], [20]),
        ([(1000, 1001)], []),
        ([(49, 152)], [1, 2]),
        ([], []),
    ],
)
def test_a_peak_covers_half_of_its_bin_however_many_intervals_it_takes(regions, peaks):
    found = half_covered([Region("chr1", *region) for region in regions], CONTIG, 50)
    assert np.flatnonzero(found).tolist() == peaks


def test_bins_of_training_windows_by_either_name():
    for name in ("1", "chr1"):
        found = in_windows({name: ((1, 2), (4, 6))}, CONTIG, bin_bp=50, window_bp=200)
        assert np.flatnonzero(found).tolist() == [4, 5, 6, 7, 16, 17, 18, 19, 20]
    assert not in_windows({"chr11": ((0, 9),)}, CONTIG, bin_bp=50, window_bp=200).any()


def test_regions_by_contig():
    regions = [Region("a", 0, 1), Region("b", 2, 3), Region("a", 4, 5)]
    assert by_contig(regions) == {"a": [regions[0], regions[2]], "b": [regions[1]]}
