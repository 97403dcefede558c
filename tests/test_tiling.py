import pytest

from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig, Geometry, Region, clip_spans, make_tiles, merge_spans, select_bins
from reference import owner

GEOMETRY = Geometry(bins=10, bin_bp=8)


def tiles_of(length, spans, overlap=0):
    return make_tiles([Contig("c", length)], {"c": spans}, geometry=GEOMETRY, overlap=overlap)


def test_a_contig_is_cut_on_the_grid_from_0_with_a_short_last_tile():
    tiles = tiles_of(200, [(0, 25)])
    assert [(t.index, t.start, t.spans) for t in tiles] == [
        (0, 0, ((0, 10),)),
        (1, 80, ((10, 20),)),
        (2, 160, ((20, 25),)),
    ]


def test_a_contig_shorter_than_a_bin_is_one_tile_of_one_bin():
    assert [(t.start, t.spans) for t in tiles_of(3, [(0, 1)])] == [(0, ((0, 1),))]


def test_bins_beyond_the_contig_are_not_taken():
    assert [t.spans for t in tiles_of(81, [(0, 99)])] == [((0, 10),), ((10, 11),)]


def test_a_selection_keeps_the_windows_of_the_whole_genome():
    tiles = tiles_of(800, [(12, 14), (17, 31), (95, 96)])
    assert [(t.start, t.spans) for t in tiles] == [
        (80, ((12, 14), (17, 20))),
        (160, ((20, 30),)),
        (240, ((30, 31),)),
        (720, ((95, 96),)),
    ]


def test_tiles_come_in_the_order_of_the_contigs():
    contigs = [Contig("b", 100), Contig("a", 90), Contig("c", 8)]
    selection = {"a": [(0, 1)], "b": [(12, 13)]}
    tiles = make_tiles(contigs, selection, geometry=GEOMETRY)
    assert [(t.index, t.contig.name, t.start) for t in tiles] == [(0, "b", 80), (1, "a", 0)]


@pytest.mark.parametrize("overlap", range(0, 80, 8))
@pytest.mark.parametrize("length", [1, 8, 79, 80, 81, 333, 800])
def test_every_bin_is_owned_once_by_the_window_in_whose_centre_it_lies_nearest(length, overlap):
    bins, step = GEOMETRY.bins_of(length), 10 - overlap // 8
    owned = {}
    for tile in tiles_of(length, [(0, bins)], overlap):
        for first, last in tile.spans:
            for b in range(first, last):
                assert b not in owned
                owned[b] = tile.start // 8 // step
                assert tile.start // 8 <= b < tile.start // 8 + 10
    assert owned == {b: owner(b, bins=10, step=step) for b in range(bins)}


def test_the_real_grid_with_half_windows_owns_every_bin_of_the_chromosome_2_piece_once():
    geometry = Geometry(1000, 128)
    tiles = make_tiles([Contig("chr2", 2_333_275)], {"chr2": [(0, 18229)]}, geometry=geometry, overlap=64_000)
    spans = [span for tile in tiles for span in tile.spans]
    assert spans[0] == (0, 750)
    assert spans[1] == (750, 1250)
    assert merge_spans(spans) == ((0, 18229),)
    assert sum(last - first for first, last in spans) == 18229


@pytest.mark.parametrize("overlap", [-8, 4, 80, 88])
def test_an_overlap_must_fit_the_bins(overlap):
    with pytest.raises(InputError, match=f"--overlap {overlap}: must be a multiple of the bin size 8 from 0 to 72"):
        tiles_of(100, [(0, 1)], overlap)


def test_regions_select_the_bins_that_they_overlap():
    regions = [Region("a", 7, 9), Region("b", 8, 16), Region("a", 100, 101), Region("a", 9, 24)]
    assert select_bins(regions, 8) == {"a": ((0, 3), (12, 13)), "b": ((1, 2),)}


def test_spans_are_joined_and_clipped():
    assert merge_spans([(5, 6), (1, 3), (3, 4), (2, 2), (0, 1)]) == ((0, 4), (5, 6))
    assert clip_spans([(0, 4), (5, 9)], 3, 6) == ((3, 4), (5, 6))
