"""Folders and object stores keep files alike."""

import numpy as np
import pytest
import zarr

from epigept_batch.cohort.object_storage import ObjectStorage
from epigept_batch.cohort.storage import FolderStorage, open_storage
from epigept_batch.errors import InputError, OutputError


@pytest.fixture(params=["folder", "objects"])
def storage(request, tmp_path):
    if request.param == "folder":
        return FolderStorage(tmp_path / "cohort")
    pytest.importorskip("obstore")
    (tmp_path / "cohort").mkdir()
    return ObjectStorage(f"file://{tmp_path}/cohort")


def test_files_are_found_by_name(storage):
    assert (storage.read("a/b"), storage.size("a/b"), list(storage.names(""))) == (None, None, [])
    storage.write("a/b", b"first")
    storage.write("a/b", b"second")
    storage.write("a/x y/ä", b"")
    storage.write("top", b"1")
    assert (storage.read("a/b"), storage.size("a/b"), storage.read("a/x y/ä")) == (b"second", 6, b"")
    assert sorted(storage.names("a")) == ["a/b", "a/x y/ä"]
    assert sorted(storage.names("")) == ["a/b", "a/x y/ä", "top"]
    assert list(storage.names("absent")) == []


def test_zarr_reads_a_folder(storage, tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    zarr.create_array(tmp_path / "made", name="x", data=values)
    for path in (tmp_path / "made").rglob("*"):
        if path.is_file():
            storage.write(f"cube/{path.relative_to(tmp_path / 'made').as_posix()}", path.read_bytes())
    np.testing.assert_array_equal(zarr.open_array(storage.zarr("cube"), path="x", mode="r")[:], values)


def test_a_place_is_the_same_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = FolderStorage(tmp_path.relative_to(tmp_path) / "cohort")
    assert (storage.where("a"), storage.location) == ("cohort/a", str(tmp_path / "cohort"))
    assert ObjectStorage("s3://bucket/a/").location == "s3://bucket/a"
    assert ObjectStorage("s3://bucket/a/").where("b/c") == "s3://bucket/a/b/c"


def test_what_a_killed_worker_left_is_not_there_and_is_removed(tmp_path):
    storage = FolderStorage(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.b.1234.part").write_text("x")
    assert list(storage.names("")) == []
    storage.tidy()
    assert list((tmp_path / "a").iterdir()) == []


def test_a_folder_that_cannot_be_written_or_read_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file/a: cannot be written: (Not a directory|File exists)"):
        FolderStorage(tmp_path / "file").write("a", b"x")
    with pytest.raises(InputError, match=r"/a: cannot be read: Is a directory; check its permissions"):
        (tmp_path / "a").mkdir()
        FolderStorage(tmp_path).read("a")


@pytest.mark.parametrize("url", ["ftp://host/x", "http://host/x", "file:///x", "://x", "memory://x"])
def test_other_urls_are_refused(url):
    with pytest.raises(InputError, match=r"a cohort lies in a folder, or at one of s3://, "):
        open_storage(url)


def test_schemes_are_of_object_stores():
    assert isinstance(open_storage("S3://bucket/x"), ObjectStorage)
    assert isinstance(open_storage("folder/x"), FolderStorage)


def test_a_server_that_is_not_there_is_one_line(monkeypatch):
    pytest.importorskip("obstore")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr("epigept_batch.cohort.object_storage.RETRIES", 0)
    storage = ObjectStorage("s3://bucket/cohort")
    with pytest.raises(InputError, match=r"^s3://bucket/cohort/a: cannot be read \(.*\); check the bucket, "):
        storage.read("a")
    with pytest.raises(OutputError, match=r"^s3://bucket/cohort/a: cannot be written \(.*\); check the bucket and"):
        storage.write("a", b"x")
