"""Markers: what identifies a unit's files, and what is refused in place of a marker."""

import hashlib
import json

import pytest

from cohort_plans import PLAN
from epigept_batch.cohort.marker import Marker, WrittenFile, marker_name, read_marker
from epigept_batch.cohort.storage import FolderStorage
from epigept_batch.cohort.units import Units
from epigept_batch.errors import InputError

UNIT = Units(PLAN)[4]
MARKER = Marker(4, PLAN.digest, {"a/b": WrittenFile(3, "x")}, {"host": "h"}, 1.5e9, {"model": 0.25}, 7)


def test_a_marker_is_read_as_it_was_written(tmp_path):
    storage = FolderStorage(tmp_path)
    assert read_marker(storage, UNIT, PLAN.digest) is None
    storage.write(marker_name(4), MARKER.to_bytes())
    assert read_marker(storage, UNIT, PLAN.digest) == MARKER
    assert (tmp_path / "units/0/4.json").exists()


def test_a_file_is_known_by_its_size_and_sha256():
    assert WrittenFile.of(b"abc") == WrittenFile(3, hashlib.sha256(b"abc").hexdigest())


def test_markers_lie_in_folders_of_a_thousand():
    names = [marker_name(number) for number in (0, 999, 1000)]
    assert names == ["units/0/0.json", "units/0/999.json", "units/1/1000.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"finished": 1e300},
        {"finished": float("inf")},
        {"finished": float("nan")},
        {"finished": -1},
        {"finished": None},
        {"unit": float("inf")},
        {"unit": "four"},
        {"pairs": float("inf")},
        {"pairs": float("nan")},
        {"files": {"a": {"size": float("inf"), "sha256": "x"}}},
        {"files": ["a"]},
        {"seconds": {"model": "long"}},
        {"worker": "me"},
    ],
)
def test_what_cannot_be_a_marker_is_refused(change):
    text = json.dumps(json.loads(MARKER.to_bytes()) | change).encode()
    with pytest.raises(InputError, match=r"^m.json: not the marker of a finished unit; delete it and rerun"):
        Marker.of_bytes(text, "m.json")


@pytest.mark.parametrize("content", [b"", b"null", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_so_is_what_is_not_json(content):
    with pytest.raises(InputError, match=r"^m.json: not the marker"):
        Marker.of_bytes(content, "m.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [({"plan": "p"}, "was written for another cohort"), ({"unit": 5}, "is the marker of unit 6, not")],
)
def test_the_marker_of_another_unit_is_refused(tmp_path, change, said):
    storage = FolderStorage(tmp_path)
    storage.write(marker_name(4), json.dumps(json.loads(MARKER.to_bytes()) | change).encode())
    with pytest.raises(InputError, match=said):
        read_marker(storage, UNIT, PLAN.digest)
