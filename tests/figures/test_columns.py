"""Bins merged to columns, against loops over the bins."""

import math

import numpy as np
import pytest

from epigept_batch.figures.columns import merged, read_columns
from epigept_batch.tiling import Contig, Region


class Bins:
    """A series of known values, which notes what is read."""

    def __init__(self, values):
        self.values, self.reads = np.asarray(values, dtype=np.float32), []

    def read(self, _contig, first, bins):
        self.reads.append((first, bins))
        return self.values[first : first + bins]


def naive(values, bins):
    """Mean, minimum and maximum of groups, without NaN."""
    groups = [[v for v in values[at : at + bins] if not math.isnan(v)] for at in range(0, len(values), bins)]
    return [[f(group) if group else math.nan for group in groups] for f in (np.mean, min, max)]


@pytest.mark.parametrize("bins", [1, 2, 3, 7, 50])
def test_columns_are_mean_minimum_and_maximum_of_their_bins(bins):
    rng = np.random.default_rng(bins)
    values = rng.normal(0, 1, 41).astype(np.float32)
    values[rng.random(41) < 0.4] = np.nan
    values[:9] = np.nan
    for found, expected in zip(merged(values, bins), naive(values.tolist(), bins), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, equal_nan=True)


def test_infinite_bins_stay_infinite():
    mean, low, high = merged(np.array([1, np.inf, np.nan, 2], dtype=np.float32), 2)
    assert mean.tolist() == [np.inf, 2]
    assert low.tolist() == [1, 2]
    assert high.tolist() == [np.inf, 2]


def test_a_region_has_the_bins_that_overlap_it():
    series, contig = Bins(np.arange(10)), Contig("c", 955)
    columns = read_columns(series, contig, Region("c", 150, 401), bin_bp=100, most=99, whole=99)
    assert columns.edges.tolist() == [100, 200, 300, 400, 500]
    assert columns.mean.tolist() == [1, 2, 3, 4]
    assert columns.bins == 1
    last = read_columns(series, contig, Region("c", 900, 955), bin_bp=100, most=99, whole=99)
    assert last.edges.tolist() == [900, 955]
    assert last.mean.tolist() == [9]


def test_a_wide_region_is_merged_to_at_most_so_many_columns():
    series = Bins(np.arange(10))
    columns = read_columns(series, Contig("c", 955), Region("c", 0, 955), bin_bp=100, most=4, whole=4)
    assert columns.bins == 3
    assert columns.edges.tolist() == [0, 300, 600, 900, 955]
    assert columns.mean.tolist() == [1, 4, 7, 9]
    assert columns.low.tolist() == [0, 3, 6, 9]
    assert columns.high.tolist() == [2, 5, 8, 9]


def test_a_long_region_is_read_in_parts_without_splitting_a_column(monkeypatch):
    monkeypatch.setattr("epigept_batch.figures.columns.READ_BP", 700)
    series = Bins(np.arange(50))
    columns = read_columns(series, Contig("c", 5000), Region("c", 0, 5000), bin_bp=100, most=17, whole=17)
    assert series.reads == [(at, 6) for at in range(0, 48, 6)] + [(48, 2)]
    assert columns.mean.tolist() == [*range(1, 48, 3), 48.5]


def test_the_peak_of_a_merged_column_is_not_hidden():
    values = np.zeros(1000)
    values[617] = 9
    columns = read_columns(Bins(values), Contig("c", 100_000), Region("c", 0, 100_000), bin_bp=100, most=10, whole=10)
    assert columns.high.max() == 9
    assert columns.extremes() == (0, 9)


def test_columns_without_data():
    columns = read_columns(Bins(np.full(4, np.nan)), Contig("c", 400), Region("c", 0, 400), bin_bp=100, most=2, whole=2)
    assert not columns.has_data.any()
    assert columns.extremes() == (0, 0)


def test_bins_that_can_still_be_seen_are_not_merged():
    series, contig, region = Bins(np.arange(10)), Contig("c", 1000), Region("c", 0, 1000)
    assert read_columns(series, contig, region, bin_bp=100, most=3, whole=10).bins == 1
    assert read_columns(series, contig, region, bin_bp=100, most=3, whole=9).bins == 4
