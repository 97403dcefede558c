"""The first Ctrl-C ends in good order, the second at once; either leaves no process and no half-written file."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import epigept_batch
from conftest import SCRIPTS
from epigept_batch.commands.demo import MODEL, SEED
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.simulation.write import as_fasta, write_table

SLOW = """
import time
import click
from epigept_batch.cli.group import Group

@click.group(cls=Group)
def cli():
    pass

@cli.command()
def work():
    try:
        print("at work", flush=True)
        time.sleep(600)
    finally:
        print("tidying", flush=True)
        time.sleep(600)

cli(["work"], prog_name="slow")
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_does_not_wait(second):
    child = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with child:
        assert child.stdout.readline() == "at work\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "tidying\n"
        child.send_signal(second)
        assert child.wait(20) == 130
        assert child.stderr.read() == "interrupted again: stopping now\n"


ENDING = """
import atexit, os, signal, time
import click
from epigept_batch.cli.group import Group

class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)

@click.group(cls=Group)
def cli():
    pass

@cli.command()
def work():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(600)

last = Last()
cli(["work"], prog_name="ending")
"""


@pytest.mark.timeout(60)
def test_one_that_comes_while_python_ends_changes_nothing():
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "ending: interrupted\n")


@pytest.fixture
def inputs(tmp_path):
    """A genome of many windows for the demo's network."""
    from importlib import resources

    (tmp_path / MODEL).write_bytes(resources.files(epigept_batch).joinpath("demo", MODEL).read_bytes())
    tokens = make_contig(SEED, "sim41", 6_000_000, Grammar(SEED).motif_set)
    (tmp_path / "genome.fa").write_bytes(as_fasta("sim41", tokens))
    write_table(tmp_path / "cell39.tsv", SEED, "cell39", make_expression(SEED, "cell39"))
    return tmp_path


def at_work_in(place):
    """Processes whose current folder this is."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == place:
                found.add(folder.name)
        except OSError:
            continue  # it has ended, or is another user's
    return found


@pytest.mark.timeout(120)
def test_a_killed_run_says_nothing(inputs):
    words = ["--tpm", "cell39.tsv", "--fasta", "genome.fa", "--model", MODEL, "--out", "out", "--overlap", "24576"]
    child = subprocess.Popen(
        [SCRIPTS / "epigept-batch", "genome", *words, "--device", "cpu"], cwd=inputs, stderr=subprocess.PIPE, text=True
    )
    with child:
        while not list(inputs.glob("out/.*.part")):
            assert child.poll() is None, child.stderr.read()
            time.sleep(0.02)
        time.sleep(0.5)  # the writing process is at work
        child.kill()
        assert "Traceback" not in child.stderr.read()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("signals", "kept"), [(1, False), (1, True), (2, True)])
def test_a_run_leaves_its_journal_and_no_process(inputs, signals, kept):
    words = ["--tpm", "cell39.tsv", "--fasta", "genome.fa", "--model", MODEL, "--out", "out", "--overlap", "24576"]
    if kept:  # else the scan is a stage of its own
        scan = [SCRIPTS / "epigept-batch", "scan", "--fasta", "genome.fa", "--model", MODEL, "--out", "scores"]
        subprocess.run(scan, cwd=inputs, check=True, capture_output=True)
        words += ["--scores", "scores"]
    child = subprocess.Popen(
        [SCRIPTS / "epigept-batch", "genome", *words, "--device", "cpu"], cwd=inputs, stderr=subprocess.PIPE, text=True
    )
    with child:
        journal = inputs / "out/.cell39.journal"
        while not (journal.exists() and journal.stat().st_size > 100_000):
            assert child.poll() is None, child.stderr.read()
            time.sleep(0.02)
        assert len(at_work_in(inputs)) > 1
        for _ in range(signals):
            child.send_signal(signal.SIGINT)
            time.sleep(0.01)
        child.stderr.read()
        assert child.wait(60) == 130
    for _ in range(100):
        if at_work_in(inputs) == set() and not list(inputs.glob("out/.*.part")):
            break
        time.sleep(0.1)
    assert at_work_in(inputs) == set()
    assert [path.name for path in (inputs / "out").iterdir()] == [".cell39.journal"]
