"""A run that was stopped goes on: same values, nothing computed twice but what was under way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bigwigs
from epigept_batch.commands.run import resume
from epigept_batch.commands.run import run as pipeline
from epigept_batch.commands.run.journal import Journal
from epigept_batch.errors import OutputError
from epigept_batch.inference.session import Session
from epigept_batch.prediction import predict as prediction
from epigept_batch.tracks import writers

ROOT = Path(__file__).parent.parent.parent
OPTIONS = {"overlap": 1280, "batch-size": 1}
UNDER_WAY = 4
"""Windows that may be computed and not yet kept when a run stops: a batch that is written, one behind it, one ahead."""


@pytest.fixture(autouse=True)
def side_by_side(monkeypatch):
    """Stages run ahead of each other, as they do with kept scores: more is under way when a run stops."""
    real = prediction.make_schedule
    monkeypatch.setattr(
        prediction, "make_schedule", lambda *names, **options: real(*names, **(options | {"scans": False}))
    )


def values(folder):
    """Every record of every track of a folder, by file."""
    return {
        path.name: {contig: bigwigs.records(path, contig) for contig in bigwigs.contigs(path)}
        for path in sorted(folder.glob("*.bw"))
    }


@pytest.fixture
def whole(genome, other_tpm, tmp_path):
    """What two samples get undisturbed, and how many windows that takes."""
    assert genome("--tpm", other_tpm, out=tmp_path / "whole", **OPTIONS).code == 0
    record = json.loads((tmp_path / "whole/sample.run.json").read_text())
    assert record["windows_resumed"] == 0
    return values(tmp_path / "whole"), record["windows"]


@pytest.fixture
def computed(monkeypatch):
    """Windows that went into the network, counted; `limit` stops the run in place of the next."""

    class Count:
        windows = 0
        limit = None

    count, real = Count(), Session.run

    def run(self, inputs):
        if count.limit is not None and count.windows >= count.limit:
            raise KeyboardInterrupt
        count.windows += inputs.shape[0]
        return real(self, inputs)

    monkeypatch.setattr(Session, "run", run)
    return count


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_stopped_anywhere_it_becomes_the_same(genome, other_tpm, whole, computed, tmp_path):
    expected, windows = whole
    out = tmp_path / "out"
    for stop in range(1, windows, 2):
        computed.windows, computed.limit = 0, stop
        first = genome("--tpm", other_tpm, "--fresh", **OPTIONS)
        assert first.code == 130
        assert names(out) <= {".sample.journal", ".other.journal"}
        computed.limit = None
        done = genome("--tpm", other_tpm, **OPTIONS)
        assert done.code == 0, done.err
        assert values(out) == expected
        assert windows - 1 <= computed.windows <= windows + UNDER_WAY
        resumed = json.loads((out / "other.run.json").read_text())["windows_resumed"]
        assert resumed >= stop - UNDER_WAY
        said = f"{resumed:,} of {windows:,} windows are saved; rerun the same command to resume\n"
        assert (said in first.err) == (resumed > 0)
        assert resumed == 0 or f"resuming: {resumed:,} of {windows:,} windows are already finished" in done.err
        assert names(out) == {*expected, "sample.run.json", "other.run.json"}
        for path in out.iterdir():
            path.unlink()


def test_stopped_again_and_again_it_still_ends(genome, other_tpm, whole, computed, tmp_path):
    expected, windows = whole
    computed.windows = stops = 0
    while True:
        computed.limit = computed.windows + 3
        if genome("--tpm", other_tpm, **OPTIONS).code == 0:
            break
        stops += 1
    assert stops > 3
    assert values(tmp_path / "out") == expected
    assert computed.windows <= windows + UNDER_WAY * stops


def stopped(genome, computed, *arguments, **options):
    """Run until some windows are finished, and stop."""
    computed.windows, computed.limit = 0, 6
    assert genome(*arguments, **(OPTIONS | options)).code == 130
    computed.limit = None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"space": "linear"}, "space"),
        ({"tracks": "CTCF"}, "set of tracks"),
        ({"region": "one:1-9000"}, "selection of bins"),
        ({"overlap": 0}, "overlap"),
    ],
)
def test_what_is_not_the_same_run_is_refused_and_named(genome, computed, tmp_path, options, name):
    stopped(genome, computed)
    before = (tmp_path / "out/.sample.journal").read_bytes()
    done = genome(**(OPTIONS | options))
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        f"epigept-batch: {tmp_path}/out/.sample.journal: belongs to an interrupted run with a different {name}; rerun "
        "that command unchanged to resume it, choose another --out, or discard its progress and start over with --fresh"
    )
    assert (tmp_path / "out/.sample.journal").read_bytes() == before
    done = genome("--fresh", **(OPTIONS | options))
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "out/sample.run.json").read_text())["windows_resumed"] == 0


def test_another_device_does_not_go_on_with_it(genome, computed, monkeypatch):
    stopped(genome, computed)
    real = Session.__init__

    def on_cuda(self, *arguments, **options):
        real(self, *arguments, **(options | {"provider": "CUDAExecutionProvider"}))

    monkeypatch.setattr(Session, "__init__", on_cuda)
    done = genome(**OPTIONS)
    assert done.code == 2
    assert "with a different kind of device" in done.err


def test_a_second_sample_joins_one_that_was_stopped(genome, other_tpm, whole, computed, tmp_path):
    expected, windows = whole
    stopped(genome, computed)
    computed.windows = 0
    assert genome("--tpm", other_tpm, **OPTIONS).code == 0
    assert values(tmp_path / "out") == expected
    assert computed.windows >= windows - 1  # the other sample has none yet


def test_a_run_that_was_stopped_does_not_hinder_another_sample(genome, other_tpm, computed, tmp_path):
    stopped(genome, computed)
    assert genome(tpm=other_tpm, **OPTIONS).code == 0
    assert ".sample.journal" in names(tmp_path / "out")


@pytest.mark.parametrize("files", range(7))
def test_stopped_while_files_get_their_names(genome, other_tpm, whole, tmp_path, monkeypatch, files):
    """Six bigWigs and two records are to be named."""
    expected, windows = whole
    real, calls = writers.publish, []

    def publish(*arguments):
        if len(calls) == files:
            raise KeyboardInterrupt
        calls.append(1)
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(writers, "publish", publish)
        if files == 6:
            patch.setattr(pipeline, "write_record", publish)
        assert genome("--tpm", other_tpm, **OPTIONS).code == 130
    there = values(tmp_path / "out")
    assert len(there) == files
    assert there == {name: expected[name] for name in there}
    done = genome("--tpm", other_tpm, **OPTIONS)
    assert done.code == 0, done.err
    assert f"resuming: {windows} of {windows} windows are already finished" in done.err
    assert values(tmp_path / "out") == expected
    assert names(tmp_path / "out") == {*expected, "sample.run.json", "other.run.json"}


def test_stopped_before_the_journal_went_it_goes_later(genome, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "remove", lambda _: None)
        assert genome().code == 0
    assert (tmp_path / "out/.sample.journal").exists()
    done = genome()
    assert (done.code, "up to date" in done.err) == (0, True)
    assert not (tmp_path / "out/.sample.journal").exists()


def test_what_a_killed_run_left_is_removed(genome, computed, tmp_path):
    stopped(genome, computed)
    for name in (".sample.CTCF.bw.abcdefgh.part", ".sample.run.json.abcdefgh.part", ".other.CTCF.bw.abcdefgh.part"):
        (tmp_path / "out" / name).touch()
    assert genome(**OPTIONS).code == 0
    assert [name for name in names(tmp_path / "out") if name.startswith(".")] == [".other.CTCF.bw.abcdefgh.part"]


def test_force_does_over_what_is_complete(genome, computed, tmp_path):
    assert genome(**OPTIONS).code == 0
    windows = computed.windows
    assert genome("--force", **OPTIONS).code == 0
    assert computed.windows == 2 * windows
    assert ".sample.journal" not in names(tmp_path / "out")


def test_a_second_run_into_the_same_files_is_refused(genome, computed, tmp_path):
    stopped(genome, computed)
    journal = tmp_path / "out/.sample.journal"
    script = f"import fcntl, sys; f = open({str(journal)!r}); fcntl.flock(f, fcntl.LOCK_EX); print(); sys.stdin.read()"
    first = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with first:
        first.stdout.readline()
        done = genome(**OPTIONS)
        assert done.code == 2
        advice = "another run is writing these outputs now; wait for it to finish, or choose another --out"
        assert done.err.endswith(f"epigept-batch: {journal}: {advice}\n")
        first.kill()
    assert genome(**OPTIONS).code == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stops_the_run_and_is_not_kept(genome, tmp_path, monkeypatch, bad):
    real, calls = Session.run, []

    def computed(self, inputs):
        outputs = dict(real(self, inputs))
        calls.append(1)
        if len(calls) == 5:
            outputs["signal"] = outputs["signal"].copy()
            outputs["signal"][0, 0, 3, 1] = bad
        return outputs

    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", computed)
        done = genome(**{"batch-size": 1})
    assert done.code == 1
    window = 1 + 4 * 20 * 128
    assert done.err.splitlines()[-1] == (
        f"epigept-batch: one:{window:,}: the network's output for the window that starts here is not finite, "
        "and none of it is written; try another --device, or a model file in fp32"
    )
    assert names(tmp_path / "out") == {".sample.journal"}
    done = genome(**{"batch-size": 1})
    assert done.code == 0
    assert "resuming: 4 of" in done.err


def test_a_folder_made_for_nothing_goes_again(genome, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = genome(device="cuda")
    assert done.code == 2
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    assert genome(device="cuda").code == 2
    assert names(tmp_path / "out") == set()


def test_more_samples_than_open_files(monkeypatch):
    limits = [(1024, 4096)]
    monkeypatch.setattr(resume.resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resume.resource, "setrlimit", lambda _, new: limits.append(new))
    resume._allow_open_files(1000)  # noqa: SLF001 - a limit of the process, which a test cannot lower and raise again
    assert limits == [(1024, 4096)]
    resume._allow_open_files(2000)  # noqa: SLF001
    assert limits[-1] == (2000, 4096)
    with pytest.raises(OutputError, match="samples require 5,000 open files, but the system allows 4,096"):
        resume._allow_open_files(5000)  # noqa: SLF001


@pytest.mark.timeout(300)
def test_killed_at_random_it_becomes_the_same(tmp_path):
    """The installed command under SIGKILL; `benchmarks/kills.py` does it 40 times."""
    words = [sys.executable, ROOT / "benchmarks/kills.py", "--work", tmp_path, "--kills", "4", "--megabases", "4"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert "4 kills of" in done.stdout
