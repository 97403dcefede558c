"""What is said of a run: a bar at a terminal, a line now and then in a log file, errors alone where it is quiet."""

import os
import pty
import re
import subprocess
import sys
import termios
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from conftest import SCRIPTS
from epigept_batch.cli import options, progress
from epigept_batch.cli.main import cli
from epigept_batch.cli.progress import BYTES, ProgressBar
from epigept_batch.machine.environment import POOLS
from epigept_export.cli import cli as export_cli


@pytest.fixture
def clock(monkeypatch):
    """The time, which goes on as a test says."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def lines(capsys, clock):
    """What a program prints to a log file that does so many windows, each in so many seconds."""

    def run(windows, seconds, *, total=None, done=0, unit="window", by=1):
        with ProgressBar(unit) as bar:
            bar.start(total or windows + done, done=done)
            for _ in range(windows):
                clock.now += seconds
                bar.advance(by)
            bar.finish("made")
        return capsys.readouterr().err.splitlines()

    return run


def test_a_line_with_the_first_window_then_one_every_30_s(lines):
    assert lines(100, 1.0, total=24_000) == [
        "epigept-batch: 1 of 24,000 windows, 1 windows/s, 6 h 39 min left",
        "epigept-batch: 31 of 24,000 windows, 1 windows/s, 6 h 39 min left",
        "epigept-batch: 61 of 24,000 windows, 1 windows/s, 6 h 38 min left",
        "epigept-batch: 91 of 24,000 windows, 1 windows/s, 6 h 38 min left",
        "epigept-batch: made",
    ]


def test_a_slow_window_is_said_when_it_is_done(lines):
    assert lines(2, 300.0, total=4) == [
        "epigept-batch: 1 of 4 windows, 0.0033 windows/s, 15 min left",
        "epigept-batch: 2 of 4 windows, 0.0033 windows/s, 10 min left",
        "epigept-batch: made",
    ]


def test_what_was_done_before_does_not_count_as_speed(lines):
    assert lines(400, 0.1, done=600) == [
        "epigept-batch: 601 of 1,000 windows, 10 windows/s, 40 s left",
        "epigept-batch: 901 of 1,000 windows, 10 windows/s, 10 s left",
        "epigept-batch: made",
    ]


def test_bytes_are_in_words(lines):
    assert lines(40, 1.0, total=1_000_000_000, unit=BYTES, by=2_000_000) == [
        "epigept-batch: 2.0 MB of 1.0 GB, 2.0 MB/s, 8 min left",
        "epigept-batch: 62.0 MB of 1.0 GB, 2.0 MB/s, 8 min left",
        "epigept-batch: made",
    ]


def test_one_window_is_no_plural(lines):
    assert lines(1, 1.0)[0] == "epigept-batch: 1 of 1 window, 1 windows/s, 0 s left"


def test_many_short_counts_share_the_30_s(capsys, clock):
    bar = ProgressBar(BYTES)
    for _ in range(100):
        bar.start(None)
        clock.now += 1
        bar.advance(5000)
    assert capsys.readouterr().err.splitlines() == [
        *["epigept-batch: 5 kB, 5 kB/s"] * 4,
    ]


def run_on_terminal(words, *, stdout=subprocess.DEVNULL):
    """What a command draws on a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen(words, stdout=stdout, stderr=theirs) as child:
        os.close(theirs)
        drawn = b""
        while True:
            try:
                block = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            drawn += block
    os.close(ours)
    return drawn.decode(), child.returncode


def arguments(fasta, model, tpm, out, *more):
    words = ("--fasta", fasta, "--model", model, "--tpm", tpm, "--out", out, "--device", "cpu", "--region", "two")
    return [*map(str, (SCRIPTS / "epigept-batch", "genome", *words, *more))]


def test_a_terminal_has_a_bar_and_a_file_has_lines(fasta, small_model, tpm, tmp_path):
    drawn, code = run_on_terminal(arguments(fasta, small_model, tpm, tmp_path / "a"))
    assert code == 0
    assert re.search(r"\r.*100%.*1/1 ", drawn)
    done = subprocess.run(arguments(fasta, small_model, tpm, tmp_path / "b"), capture_output=True, check=True)
    assert done.stdout == b""
    said = done.stderr.decode()
    assert "epigept-batch: 1 of 1 window, " in said
    assert re.search(r"\nepigept-batch: sample: 3 tracks of 6 bins in .*/b/ after \d s\n\n", said)
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_says_nothing_but_errors(genome, flag, tmp_path):
    assert genome(flag, threads=9).err == ""
    assert genome(flag, force=None, out=tmp_path / "again").err == ""
    failed = genome(flag, region="absent:1-5")
    assert (failed.code, failed.err.count("\n")) == (2, 1)
    assert failed.err.startswith("epigept-batch: --region absent:1-5: ")


def test_the_next_command_is_not_quiet(genome):
    assert genome("-q").err == ""
    assert "up to date" in genome().err


def test_every_command_that_says_something_can_be_quiet():
    commands = {name: command for group in (cli, export_cli) for name, command in group.commands.items()}
    commands |= {f"cohort {name}": command for name, command in commands.pop("cohort").commands.items()}
    lacking = {
        name for name, command in commands.items() if not any("--quiet" in option.opts for option in command.params)
    }
    # These only print their result, on standard output.
    assert lacking == {"doctor", "expression", "info", "check", "completion"}


@pytest.mark.parametrize(("asked", "said"), [(4, False), (5, True), (None, False)])
def test_more_threads_than_processors_are_said(monkeypatch, asked, said):
    monkeypatch.setattr(options, "usable_processors", lambda: 4)

    @click.command
    @options.threads_option
    def work(threads):
        click.echo(f"{threads} {' '.join(os.environ[name] for name in POOLS)}")

    result = CliRunner().invoke(work, [] if asked is None else ["--threads", asked], prog_name="epigept-export")
    threads = asked or 4
    assert result.stdout == f"{' '.join([str(threads)] * 5)}\n"
    sentence = "--threads 5: only 4 cores available (CPU affinity and quota); more threads slow the run down"
    assert result.stderr == (f"epigept-export: {sentence}\n" if said else "")


def test_libraries_start_no_more_threads_than_asked_for():
    script = (
        "import sys; from epigept_batch.machine.environment import limit_pools; limit_pools(1);"
        "import numpy, polars; print(polars.thread_pool_size(), len(__import__('os').listdir('/proc/self/task')))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in POOLS}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    polars, _ = map(int, done.stdout.split())
    assert polars == 1


@pytest.mark.parametrize(("given", "kept"), [("1", "1"), ("3", "3"), ("4", "3"), ("0", "3"), ("", "3"), ("4,2", "3")])
def test_what_the_user_set_lower_stays(monkeypatch, given, kept):
    from epigept_batch.machine.environment import limit_pools

    for name in POOLS:
        monkeypatch.setenv(name, given)
    limit_pools(3)
    assert {os.environ[name] for name in POOLS} == {kept}
