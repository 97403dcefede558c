"""A local HTTP server that can fail in the ways that servers and connections fail."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A file of the server, and its faults.

    Attributes:
        body: Bytes of the file.
        status: HTTP status of the answer, if not success.
        cut: Bytes after which the connection ends, even if more were announced.
        stall: Bytes after which the server sends nothing more.
        pause: Seconds between blocks of a tenth of the body.
        faults: Number of faulty answers; later ones are right.
        ranges: Whether the server accepts range requests.
        validator: Whether the server sends an ETag.
        length: Whether the server sends Content-Length.
        headers: Additional headers.
        skew: Bytes between the start of a part and the requested start.
    """

    body: bytes
    status: int = 200
    cut: int | None = None
    stall: int | None = None
    pause: float = 0
    faults: int = 1_000
    ranges: bool = True
    validator: bool = True
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    skew: int = 0

    @property
    def etag(self):
        return f'"{hashlib.md5(self.body).hexdigest()}"'  # noqa: S324 - as servers do


class FaultyServer(ThreadingHTTPServer):
    """The files by path, and the requests received, each with its Range header."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {}
        self.requests = []
        self.over = threading.Event()

    def put(self, path, body, **fault):
        self.files[path] = Served(body, **fault)
        return self.address(path)

    def address(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, *_):
        """Ignore errors: clients that disconnect are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        served = self.server.files.get(self.path)
        self.close_connection = True
        if served is None:
            self.send_error(404)
            return
        served.faults -= 1
        right = served.faults < 0
        if served.status == 0 and not right:
            return  # the connection ends without an answer
        if served.status != 200 and not right:
            self.send_response(served.status)
            self._end(served.headers | {"Content-Length": "0"})
            return
        start = self._start(served, asked)
        body = served.body[start:]
        self.send_response(206 if start else 200)
        headers = dict(served.headers)
        if start:
            headers["Content-Range"] = f"bytes {start + served.skew}-{len(served.body) - 1}/{len(served.body)}"
        if served.validator:
            headers["ETag"] = served.etag
        if served.length:
            headers["Content-Length"] = str(len(body))
        self._end(headers)
        stop = None if right else served.cut if served.cut is not None else served.stall
        step = len(served.body) // 10 if served.pause else len(served.body)
        for begin in range(0, len(body[:stop]), step):
            self.wfile.write(body[:stop][begin : begin + step])
            self.wfile.flush()
            time.sleep(served.pause)
        if served.stall is not None and not right:
            self.server.over.wait(30)

    def _start(self, served, asked):
        if not asked or not served.ranges or self.headers.get("If-Range", served.etag) != served.etag:
            return 0
        return int(re.fullmatch(r"bytes=(\d+)-", asked)[1])

    def _end(self, headers):
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_):
        """Log nothing: standard error belongs to the program."""


@contextmanager
def faulty_server():
    """Run a server in a thread of its own."""
    with FaultyServer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
