"""The cube on disk, read with Zarr itself."""

import hashlib
import math

import numpy as np
import pytest
import zarr

from cohort_plans import CONTIGS, PLAN
from epigept_batch.cohort.cube import Cube, encode_shard, metadata, shard_name
from epigept_batch.cohort.marker import Marker, WrittenFile, marker_name
from epigept_batch.cohort.npy import to_npy
from epigept_batch.cohort.storage import FolderStorage
from epigept_batch.cohort.totals import added, nothing, of_bytes, totals_of
from epigept_batch.cohort.units import Units
from epigept_batch.errors import InputError

LENGTHS = {"one": 157, "three": 1}


@pytest.fixture
def values():
    """Values of the whole cube by track and contig, NaN where nothing is selected."""
    rng = np.random.default_rng(1)
    whole = {}
    for track in PLAN.tracks:
        for name, bins in LENGTHS.items():
            array = np.full((5, bins), np.nan, dtype=np.float16)
            for first, last in PLAN.selection[name]:
                array[:, first:last] = rng.gamma(1, 1, (5, last - first))
            whole[track, name] = array
    return whole


@pytest.fixture
def filled(tmp_path, values):
    """A storage with all shards."""
    storage = FolderStorage(tmp_path / "cohort")
    for name, content in metadata(PLAN, [{"sample": f"s{number}", "group": "g"} for number in range(5)]):
        storage.write(name, content)
    for unit in Units(PLAN):
        written = {}
        for track in PLAN.tracks:
            shard = np.full((2, 40), np.nan, dtype=np.float16)
            part = values[track, unit.contig.name][slice(*unit.samples), slice(*unit.bins)]
            shard[: part.shape[0], : part.shape[1]] = part
            content = encode_shard(PLAN, shard)
            storage.write(shard_name(track, unit), content)
            written[shard_name(track, unit)] = WrittenFile.of(content)
        marker = Marker(unit.number, PLAN.digest, written, {}, 0.0, {}, 0)
        storage.write(marker_name(unit.number), marker.to_bytes())
    return storage


@pytest.mark.usefixtures("filled")
def test_zarr_reads_what_was_written(values, tmp_path):
    root = zarr.open_group(tmp_path / "cohort/cube.zarr", mode="r")
    assert root.attrs["samples"][4] == {"sample": "s4", "group": "g"}
    assert root.attrs["epigept_batch.cohort"]["plan"] == PLAN.digest
    assert sorted(root.group_keys()) == ["CTCF", "DNase"]
    assert sorted(root["CTCF"].array_keys()) == ["one", "three"]
    for (track, contig), expected in values.items():
        array = root[track][contig]
        assert (array.shards, array.chunks, array.dtype) == ((2, 40), (2, 20), np.float16)
        assert array.metadata.dimension_names == ("sample", "bin")
        np.testing.assert_array_equal(array[:], expected)
    assert {path.name for path in (tmp_path / "cohort").rglob("*")}.isdisjoint({"two"})


@pytest.mark.parametrize("samples", [(0, 5), (1, 4), (4, 5)])
@pytest.mark.parametrize("bins", [(0, 157), (35, 45), (90, 110), (120, 121), (156, 157)])
def test_parts_are_read(filled, values, samples, bins):
    cube = Cube(filled, PLAN, Units(PLAN))
    found = cube.read("DNase", CONTIGS[0], samples, bins)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values["DNase", "one"][slice(*samples), slice(*bins)].astype(np.float32))


def test_a_missing_or_damaged_shard_is_no_gap(filled, tmp_path):
    units = Units(PLAN)
    cube = Cube(filled, PLAN, units)
    path = tmp_path / "cohort" / shard_name("DNase", units[4])  # bins 40 to 80 of samples 2 and 3
    content = path.read_bytes()
    middle = len(content) // 4
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
    with pytest.raises(InputError, match=r"bins 40 to 41 cannot be read, because a file is damaged"):
        cube.read("DNase", CONTIGS[0], (2, 3), (40, 41))
    path.unlink()
    said = rf"one/c/1/1: missing, although the cohort was finalised; delete {tmp_path}/cohort/units/0/4.json and rerun"
    with pytest.raises(InputError, match=said):
        Cube(filled, PLAN, units).read("DNase", CONTIGS[0], (0, 5), (0, 50))
    assert np.isnan(Cube(filled, PLAN, units).read("DNase", CONTIGS[0], (2, 3), (80, 120))).all()


def test_a_shard_of_another_size_is_refused(filled, tmp_path):
    """Zarr reads an empty file as NaN."""
    units = Units(PLAN)
    path = tmp_path / "cohort" / shard_name("CTCF", units[0])
    for content in (b"", path.read_bytes()[:-1], path.read_bytes() + b"x"):
        path.write_bytes(content)
        said = (
            rf"one/c/0/0: damaged or replaced after the cohort was finalised; delete {tmp_path}/cohort/units/0/0.json"
        )
        with pytest.raises(InputError, match=said):
            Cube(filled, PLAN, units).read("CTCF", CONTIGS[0], (0, 1), (0, 40))
    assert np.isfinite(Cube(filled, PLAN, units).read("CTCF", CONTIGS[0], (2, 3), (3, 40))).all()


def test_a_unit_without_a_marker_is_refused(filled, tmp_path):
    (tmp_path / "cohort/units/0/4.json").unlink()
    cube = Cube(filled, PLAN, Units(PLAN))
    with pytest.raises(InputError, match=r"units/0/4.json: missing, although the cohort was finalised"):
        cube.read("CTCF", CONTIGS[0], (0, 5), (0, 50))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"little"', '"big"', 1),
        lambda text: text.replace("157", "158"),
        lambda text: text.replace('"float16"', '"uint16"').replace('"NaN"', "0"),
        lambda text: text.replace('"NaN"', "0"),
    ],
)
def test_an_edited_description_is_refused(filled, tmp_path, change):
    path = tmp_path / "cohort/cube.zarr/CTCF/one/zarr.json"
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(InputError, match=r"CTCF/one/zarr.json: was edited; restore it with epigept-batch cohort fin"):
        Cube(filled, PLAN, Units(PLAN)).read("CTCF", CONTIGS[0], (0, 1), (0, 40))


@pytest.mark.parametrize("content", [None, b"", b"[1"])
def test_so_is_one_that_is_missing_or_damaged(filled, tmp_path, content):
    path = tmp_path / "cohort/cube.zarr/CTCF/one/zarr.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"CTCF/one/zarr.json: missing or damaged \(.*\); restore it with epigept-batch"
    ):
        Cube(filled, PLAN, Units(PLAN)).read("CTCF", CONTIGS[0], (0, 1), (0, 40))


def test_attributes_may_be_added(filled, values, tmp_path):
    zarr.open_array(tmp_path / "cohort/cube.zarr/CTCF/one", mode="r+").attrs["mine"] = 1
    found = Cube(filled, PLAN, Units(PLAN)).read("CTCF", CONTIGS[0], (0, 5), (0, 157))
    np.testing.assert_array_equal(found, values["CTCF", "one"])


def test_the_same_values_give_the_same_bytes():
    shard = np.random.default_rng(3).gamma(1, 1, (2, 40)).astype(np.float16)
    digests = {hashlib.sha256(encode_shard(PLAN, shard)).hexdigest() for _ in range(5)}
    assert len(digests) == 1


@pytest.mark.parametrize("fill", [np.nan, 0])
def test_a_shard_of_nothing_is_written_too(fill):
    assert len(encode_shard(PLAN, np.full((2, 40), fill, dtype=np.float16))) > 20


def test_totals_are_those_of_numpy():
    rng = np.random.default_rng(2)
    values = rng.gamma(1, 1, (2, 3, 50)).astype(np.float16)
    values[0, 1, :20] = np.nan
    values[1, 2] = np.nan
    found = added(added(nothing(2, 3), totals_of(values[..., :17])), totals_of(values[..., 17:]))
    assert found.shape == (2, 3, 5)
    for track in range(2):
        for sample in range(3):
            wide = values[track, sample].astype(np.float64)
            known = wide[~np.isnan(wide)]
            expected = [len(known), known.sum(), (known**2).sum()]
            expected += [known.min(), known.max()] if len(known) else [math.inf, -math.inf]
            np.testing.assert_allclose(found[track, sample], expected, rtol=1e-13)
    np.testing.assert_array_equal(of_bytes(to_npy(found), (2, 3), "x"), found)


@pytest.mark.parametrize("content", [b"", b"no array", to_npy(nothing(2, 2)), to_npy(nothing(2, 3).astype(np.float32))])
def test_damaged_totals_are_refused(content):
    with pytest.raises(InputError, match=r"^totals/0/1.npy: damaged file$"):
        of_bytes(content, (2, 3), "totals/0/1.npy")
