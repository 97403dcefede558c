"""A run tells nobody: no look-up, no connection, no file but our own in the user's folder."""

import os
import shutil
import subprocess
import sys

import pytest

from conftest import SCRIPTS
from epigept_batch.machine.environment import NO_TELEMETRY

STRACE = shutil.which("strace")


@pytest.fixture
def bare(tmp_path):
    """The environment of a user whose folder is empty; nothing in it makes ONNX Runtime take this for a test."""
    (tmp_path / "user").mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "user")}


@pytest.fixture
def words(fasta, small_model, tpm, tmp_path):
    """`genome`, with the network run by ONNX Runtime."""
    options = {"fasta": fasta, "model": small_model, "tpm": tpm, "out": tmp_path / "out"}
    return [SCRIPTS / "epigept-batch", "genome", *(w for name, value in options.items() for w in (f"--{name}", value))]


def written(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def can_trace():
    """Whether strace is there and may do its work."""
    words = [STRACE, "-o", os.devnull, "true"]
    return STRACE and not subprocess.run(words, capture_output=True, check=False).returncode


def test_a_run_keeps_to_itself(words, bare, tmp_path):
    """ONNX Runtime looks up its maker's address 10 s after it is loaded; at once it makes the folder of its reports."""
    trace, user = tmp_path / "calls", tmp_path / "user"
    watch = [STRACE, "-f", "-s", "200", "-o", trace, "-e", "trace=network,execve,mkdir,openat"] if can_trace() else []
    subprocess.run([*watch, *words], env=bare, cwd=user, check=True, capture_output=True)
    found = written(user)
    assert [path for path in found if not path.startswith(".cache/epigept-batch/digests/")] == []
    assert len(found) == 1
    if not watch:
        pytest.skip("its files are right; to see its connections needs strace, and leave to use it")
    lines = trace.read_text().splitlines()
    assert any("execve(" in line and "writer_process" in line for line in lines)  # what it starts is watched, too
    seen = [line for line in lines if any(sign in line for sign in ("AF_INET", "sendto(", "/user/"))]
    assert [line for line in seen if "/user/.cache/epigept-batch" not in line and '/user/.cache"' not in line] == []


@pytest.mark.parametrize(
    ("module", "given", "found"),
    [
        ("epigept_batch", None, "1"),
        ("epigept_export", None, "1"),
        ("epigept_batch.tracks.writer_process", None, "1"),
        ("epigept_batch", "", "1"),
        ("epigept_batch", "0", "0"),
    ],
)
def test_it_is_decided_before_anything_is_loaded(module, given, found):
    """By whichever of our modules comes first; what the user has decided stays."""
    script = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name in {'onnxruntime', 'torch', 'numpy', 'click'}: seen.append(os.environ.get(VARIABLE))\n"
        "seen = []\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"VARIABLE = {NO_TELEMETRY!r}\n"
        f"import {module}, numpy\n"
        "print(set(seen), os.environ[VARIABLE])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != NO_TELEMETRY}
    if given is not None:
        environment[NO_TELEMETRY] = given
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == f"{{{found!r}}} {found}\n"
