"""Maps of windows joined to the map of a contig, against a dict of pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from epigept_batch.contacts.expected import DistanceSums
from epigept_batch.contacts.pairs import WindowMean, size, upper_triangle, usable_blocks
from epigept_batch.tiling import Contig, Geometry, Tile, make_paired_tiles

GEOMETRY = Geometry(bins=12, bin_bp=4)
BLOCK_BP, BLOCKS = 8, 6
"""Bins of a map are two of the network's."""


def pairs_of(rows):
    """The values that rows hold, by contig and pair."""
    found = {}
    for part in rows:
        for row, distance in zip(*np.nonzero(~np.isnan(part.values[0])), strict=True):
            pair = (part.contig.name, part.first + row, part.first + row + distance)
            assert pair not in found
            found[pair] = part.values[:, row, distance]
    return found


def test_both_directions_are_averaged_and_unwanted_pairs_are_nan():
    maps = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    found = upper_triangle(maps, np.array([True, True, False]))
    assert found.dtype == np.float32
    assert found.shape == (2, size(3))
    np.testing.assert_array_equal(found[0], [0, 2, np.nan, 4, np.nan, np.nan])
    np.testing.assert_array_equal(found[1], [9, 11, np.nan, 13, np.nan, np.nan])


def test_a_bin_of_a_map_is_usable_if_any_bin_of_the_network_in_it_is_selected_and_any_has_a_base():
    has_bases = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1], bool)
    tile = Tile(0, Contig("c", 1000), 48, (), ((12, 19), (22, 24)))
    found = usable_blocks(tile, has_bases, bin_bp=4, block_bp=BLOCK_BP)
    assert found.tolist() == [True, True, False, True, False, True]


@pytest.mark.parametrize("overlap", [0, 8, 24, 40])
@pytest.mark.parametrize("spans", [[(0, 60)], [(4, 10), (30, 34), (58, 60)], [(23, 25)]])
def test_windows_that_see_a_selected_bin_are_all_there_and_no_others(overlap, spans):
    contig = Contig("c", 240)
    tiles = make_paired_tiles([contig], {"c": spans}, geometry=GEOMETRY, overlap=overlap)
    step = 12 - overlap // 4
    selected = {b for first, last in spans for b in range(first, last)}
    wanted = [n for n in range(60) if selected & set(range(n * step, n * step + 12))]
    assert [tile.start // 4 // step for tile in tiles] == wanted
    assert [tile.index for tile in tiles] == list(range(len(tiles)))
    for tile in tiles:
        seen = {b for first, last in tile.paired for b in range(first, last)}
        assert seen == selected & set(range(tile.start // 4, tile.start // 4 + 12))
        assert tile.needed == tile.paired


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1 << 32), st.sampled_from([0, 8, 16, 24, 40]), st.lists(st.integers(4, 200), min_size=1, max_size=3)
)
def test_the_joined_map_is_the_mean_of_all_windows_that_have_a_pair(seed, overlap, lengths):
    rng = np.random.default_rng(seed)
    contigs = [Contig(f"c{number}", length) for number, length in enumerate(lengths)]
    bins = {contig.name: GEOMETRY.bins_of(contig.length) for contig in contigs}
    bases = {name: rng.random(n + 12) < 0.7 for name, n in bins.items()}
    selection = {
        name: [(first, min(first + int(rng.integers(1, 30)), n))]
        for name, n in bins.items()
        for first in [int(rng.integers(0, n))]
        if first < n
    }
    selection = {  # in whole bins of the map, as a run selects them
        name: [(first // 2 * 2, -(-last // 2) * 2) for first, last in spans] for name, spans in selection.items()
    }
    tiles = make_paired_tiles(contigs, selection, geometry=GEOMETRY, overlap=overlap)
    mean, sums, found, windows = WindowMean(2, BLOCKS, block_bp=BLOCK_BP), DistanceSums(2, BLOCKS), [], {}
    for tile in tiles:
        first = tile.start // 4
        maps = rng.random((2, BLOCKS, BLOCKS)).astype(np.float32)
        has_bases = bases[tile.contig.name][first : first + 12]
        has_bases = np.pad(has_bases, (0, 12 - len(has_bases)))
        has_bases[max(0, bins[tile.contig.name] - first) :] = False
        windows.setdefault(tile.contig.name, []).append((tile.start // BLOCK_BP, maps))
        usable = usable_blocks(tile, has_bases, bin_bp=4, block_bp=BLOCK_BP)
        upper = upper_triangle(maps, usable) if usable.any() else np.zeros((0, 0), np.float32)
        found += mean.add(tile, upper)
    found += mean.rest()
    expected = {}
    for name, of_contig in windows.items():
        taken = np.zeros(-(-bins[name] // 2) * 2, bool)
        taken[: bins[name]] = bases[name][: bins[name]]
        chosen = {b // 2 for first, last in selection[name] for b in range(first, min(last, bins[name]))}
        usable = {b for b in chosen if taken[2 * b : 2 * b + 2].any()}
        for sample in range(2):
            pairs = reference.contact_map([(first, maps[sample]) for first, maps in of_contig], usable)
            for (i, j), value in pairs.items():
                expected.setdefault((name, i, j), []).append(value)
    mine = pairs_of(found)
    assert list(mine) == sorted(mine, key=lambda pair: ([c.name for c in contigs].index(pair[0]), *pair[1:]))
    assert mine.keys() == expected.keys()
    for pair, values in expected.items():
        np.testing.assert_allclose(mine[pair], values, rtol=1e-6)
    for rows in found:
        sums.add(rows)
    for sample in range(2):
        of_sample = {(i, j, name): values[sample] for (name, i, j), values in expected.items()}
        by_distance = {}
        for (i, j, _), value in of_sample.items():
            by_distance.setdefault(j - i, []).append(value)
        for distance in range(BLOCKS):
            values = by_distance.get(distance, [])
            assert sums.pixels[distance] == len(values)
            wanted = np.mean(values) if values else np.nan
            np.testing.assert_allclose(sums.mean(sample)[distance], wanted, rtol=1e-6)
