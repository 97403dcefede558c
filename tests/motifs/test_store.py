import json
import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import zarr
from numcodecs import Zstd

from epigept_batch.errors import InputError, OutputError
from epigept_batch.motifs.store import BLOCK_BINS, ScoreKey, ScoreStore
from epigept_batch.tiling import Contig

KEY = ScoreKey(motifs=40, matrices="ab" * 32, window="-37,164", bin_bp=128, factors=("A", "B", "C"))
LONG = Contig("chr1", 128 * 2500 - 100)  # three blocks, the last of 500 bins
SHORT = Contig("short", 90)
MD5 = "0" * 32


def random_scores(contig, seed=1):
    rng = np.random.default_rng(seed)
    shape = (len(KEY.factors), -(-contig.length // KEY.bin_bp))
    return (rng.gamma(2, 4, shape) * (rng.random(shape) < 0.3)).astype(np.float16)


def write_all(store, contig, scores):
    store.add(contig, MD5)
    for block in store.blocks(contig):
        first, last = store.span(contig, block)
        store.write(contig, block, scores[:, first:last])


@pytest.fixture
def store(tmp_path):
    """A store of two contigs and its scores by contig."""
    made = ScoreStore.create(tmp_path / "scores", KEY)
    scores = {contig: random_scores(contig) for contig in (LONG, SHORT)}
    for contig, values in scores.items():
        write_all(made, contig, values)
    return made, scores


@pytest.mark.parametrize("contig", [LONG, SHORT])
@pytest.mark.parametrize(
    ("first", "bins"), [(0, 1000), (1000, 1000), (2000, 1000), (0, 1), (999, 2), (500, 2300), (2499, 50), (1750, 50)]
)
def test_any_bins_come_back_bit_for_bit_and_0_beyond_the_end(store, contig, first, bins):
    made, scores = store
    padded = np.zeros((3, 4000), np.float16)
    padded[:, : scores[contig].shape[1]] = scores[contig]
    for opened in (made, ScoreStore.open(made.path)):
        found = opened.read(contig, first, bins)
        assert found.dtype == np.float16
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found.view(np.uint16), padded[:, first : first + bins].view(np.uint16))


def test_the_files_are_what_zarr_v3_says(store):
    """Without our reader: an array a contig for Zarr, and a chunk by the codecs that its metadata names."""
    made, scores = store
    group = zarr.open_group(made.path, mode="r")
    assert sorted(group.array_keys()) == ["chr1", "short"]
    np.testing.assert_array_equal(group["chr1"][:], scores[LONG])
    metadata = json.loads((made.path / "chr1/zarr.json").read_text())
    assert metadata["zarr_format"] == 3
    assert [codec["name"] for codec in metadata["codecs"]] == ["bytes", "zstd"]
    assert metadata["dimension_names"] == ["factor", "bin"]
    raw = np.frombuffer(Zstd().decode((made.path / "chr1/c.0.1").read_bytes()), "<f2").reshape(3, BLOCK_BINS)
    np.testing.assert_array_equal(raw, scores[LONG][:, 1000:2000])


def test_what_is_done_is_known_also_where_nothing_scores(tmp_path):
    made = ScoreStore.create(tmp_path / "scores", KEY)
    assert made.missing(LONG, [0, 2]) == [0, 2]
    made.add(LONG, MD5)
    made.write(LONG, 2, np.zeros((3, 500), np.float16))
    again = ScoreStore.create(tmp_path / "scores", KEY)
    assert again.missing(LONG, again.blocks(LONG)) == [0, 1]
    again.add(LONG, MD5)
    assert again.missing(LONG, again.blocks(LONG)) == [0, 1]
    assert not again.read(LONG, 2000, 1000).any()
    assert again.block_size(LONG, 2) == (tmp_path / "scores/chr1/c.0.2").stat().st_size
    assert again.size == sum(file.stat().st_size for file in (tmp_path / "scores").rglob("*.*"))


@pytest.mark.parametrize(
    "name", ["HLA-A*01:01", "a/b", "..", ".", "__x", "zarr.json", "50%", "50%25", "a b", "chr1|x?", "é", "c.0.0"]
)
def test_contigs_of_any_name(tmp_path, name):
    made = ScoreStore.create(tmp_path / "scores", KEY)
    contigs = [replace(SHORT, name=name), replace(SHORT, name="chr1")]
    for seed, contig in enumerate(contigs):
        write_all(made, contig, random_scores(contig, seed))
    opened = ScoreStore.open(tmp_path / "scores")
    for seed, contig in enumerate(contigs):
        np.testing.assert_array_equal(opened.read(contig, 0, 1), random_scores(contig, seed))
    assert {path.name for path in tmp_path.iterdir()} == {"scores"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bin_bp": 200}, "store has scores for bins of 128 bp, not 200"),
        ({"factors": ("A", "B", "D", "E")}, "store has scores for other factors (+C, -D, -E)"),
        ({"factors": ("B", "A", "C")}, "store has scores for other factors (in another order)"),
        ({"window": "0,128"}, "store has scores with motif hits in the window -37,164 around a bin, not 0,128"),
        ({"motifs": 41, "matrices": "cd" * 32}, "store has scores with other motifs (40, not 41)"),
        ({"matrices": "cd" * 32}, "store has scores with other motifs (matrices or thresholds)"),
    ],
)
def test_a_store_of_other_scores_is_refused_with_the_difference(store, change, words):
    path = store[0].path
    with pytest.raises(OutputError) as caught:
        ScoreStore.create(path, replace(KEY, **change))
    assert str(caught.value) == f"{path}: {words}; choose another --out"


def test_another_sequence_is_refused(store):
    made, _ = store
    shorter = replace(LONG, length=1000)
    with pytest.raises(OutputError, match=r"another FASTA: its chr1 has 319,900 bp, not 1,000; choose another --out"):
        made.add(shorter, MD5)
    assert "has the MD5 00000000000000000000000000000000, not 1" in made.difference(LONG, "1" * 32)
    assert not made.difference(LONG, MD5)
    assert not made.difference(Contig("chr9", 1), MD5)


def test_a_folder_or_file_that_is_none_of_ours_is_refused_and_kept(tmp_path):
    other = tmp_path / "other"
    zarr.create_group(other, attributes={"mine": 1})
    file = tmp_path / "file"
    file.write_text("mine")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("mine")
    for path in (other, file, full):
        with pytest.raises(OutputError, match="not an epigept-batch score store; choose another --out"):
            ScoreStore.create(path, KEY)
        with pytest.raises(InputError, match="not an epigept-batch score store"):
            ScoreStore.open(path)
    assert file.read_text() == (full / "mine").read_text() == "mine"
    with pytest.raises(InputError, match="score store does not exist"):
        ScoreStore.open(tmp_path / "absent")


def test_an_empty_folder_becomes_one(tmp_path):
    (tmp_path / "scores").mkdir()
    ScoreStore.create(tmp_path / "scores", KEY)
    assert ScoreStore.open(tmp_path / "scores").key == KEY


def test_a_later_format_is_said(store):
    made, _ = store
    file = made.path / "zarr.json"
    file.write_text(file.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(InputError, match="score store has format 2, but this version reads format 1; make it again"):
        ScoreStore.open(made.path)


def cut(file):
    file.write_bytes(file.read_bytes()[:-3])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, lambda file: file.write_bytes(b"")])
def test_a_damaged_block_is_said_and_the_others_are_read(store, damage):
    made, scores = store
    damage(made.path / "chr1/c.0.1")
    opened = ScoreStore.open(made.path)
    with pytest.raises(InputError, match=r"chr1/c.0.1: damaged file \(.+\); delete it and rerun epigept-batch scan"):
        opened.read(LONG, 1000, 1000)
    np.testing.assert_array_equal(opened.read(LONG, 0, 1000), scores[LONG][:, :1000])


def test_a_damaged_array_is_said(store):
    made, _ = store
    (made.path / "chr1/zarr.json").write_text("{")
    with pytest.raises(InputError, match="chr1: damaged array; delete this folder and rerun epigept-batch scan"):
        ScoreStore.open(made.path).difference(LONG, MD5)
    shutil.rmtree(made.path / "chr1")
    zarr.open_group(made.path, mode="r+").create_group("chr1")
    with pytest.raises(InputError, match="chr1: not an array; delete this folder"):
        ScoreStore.open(made.path).difference(LONG, MD5)


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    made = ScoreStore.create(tmp_path / "scores", KEY)
    made.add(SHORT, MD5)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(
        OutputError, match="No space left on device; free some space and rerun; scores written so far are kept"
    ):
        made.write(SHORT, 0, np.ones((3, 1), np.float16))


def test_what_a_killed_scan_left_unfinished_is_removed_but_not_what_another_writes(store):
    made, _ = store
    old, new = made.path / "chr1/c.0.1.aa.partial", made.path / "chr1/c.0.2.bb.partial"
    for file, age in ((old, 7200), (new, 5)):
        file.write_bytes(b"half")
        os.utime(file, times=(time.time() - age,) * 2)
    ScoreStore.create(made.path, KEY)
    assert (old.exists(), new.exists()) == (False, True)
