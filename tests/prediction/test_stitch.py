import numpy as np
import pytest

from epigept_batch.prediction.stitch import TileSignal, runs
from epigept_batch.tiling import Contig, Geometry, Tile, make_tiles

GEOMETRY = Geometry(bins=10, bin_bp=8)
CONTIG = Contig("c", 1000)


@pytest.mark.parametrize("length", [1, 79, 80, 81, 333, 800])
@pytest.mark.parametrize("overlap", [0, 8, 40, 72])
def test_stitching_the_tiles_of_a_signal_gives_the_signal(length, overlap):
    bins = GEOMETRY.bins_of(length)
    contig = Contig("c", length)
    whole = np.random.default_rng(length).random((2, bins + 10, 3)).astype(np.float32)
    stitched = np.full((2, bins, 3), np.nan, np.float32)
    for tile in make_tiles([contig], {"c": [(0, bins)]}, geometry=GEOMETRY, overlap=overlap):
        first = tile.start // 8
        signal = TileSignal(tile, whole[:, first : first + 10], np.ones(10, bool))
        for run in runs(tile, signal.taken(bin_bp=8)):
            assert run.contig == contig
            stitched[:, run.first_bin : run.first_bin + run.values.shape[1]] = run.values
    np.testing.assert_array_equal(stitched, whole[:, :bins])


def test_bins_without_bases_are_left_out_and_cut_the_runs():
    has_bases = np.array([0, 1, 1, 0, 0, 1, 0, 1, 1, 1], bool)
    values = np.arange(10, dtype=np.float32).reshape(1, 10, 1)
    tile = Tile(0, CONTIG, 160, ((20, 28), (29, 30)))
    taken = TileSignal(tile, values, has_bases).taken(bin_bp=8)
    found = [(run.first_bin, run.values[0, :, 0].tolist()) for run in runs(tile, taken)]
    assert found == [(21, [1, 2]), (25, [5]), (27, [7]), (29, [9])]


def test_a_window_that_was_not_computed_gives_nothing():
    tile = Tile(0, CONTIG, 0, ((0, 10),))
    taken = TileSignal(tile, None, np.zeros(10, bool)).taken(bin_bp=8)
    assert taken.size == 0
    assert list(runs(tile, taken)) == []


def test_what_is_taken_is_nan_where_there_is_no_base():
    has_bases = np.array([0, 1, 1, 0, 0, 1, 0, 1, 1, 1], bool)
    values = np.random.default_rng(1).random((2, 10, 3)).astype(np.float32)
    tile = Tile(0, CONTIG, 160, ((21, 26), (28, 30)))
    signal = TileSignal(tile, values, has_bases)
    taken = signal.taken(bin_bp=8)
    assert (taken.shape, taken.dtype) == ((2, 7, 3), np.float32)
    np.testing.assert_array_equal(np.isnan(taken[0, :, 0]), [False, False, True, True, False, False, False])
    found = list(runs(tile, taken))
    assert [run.first_bin for run in found] == [21, 25, 28]
    for run in found:
        first = run.first_bin - 20
        np.testing.assert_array_equal(run.values, values[:, first : first + run.values.shape[1]])
