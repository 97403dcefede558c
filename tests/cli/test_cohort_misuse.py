"""Cohorts whose files were damaged, stopped half-way or computed twice, and options that contradict each other."""

import errno
import fcntl
import json
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Pipe
from pathlib import Path
from types import SimpleNamespace

import pytest
import zarr

from conftest import outcome_of
from epigept_batch.cli.main import cli
from epigept_batch.cohort.storage import FolderStorage
from epigept_batch.cohort.worker import Resources
from epigept_batch.commands.cohort import init as cohort_init
from epigept_batch.commands.cohort import local_process
from epigept_batch.commands.cohort.local_process import FAILED, REFUSED, Seat
from epigept_batch.commands.cohort.ray import _connect as connect
from epigept_batch.commands.cohort.status import status_lines
from epigept_batch.errors import DeviceError, InputError
from epigept_batch.inference.device import Device

RUN = (sys.executable, "-m", "epigept_batch", "cohort", "run")


def cohort(*words):
    return outcome_of(cli, "epigept-batch", ["cohort", *words])


@pytest.fixture
def options(tpm, other_tpm, fasta, small_model):
    """Options of `init` without a size of units or calls."""
    return (
        "--tpm",
        tpm,
        "--tpm",
        other_tpm,
        "--fasta",
        fasta,
        "--model",
        small_model,
        "--device",
        "cpu",
        "--threads",
        1,
    )


@pytest.fixture
def begun(options, tmp_path):
    """A new cohort of two samples in 10 units."""
    done = cohort("init", tmp_path / "cohort", *options, "--unit", "1x2")
    assert done.code == 0, done.err
    return tmp_path / "cohort"


@pytest.fixture
def finished(begun):
    """The same, computed and finalised."""
    done = cohort("run", begun, "--workers", 1)
    assert done.code == 0, done.err
    return begun


def contents(folder):
    """Bytes of all files that do not name times or processes."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name != "cohort.json" and name.split("/")[0] != "units"}


def call_of(folder):
    how = json.loads((folder / "plan.json").read_text())["computation"]
    return how["windows"], how["samples"]


DESCRIPTIONS = {
    "edited": lambda path: path.write_text(path.read_text().replace('"little"', '"big"')),
    "cut": lambda path: path.write_text(path.read_text()[:50]),
    "removed": Path.unlink,
}


@pytest.mark.parametrize("how", DESCRIPTIONS)
@pytest.mark.parametrize("name", ["CTCF/one/zarr.json", "zarr.json"])
def test_finalise_restores_the_description_of_the_cube(finished, how, name):
    before, path = contents(finished), finished / "cube.zarr" / name
    if (how, name) == ("edited", "zarr.json"):
        path.write_text(path.read_text().replace('"sample"', '"mouse"'))
    else:
        DESCRIPTIONS[how](path)
    assert contents(finished) != before
    done = cohort("finalise", finished)
    assert done.code == 0
    assert f"epigept-batch: {path}: was missing or edited; restored" in done.err
    assert contents(finished) == before
    assert "restored" not in cohort("finalise", finished).err


def test_a_description_in_another_order_says_the_same(finished):
    path = finished / "cube.zarr/CTCF/one/zarr.json"
    text = json.dumps(dict(reversed(json.loads(path.read_text()).items())))
    path.write_text(text)
    assert "restored" not in cohort("finalise", finished).err
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["samples.json", "expression.npy"])
@pytest.mark.parametrize("removed", [False, True])
def test_init_restores_what_the_plan_names(begun, options, name, removed):
    before, path = contents(begun), begun / name
    path.unlink() if removed else path.write_bytes(path.read_bytes()[:-1])
    command = ("finalise", begun) if name == "samples.json" else ("partition", begun, 1, "--of", 1)
    done = cohort(*command)
    what = "missing" if removed else "damaged or was edited"
    assert (done.code, f"{path}: {what}; run the same epigept-batch cohort init again" in done.err) == (2, True)
    assert not list((begun / "units").rglob("*.json"))
    done = cohort("init", begun, *options, "--unit", "1x2")
    assert (done.code, f"{begun}: restored {name}" in done.err) == (0, True)
    assert contents(begun) == before


def test_an_init_that_was_stopped_can_be_rerun(options, tmp_path, monkeypatch):
    folder, real, written = tmp_path / "cohort", FolderStorage.write, []

    def stopped(self, name, content):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(name)
        real(self, name, content)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStorage, "write", stopped)
        assert cohort("init", folder, *options).code == 130
    assert len(contents(folder)) == 3
    assert cohort("status", folder).code == 2
    assert cohort("init", folder, *options).code == 0
    assert cohort("status", folder).code == 0
    (folder / "plan.json").unlink()
    (folder / "cube.zarr/mine").touch()
    done = cohort("init", folder, *options)
    assert (done.code, "is not empty, and no cohort; choose another folder" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("3x1", "--call 3x1: a unit has only 2 windows × 2 samples, so every call would be filled up; use at most "),
        ("1x3", "use at most --call 1x2"),
        ("9x9", "use at most --call 2x2"),
    ],
)
def test_a_call_is_no_larger_than_a_unit(options, tmp_path, call, said):
    done = cohort("init", tmp_path / "cohort", *options, "--unit", "2x4", "--call", call)
    assert (done.code, said in done.err) == (2, True)
    assert not (tmp_path / "cohort").exists()
    assert cohort("init", tmp_path / "cohort", *options, "--unit", "2x4", "--call", "2x2").code == 0


@pytest.mark.parametrize(
    ("unit", "shards", "chunks"),
    [
        ("2x2", (2, 40), (2, 40)),
        ("7x17", (17, 140), (1, 140)),
        ("34x48", (48, 680), (16, 40)),
        ("5x1", (1, 100), (1, 100)),
    ],
)
def test_chunks_divide_a_unit_and_are_small(options, tmp_path, unit, shards, chunks):
    assert cohort("init", tmp_path / "cohort", *options, "--unit", unit).code == 0
    array = zarr.open_array(tmp_path / "cohort/cube.zarr/CTCF/one", mode="r")
    assert (array.shards, array.chunks) == (shards, chunks)


def test_a_unit_that_no_memory_holds_is_refused(options, tmp_path):
    done = cohort("init", tmp_path / "cohort", *options, "--unit", "999999x9999")
    assert done.code == 2
    size = 999_999 * 20 * 9_999 * 3 * 2 / 1e9
    assert f"--unit 999999x9999: the values of a unit would take {size:.1f} GB of memory, more than 2.1 GB" in done.err
    assert not (tmp_path / "cohort").exists()


@pytest.mark.parametrize("part", [3, 10**20])
def test_a_partition_beyond_the_last_is_refused(begun, part):
    done = cohort("partition", begun, part, "--of", 2)
    assert (done.code, f"partition {part} of 2: must be a number from 1 to 2" in done.err) == (2, True)


def test_the_number_of_a_gpu_is_not_fixed(options, tmp_path):
    done = cohort("init", tmp_path / "cohort", *options[:-4], "--threads", 1, "--device", "cuda:1,0")
    assert done.code == 2
    assert "--device cuda:1,0: a cohort fixes the kind of device only; use --device cuda" in done.err


def test_a_cohort_for_gpus_can_be_planned_without_one(options, tmp_path):
    done = cohort("init", tmp_path / "cohort", *options[:-4], "--threads", 1, "--device", "cuda")
    assert done.code == 0, done.err
    plan = json.loads((tmp_path / "cohort/plan.json").read_text())
    assert plan["computation"] == {"device": "cuda", "precision": "fp32", "windows": 4, "samples": 2, "threads": 1}
    assert (plan["shape"]["samples"], plan["shape"]["bins"]) == (2, 256 * 20)


@pytest.mark.parametrize(("unit", "call"), [("1x1", (1, 1)), ("4x1", (2, 1)), ("4x2", (1, 2)), ("4x16", (1, 2))])
def test_by_default_a_call_fits_into_a_unit(options, tmp_path, unit, call):
    assert cohort("init", tmp_path / "cohort", *options, "--unit", unit).code == 0
    assert call_of(tmp_path / "cohort") == call


def test_an_int8_model_has_one_pair_per_call_on_the_cpu(options, make_small_model, tmp_path, monkeypatch):
    monkeypatch.setattr(cohort_init, "find_driver", lambda: pytest.fail("asked for a GPU"))
    words = [*options[:6], "--model", make_small_model("int8"), "--threads", 1]
    done = cohort("init", tmp_path / "cohort", *words, "--call", "1x2")
    assert done.code == 2
    assert "--call 1x2: an int8 model file takes one window and one sample per call; use --call 1x1" in done.err
    assert cohort("init", tmp_path / "cohort", *words).code == 0
    assert call_of(tmp_path / "cohort") == (1, 1)
    assert json.loads((tmp_path / "cohort/plan.json").read_text())["computation"]["device"] == "cpu"


def test_a_fault_says_which_marker_to_delete_and_that_helps(finished):
    before = contents(finished)
    path = finished / "cube.zarr/CTCF/one/c/0/3"
    path.write_bytes(b"")
    done = cohort("finalise", finished)
    marker = finished / "units/0/3.json"
    assert done.code == 2
    assert f"unit 4: {path}: has 0 bytes, not {len(before['cube.zarr/CTCF/one/c/0/3'])}; delete {marker}" in done.err
    extracted = cohort("extract", finished, "--out", finished.with_name("out"))
    assert extracted.code == 2
    assert f"{path}: damaged or replaced after the cohort was finalised; delete {marker}" in extracted.err
    marker.unlink()
    assert json.loads(cohort("status", finished, "--json").out)["finalised"] is False
    assert cohort("run", finished, "--workers", 1).code == 0
    assert contents(finished) == before


def test_finalise_removes_what_killed_workers_left(finished):
    before = contents(finished)
    (finished / "cube.zarr/CTCF/one/c/0/.3.0123abcd.part").write_text("half")
    assert cohort("finalise", finished).code == 0
    assert contents(finished) == before


def test_a_marker_that_no_unit_has_is_named(finished):
    document = json.loads((finished / "units/0/7.json").read_text()) | {"plan": "0" * 64}
    path = finished / "units/0/70.json"
    path.write_text(json.dumps(document))
    done = cohort("finalise", finished)
    assert done.code == 2
    assert f"{path}: is the marker of a unit of another cohort; delete it and rerun" in done.err


def test_two_extracts_do_not_write_the_same_files(finished, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".sample.journal").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = cohort("extract", finished, "--out", out, "--sample", "sample")
        assert done.code == 2
        assert f"{out}/.sample.journal: another run is writing these outputs now; wait for it to finish" in done.err
        assert [path.name for path in out.iterdir()] == [".sample.journal"]
        assert cohort("extract", finished, "--out", out, "--sample", "other").code == 0
    assert cohort("extract", finished, "--out", out).code == 0
    assert not list(out.glob(".*"))
    assert len(list(out.glob("*.bw"))) == 6


def test_extract_keeps_what_a_stopped_run_saved(finished, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".sample.journal").write_text("progress")
    assert cohort("extract", finished, "--out", out, "--sample", "sample").code == 0
    assert (out / ".sample.journal").read_text() == "progress"


def test_a_cohort_with_a_foreign_record_is_not_finalised(finished):
    record = json.loads((finished / "cohort.json").read_text())
    assert json.loads(cohort("status", finished, "--json").out)["finalised"] is True
    (finished / "cohort.json").write_text(json.dumps(record | {"plan": "0" * 64}))
    assert json.loads(cohort("status", finished, "--json").out)["finalised"] is False
    assert "10 of 10 units are done (100.0%), for 2 samples\nnot finalised yet" in cohort("status", finished).out


def test_units_of_two_versions_are_noted(finished):
    path = finished / "units/0/7.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"worker": document["worker"] | {"epigept-batch": "0.0.1"}}))
    done = cohort("finalise", finished)
    assert "units were computed by 2 kinds of processors, devices or versions" in done.err
    makers = json.loads((finished / "cohort.json").read_text())["computed_by"]
    assert [(maker["epigept-batch"] == "0.0.1", maker["units"]) for maker in makers] == [(False, 9), (True, 1)]


def test_status_shows_some_of_many_workers_and_no_control_characters():
    workers = {f"\x1bhost:{number} cpu": 20 - number for number in range(15)}
    status = {
        "done": 230,
        "units": 300,
        "samples": 5,
        "units_per_hour": 1e-9,
        "seconds_since_last": 1.0,
        "workers": workers,
    }
    lines = status_lines({**status, "last": "2026-01-01T00:00:00+00:00", "ends": None, "finalised": False})
    assert lines[1].endswith("; 1e-09 units per hour, so it will end at ?")
    assert lines[2:4] == ["  20 by \\x1bhost:0 cpu", "  19 by \\x1bhost:1 cpu"]
    assert lines[12:] == ["  40 by 5 others"]


def test_status_tells_when_a_cohort_will_end(begun):
    assert cohort("partition", begun, 1, "--of", 4).code == 0
    for number, finished in ((0, 1.7e9), (4, 1.7e9 + 50), (8, 1.7e9 + 100)):
        path = begun / f"units/0/{number}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": finished}))
    status = json.loads(cohort("status", begun, "--json").out)
    # Two units in 100 s, and seven are left.
    assert status["units_per_hour"] == 72
    assert [status[when] for when in ("last", "ends")] == ["2023-11-14T22:15:00+00:00", "2023-11-14T22:20:50+00:00"]


def test_an_end_beyond_all_dates_is_not_told(begun):
    assert cohort("partition", begun, 1, "--of", 5).code == 0
    path = begun / "units/0/0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": 253_402_300_000}))
    assert json.loads(cohort("status", begun, "--json").out)["ends"] is None


def test_two_runs_at_once_give_one_cube(finished, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(finished, again, ignore=shutil.ignore_patterns("units", "totals", "c", "cohort.json", "*.tsv"))
    both = [subprocess.Popen([*RUN, again, "--workers", "1"], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for run in both:
        said = run.communicate()[1]
        assert run.returncode == 0, said
    assert contents(again) == contents(finished)


def test_processes_end_when_the_run_is_killed(begun):
    with subprocess.Popen([*RUN, begun, "--workers", "2"], stderr=subprocess.DEVNULL) as run:
        while not list((begun / "units").rglob("*.json")) and run.poll() is None:
            time.sleep(0.01)
        run.kill()
    workers = {int(json.loads(path.read_text())["worker"]["process"]) for path in (begun / "units").rglob("*.json")}
    assert workers
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, workers))
    done = cohort("run", begun, "--workers", 1)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), REFUSED),
        (MemoryError("no memory"), REFUSED),
        (InputError("bad"), REFUSED),
        (OSError(errno.ECHILD, "odd"), FAILED),
        (ValueError("odd"), FAILED),
    ],
)
def test_a_process_passes_on_what_the_user_can_fix(begun, monkeypatch, error, kind):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(local_process, "Worker", refuse)
    ours, theirs = Pipe()
    ours.send((str(begun), Seat(Resources(Path(), Path(), None, Device("cpu")))))
    local_process.work(theirs)
    heard, content = ours.recv()
    assert heard == kind
    if kind == REFUSED:
        assert (type(content), str(content)) == (type(error), str(error))
    else:
        assert f"{type(error).__name__}: " in content


@pytest.mark.parametrize("error", [None, ConnectionError("no cluster\nat all")])
def test_ray_does_not_keep_sigterm(error):
    """Ray's own handler would exit with code 15 and print a trace."""

    def init(*_, **__):
        signal.signal(signal.SIGTERM, lambda *_: None)
        if error is not None:
            raise error

    before = signal.getsignal(signal.SIGTERM)
    if error is None:
        connect(SimpleNamespace(init=init), None)
    else:
        with pytest.raises(DeviceError, match=r"--address auto: no Ray cluster can be reached \(no cluster\); start"):
            connect(SimpleNamespace(init=init), "auto")
    assert signal.getsignal(signal.SIGTERM) is before


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
