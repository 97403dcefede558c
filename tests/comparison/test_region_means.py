"""Means of regions against means over single bases."""

import numpy as np
import pytest

from epigept_batch.comparison.region_means import RegionMeans
from epigept_batch.tiling import Contig, Region

BIN = 8
CONTIG, OTHER = Contig("one", 250), Contig("two", 64)


@pytest.fixture
def values():
    rng = np.random.default_rng(1)
    found = rng.gamma(1, 1, (32, 3)).astype(np.float32)
    found[[3, 4, 17, 31]] = np.nan
    return found


@pytest.mark.parametrize("step", [1, 3, 32])
def test_means_are_over_the_bases_with_data(values, step):
    rng = np.random.default_rng(2)
    starts = rng.integers(0, 249, 60)
    regions = [Region("one", int(start), int(rng.integers(start + 1, 251))) for start in starts]
    regions += [Region("one", 24, 40), Region("one", 249, 250), Region("two", 0, 9)]
    means = RegionMeans(regions, 3, bin_bp=BIN)
    assert means.on(CONTIG)
    assert not means.on(Contig("three", 9))
    for first in range(0, 32, step):
        means.add(CONTIG, first, values[first : first + step])
    bases = np.repeat(values, BIN, axis=0)[:250].astype(np.float64)
    for number, region in enumerate(regions[:-1]):
        inside = bases[region.start : region.end]
        known = ~np.isnan(inside[:, 0])
        assert means.bases[number] == known.sum()
        if known.any():
            np.testing.assert_allclose(means.means[number], inside[known].mean(axis=0), rtol=1e-12)
        else:
            assert np.isnan(means.means[number]).all()
    assert means.bases[-1] == 0


def test_bins_that_were_not_read_are_without_data(values):
    means = RegionMeans([Region("one", 0, 250)], 3, bin_bp=BIN)
    means.add(CONTIG, 20, values[20:22])
    assert means.bases.tolist() == [16]
    np.testing.assert_allclose(means.means[0], values[20:22].mean(axis=0, dtype=np.float64))
