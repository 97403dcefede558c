import numpy as np
import pytest

import bigwigs
from epigept_batch.errors import OutputError
from epigept_batch.files import make_folder, replacing
from epigept_batch.outputs.bigwig import BigWigWriter
from epigept_batch.outputs.provenance import SampleFiles, is_up_to_date, write_record
from epigept_batch.tiling import Contig

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
    with pytest.raises(OutputError, match="file/below: output folder cannot be written: Not a directory; give another"):
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
    with pytest.raises(OutputError, match=r"s.run.json: was made with another model, overlap; give another --out"):
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
    write_record(fewer, {"inputs": {}})
    assert sorted(p.name for p in files.folder.iterdir()) == ["s.CTCF.bw", "s.Mine.bw", "s.run.json"]


@pytest.mark.parametrize("record", [None, "", "[]", "{}", '{"inputs": 3}', '{"inputs": {}, "files": []}'])
def test_files_of_unknown_origin_are_refused(files, record):
    files.bigwigs[0].touch()
    if record is not None:
        files.record.write_text(record)
    with pytest.raises(OutputError, match="--force"):
        is_up_to_date(files, INPUTS)
