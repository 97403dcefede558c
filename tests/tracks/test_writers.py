import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import bigwigs
from epigept_batch.errors import OutputError
from epigept_batch.tiling import Contig
from epigept_batch.tracks import writers as module
from epigept_batch.tracks.writers import TrackWriters

CONTIGS = (Contig("b", 128 * 5000), Contig("a", 1000))


def open_writers(folder, tracks, processes):
    return TrackWriters([folder / f"{n}.bw" for n in range(tracks)], CONTIGS, bin_bp=128, processes=processes)


@pytest.fixture
def values():
    return np.random.default_rng(3).random((3, 5000)).astype(np.float32)


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_every_track_has_its_row_whatever_process_writes_it(tmp_path, values, processes):
    writers = open_writers(tmp_path, 3, processes)
    for first in range(0, 5000, 700):
        writers.write(CONTIGS[0], first, values[:, first : first + 700])
    writers.write(CONTIGS[1], 0, values[:, :8])
    writers.close()
    assert not list(tmp_path.glob("*.bw"))
    writers.publish()
    writers.discard()
    for track in range(3):
        found = bigwigs.bins(tmp_path / f"{track}.bw", "b", bin_bp=128)
        np.testing.assert_array_equal(found, values[track])
        np.testing.assert_array_equal(bigwigs.bins(tmp_path / f"{track}.bw", "a", bin_bp=128), values[track, :8])
    assert len(list(tmp_path.iterdir())) == 3


def test_bins_without_a_value_are_left_out_of_their_track_only(tmp_path, values):
    values[1, [0, 7, 8, 4999]] = np.nan
    writers = open_writers(tmp_path, 3, 2)
    writers.write(CONTIGS[0], 0, values)
    writers.close()
    writers.publish()
    writers.discard()
    for track in range(3):
        found = [value for _, _, value in bigwigs.records(tmp_path / f"{track}.bw", "b")]
        np.testing.assert_array_equal(found, values[track][~np.isnan(values[track])])
        np.testing.assert_array_equal(bigwigs.bins(tmp_path / f"{track}.bw", "b", bin_bp=128), values[track])


def test_discarded_midway_nothing_is_left(tmp_path, values):
    writers = open_writers(tmp_path, 3, 2)
    writers.write(CONTIGS[0], 0, values)
    pids = writers.pids
    assert len(list(tmp_path.iterdir())) == 3
    writers.discard()
    assert list(tmp_path.iterdir()) == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.timeout(60)
def test_a_process_that_is_killed_is_one_line(tmp_path, values):
    writers = open_writers(tmp_path, 3, 2)
    os.kill(writers.pids[1], signal.SIGKILL)
    with pytest.raises(OutputError, match=r"a process that writes bigWigs was killed \(SIGKILL\)"):
        for _ in range(1000):
            writers.write(CONTIGS[0], 0, values)
    writers.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_when_the_run_is_killed_its_processes_end_and_remove_what_they_wrote(tmp_path, name):
    script = f"""
import numpy as np, time
from pathlib import Path
from epigept_batch.tracks.writers import TrackWriters
from epigept_batch.tiling import Contig
contig = Contig("b", 128 * 5000)
writers = TrackWriters([Path({str(tmp_path)!r}) / f"{{n}}.bw" for n in range(4)], (contig,), bin_bp=128, processes=2)
writers.write(contig, 0, np.ones((4, 5000), np.float32))
print(*writers.pids, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
        pids = run.stdout.readline().split()
        assert len(pids) == 2
        time.sleep(0.5)
        run.send_signal(signal.Signals[name])
        run.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(tmp_path, values, monkeypatch):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(module, "PIPE_BYTES", 4096)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        writers = open_writers(tmp_path, 3, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    with pytest.raises(
        OutputError, match=r"0.bw: cannot be written: File too large; free some space or choose another --out"
    ):
        for contig in CONTIGS[:1] * 100:
            writers.write(contig, 0, values)
    writers.discard()
    assert list(tmp_path.iterdir()) == []


def test_more_tracks_than_files_may_be_open(tmp_path, values):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limit[1]))
    try:
        writers = open_writers(tmp_path, 500, 2)
        writers.write(CONTIGS[0], 0, np.repeat(values, 167, axis=0)[:500])
        writers.close()
        writers.publish()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        writers.discard()
    np.testing.assert_array_equal(bigwigs.bins(tmp_path / "499.bw", "b", bin_bp=128), values[2])


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_statistics_follow_the_order_of_the_paths(tmp_path, values, processes):
    five = np.concatenate([values, 2 * values[:2]])
    five[3, 10:] = np.nan
    writers = open_writers(tmp_path, 5, processes)
    writers.write(CONTIGS[0], 0, five)
    writers.write(CONTIGS[1], 0, five[:, :8])
    writers.close()
    writers.discard()
    for found, row in zip(writers.statistics, five, strict=True):
        every = np.concatenate([row, row[:8]]).astype(np.float64)
        assert found["bins"] == np.isfinite(every).sum()
        assert (found["min"], found["max"]) == (np.nanmin(every), np.nanmax(every))
        assert found["mean"] == pytest.approx(np.nanmean(every))
        assert found["covered_bp"] == 128 * np.isfinite(row).sum() + 1000  # contig a ends within its last bin
