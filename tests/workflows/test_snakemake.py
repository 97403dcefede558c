"""Snakemake's jobs, here and on Slurm: the cube of one process, also when it is stopped, or the sheet changes."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from .conftest import PATHS, files, until

pytestmark = pytest.mark.snakemake

WORDS = "snakemake --snakefile workflows/snakemake/Snakefile --cores 4"


def processes(folder):
    """The processes that computed units, with their numbers of units."""
    markers = [json.loads(path.read_text()) for path in (folder.path / "cohort/units").rglob("*.json")]
    return {marker["worker"]["process"] for marker in markers}


def test_the_commands_of_the_page_give_the_cube_of_one_process(folder):
    alone = folder.alone("alone", "--device cpu --threads 1")
    folder.page("snakemake")
    assert folder.plan("cohort") == folder.plan("alone")
    assert files(folder.path / "cohort") == alone
    assert len(processes(folder)) == 4
    assert (folder.path / "cohort/cohort.json").exists()
    assert {path.name.split(".")[0] for path in (folder.path / "tracks").glob("*.bw")} == {"s0"}
    again = folder.run(f"{WORDS} --config tracks=tracks extract='--sample s0'")
    assert again.returncode == 0
    assert "Nothing to be done" in again.stderr


def test_a_workflow_that_was_stopped_continues(folder):
    options = "--unit 1x1 --call 1x1 --device cpu --threads 1"
    alone = folder.alone("alone", options)
    config = folder.path / "small.yaml"
    config.write_text(f"init: {options.replace(' --threads 1', '')}\npartitions: 3\n")
    words = [*WORDS.split(), "--configfile", config]
    words[0] = shutil.which(words[0], path=PATHS)
    with subprocess.Popen(
        words, cwd=folder.path, env=folder.environment, stderr=subprocess.PIPE, start_new_session=True
    ) as running:
        until(lambda: len(list((folder.path / "cohort/units").rglob("*.json"))) > 20)
        os.killpg(running.pid, signal.SIGKILL)  # as when the machine fails
        running.stderr.read()
    begun = {path: path.read_bytes() for path in (folder.path / "cohort/units").rglob("*.json")}
    assert 20 < len(begun) < 640
    assert folder.run(f"{WORDS} --unlock").returncode == 0
    done = folder.run(f"{WORDS} --configfile {config} --rerun-incomplete")
    assert done.returncode == 0, done.stderr
    assert files(folder.path / "cohort") == alone
    assert {path: path.read_bytes() for path in begun} == begun


def test_jobs_that_failed_are_repeated_and_another_sheet_is_refused(folder):
    done = folder.run(f"{WORDS} --config partition='--model absent.onnx'")
    assert done.returncode == 1
    assert "absent.onnx: does not exist on this machine; pass --model PATH" in done.stderr
    assert folder.run(f"{WORDS} --quiet").returncode == 0
    before = files(folder.path / "cohort")
    sheet = folder.path / "sheet.tsv"
    sheet.write_text("\n".join(sheet.read_text().splitlines()[:-1]) + "\n")
    done = folder.run(WORDS)
    assert done.returncode == 1
    assert "cohort: is another cohort, of other inputs or options; choose another folder" in done.stderr
    assert files(folder.path / "cohort") == before


@pytest.mark.slurm
def test_jobs_on_slurm_give_the_cube_of_one_process(slurm, folder):
    alone = folder.alone("alone", "--device cpu --threads 1")
    done = folder.run(
        "snakemake --snakefile workflows/snakemake/Snakefile --profile workflows/snakemake/profiles/slurm "
        "--slurm-status-command squeue --slurm-init-seconds-before-status-checks 1 --seconds-between-status-checks 1"
    )
    assert done.returncode == 0, done.stderr
    assert files(folder.path / "cohort") == alone
    assert len(processes(folder)) == 4
    states = slurm.states(folder)
    assert list(states.values()) == ["COMPLETED"] * 6, states
