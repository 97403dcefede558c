import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pybigtools
import pyBigWig
import pytest

import bigwigs
from epigept_batch.errors import OutputError
from epigept_batch.files import filling, make_folder, replacing, temporary_beside
from epigept_batch.provenance.run_record import SampleFiles, is_up_to_date, withdraw, write_record
from epigept_batch.tiling import Contig
from epigept_batch.tracks import bigwig_format
from epigept_batch.tracks.bigwig import BigWigWriter

CONTIGS = (Contig("b", 300), Contig("a", 90), Contig("empty", 5000), Contig("c", 1280))


def written(path, runs):
    writer = BigWigWriter(path, CONTIGS, bin_bp=128)
    for name, first, values in runs:
        writer.write(next(c for c in CONTIGS if c.name == name), first, np.array(values, np.float32))
    writer.close()
    writer.publish()
    writer.discard()
    return path


def test_runs_clipped_ends_gaps_and_the_header(tmp_path):
    path = written(tmp_path / "x.bw", [("b", 0, [1, 2, 3]), ("a", 0, [4]), ("c", 1, [5]), ("c", 3, [6, 7])])
    assert bigwigs.contigs(path) == {"b": 300, "a": 90, "empty": 5000, "c": 1280}
    assert list(bigwigs.contigs(path)) == ["b", "a", "empty", "c"]
    assert bigwigs.records(path, "b") == [(0, 128, 1), (128, 256, 2), (256, 300, 3)]
    assert bigwigs.records(path, "a") == [(0, 90, 4)]
    assert bigwigs.records(path, "empty") == []
    assert bigwigs.records(path, "c") == [(128, 256, 5), (384, 512, 6), (512, 640, 7)]
    assert [p.name for p in tmp_path.iterdir()] == ["x.bw"]


def test_values_are_kept_to_the_last_bit(tmp_path):
    values = np.random.default_rng(2).random(10).astype(np.float32)
    np.testing.assert_array_equal(bigwigs.bins(written(tmp_path / "x.bw", [("c", 0, values)]), "c", bin_bp=128), values)


@pytest.fixture
def long(tmp_path):
    """Two contigs of some 60,000 bins with gaps, the last bin of the second shorter, and their values by base pair."""
    contigs = (Contig("x", 128 * 40_000), Contig("y", 128 * 20_000 - 28))
    values = {c.name: np.random.default_rng(c.length).random(-(-c.length // 128)).astype(np.float32) for c in contigs}
    values["x"][5_000:17_011] = np.nan
    path = tmp_path / "long.bw"
    writer = BigWigWriter(path, contigs, bin_bp=128)
    for contig in contigs:
        have = np.flatnonzero(np.diff(~np.isnan(values[contig.name]), prepend=False, append=False)).reshape(-1, 2)
        for begin, end in have:
            for first in range(begin, end, 1_000):
                writer.write(contig, first, values[contig.name][first : min(first + 1_000, end)])
    writer.close()
    writer.publish()
    by_base = {c.name: np.repeat(values[c.name], 128)[: c.length].astype(np.float64) for c in contigs}
    return path, values, by_base


def test_thousands_of_bins_and_what_is_said_of_all(long):
    path, values, by_base = long
    for name, expected in values.items():
        np.testing.assert_array_equal(bigwigs.bins(path, name, bin_bp=128), expected)
    everything = np.concatenate(list(by_base.values()))
    with pyBigWig.open(str(path)) as file:
        header = file.header()
        assert header["nBasesCovered"] == np.isfinite(everything).sum()
        assert header["sumData"] == pytest.approx(np.nansum(everything), abs=1)
    with pybigtools.open(str(path)) as file:
        summary = file.info()["summary"]
        assert summary["min"] == np.nanmin(everything)
        assert summary["max"] == np.nanmax(everything)
        assert summary["std"] == pytest.approx(np.nanstd(everything), rel=1e-6)
        assert file.zooms() == [2048, 8192, 32_768, 131_072, 524_288, 2_097_152]


@pytest.mark.parametrize("level", range(6))
def test_zoom_records_are_the_summaries_of_their_bases(long, level):
    path, _, by_base = long
    span = 2048 * 4**level
    with pybigtools.open(str(path)) as file:
        for name, expected in by_base.items():
            found = list(file.zoom_records(span, name))
            starts = [s for s in range(0, len(expected), span) if np.isfinite(expected[s : s + span]).any()]
            assert [(start, end) for start, end, _ in found] == [(s, min(s + span, len(expected))) for s in starts]
            for start, end, record in found:
                part = expected[start:end]
                assert record["bases_covered"] == np.isfinite(part).sum()
                assert record["min_val"] == np.nanmin(part)
                assert record["max_val"] == np.nanmax(part)
                assert record["sum"] == pytest.approx(np.nansum(part), rel=1e-6)
                assert record["sum_squares"] == pytest.approx(np.nansum(part * part), rel=1e-6)


def test_both_readers_answer_from_the_zoom_levels(long):
    path, _, by_base = long
    expected = by_base["y"][: 131_072 * 16].reshape(16, -1)
    with pyBigWig.open(str(path)) as file:
        found = file.stats("y", 0, expected.size, nBins=16)
        np.testing.assert_allclose(found, expected.mean(axis=1), rtol=1e-5)
        np.testing.assert_array_equal(file.stats("y", 0, expected.size, nBins=16, type="max"), expected.max(axis=1))


def test_an_index_of_several_tiers(tmp_path, monkeypatch):
    monkeypatch.setattr(bigwig_format, "FAN", 3)
    values = np.random.default_rng(1).random(60_000).astype(np.float32)
    contig = Contig("x", 128 * 60_000)
    writer = BigWigWriter(tmp_path / "x.bw", [contig], bin_bp=128)
    writer.write(contig, 0, values)
    writer.close()
    writer.publish()
    np.testing.assert_array_equal(bigwigs.bins(tmp_path / "x.bw", "x", bin_bp=128), values)
    with pyBigWig.open(str(tmp_path / "x.bw")) as file:
        for first in (0, 1023, 1024, 31_000, 59_999):
            assert file.values("x", first * 128, first * 128 + 1)[0] == values[first]


def test_more_contigs_than_a_leaf_can_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(bigwig_format, "MOST_ITEMS", 7)
    monkeypatch.setattr(bigwig_format, "FAN", 3)
    contigs = [Contig(f"c{number}", 1000 + number) for number in range(50)]
    writer = BigWigWriter(tmp_path / "x.bw", contigs, bin_bp=128)
    for number, contig in enumerate(contigs):
        writer.write(contig, 2, np.array([number], np.float32))
    writer.close()
    writer.publish()
    assert bigwigs.contigs(tmp_path / "x.bw") == {contig.name: contig.length for contig in contigs}
    with pyBigWig.open(str(tmp_path / "x.bw")) as file:
        assert [file.values(contig.name, 256, 257)[0] for contig in contigs] == list(range(50))


def test_a_file_without_values_can_be_read(tmp_path):
    path = written(tmp_path / "x.bw", [])
    assert bigwigs.records(path, "b") == []
    with pyBigWig.open(str(path)) as file:
        assert file.intervals("b") is None


def test_a_discarded_file_leaves_nothing_and_the_old_one_stands(tmp_path):
    (tmp_path / "x.bw").write_text("old")
    writer = BigWigWriter(tmp_path / "x.bw", CONTIGS, bin_bp=128)
    writer.write(CONTIGS[0], 0, np.ones(1, np.float32))
    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / "x.bw").read_text() == "old"
    writer.discard()
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(ValueError, match="midway"), replacing(path) as temporary:
        temporary.write_text("half")
        raise ValueError("midway")
    assert list(tmp_path.iterdir()) == []
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    make_folder(tmp_path / "new/folder")
    assert (tmp_path / "new/folder").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(
        OutputError, match="file/below: output folder cannot be written: Not a directory; choose another"
    ):
        make_folder(tmp_path / "file/below")
    with pytest.raises(OutputError, match="output folder cannot be written"):
        make_folder(tmp_path / "file")


@pytest.fixture
def files(tmp_path):
    return SampleFiles(tmp_path, "s", ("DNase", "CTCF"))


INPUTS = {"model": "m", "overlap": 0, "regions": {"a": ((0, 3),)}}


def finish(files):
    for path in files.bigwigs:
        path.touch()
    write_record(files, {"inputs": INPUTS})


def test_nothing_there_is_not_up_to_date(files):
    assert files.record.name == "s.run.json"
    assert [p.name for p in files.bigwigs] == ["s.DNase.bw", "s.CTCF.bw"]
    assert not is_up_to_date(files, INPUTS)


def test_the_same_inputs_are_up_to_date(files):
    finish(files)
    assert is_up_to_date(files, INPUTS)


def test_a_missing_track_is_made_again(files):
    finish(files)
    files.bigwigs[1].unlink()
    assert not is_up_to_date(files, INPUTS)


def test_other_inputs_are_refused_by_name(files):
    finish(files)
    with pytest.raises(
        OutputError, match=r"s.run.json: existing tracks were made with different model, overlap; choose another"
    ):
        is_up_to_date(files, INPUTS | {"model": "n", "overlap": 8})


def test_a_truncated_track_is_made_again(files):
    for path in files.bigwigs:
        path.write_text("whole")
    write_record(files, {"inputs": INPUTS})
    assert is_up_to_date(files, INPUTS)
    files.bigwigs[0].write_text("who")
    assert not is_up_to_date(files, INPUTS)


def test_tracks_of_an_earlier_run_do_not_stay_beside_a_new_record(files):
    finish(files)
    theirs = files.folder / "s.Mine.bw"
    theirs.touch()
    fewer = SampleFiles(files.folder, "s", ("CTCF",))
    withdraw(fewer)
    assert sorted(p.name for p in files.folder.iterdir()) == [".s.changing", "s.Mine.bw"]
    fewer.bigwigs[0].touch()
    write_record(fewer, {"inputs": {}})
    assert sorted(p.name for p in files.folder.iterdir()) == ["s.CTCF.bw", "s.Mine.bw", "s.run.json"]


def test_tracks_of_a_run_that_was_stopped_do_not_stay_beside_a_new_record(files):
    """The first run was to leave DNase and CTCF, and was stopped before its record; the next has another track."""
    withdraw(files)
    for path in files.bigwigs:
        path.touch()
    other = SampleFiles(files.folder, "s", ("H3K27ac",))
    assert not is_up_to_date(files, INPUTS)
    withdraw(other)
    withdraw(other)  # stopped again
    assert [p.name for p in files.folder.iterdir()] == [".s.changing"]
    other.bigwigs[0].touch()
    write_record(other, {"inputs": {}})
    assert sorted(p.name for p in files.folder.iterdir()) == ["s.H3K27ac.bw", "s.run.json"]


@pytest.mark.parametrize("note", ["", "{", "3", "[3]", '{"a": 1}', '["../x", "t.CTCF.bw"]'])
def test_only_bigwigs_of_the_sample_go(files, note):
    finish(files)
    (files.folder / "t.CTCF.bw").touch()
    (files.folder.parent / "x").touch()
    files.changing.write_text(note)
    withdraw(files)
    assert sorted(p.name for p in files.folder.iterdir()) == [".s.changing", "t.CTCF.bw"]
    assert (files.folder.parent / "x").exists()


@pytest.mark.parametrize("record", [None, "", "[]", "{}", '{"inputs": 3}', '{"inputs": {}, "files": []}'])
def test_files_of_unknown_origin_are_refused(files, record):
    files.bigwigs[0].touch()
    if record is not None:
        files.record.write_text(record)
    with pytest.raises(OutputError, match="--force"):
        is_up_to_date(files, INPUTS)


def test_hidden_files_have_the_mode_of_ordinary_ones_and_threads_leave_the_umask_alone(tmp_path, monkeypatch):
    """The umask is the process's: one thread that sets it, even for a moment, makes files of the others public."""
    before = os.umask(0o027)
    folder = tmp_path / "folder"
    try:
        with monkeypatch.context() as patch, ThreadPoolExecutor(8) as pool:
            patch.setattr(os, "umask", pytest.fail)
            made = list(pool.map(lambda n: temporary_beside(tmp_path / f"{n % 3}"), range(400)))
            with filling(folder) as temporary:
                (temporary / "file").touch()
    finally:
        os.umask(before)
    assert len(set(made)) == 400
    assert {path.stat().st_mode & 0o777 for path in made} == {0o640}
    assert folder.stat().st_mode & 0o777 == 0o750


def test_a_hidden_file_never_takes_the_place_of_one_that_is_there(tmp_path, monkeypatch):
    names = iter(["aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr("epigept_batch.files.secrets.token_hex", lambda _: next(names))
    first = temporary_beside(tmp_path / "x")
    first.write_text("mine")
    second = temporary_beside(tmp_path / "x")
    assert (first.name, second.name) == (".x.aaaaaaaa.part", ".x.bbbbbbbb.part")
    assert first.read_text() == "mine"
