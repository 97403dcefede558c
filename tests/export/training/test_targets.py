"""Contacts as targets: read from maps and lists of loops, and put into the bins of windows."""

import itertools
import os
from dataclasses import replace
from types import SimpleNamespace

import cooler
import numpy as np
import pandas as pd
import pytest
import torch

from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig, Geometry

pytest.importorskip("lightning")

from epigept_export.training.config import ContactConfig
from epigept_export.training.contacts import OUTSIDE
from epigept_export.training.data import Example, collate
from epigept_export.training.targets import ContactGrid, WindowContacts, contact_targets, read_contacts

BIN_BP = 128
CONTIGS = (Contig("c1", 20_000), Contig("c2", 9_000))
CELLS = ("a", "b", "c")
GEOMETRY = Geometry(20, BIN_BP)
WINDOWS = tuple((contig, number) for contig in CONTIGS for number in range(-(-contig.length // 2560)))
THERE = np.ones(20, dtype=np.bool_)


def write_map(path, bin_bp, *, seed=1, bad=(), scale=1.0, contigs=CONTIGS):
    """Write a random map; return the symmetric values of each contig, NaN in bad bins."""
    rng, dense, pixels, offset = np.random.default_rng(seed), {}, [], 0
    for contig in contigs:
        bins = -(-contig.length // bin_bp)
        values = np.triu(rng.poisson(2, (bins, bins)) * scale)
        rows, columns = np.nonzero(values)
        frame = {"bin1_id": rows + offset, "bin2_id": columns + offset, "count": values[rows, columns]}
        pixels.append(pd.DataFrame(frame))
        dense[contig.name] = values + np.triu(values, 1).T
        offset += bins
    bins = cooler.util.binnify(pd.Series({contig.name: contig.length for contig in contigs}), bin_bp)
    if bad:
        bins["weight"] = 1.0
        bins.loc[list(bad), "weight"] = np.nan
        for number in bad:
            dense["c1"][number] = dense["c1"][:, number] = np.nan
    cooler.create_cooler(str(path), bins, pd.concat(pixels), dtypes={"count": float}, ordered=True)
    return dense


@pytest.fixture
def config(tmp_path):
    """A configuration as far as contacts are concerned."""

    def config(pattern="{cell}.cool", *, bin_bp=0, validation=("c",), geometry=GEOMETRY):
        return SimpleNamespace(
            path=tmp_path / "train.toml",
            data=SimpleNamespace(contacts=str(tmp_path / pattern)),
            split=SimpleNamespace(validation_cells=validation, test_cells=()),
            architecture=SimpleNamespace(geometry=geometry),
            contacts=ContactConfig(2.0, (0,), (0,), bin_bp),
        )

    return config


@pytest.fixture
def read(tmp_path):
    """The store, and what was said."""

    def read(config, windows=WINDOWS):
        said = []
        store = read_contacts(config, CELLS, windows, tmp_path / "work", say=said.append)
        return store, said

    return read


def dense(store, number, cells=(0, 1, 2), there=THERE):
    """What the loss is given for a window: by cell, float32, (size, size)."""
    window = store.window(number, WINDOWS[number][1], cells, there)
    targets = contact_targets([window], range(len(cells)))
    found = {} if targets is None else dict(zip(targets.pairs.tolist(), targets.contacts.numpy(), strict=True))
    return {cells[pair]: values for pair, values in found.items()}, window.groups


def naive_groups(number, bin_bp, bins=20):
    """The contacts' bin of each bin, counted from the contig's start; None if less than half of it is in the window."""
    middles = [(number * bins + n) * BIN_BP + BIN_BP / 2 for n in range(bins)]
    owners = [int(middle // bin_bp) for middle in middles]
    return [owner if 2 * owners.count(owner) * BIN_BP >= bin_bp else None for owner in owners]


@pytest.mark.parametrize("bin_bp", [128, 256, 300, 512, 700])
def test_bins_belong_to_the_contacts_bin_of_their_middle(bin_bp):
    grid = ContactGrid(GEOMETRY, bin_bp)
    for number in range(9):
        first = grid.first(number)
        found = [None if g == OUTSIDE else int(g) + first for g in grid.groups(number, THERE)]
        assert found == naive_groups(number, bin_bp)
        assert max(grid.groups(number, THERE)) < grid.size
    assert grid.size == {128: 20, 256: 10, 300: 10, 512: 5, 700: 5}[bin_bp]


def test_bins_without_bases_belong_to_none():
    there = THERE.copy()
    there[[4, 8, 9, 10]] = False
    groups = ContactGrid(GEOMETRY, 512).groups(0, there)
    assert groups.tolist() == [0] * 4 + [-1, 1, 1, 1] + [-1] * 4 + [3] * 4 + [4] * 4


@pytest.mark.parametrize("bin_bp", [128, 300, 512])
def test_the_targets_are_the_maps_values(config, read, tmp_path, bin_bp):
    maps = {cell: write_map(tmp_path / f"{cell}.cool", bin_bp, seed=ord(cell), scale=0.5) for cell in "ac"}
    store, said = read(config())
    assert said == [
        f"reading contacts of 2 of 3 cells in bins of {bin_bp} bp: raw values, because the file has no normalisation"
    ]
    assert store.cells.tolist() == [True, False, True]
    compared = 0
    for number, (contig, on_contig) in enumerate(WINDOWS):
        there = np.array([(on_contig * 20 + n) * BIN_BP < contig.length for n in range(20)])
        found, groups = dense(store, number, there=there)
        assert set(found) <= {0, 2}
        first = ContactGrid(GEOMETRY, bin_bp).first(on_contig)
        for cell, values in found.items():
            whole = maps[CELLS[cell]][contig.name]
            for one, other in itertools.product(range(len(values)), repeat=2):
                if one == other:
                    continue
                if one in groups and other in groups:
                    assert values[one, other] == np.float32(whole[one + first, other + first])
                    compared += 1
                else:
                    assert np.isnan(values[one, other])
    assert compared > 400


def test_a_finer_map_is_summed_and_several_resolutions_need_a_choice(config, read, tmp_path):
    values = write_map(tmp_path / "a.cool", 256)["c1"]
    store, _ = read(config(bin_bp=512))
    found, _ = dense(store, 1)
    expected = values[10:20, 10:20].reshape(5, 2, 5, 2).sum(axis=(1, 3))
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(found[0][off], expected[off])
    cooler.zoomify_cooler(str(tmp_path / "a.cool"), str(tmp_path / "a.mcool"), [256, 512], chunksize=1000)
    with pytest.raises(
        InputError, match=r"a.mcool: has several resolutions: 256, 512 bp; set contacts.bin_bp in .*toml"
    ):
        read(config("{cell}.mcool"))
    again, _ = read(config("{cell}.mcool", bin_bp=512))
    np.testing.assert_array_equal(dense(again, 1)[0][0], found[0])
    named, _ = read(config("{cell}.mcool::/resolutions/512"))
    np.testing.assert_array_equal(dense(named, 1)[0][0], found[0])


def test_the_values_do_not_depend_on_how_many_are_read_at_a_time(config, read, tmp_path, monkeypatch):
    write_map(tmp_path / "a.cool", 256)
    whole, _ = read(config())
    monkeypatch.setattr("epigept_export.training.targets.BAND_VALUES", 120)  # 12 rows, of windows of 10
    (tmp_path / "work").rename(tmp_path / "earlier")
    parts, _ = read(config())
    pixels = [store.pixels.array for store in (whole, parts)]
    assert len(pixels[0]) > 400
    assert pixels[0].tobytes() == pixels[1].tobytes()
    assert np.array_equal(parts.ends, whole.ends)


def test_bad_bins_do_not_count(config, read, tmp_path):
    values = write_map(tmp_path / "a.cool", 256, bad=(12, 13))["c1"]
    store, said = read(config())
    assert said[0].endswith("normalised (weight)")
    found, _ = dense(store, 1)
    off = ~np.eye(10, dtype=bool)
    np.testing.assert_array_equal(found[0][off], values[10:20, 10:20][off].astype(np.float32))
    assert np.isnan(found[0][2, [0, 1, 3, 9]]).all()


def test_loops_are_1_between_all_bins_of_both_anchors(config, read, tmp_path):
    rows = [
        ("c1", 2560, 2816, "c1", 4096, 4224),  # bins 20, 21 and 32 of 128 bp
        ("c1", 4864, 4992, "c1", 2688, 2700),  # anchors in the other order: bins 21 and 38
        ("c1", 2560, 2816, "c1", 9000, 9100),  # leaves the window
        ("c1", 100, 300, "c2", 100, 300),
        ("c1", 5000, 5200, "c1", 3000, 3010),  # its first anchor reaches beyond the window: bins 39 and 23
        ("c2", 0, 128, "c2", 640, 768),
    ]
    (tmp_path / "a.bedpe").write_text("".join("\t".join(map(str, row)) + "\t.\t7.5\n" for row in rows))
    store, said = read(config("{cell}.bedpe"))
    assert said[0] == "reading contacts of 1 of 3 cells in bins of 128 bp: 1 for each loop"
    expected = np.zeros((20, 20))
    for one, other in ((0, 12), (1, 12), (1, 18), (3, 19)):
        expected[one, other] = expected[other, one] = 1
    found, _ = dense(store, 1)
    assert set(found) == {0}
    np.testing.assert_array_equal(found[0], expected)
    assert dense(store, 0)[0] == {}
    on_c2 = [contig.name for contig, _ in WINDOWS].index("c2")
    found, _ = dense(store, on_c2)
    assert np.argwhere(found[0]).tolist() == [[0, 5], [5, 0]]
    coarse, _ = read(config("{cell}.bedpe", bin_bp=512))
    found, _ = dense(coarse, 1)
    assert np.argwhere(np.triu(found[0], 1)).tolist() == [[0, 3], [0, 4]]


def test_what_is_kept_is_read_again_unless_a_file_has_changed(config, read, tmp_path):
    write_map(tmp_path / "a.cool", 256)
    first, said = read(config())
    assert len(said) == 2
    assert said[1] == "no validation cell has contacts, so they do not decide when training stops"
    again, said = read(config())
    assert len(said) == 1
    np.testing.assert_array_equal(dense(again, 2)[0][0], dense(first, 2)[0][0])
    (tmp_path / "a.cool").unlink()
    values = write_map(tmp_path / "a.cool", 256, seed=9)["c1"]
    changed, said = read(config())
    assert len(said) == 2
    off = ~np.eye(10, dtype=bool)
    np.testing.assert_array_equal(dense(changed, 2)[0][0][off], values[20:30, 20:30][off])


def test_a_file_of_the_same_size_with_another_time_is_read_again(config, read, tmp_path):
    path = tmp_path / "a.bedpe"
    for seconds, start in enumerate((640, 768)):
        path.write_text(f"c1\t0\t128\tc1\t{start}\t{start + 1}\n")
        os.utime(path, (seconds, seconds))
        store, _ = read(config("{cell}.bedpe"))
        assert np.argwhere(np.triu(dense(store, 0)[0][0])).tolist() == [[0, start // 128]]


def test_a_contig_that_a_map_does_not_have_has_no_contacts(config, read, tmp_path):
    write_map(tmp_path / "a.cool", 256, contigs=CONTIGS[1:])
    store, _ = read(config())
    assert dense(store, 0)[0] == {}
    assert set(dense(store, len(WINDOWS) - 3)[0]) == {0}


def test_there_is_no_store_without_contacts(config, read):
    given = config()
    given.contacts = None
    assert read(given) == (None, [])


@pytest.mark.parametrize(
    ("bin_bp", "wanted", "message"),
    [
        (100, 0, r"train.toml: contacts in bins of 100 bp are finer than the network's bins of 128 bp; set contacts"),
        (
            256,
            1024,
            r"train.toml: contacts in bins of 1,024 bp leave fewer than 3 bins per window of 2,560 bp; use maps",
        ),
        (256, 300, r"a.cool: bins of 300 bp are not a multiple of any of its resolutions: 256 bp"),
    ],
)
def test_bins_that_do_not_fit_are_refused(config, read, tmp_path, bin_bp, wanted, message):
    write_map(tmp_path / "a.cool", bin_bp)
    with pytest.raises(InputError, match=message):
        read(config(bin_bp=wanted))


def test_files_that_do_not_fit_are_refused(config, read, tmp_path):
    with pytest.raises(
        InputError, match=r"train.toml: data.contacts: no cell to train on has a file, such as .*/a.cool"
    ):
        read(config())
    write_map(tmp_path / "c.cool", 256)
    with pytest.raises(InputError, match="data.contacts: no cell to train on has a file"):
        read(config())
    write_map(tmp_path / "a.cool", 256, contigs=(replace(CONTIGS[0], length=21_000),))
    with pytest.raises(InputError, match=r"a.cool: .*c1.*21,?000"):
        read(config())
    (tmp_path / "a.cool").unlink()
    write_map(tmp_path / "a.cool", 256, contigs=(Contig("d9", 9_000),))
    with pytest.raises(InputError, match="a.cool: no contig in common with the genome"):
        read(config())
    assert not list((tmp_path / "work").glob("*"))
    write_map(tmp_path / "a.cool", 256, scale=-1)
    with pytest.raises(InputError, match=r"a.cool: value -\d+ between"):
        read(config())
    assert not list((tmp_path / "work").glob("*"))


def test_a_batch_has_the_contacts_of_the_drawn_cells():
    """The same cells as the signal and the expression, and only windows and cells with contacts."""
    pixel = np.dtype([("row", "<u2"), ("column", "<u2"), ("value", "<f4")])
    examples = []
    for window in range(2):
        pixels = tuple(
            np.array([(0, 1, 10 * window + cell)] if cell else [], dtype=pixel) for cell in range(4)
        )  # cell 0 has none
        contacts = WindowContacts(np.arange(3), 3, pixels)
        signal = torch.full((4, 3, 1), float(window)) + torch.arange(4)[:, None, None] / 10
        expression = torch.arange(4, dtype=torch.float32)[:, None]
        empty = torch.zeros(3, dtype=torch.uint8), torch.zeros(1, 3)
        examples.append(Example(*empty, expression, signal, contacts))
    for seed in range(5):
        torch.manual_seed(seed)
        batch = collate(examples, cells=2)
        drawn = batch.expression[:, 0].int().tolist()
        values = {
            divmod(pair, 2): contacts[0, 1].item()
            for pair, contacts in zip(batch.contacts.pairs.tolist(), batch.contacts.contacts, strict=True)
        }
        assert values == {(w, n): 10 * w + cell for w in range(2) for n, cell in enumerate(drawn) if cell}
        assert batch.signal[1, 1, 0, 0].item() == pytest.approx(1 + drawn[1] / 10)
    everything = collate(examples, cells=None)
    assert everything.contacts.pairs.tolist() == [1, 2, 3, 5, 6, 7]
    assert contact_targets([examples[0].contacts], [0]) is None
    assert collate([example._replace(contacts=None) for example in examples], cells=2).contacts is None
