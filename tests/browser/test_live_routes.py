"""What-if questions over HTTP: streamed window by window, refused in one line, and stopped with the connection."""

import http.client
import json
import threading
import time
from contextlib import closing, contextmanager

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the [view] extra")

from epigept_batch.browser.live import MOST_BYTES, Answer, Question, live_routes
from epigept_batch.errors import InputError
from epigept_batch.prediction.what_if import Piece
from epigept_batch.tiling import Region

from .conftest import serving

QUESTION = {"sample": "a", "region": "one:1-1000", "settings": "F03=0", "variant": ""}


class Invented:
    """Answers with values that tell where they come from, a window at a time; counts what it was asked."""

    tracks = ("DNase", "CTCF")
    bin_bp = 128
    notes = ("a note",)

    def __init__(self, windows=3):
        self.windows, self.asked = windows, []
        self.computed, self.closed = 0, threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def expression(self):
        return {"a": {"F03": 1.5}}

    def ask(self, question):
        if question.sample != "a":
            raise InputError(f"no expression of sample '{question.sample}'")
        self.asked.append(question)
        return Answer(Region("one", 0, 1000), self.windows, ("F03 changes",), self.pieces())

    def pieces(self):
        try:
            for number in range(self.windows):
                assert self.go_on.wait(20)
                self.computed += 1
                values = np.array([[[number, 0.1]], [[number + 0.5, np.nan]]], np.float32)
                yield Piece(number, values)
        finally:
            self.closed.set()


@pytest.fixture
def live():
    return Invented()


@pytest.fixture
def served(run_folder, live, tmp_path):
    (tmp_path / "igv.js").touch()
    with serving(run_folder, tmp_path / "igv.js", live=True, further=live_routes(live)) as served:
        yield served


@contextmanager
def asking(served, content, *, kind="application/json", token=True):
    """Send a question, and give its answer; afterwards the connection is closed."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"Content-Type": kind} | ({"Cookie": served.cookie} if token else {})
    connection.request("POST", "/live", body, headers)
    with closing(connection), connection.getresponse() as answer:
        yield answer


def post(served, content, **options):
    """Return the status and the content of an answer."""
    with asking(served, content, **options) as answer:
        return answer.status, answer.read()


def lines(content):
    return [json.loads(line) for line in content.splitlines()]


def test_what_can_be_asked(served):
    assert json.loads(served.ask("/live.json")[2]) == {"expression": {"a": {"F03": 1.5}}, "notes": ["a note"]}
    assert json.loads(served.ask("/view.json")[2])["live"] is True
    assert served.ask("/live.json", token=False)[0] == 403


def test_an_answer_has_its_windows_in_order(served, live):
    status, content = post(served, QUESTION)
    assert status == 200
    first, *windows, last = lines(content)
    assert first == {"contig": "one", "windows": 3, "changes": ["F03 changes"], "bin_bp": 128}
    assert last == {"end": 3}
    tenth = float(np.float32(0.1))
    assert windows == [
        {
            "first_bin": number,
            "tracks": {
                "DNase": {"as_is": [number], "changed": [number + 0.5]},
                "CTCF": {"as_is": [tenth], "changed": [None]},
            },
        }
        for number in range(3)
    ]
    assert live.asked == [Question("a", "one:1-1000", "F03=0", "")]
    assert live.closed.is_set()


def test_windows_arrive_before_the_next_is_computed(served, live):
    live.go_on.clear()
    with asking(served, QUESTION) as answer:
        assert json.loads(answer.readline())["windows"] == 3
        live.go_on.set()
        assert json.loads(answer.readline())["first_bin"] == 0
        answer.read()


def test_a_closed_connection_stops_the_prediction(run_folder, tmp_path):
    live = Invented(windows=10_000)
    live.go_on.clear()
    (tmp_path / "igv.js").touch()
    with serving(run_folder, tmp_path / "igv.js", further=live_routes(live)) as served:
        with asking(served, QUESTION) as answer:
            answer.readline()
        time.sleep(0.2)
        live.go_on.set()
        assert live.closed.wait(10)
        assert live.computed < 1000


def test_what_cannot_be_answered_is_said(served):
    status, content = post(served, QUESTION | {"sample": "b"})
    assert (status, lines(content)) == (200, [{"error": "no expression of sample 'b'"}])


def test_a_failure_on_the_way_is_said(served, live):
    def fail():
        yield Piece(0, np.zeros((2, 1, 2), np.float32))
        raise InputError("the genome changed")

    live.pieces = fail
    assert lines(post(served, QUESTION)[1])[-1] == {"error": "the genome changed"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 90_000, "application/json"),
        (QUESTION | {"more": "x"}, "application/json"),
        ({"sample": "a"}, "application/json"),
        (QUESTION | {"settings": 5}, "application/json"),
        (QUESTION | {"settings": "x" * MOST_BYTES}, "application/json"),
        (QUESTION, "text/plain"),  # what a form of another site could send
        (QUESTION, "application/x-www-form-urlencoded"),
    ],
)
def test_other_requests_are_refused(served, live, content, kind):
    assert post(served, content, kind=kind) == (400, b"not a question of this page\n")
    assert live.asked == []


def test_a_content_type_may_name_its_charset(served):
    assert post(served, QUESTION, kind="application/json; charset=utf-8")[0] == 200


def test_the_token_is_required(served, live):
    assert post(served, QUESTION, token=False)[0] == 403
    assert live.asked == []
