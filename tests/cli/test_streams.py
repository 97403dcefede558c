"""Standard streams that are closed, or on a full disk: a run does its work, and its exit code is right."""

import json
import os
import subprocess
import sys

import pytest

from conftest import SCRIPTS


def shell(words, redirections, **options):
    """A command as a shell starts it."""
    line = '"$0" "$@" ' + redirections
    return subprocess.run(
        ["/bin/sh", "-c", line, *map(str, words)], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture
def words(fasta, small_model, tpm, tmp_path):
    """`genome` on a contig of one window."""
    options = {"fasta": fasta, "model": small_model, "tpm": tpm, "out": tmp_path / "out", "region": "two"}
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [SCRIPTS / "epigept-batch", "genome", *given, "--device", "cpu"]


@pytest.mark.parametrize("redirections", ["2>/dev/full", "<&- >&- 2>&-"])
def test_a_run_takes_no_harm(words, redirections, genome, tmp_path):
    done = shell(words, redirections)
    assert done.returncode == 0, done.stderr
    assert genome(region="two", out=tmp_path / "open").code == 0
    expected = {path.name: path.read_bytes() for path in (tmp_path / "open").glob("*.bw")}
    assert len(expected) == 3
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.bw")} == expected
    assert json.loads((tmp_path / "out/sample.run.json").read_text())["windows"] == 1


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("options", [["--nonsense"], ["--model", "absent.onnx"]])
def test_errors_keep_their_code(words, redirections, options):
    assert shell([*words, *options], redirections).returncode == 2


@pytest.mark.parametrize(
    ("redirections", "code", "said"),
    [
        (">&-", 2, "epigept-batch: cannot print the result: standard output is closed; redirect it to a file or to"),
        (">/dev/full", 1, "epigept-batch: No space left on device; free some space and rerun"),
    ],
)
def test_a_result_that_cannot_be_printed_is_an_error(small_model, redirections, code, said):
    done = shell([SCRIPTS / "epigept-batch", "info", small_model], redirections)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


STREAMS = """
import os, sys
from epigept_batch.cli.streams import secure_streams
secure_streams()
handle = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
print("lost or not", file=sys.stderr)
os.write(2, b"a library's words")
os.system("echo a child >&2; true <&0")
os.write(handle, b"%d" % handle)
"""


@pytest.mark.parametrize("redirections", ["2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_stream(redirections, tmp_path):
    assert shell([sys.executable, "-c", STREAMS, tmp_path / "file"], redirections).returncode == 0
    assert int((tmp_path / "file").read_text()) > 2  # and nothing else is in it


def test_standard_error_that_works_has_every_word():
    script = (
        "import sys; from epigept_batch.cli.streams import secure_streams; secure_streams();"
        "sys.stderr.write('ä' * 200_000); print(sys.stderr.isatty(), sys.stderr.fileno())"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment)
    assert done.stderr.decode() == "ä" * 200_000
    assert done.stdout.decode() == "False 2\n"
