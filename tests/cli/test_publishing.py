"""A run that replaces finished outputs of other inputs, stopped at each step: provenance is true or absent, never more.

What a kill leaves is what is on the disk at that moment, so one run is enough: the folder is copied before each change.
"""

import io
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from epigept_batch.commands.run import run as pipeline
from epigept_batch.commands.run.resume import RunJournals
from epigept_batch.inference.session import Session
from epigept_batch.provenance.run_record import write_record
from epigept_batch.tracks import writer_process, writers
from epigept_batch.tracks.writers import TrackWriters

SAMPLES = ("sample", "other")
CHANGES = {
    "other values": ({}, {"space": "linear"}),
    "a track more": ({"tracks": "CTCF"}, {"tracks": "DNase,CTCF"}),
    "other tracks and values": ({"tracks": "DNase,CTCF"}, {"tracks": "CTCF,H3K27ac", "space": "linear"}),
    "a track less": ({"tracks": "DNase,CTCF"}, {"tracks": "CTCF"}),
}


class InThisProcess:
    """A writer without a process of its own, which takes longer to start than all the rest of such a run."""

    pid = 0

    def __init__(self):
        self._messages = io.BytesIO()

    def send(self, message):
        pickle.dump(message, self._messages, protocol=5)

    def finish(self):
        self._messages.seek(0)
        return writer_process._write(self._messages)  # noqa: SLF001 - what the process does

    def stop(self):
        pass


@pytest.fixture(autouse=True)
def writers_in_this_process(monkeypatch):
    monkeypatch.setattr(writers, "_Process", InThisProcess)


@pytest.fixture
def two(genome, tmp_path):
    """Run both samples on one short contig into a folder."""
    path = tmp_path / "other.tsv"
    rows = np.random.default_rng(9).gamma(0.5, 20, 15).round(2)
    path.write_text("gene_id\tTPM\n" + "".join(f"F{n:02d}\t{value}\n" for n, value in enumerate(rows)))
    return lambda folder, *words, **options: genome("--tpm", path, *words, out=folder, chromosome="two", **options)


def state(folder, sample):
    """Bytes of a sample's bigWigs by name, and what its record says they were made from."""
    record = folder / f"{sample}.run.json"
    tracks = {path.name: path.read_bytes() for path in folder.glob(f"{sample}.*.bw")}
    return tracks, json.loads(record.read_text())["inputs"] if record.exists() else None


def states(folder):
    return {sample: state(folder, sample) for sample in SAMPLES}


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.fixture
def moments(two, tmp_path, monkeypatch):
    """Replace outputs; copies of the folder before each step from the moment that the tracks are complete."""

    def replace(old, new):
        out, taken, armed = tmp_path / "out", [], []
        assert two(out, **old).code == 0

        def take():
            if armed:
                taken.append(Path(shutil.copytree(out, tmp_path / f"moment{len(taken)}")))

        def before(real):
            def step(path, *rest, **options):
                if path.parent == out and path.exists():
                    take()
                return real(path, *rest, **options)

            return step

        def close(self, real=TrackWriters.close):
            real(self)
            armed.append(True)

        with monkeypatch.context() as patch:
            patch.setattr(TrackWriters, "close", close)
            patch.setattr(Path, "replace", before(Path.replace))
            patch.setattr(Path, "unlink", before(Path.unlink))
            assert two(out, "--force", **new).code == 0
        take()
        return taken

    return replace


@pytest.mark.parametrize("change", CHANGES)
def test_stopped_at_any_step_no_record_says_what_is_not_so(moments, change):
    taken = moments(*CHANGES[change])
    olds, news = states(taken[0]), states(taken[-1])
    for sample in SAMPLES:
        assert olds[sample] != news[sample]
        seen = [state(moment, sample) for moment in taken]
        for number, (tracks, inputs) in enumerate(seen):
            if inputs is not None:
                assert (tracks, inputs) in (olds[sample], news[sample]), number
            assert any(tracks.items() <= run[sample][0].items() for run in (olds, news)), number
        changes = [(len(tracks), inputs is None) for tracks, inputs in seen]
        for step in ((len(olds[sample][0]), True), (0, True), (1, True), (len(news[sample][0]), True)):
            assert step in changes  # the copies show what they are to show


def test_stopped_at_any_step_the_next_run_mends(two, moments, scan, tmp_path):
    """Every step, for any may be the one that leaves what cannot be mended: some 60 runs, of 0.1 s with kept scores."""
    assert scan(chromosome="two").code == 0
    old, new = CHANGES["other tracks and values"]
    old, new = old | {"scores": tmp_path / "scores"}, new | {"scores": tmp_path / "scores"}
    taken = moments(old, new)
    olds, news = states(taken[0]), states(taken[-1])
    for number, moment in enumerate(taken):
        if number % 2 == 0:
            _check_what_the_old_command_does(two, moment, tmp_path / f"back{number}", old, olds)
        done = two(moment, "--force", **new)
        assert done.code == 0, done.err
        assert (states(moment), hidden(moment)) == (news, [])


def _check_what_the_old_command_does(two, moment, folder, old, olds):
    """It goes on only where its own outputs are whole, and says how else it may."""
    shutil.copytree(moment, folder)
    before = states(folder)
    done = two(folder, **old)
    for sample in SAMPLES:
        assert f"{sample}: up to date" not in done.err or before[sample] == olds[sample]
    if done.code == 0:
        assert states(folder) == olds
        return
    assert (done.code, states(folder)) == (2, before)
    assert " with different set of tracks, space; " in done.err
    done = two(folder, "--force", "--fresh", **old)
    assert done.code == 0, done.err
    assert (states(folder), hidden(folder)) == (olds, [])


def test_the_tracks_of_one_sample_are_not_named_while_another_has_the_record_of_old_ones(moments):
    """No sample has a new track before every sample has lost its old record: the run's samples go together."""
    for moment in moments({}, {"space": "linear"}):
        records = {sample: state(moment, sample)[1] for sample in SAMPLES}
        spaces = {inputs and inputs["space"] for inputs in records.values()}
        assert spaces != {"log1p", "linear"}


def test_where_the_disk_fails_before_the_tracks_are_on_it_the_old_ones_stay(two, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert two(out).code == 0
    before = states(out)

    def fail(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writers, "sync_file", fail)
        done = two(out, "--force", space="linear")
    assert done.code == 2
    assert f"epigept-batch: {out}/sample.DNase.bw: cannot be written: No space left on device" in done.err
    assert states(out) == before
    assert two(out, "--force", space="linear").code == 0
    assert state(out, "other")[1]["space"] == "linear"


def test_the_old_command_leaves_what_a_stopped_run_with_force_has_finished(two, tmp_path, monkeypatch):
    """Its own outputs are up to date; hours of another run, which was to replace them, are not its to throw away."""
    out = tmp_path / "out"
    assert two(out).code == 0

    def interrupt(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrackWriters, "close", interrupt)
        assert two(out, "--force", space="linear").code == 130
    again = two(out)
    assert again.code == 0
    assert again.err.startswith("epigept-batch: sample and other: up to date\n\n")
    assert sorted(hidden(out)) == [".other.journal", ".sample.journal"]
    monkeypatch.setattr(Session, "run", pytest.fail)
    done = two(out, "--force", space="linear")
    assert done.code == 0, done.err
    assert "resuming: 1 of 1 windows are already finished" in done.err


def test_what_another_run_finished_meanwhile_is_not_replaced_without_force(two, tmp_path, monkeypatch):
    """It ends between this one's look at the folder and its hold of the journals."""
    out = tmp_path / "out"

    class Late(RunJournals):
        def __init__(self, plan, samples, clock):
            monkeypatch.setattr(pipeline, "RunJournals", RunJournals)
            assert two(out).code == 0
            super().__init__(plan, samples, clock)

    monkeypatch.setattr(pipeline, "RunJournals", Late)
    done = two(out, space="linear")
    assert done.code == 2
    assert "tracks were made with a different space; choose another --out, or replace them with --force" in done.err
    assert state(out, "sample")[1]["space"] == "log1p"
    assert hidden(out) == []


def test_of_two_samples_one_may_be_complete_and_only_the_other_is_made(two, tmp_path, monkeypatch):
    out = tmp_path / "out"
    records = []

    def first_only(files, document):
        if records:
            raise KeyboardInterrupt
        records.append(files.sample)
        write_record(files, document)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_record", first_only)
        assert two(out).code == 130
    assert [path.name for path in out.glob("*.run.json")] == ["sample.run.json"]
    inode = (out / "sample.CTCF.bw").stat().st_ino
    done = two(out)
    assert done.code == 0
    assert "sample: up to date" in done.err
    assert (out / "sample.CTCF.bw").stat().st_ino == inode
    assert state(out, "other")[1] is not None
    assert hidden(out) == []
