"""Downloads from a server that goes wrong: each fault, what is said, and what is left on disk."""

import errno
import gzip
import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from epigept_batch.errors import OutputError
from epigept_batch.setup import download as module
from epigept_batch.setup.catalogue import Asset
from epigept_batch.setup.download import DownloadError, download

BODY = np.random.default_rng(1).bytes(100_000)
OTHER = np.random.default_rng(2).bytes(100_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()  # noqa: S324 - as published
ADVICE = "rerun, or download it from the page and pass it with --checkpoint FILE"


class Told:
    """What a download says."""

    def __init__(self):
        self.sentences, self.starts, self.bytes = [], [], 0

    def say(self, sentence):
        self.sentences.append(sentence)

    def start(self, total, *, done=0):
        self.starts.append((total, done))
        self.bytes = done

    def advance(self, by=1):
        self.bytes += by

    def finish(self, sentence):
        self.say(sentence)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.ckpt"


def asset(url, **pinned):
    return Asset("checkpoint", url, page="the page", **({"sha256": SHA256, "md5": MD5} | pinned))


def left(folder):
    return {file.name: file.stat().st_size for file in folder.iterdir() if not file.name.endswith(".json")}


FAULTS = [
    ("not there", {"status": 404}, f"cannot be downloaded (404 Not Found); {ADVICE}", None, 1),
    ("forbidden", {"status": 403}, f"cannot be downloaded (403 Forbidden); {ADVICE}", None, 1),
    ("gone", {"status": 410}, f"cannot be downloaded (410 Gone); {ADVICE}", None, 1),
    (
        "overloaded",
        {"status": 503},
        f"not available now (503 Service Unavailable), 3 times in a row; {ADVICE}",
        None,
        3,
    ),
    ("a web page", {"headers": {"Content-Type": "text/html"}}, f"a web page, not the file; {ADVICE}", None, 1),
    ("cut, then nothing", {"cut": 0}, f"download ended after 0 of 100,000 bytes, 3 times in a row; {ADVICE}", 0, 3),
    ("cut", {"cut": 30_000}, f"download ended after 90,000 of 100,000 bytes, 3 times in a row; {ADVICE}", 90_000, 3),
    (
        "cut, no ranges",
        {"cut": 30_000, "ranges": False},
        f"download ended after 30,000 of 100,000 bytes, 3 times in a row; {ADVICE}",
        30_000,
        3,
    ),
    (
        "stalls",
        {"stall": 20_000},
        f"connection lost after 60,000 bytes (Read timed out.), 3 times in a row; {ADVICE}",
        60_000,
        3,
    ),
    ("no answer", {"status": 0}, "cannot be reached (Remote end closed connection without response), 3 times", None, 3),
    ("redirected in a circle", {"status": 302, "headers": {"Location": "/file"}}, "cannot be downloaded (", None, 31),
    (
        "redirected to nowhere",
        {"status": 302, "headers": {"Location": "/none"}},
        "cannot be downloaded (404 Not Found)",
        None,
        2,
    ),
]


@pytest.mark.parametrize(
    ("fault", "message", "part", "requests"), [row[1:] for row in FAULTS], ids=[r[0] for r in FAULTS]
)
def test_a_fault_is_one_line_and_what_has_come_is_kept(server, path, told, fault, message, part, requests):
    url = server.put("/file", BODY, **fault)
    with pytest.raises(DownloadError) as raised:
        download(asset(url), path, told)
    assert str(raised.value).startswith(f"{url}: {message}")
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2
    assert left(path.parent) == ({} if part is None else {"model.ckpt.part": part})
    assert len(server.requests) == requests
    assert len(told.sentences) == (2 if requests == 3 else 0)

    server.requests.clear()
    server.put("/file", BODY, ranges=fault.get("ranges", True))
    assert download(asset(url), path, told) == SHA256
    assert path.read_bytes() == BODY
    assert left(path.parent) == {"model.ckpt": 100_000}
    assert list(path.parent.iterdir()) == [path]
    assert server.requests == [("/file", f"bytes={part}-" if part else None)]
    assert told.starts[-1] == (100_000, part if part and fault.get("ranges", True) else 0)
    assert told.bytes == 100_000


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        ({}, [None]),
        ({"length": False}, [None]),
        ({"validator": False}, [None]),
        ({"pause": 0.1}, [None]),
        ({"headers": {"Content-Encoding": "x-gzip"}}, [None]),
        ({"cut": 30_000, "faults": 2}, [None, "bytes=30000-", "bytes=60000-"]),
        ({"cut": 30_000, "faults": 2, "ranges": False}, [None, "bytes=30000-", "bytes=30000-"]),
        ({"cut": 30_000, "faults": 2, "validator": False}, [None, None, None]),
        (
            {"cut": 30_000, "faults": 1, "headers": {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}},
            [None, "bytes=30000-"],
        ),
        ({"stall": 20_000, "faults": 1}, [None, "bytes=20000-"]),
        ({"status": 503, "faults": 2}, [None, None, None]),
        ({"status": 0, "faults": 1}, [None, None]),
        ({"cut": 30_000, "faults": 1, "skew": 5}, [None, "bytes=30000-", None]),
    ],
    ids=str,
)
def test_what_passes_is_overcome(server, path, told, fault, asked):
    url = server.put("/file", BODY, **fault)
    assert download(asset(url), path, told) == SHA256
    assert path.read_bytes() == BODY
    assert [part for _, part in server.requests] == asked
    assert len(told.sentences) == len(asked) - 1
    assert list(path.parent.iterdir()) == [path]


def test_blocks_that_come_renew_patience(server, path, told, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 10_000)
    url = server.put("/file", BODY, cut=12_000)
    assert download(asset(url), path, told) == SHA256
    assert len(server.requests) == 9  # far more than the three tries that may bring nothing


def test_a_redirect_is_followed(server, path, told):
    server.put("/moved/file", BODY)
    url = server.put("/file", b"", status=301, headers={"Location": "/moved/file"})
    assert download(asset(url), path, told) == SHA256
    assert server.requests == [("/file", None), ("/moved/file", None)]


def test_a_proxy_of_the_environment_is_used(server, path, told, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address(""))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.put("http://institute.invalid/file", BODY)
    assert download(asset("http://institute.invalid/file"), path, told) == SHA256
    assert server.requests == [("http://institute.invalid/file", None)]


def test_a_file_that_changes_between_two_runs_is_not_mixed(server, path, told):
    url = server.put("/file", OTHER, cut=30_000)
    with pytest.raises(DownloadError):
        download(asset(url, sha256=None, md5=None), path, told)
    assert left(path.parent) == {"model.ckpt.part": 90_000}
    server.put("/file", BODY)
    assert download(asset(url), path, told) == SHA256
    assert server.requests[-1] == ("/file", "bytes=90000-")  # answered with the whole of what is there now
    assert told.starts[-1] == (100_000, 0)


def test_a_part_from_another_address_is_not_gone_on_with(server, path, told):
    url = server.put("/file", OTHER, cut=30_000)
    with pytest.raises(DownloadError):
        download(asset(url), path, told)
    server.requests.clear()
    assert download(asset(server.put("/other", BODY)), path, told) == SHA256
    assert server.requests == [("/other", None)]


def test_a_part_that_is_whole_wants_no_request(server, path, told):
    """As after an interruption between the last byte and the name."""
    url = server.put("/file", BODY, cut=50_000)
    with pytest.raises(DownloadError):
        download(asset(url, sha256="0"), path, told)
    server.put("/file", BODY, cut=30_000)
    with pytest.raises(DownloadError):
        download(asset(url), path, told)
    part = path.with_name("model.ckpt.part")
    part.write_bytes(BODY)
    server.requests.clear()
    assert download(asset(url), path, told) == SHA256
    assert server.requests == []


@pytest.mark.parametrize(("kind", "pinned"), [("sha256", SHA256), ("md5", MD5)])
def test_a_file_that_is_not_as_pinned_is_removed(server, path, told, kind, pinned):
    url = server.put("/file", OTHER)
    found = getattr(hashlib, kind)(OTHER).hexdigest()
    with pytest.raises(DownloadError) as raised:
        download(asset(url, **({"sha256": None, "md5": None} | {kind: pinned})), path, told)
    assert str(raised.value) == (
        f"{url}: checksum mismatch: {kind} {found} instead of {pinned}; the file was damaged in transit or changed at "
        f"its source, so the download was removed: {ADVICE}"
    )
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "http://127.0.0.1:9/file",
            "cannot be reached (Failed to establish a new connection: [Errno 111] Connection refused); ",
        ),
        ("http://nowhere.invalid/file", "cannot be reached (Failed to resolve 'nowhere.invalid' "),
        ("http://", "cannot be downloaded (Invalid URL 'http://': No host supplied); "),
    ],
)
def test_without_a_server_one_line_comes_at_once(path, told, url, message):
    with pytest.raises(DownloadError) as raised:
        download(asset(url), path, told)
    assert str(raised.value).startswith(f"{url}: {message}")
    assert str(raised.value).endswith(ADVICE)
    assert told.sentences == []
    assert list(path.parent.iterdir()) == []


def test_too_small_a_disk_is_said_before_anything_comes(server, path, told, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=99_999))
    with pytest.raises(
        OutputError, match=r"requires 100,000 more bytes, but only 99,999 are free; free some space, or set"
    ):
        download(asset(server.put("/file", BODY)), path, told)
    assert left(path.parent) == {}


class FullDisk:
    """A file on a disk that has room for so many bytes."""

    def __init__(self, stream, room):
        self.stream, self.room = stream, room

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def write(self, block):
        self.stream.write(block[: self.room])
        if len(block) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(block)

    def flush(self):
        self.stream.flush()


def test_a_disk_that_fills_keeps_what_has_come(server, path, told, monkeypatch):
    url = server.put("/file", BODY)
    opened = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(
            Path,
            "open",
            lambda self, mode="r", **o: (
                FullDisk(opened(self, mode, **o), 40_000) if mode == "ab" else opened(self, mode, **o)
            ),
        )
        with pytest.raises(OutputError) as raised:
            download(asset(url), path, told)
    part = path.with_name("model.ckpt.part")
    assert str(raised.value) == f"{part}: the disk is full; fix this and rerun: the download resumes"
    kept = left(path.parent)["model.ckpt.part"]
    assert 0 < kept <= 40_000
    assert download(asset(url), path, told) == SHA256
    assert server.requests[-1] == ("/file", f"bytes={kept}-")


def test_an_interruption_keeps_what_has_come(server, path):
    class Impatient(Told):
        def advance(self, _=1):
            raise KeyboardInterrupt

    url = server.put("/file", BODY, stall=40_000)
    with pytest.raises(KeyboardInterrupt):
        download(asset(url), path, Impatient())
    kept = left(path.parent)["model.ckpt.part"]
    assert 0 < kept <= 40_000
    note = json.loads(path.with_name("model.ckpt.part.json").read_text())
    assert note == {"url": url, "validator": server.files["/file"].etag, "total": 100_000}
    server.put("/file", BODY)
    assert download(asset(url), path, Told()) == SHA256
    assert server.requests[-1] == ("/file", f"bytes={kept}-")


def test_an_encoded_body_is_the_file_itself(server, path, told):
    """Servers that declare a .gz as encoded mean its packing."""
    packed = gzip.compress(BODY)
    url = server.put("/hg38.fa.gz", packed, headers={"Content-Encoding": "gzip"})
    download(asset(url, sha256=None, md5=None), path, told)
    assert path.read_bytes() == packed
