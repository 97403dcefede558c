import random

import numpy as np
import pytest

from epigept_batch.outputs.stitch import TileSignal, in_genome_order, runs
from epigept_batch.tiling import Contig, Geometry, Tile, make_tiles

GEOMETRY = Geometry(bins=10, bin_bp=8)
CONTIG = Contig("c", 1000)


def tile_signal(index):
    return TileSignal(Tile(index, CONTIG, index * 80, ()), None, np.zeros(10, bool))


@pytest.mark.parametrize("seed", range(5))
def test_any_order_becomes_genome_order(seed):
    indices = list(range(50))
    random.Random(seed).shuffle(indices)
    assert [s.tile.index for s in in_genome_order(map(tile_signal, indices))] == list(range(50))


def test_each_comes_as_soon_as_it_can():
    sent = []

    def source():
        for index in (1, 0, 2):
            sent.append(index)
            yield tile_signal(index)

    ordered = in_genome_order(source())
    assert next(ordered).tile.index == 0
    assert sent == [1, 0]


def test_a_tile_that_never_comes_is_an_error():
    with pytest.raises(RuntimeError, match="tile 0 never came, 2 after it did"):
        list(in_genome_order(map(tile_signal, [2, 1])))


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
        for run in runs(signal, bin_bp=8):
            assert run.contig == contig
            stitched[:, run.first_bin : run.first_bin + run.values.shape[1]] = run.values
    np.testing.assert_array_equal(stitched, whole[:, :bins])


def test_bins_without_bases_are_left_out_and_cut_the_runs():
    has_bases = np.array([0, 1, 1, 0, 0, 1, 0, 1, 1, 1], bool)
    values = np.arange(10, dtype=np.float32).reshape(1, 10, 1)
    tile = Tile(0, CONTIG, 160, ((20, 28), (29, 30)))
    found = [
        (run.first_bin, run.values[0, :, 0].tolist()) for run in runs(TileSignal(tile, values, has_bases), bin_bp=8)
    ]
    assert found == [(21, [1, 2]), (25, [5]), (27, [7]), (29, [9])]


def test_a_window_that_was_not_computed_gives_nothing():
    tile = Tile(0, CONTIG, 0, ((0, 10),))
    assert list(runs(TileSignal(tile, None, np.zeros(10, bool)), bin_bp=8)) == []
