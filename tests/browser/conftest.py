"""A server of the page in a thread, and a client that sends requests as they are written."""

import http.client
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

pytest.importorskip("starlette", reason="needs the [view] extra")

from epigept_batch.browser.keys import Keys
from epigept_batch.browser.page_data import make_page
from epigept_batch.browser.server import make_app
from epigept_batch.browser.serving import listen, make_server
from epigept_batch.results.folder import read_run_folder
from run_folders import write_run


@dataclass
class Served:
    """A running server."""

    port: int
    keys: Keys
    page: object

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/?token={self.keys.token}"

    @property
    def cookie(self):
        return f"epigept-batch-{self.port}={self.keys.token}"

    def ask(self, path, method="GET", *, token=True, **headers):
        """Return status, headers and body. The path is sent as it is; `_` in names of headers stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        given = {"Host": f"127.0.0.1:{self.port}"} | ({"Cookie": self.cookie} if token else {})
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found


@contextmanager
def serving(folder, igv_js, *, further=(), **options):
    """Serve a folder while the block runs."""
    page, keys = make_page(read_run_folder(folder), **options), Keys()
    with listen(None) as listening:
        server = make_server(make_app(page, keys, igv_js, further))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Served(listening.getsockname()[1], keys, page)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def run_folder(tmp_path):
    """Two samples with two marks on two contigs."""
    return write_run(tmp_path / "tracks")


@pytest.fixture
def served(run_folder, tmp_path):
    """The two samples on a server, with a stand-in for igv.js."""
    script = tmp_path / "igv.js"
    script.write_text("window.igv = {};\n")
    with serving(run_folder, script) as served:
        yield served
