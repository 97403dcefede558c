"""A folder of files that are written whole or not at all."""

import errno
from pathlib import Path

import pytest

from epigept_batch.cohort.storage import FolderStorage
from epigept_batch.errors import InputError, OutputError


def test_a_file_is_there_as_it_was_written(tmp_path):
    storage = FolderStorage(tmp_path / "new")
    assert (storage.read("a/b"), storage.size("a/b"), list(storage.names("a"))) == (None, None, [])
    storage.write("a/b", b"abc")
    storage.write("a/b", b"abcd")
    assert (storage.read("a/b"), storage.size("a/b"), list(storage.names(""))) == (b"abcd", 4, ["a/b"])
    assert storage.read("a/b/c") is None


def test_a_write_survives_the_end_of_another_run(tmp_path, monkeypatch):
    """The other run removes temporary files, also those that are being written."""
    storage, real, calls = FolderStorage(tmp_path), Path.write_bytes, []

    def tidied(self, content):
        calls.append(self)
        real(self, content)
        if len(calls) == 1:
            storage.tidy()

    monkeypatch.setattr(Path, "write_bytes", tidied)
    storage.write("a/b", b"abc")
    assert (storage.read("a/b"), len(calls)) == (b"abc", 2)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_a_write_that_never_lasts_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", lambda self, _: self.unlink())
    with pytest.raises(OutputError, match=rf"^{tmp_path}/a/b: cannot be written: No such file or directory"):
        FolderStorage(tmp_path).write("a/b", b"abc")


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    storage = FolderStorage(tmp_path)
    storage.write("a/b", b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        OutputError, match=r"a/b: cannot be written: No space left on device; free some space and rerun"
    ):
        storage.write("a/b", b"new")
    assert storage.read("a/b") == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_leftovers_are_no_files_and_are_removed(tmp_path):
    storage = FolderStorage(tmp_path)
    storage.write("a/b", b"abc")
    (tmp_path / "a/.b.00.part").touch()
    assert list(storage.names("")) == ["a/b"]
    storage.tidy()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


@pytest.mark.parametrize("name", ["a", "a/b"])
def test_a_file_in_place_of_the_folder_is_an_error(tmp_path, name):
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match=r": cannot be written: (File exists|Not a directory); choose another folder"):
        FolderStorage(tmp_path / name).write("plan.json", b"abc")


@pytest.mark.parametrize(("method", "of_path"), [("read", "read_bytes"), ("size", "stat")])
def test_a_file_that_cannot_be_read_is_not_missing(tmp_path, monkeypatch, method, of_path):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, of_path, refuse)
    with pytest.raises(InputError, match=r"a: cannot be read: Permission denied; check its permissions"):
        getattr(FolderStorage(tmp_path), method)("a")
