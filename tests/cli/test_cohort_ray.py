"""`epigept-batch cohort run --engine ray` on a cluster of two nodes: the same cube, whatever is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from cohorts import OPTIONS, cohort, values_of

pytestmark = [pytest.mark.skipif(find_spec("ray") is None, reason="needs the [ray] extra"), pytest.mark.timeout(120)]
CLUSTER = Path(__file__).parents[1] / "ray_cluster.py"


@pytest.fixture
def cluster(tmp_path):
    """Two nodes of one core each: the address, and a function that removes a node."""
    with (tmp_path / "cluster.log").open("w") as log:
        running = subprocess.Popen(
            [sys.executable, CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )

        def remove():
            running.stdin.write("\n")
            running.stdin.flush()
            assert running.stdout.readline() == "removed\n"

        try:
            address = running.stdout.readline().strip()
            assert address, (tmp_path / "cluster.log").read_text()
            yield address, remove
        finally:
            running.stdin.close()
            running.wait(timeout=60)
            running.stdout.close()


@pytest.fixture
def run(cohort_inputs, cluster, tmp_path):
    """Begin a run on the cluster; returns the folder and the process."""
    folder = tmp_path / "cohort"
    done = cohort("init", folder, *cohort_inputs, *OPTIONS, "--dtype", "float32")
    assert done.code == 0, done.err
    command = [sys.executable, "-m", "epigept_batch", "cohort", "run", folder, "--engine", "ray"]
    process = subprocess.Popen([*command, "--address", cluster[0]], stderr=subprocess.PIPE, text=True)
    try:
        yield folder, process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def first_marker(folder, process):
    """The marker of the first unit that is done."""
    while process.poll() is None:
        if found := next((folder / "units").rglob("*.json"), None):
            return json.loads(found.read_text())
        time.sleep(0.01)
    raise AssertionError(process.stderr.read())


def workers(folder):
    """Processes that computed the units."""
    return {json.loads(path.read_text())["worker"]["process"] for path in (folder / "units").rglob("*.json")}


def test_two_nodes_give_the_cube_of_one_process(run, whole_cohort):
    folder, process = run
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert values_of(folder) == values_of(whole_cohort)
    assert (folder / "cohort.json").exists()
    assert len(workers(folder)) == 2


def test_the_units_of_a_killed_worker_are_computed_again(run, whole_cohort):
    folder, process = run
    os.kill(int(first_marker(folder, process)["worker"]["process"]), signal.SIGKILL)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert "epigept-batch: a worker was lost; its units are computed again" in said
    assert values_of(folder) == values_of(whole_cohort)


def test_the_units_of_a_lost_node_go_to_the_other(run, cluster, whole_cohort):
    folder, process = run
    first_marker(folder, process)
    cluster[1]()
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert values_of(folder) == values_of(whole_cohort)


def test_an_error_of_a_worker_is_one_line(run, cohort_inputs):
    folder, process = run
    process.kill()
    fasta = Path(cohort_inputs[3])
    other = folder.parent / "other.fa"
    other.write_text(fasta.read_text().replace("A", "C", 1))
    address = next(word for word in reversed(process.args) if ":" in str(word))
    command = [sys.executable, "-m", "epigept_batch", "cohort", "run", folder, "--engine", "ray", "--fasta", other]
    done = subprocess.run([*command, "--address", address], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"epigept-batch: {other}: its one is not the one that the cohort was planned with; pass the same genome"
    )


def test_a_cluster_that_is_not_there_is_one_line(cohort_inputs, tmp_path):
    folder = tmp_path / "cohort"
    assert cohort("init", folder, *cohort_inputs, *OPTIONS).code == 0
    command = [sys.executable, "-m", "epigept_batch", "cohort", "run", folder, "--engine", "ray"]
    done = subprocess.run([*command, "--address", "127.0.0.1:9"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "epigept-batch: --address 127.0.0.1:9: no Ray cluster can be reached ("
    )
    assert done.stderr.splitlines()[-1].endswith("); start it first")
