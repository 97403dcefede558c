"""A cohort in S3: the same values, and the same commands. The server is moto's, on this machine."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec

import pytest

from cohorts import OPTIONS, SAMPLES, TRACKS, cohort, values_of
from epigept_batch.cohort.object_storage import ObjectStorage

pytestmark = [
    pytest.mark.s3,
    pytest.mark.skipif(find_spec("moto") is None or find_spec("flask") is None, reason="needs moto[server]"),
    pytest.mark.skipif(find_spec("obstore") is None, reason="needs the [cloud] extra"),
]


@pytest.fixture(scope="module")
def server():
    """The address of an S3 server with an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT"))
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.kill()


@pytest.fixture
def s3(server, monkeypatch):
    """The environment that names the server."""
    settings = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.mark.usefixtures("s3")
def test_a_cohort_in_s3_has_the_same_files(cohort_inputs, whole_cohort, tmp_path):
    url = "s3://bucket/some/cohort"
    done = cohort("init", url, *cohort_inputs, *OPTIONS, "--dtype", "float32")
    assert done.code == 0, done.err
    assert cohort("partition", url, 1, "--of", 2).code == 0
    assert cohort("status", url).out.startswith("9 of 18 units are done (50.0%), for 5 samples\n")
    refused = cohort("finalise", url)
    assert (refused.code, f"epigept-batch: {url}: 9 of 18 units are missing (2, 4, 6, 8, 10 …)" in refused.err) == (
        2,
        True,
    )
    command = [sys.executable, "-m", "epigept_batch", "cohort", "run", url, "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    storage, expected = ObjectStorage(url), values_of(whole_cohort)
    found = {name: storage.read(name) for part in ("cube.zarr", "totals") for name in storage.names(part)}
    assert found == expected
    assert storage.read("statistics.tsv") == (whole_cohort / "statistics.tsv").read_bytes()
    assert cohort("extract", url, "--out", tmp_path / "s3", "--chromosome", "one").code == 0
    assert cohort("extract", whole_cohort, "--out", tmp_path / "folder", "--chromosome", "one").code == 0
    for sample in SAMPLES:
        for track in TRACKS:
            name = f"{sample}.{track}.bw"
            assert (tmp_path / "s3" / name).read_bytes() == (tmp_path / "folder" / name).read_bytes()


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_one_line(cohort_inputs):
    done = cohort("status", "s3://absent/cohort")
    assert (done.code, done.err) == (
        2,
        "epigept-batch: s3://absent/cohort: no cohort here; make one with epigept-batch cohort init\n",
    )
    done = cohort("init", "s3://absent/cohort", *cohort_inputs, *OPTIONS)
    assert done.code == 2
    assert "epigept-batch: s3://absent/cohort: cannot be read (" in done.err.splitlines()[-1]
