"""Slurm's array: the cube of one process, also when tasks are preempted, reach their time limit, or fail."""

import json
import re

import pytest

from .conftest import files, until

pytestmark = pytest.mark.slurm

SMALL_UNITS = "--unit 1x1 --call 1x1 --device cpu --threads 1"
"""So many units that there is time to disturb the tasks."""


def markers(folder):
    return list((folder.path / "cohort/units").rglob("*.json"))


def submit(folder, last, *words):
    """Submit an array and finalise; return their IDs."""
    done = folder.run(
        f"array=$(sbatch --parsable --cpus-per-task=1 --array=1-{last} workflows/slurm/cohort.sbatch cohort "
        f"{' '.join(words)}); echo $array; "
        "sbatch --parsable --dependency=afterok:$array --kill-on-invalid-dep=yes "
        "--wrap 'epigept-batch cohort finalise cohort'"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def begun(folder):
    """A folder with a cohort of small units."""
    done = folder.run(f"epigept-batch cohort init cohort --samples sheet.tsv {SMALL_UNITS}")
    assert done.returncode == 0, done.stderr
    return folder


def log(folder, job):
    return (folder.path / f"cohort-{job}.log").read_text()


def counts(folder, job):
    """Units that a task computed in its last try, and those that were there before."""
    found = re.findall(r"partition \d of 2: ([\d,]+) units computed, ([\d,]+) before", log(folder, job))
    return [int(number.replace(",", "")) for number in found[-1]]


def test_the_commands_of_the_page_give_the_cube_of_one_process(slurm, folder):
    alone = folder.alone("alone", "--device cpu --threads 8")
    folder.page("slurm")
    states = slurm.ended(folder)
    assert list(states.values()) == ["COMPLETED"] * 9, states
    assert folder.plan("cohort") == folder.plan("alone")
    assert files(folder.path / "cohort") == alone
    assert (folder.path / "cohort/statistics.tsv").read_bytes() == (folder.path / "alone/statistics.tsv").read_bytes()
    units = [json.loads(path.read_text()) for path in markers(folder)]
    assert len({unit["worker"]["process"] for unit in units}) == 8
    assert (folder.path / "cohort/cohort.json").exists()


def test_preempted_tasks_are_requeued_and_compute_only_what_is_missing(slurm, begun):
    alone = begun.alone("alone", SMALL_UNITS)
    array, finalise = submit(begun, 2)
    until(lambda: len(markers(begun)) > 20)
    begun.run("sbatch --partition=high --exclusive --wrap true")
    until(lambda: slurm.restarts(f"{array}_1") == slurm.restarts(f"{array}_2") == 1)
    before = len(markers(begun))
    assert slurm.states(begun)[finalise] == "PENDING"
    states = slurm.ended(begun)
    assert set(states.values()) == {"COMPLETED"}, states
    assert files(begun.path / "cohort") == alone
    found = [counts(begun, f"{array}_{task}") for task in (1, 2)]
    assert sum(there for _, there in found) >= before > 20
    assert sum(computed for computed, _ in found) <= len(markers(begun)) - before


def test_a_task_at_its_time_limit_is_requeued_alone(slurm, begun):
    array, _ = submit(begun, 2)
    until(lambda: len(markers(begun)) > 20)
    # As Slurm does by itself a minute before the limit.
    slurm.ask("scancel", "--batch", "--signal=USR1", f"{array}_2")
    until(lambda: slurm.restarts(f"{array}_2") == 1)
    states = slurm.ended(begun)
    assert set(states.values()) == {"COMPLETED"}, states
    assert slurm.restarts(f"{array}_1") == 0
    computed, before = counts(begun, f"{array}_2")
    assert computed > 0
    assert before > 5
    assert log(begun, f"{array}_2").count("interrupted") == 1
    assert (begun.path / "cohort/cohort.json").exists()


def test_a_cohort_with_a_failed_task_is_not_finalised(slurm, begun):
    array, finalise = submit(begun, 2, "--model", "absent.onnx")
    states = slurm.ended(begun)
    assert states == {f"{array}_1": "FAILED", f"{array}_2": "FAILED", finalise: "CANCELLED"}
    assert "absent.onnx: does not exist on this machine; pass --model PATH" in log(begun, f"{array}_1")
    assert not (begun.path / "cohort/cohort.json").exists()


def test_a_cancelled_task_stays_cancelled(slurm, begun):
    array, finalise = submit(begun, 1)
    until(lambda: len(markers(begun)) > 5)
    slurm.ask("scancel", array)
    states = slurm.ended(begun)
    assert states == {f"{array}_1": "CANCELLED", finalise: "CANCELLED"}
    assert slurm.restarts(f"{array}_1") == 0
