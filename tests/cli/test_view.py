"""`epigept-batch view`: what it prints, opens and refuses, and how it ends."""

import os
import re
import signal
import subprocess
import time
import urllib.request
from importlib.metadata import PackageNotFoundError
from urllib.error import HTTPError

import pytest

from conftest import SCRIPTS, outcome_of
from epigept_batch.browser import igv_js
from epigept_batch.browser.serving import listen
from epigept_batch.cli.main import cli
from run_folders import write_run


@pytest.fixture
def run_folder(tmp_path):
    return write_run(tmp_path / "tracks")


@pytest.fixture
def view(run_folder, tmp_path):
    """Start the command on the folder; it is ended after the test."""
    started = []

    def start(*words, **environment):
        script = tmp_path / "browse"
        script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/browsed\n')
        script.chmod(0o755)
        hidden = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"), "")
        process = subprocess.Popen(
            [SCRIPTS / "epigept-batch", "view", run_folder, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **hidden, **{name: str(value) for name, value in environment.items()}},
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - of this machine
            return answer.status
    except HTTPError as error:
        return error.code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_the_address_alone_and_ends_with_0(view, number):
    process, url = view("--no-open")
    port = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=[\w-]{43}", url)[1]
    assert status(url) == 200
    assert status(url.split("?")[0]) == 403
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert url.split("=")[1] not in err  # not even in a log of requests
    assert f"ssh -N -L {port}:127.0.0.1:{port} HOST" in err
    assert err.splitlines()[-1] == "epigept-batch: ended"
    assert "Traceback" not in err


def test_it_listens_on_the_port_that_is_asked_for(view):
    with listen(None) as free:
        port = free.getsockname()[1]
    process, url = view("--no-open", "--port", str(port))
    assert url.startswith(f"http://127.0.0.1:{port}/?token=")
    assert status(url) == 200
    other = subprocess.run(process.args, capture_output=True, text=True, check=False, timeout=60)
    assert other.returncode == 2
    assert other.stderr.splitlines() == [
        f"epigept-batch: --port {port}: Address already in use; choose another, or leave the option out"
    ]


def test_it_opens_the_browser_with_a_key_that_works_once(view, tmp_path):
    _, url = view(BROWSER=tmp_path / "browse")
    for _ in range(100):
        if (tmp_path / "browsed").exists() and (opened := (tmp_path / "browsed").read_text().strip()):
            break
        time.sleep(0.1)
    assert opened.split("=")[0] == url.split("=")[0]
    assert opened != url
    assert [status(opened), status(opened), status(url)] == [200, 403, 200]


def test_no_open_opens_none(view, tmp_path):
    process, url = view("--no-open", BROWSER=tmp_path / "browse")
    assert status(url) == 200
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert not (tmp_path / "browsed").exists()


def test_quiet_prints_the_address_only(view):
    process, url = view("--no-open", "--quiet")
    assert url
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")


def test_without_igv_js_it_says_what_to_install(run_folder, monkeypatch, tmp_path):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(igv_js, "distribution", absent)
    done = outcome_of(cli, "epigept-batch", ["view", run_folder])
    said = "view requires igv-notebook, which carries igv.js; install epigept-batch with its [view] extra"
    assert (done.code, done.err) == (2, f"epigept-batch: {said}\n")

    class Other:
        version = "0.1"

        def locate_file(self, name):
            return tmp_path / name

    monkeypatch.setattr(igv_js, "distribution", lambda _: Other())
    done = outcome_of(cli, "epigept-batch", ["view", run_folder])
    assert "igv-notebook 0.1 does not contain igv_notebook/js/igv.iife.js" in done.err


def test_without_the_server_it_says_what_to_install(run_folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "epigept_batch.browser.server", None)
    done = outcome_of(cli, "epigept-batch", ["view", run_folder])
    assert done.code == 2
    assert "view requires Starlette and uvicorn; install epigept-batch with its [view] extra" in done.err


def test_igv_js_is_that_of_the_package():
    found = igv_js.find_igv_js()
    assert found.path.read_bytes()[:20] == b"window.igv=function("
    assert re.fullmatch(r"3\.\d+\.\d+", found.version)


def test_the_package_of_igv_js_is_not_imported(run_folder):
    script = (
        "import sys; from epigept_batch.browser.igv_js import find_igv_js; find_igv_js();"
        "print({'igv_notebook', 'IPython', 'starlette'} & set(sys.modules))"
    )
    done = subprocess.run([SCRIPTS / "python", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert run_folder
