"""The journal of finished tiles: kills, damage, locks, full disks."""

import resource
import signal
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest

from epigept_batch.commands.run.journal import Journal
from epigept_batch.errors import OutputError

INPUTS = {"model": "m", "overlap": 0, "selection": {"chr1": ((0, 5),)}}
SESSION = {"provider": "CPU"}
TILES = (4, 0, 1, 9, 2, 3)


def values_of(tile):
    values = np.random.default_rng(tile).normal(size=(7 + tile, 3)).astype(np.float32)
    values[2:4] = np.nan
    return values


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".sample.journal"


@pytest.fixture
def filled(path):
    """A journal of six tiles, closed."""
    journal = Journal(path, INPUTS)
    journal.begin(SESSION)
    for tile in TILES:
        journal.add(tile, values_of(tile))
    journal.close()
    return path


@pytest.fixture
def reopened():
    """Open a journal as a run does; all are closed at the end."""
    with ExitStack() as stack:

        def reopen(path, **options):
            journal = stack.enter_context(Journal(path, INPUTS, **options))
            journal.begin(SESSION)
            return journal

        yield reopen


def test_what_was_added_is_there_again(filled, reopened):
    journal = reopened(filled)
    assert journal.tiles == {0, 1, 2, 3, 4, 9}
    for tile in journal.tiles:
        np.testing.assert_array_equal(journal.read(tile), values_of(tile))
    journal.add(5, values_of(5))
    np.testing.assert_array_equal(journal.read(5), values_of(5))
    journal.close()
    assert reopened(filled).tiles == {0, 1, 2, 3, 4, 5, 9}


def test_a_tile_without_values(path, reopened):
    journal = reopened(path)
    journal.add(3, np.zeros((0, 8), np.float32))
    journal.close()
    again = reopened(path)
    assert again.tiles == {3}
    assert again.read(3).shape == (0, 8)


def test_cut_anywhere_it_keeps_every_whole_record_and_goes_on(filled, reopened):
    whole = filled.read_bytes()
    ends, end = [], whole.index(b"\n") + 1
    for tile in TILES:
        end += 16 + values_of(tile).nbytes
        ends.append(end)
    assert end == len(whole)
    for cut in range(len(whole)):
        filled.write_bytes(whole[:cut])
        journal = reopened(filled)
        kept = TILES[: sum(end <= cut for end in ends)]
        assert journal.tiles == set(kept)
        journal.add(77, values_of(7))
        journal.close()
        again = reopened(filled)
        assert again.tiles == {*kept, 77}
        np.testing.assert_array_equal(again.read(77), values_of(7))
        again.close()


def test_a_changed_byte_is_not_believed(filled):
    whole = filled.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(whole.index(b"\n") + 1, len(whole), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        filled.write_bytes(bytes(damaged))
        with Journal(filled, INPUTS) as journal:
            assert len(journal.tiles) < len(TILES)
            for tile in journal.tiles:
                np.testing.assert_array_equal(journal.read(tile), values_of(tile))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]\n", b"null\n", b'{"epigept-batch journal": 2}\n', b"\xff\xfe\n", b"x" * 99]
)
def test_what_is_no_journal_of_ours_is_begun_anew(path, reopened, text):
    path.write_bytes(text)
    journal = reopened(path)
    assert journal.tiles == set()
    journal.add(0, values_of(0))
    journal.close()
    assert reopened(path).tiles == {0}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"model": "n"}, "a different model"),
        ({"overlap": 64, "selection": {}}, "different overlap, selection"),
        ({"space": "x"}, "a different space"),
    ],
)
def test_other_inputs_are_named_and_refused(filled, changes, names):
    before = filled.read_bytes()
    with pytest.raises(
        OutputError, match=f"interrupted run with {names}; rerun that command unchanged to .* with --fresh"
    ):
        Journal(filled, INPUTS | changes)
    assert filled.read_bytes() == before
    with Journal(filled, INPUTS | changes, fresh=True) as journal:
        assert journal.tiles == set()


def test_another_device_is_named_and_refused(filled, reopened):
    with Journal(filled, INPUTS) as journal, pytest.raises(OutputError, match="with a different provider"):
        journal.begin({"provider": "CUDA"})
    assert reopened(filled).tiles == set(TILES)


def test_without_a_finished_tile_nothing_is_left(path, reopened):
    reopened(path).close()
    assert not path.exists()


def test_removed_when_complete(filled, reopened):
    reopened(filled).remove()
    assert not filled.exists()


def test_a_second_run_is_refused_while_the_first_lives(filled, reopened):
    script = f"""
import pathlib, sys
from epigept_batch.commands.run.journal import Journal
journal = Journal(pathlib.Path({str(filled)!r}), {INPUTS!r})
print("open", flush=True)
sys.stdin.read()
"""
    first = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with first:
        assert first.stdout.readline() == "open\n"
        with pytest.raises(OutputError, match="another run is writing these outputs now; wait for it to finish"):
            Journal(filled, INPUTS)
        first.kill()
        first.wait()
        assert reopened(filled).tiles == set(TILES)


def test_one_that_was_removed_meanwhile_is_not_taken(filled, reopened, monkeypatch):
    """The first run ends, and removes its journal, between a second's opening of it and its lock."""
    import fcntl

    real, calls = fcntl.flock, []

    def flock(file, how):
        if not calls:
            filled.unlink()
        calls.append(how)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    journal = reopened(filled)
    journal.add(0, values_of(0))
    journal.close()
    assert len(calls) == 2
    monkeypatch.undo()
    assert reopened(filled).tiles == {0}


@pytest.mark.parametrize("room", [0, 5, 16, 40])
def test_a_full_disk_loses_nothing_that_was_finished(filled, reopened, room):
    """A limit on the file's size stops a write short and fails the next, as a full disk does."""
    journal = reopened(filled)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (filled.stat().st_size + room, limits[1]))
    try:
        with pytest.raises(OutputError, match="File too large; fix this and rerun the same command: finished"):
            journal.add(6, values_of(6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    journal.add(8, values_of(8))
    journal.close()
    again = reopened(filled)
    assert again.tiles == {*TILES, 8}
    np.testing.assert_array_equal(again.read(8), values_of(8))


def test_where_no_file_can_be_made_that_is_said(tmp_path):
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        Journal(tmp_path / "absent/.s.journal", INPUTS)
