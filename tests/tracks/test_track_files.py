"""Paths with names in them."""

from pathlib import Path

import pytest

from epigept_batch.tracks.track_files import TrackFiles


@pytest.fixture
def folder(tmp_path):
    for name in ("K562.CTCF.bw", "H1.CTCF.bw", "MCF 10A.CTCF.bw", "H1.DNase.bw", "H1.CTCF.bigWig", "CTCF.bw"):
        (tmp_path / name).touch()
    (tmp_path / "H9").mkdir()
    (tmp_path / "H9/H9.CTCF.bw").touch()
    return tmp_path


def test_the_cells_that_have_a_track(folder):
    found = TrackFiles(f"{folder}/{{cell}}.{{track}}.bw").cells("CTCF")
    assert found == {cell: folder / f"{cell}.CTCF.bw" for cell in ("H1", "K562", "MCF 10A")}
    assert TrackFiles(f"{folder}/{{cell}}/{{cell}}.{{track}}.bw").cells("CTCF") == {"H9": folder / "H9/H9.CTCF.bw"}
    assert TrackFiles(f"{folder}/{{cell}}.{{track}}.bw").cells("H3K27ac") == {}


def test_names_are_taken_as_they_are(tmp_path):
    (tmp_path / "a[1].x*y.bw").touch()
    (tmp_path / "a1.xzy.bw").touch()
    assert TrackFiles(f"{tmp_path}/{{cell}}.{{track}}.bw").cells("x*y") == {"a[1]": tmp_path / "a[1].x*y.bw"}


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("{cell}.{track}.bw", "mean.CTCF.bw", True),
        ("./{cell}.{track}.bw", "mean.CTCF.bw", True),
        ("{cell}.{track}.bw", "folder/mean.CTCF.bw", False),
        ("folder/{cell}.{track}.bw", "mean.CTCF.bw", False),
        ("folder/{cell}.{track}.bw", "folder/../folder/mean.CTCF.bw", True),
        ("other/{cell}.{track}.bw", "folder/mean.CTCF.bw", True),
        ("folder/{cell}.{track}.bw", "other/mean.CTCF.bw", True),
        ("{cell}/{track}.bw", "folder/mean.CTCF.bw", True),
        ("{cell}/{cell}.{track}.bw", "folder/mean.CTCF.bw", False),
        ("{cell}/{cell}.{track}.bw", "mean/mean.CTCF.bw", True),
        ("{cell}.CTCF.bw", "mean.DNase.bw", False),
        ("folder/x{cell}.{track}.bw", "folder/mean.CTCF.bw", False),
        ("{cell}.{track}.bigWig", "mean.CTCF.bw", False),
        ("/{cell}.{track}.bw", "/mean.CTCF.bw", True),
    ],
)
def test_whether_a_path_fits(tmp_path, monkeypatch, pattern, path, fits):
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").symlink_to("folder")
    monkeypatch.chdir(tmp_path)
    assert TrackFiles(pattern).fits(Path(path)) is fits
    absolute = pattern if pattern.startswith("/") else f"{tmp_path}/{pattern}"
    assert TrackFiles(absolute).fits(Path(path)) is fits
    assert TrackFiles(pattern).fits(tmp_path / path) is fits


def test_one_file_is_its_own_cell(folder):
    assert TrackFiles(f"{folder}/{{track}}.bw").cells("CTCF") == {"CTCF": folder / "CTCF.bw"}
    assert TrackFiles(f"{folder}/absent.bw").cells("CTCF") == {}


def test_places_take_names():
    files = TrackFiles("a/{sample}/{track}.bw")
    assert files.path(sample="s", track="t") == Path("a/s/t.bw")
    assert (files.names("sample"), files.names("cell")) == (True, False)


def test_places_that_several_tracks_need():
    one, samples, tracks = [("a", "DNase")], [("a", "DNase"), ("b", "DNase")], [("a", "DNase"), ("a", "CTCF")]
    assert TrackFiles("x.bw").lacking_places(one) == ""
    assert TrackFiles("x.bw").lacking_places(samples) == "{sample}"
    assert TrackFiles("{sample}.bw").lacking_places(tracks) == "{track}"
    assert TrackFiles("x.bw").lacking_places([*samples, *tracks]) == "{sample} and {track}"
    assert TrackFiles("{sample}.{track}.bw").lacking_places([*samples, *tracks]) == ""
