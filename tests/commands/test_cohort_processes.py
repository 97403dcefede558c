"""The engine of one machine: where processes work, what they compute with, and what happens when they die."""

import os
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Pipe
from pathlib import Path
from types import SimpleNamespace

import pytest

from epigept_batch.cohort.worker import Resources
from epigept_batch.commands.cohort import compute, local, local_process
from epigept_batch.commands.cohort.compute import _seats as seats_of
from epigept_batch.commands.cohort.local import compute_locally
from epigept_batch.commands.cohort.local_process import DONE, SAY, Seat
from epigept_batch.errors import DeviceError, OutputError
from epigept_batch.inference.device import Device

SEAT = Seat(Resources(Path("m"), Path("g"), None, Device("cpu")))


def on(kind):
    return Resources(Path("m"), Path("g"), Path("s"), Device(kind))


def planned(threads):
    return SimpleNamespace(plan=SimpleNamespace(computation=SimpleNamespace(threads=threads)))


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {9, 2, 3, 4, 5, 6, 7, 8})
    monkeypatch.setattr(compute, "usable_processors", lambda: 8)


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("threads", "workers", "cores"),
    [
        (3, None, [{2, 3, 4}, {5, 6, 7}]),
        (4, None, [{2, 3, 4, 5}, {6, 7, 8, 9}]),
        (1, 2, [{2}, {3}]),
        (8, None, [set()]),  # one process needs no fence
        (64, None, [set()]),
        (3, 3, [set(), set(), set()]),  # more threads than cores: the system shares them out
    ],
)
def test_processes_keep_to_cores_of_their_own(threads, workers, cores):
    found = seats_of(on("cpu"), planned(threads), workers)
    assert found == [Seat(on("cpu"), frozenset(of)) for of in cores]


@pytest.mark.usefixtures("eight_cores")
def test_a_quota_limits_the_number_of_processes(monkeypatch):
    monkeypatch.setattr(compute, "usable_processors", lambda: 2)
    assert len(seats_of(on("cpu"), planned(1), None)) == 2


def test_every_gpu_has_one_process(monkeypatch):
    monkeypatch.setattr(compute, "find_driver", lambda: SimpleNamespace(devices=["H100", "H100"]))
    found = seats_of(on("cuda"), planned(4), None)
    assert [seat.resources.device for seat in found] == [Device("cuda", (0,)), Device("cuda", (1,))]
    assert [seat.resources.scores for seat in found] == [Path("s")] * 2
    assert seats_of(on("cuda"), planned(4), 1) == found[:1]
    with pytest.raises(DeviceError, match="--workers 3: there are only 2 GPUs; each worker has one"):
        seats_of(on("cuda"), planned(4), 3)


@pytest.mark.parametrize("driver", [None, SimpleNamespace(devices=[])])
def test_a_cohort_for_gpus_needs_one(monkeypatch, driver):
    monkeypatch.setattr(compute, "find_driver", lambda: driver)
    with pytest.raises(DeviceError, match="the cohort is computed with CUDA, but there is no NVIDIA GPU here"):
        seats_of(on("cuda"), planned(4), None)


def test_a_run_ends_when_processes_die_again_and_again(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    said = []
    with pytest.raises(
        OutputError, match=r"^3 processes ended with code 1 at unit \d; check that there is enough memory"
    ):
        list(compute_locally("c", [SEAT, SEAT], [0, 1, 2, 3], say=said.append))
    assert set(said) == {"a process ended with code 1; its units are computed again"}
    assert 2 <= len(said) <= 8


class FakeMember:
    """A process that says a sentence and is done with each unit at once."""

    def __init__(self, _, seat):
        self.seat, self.units = seat, []
        self.connection, theirs = Pipe()
        threading.Thread(target=self.work, args=(theirs,), daemon=True).start()

    @staticmethod
    def work(theirs):
        theirs.send((SAY, "no GPU"))
        with suppress(EOFError, OSError):  # the test has ended
            while True:
                theirs.send((DONE, SimpleNamespace(unit=theirs.recv())))

    def stop(self):
        self.connection.close()


def test_what_every_process_says_is_shown_once(monkeypatch):
    monkeypatch.setattr(local, "_Member", FakeMember)
    said = []
    markers = list(compute_locally("c", [SEAT, SEAT], [4, 5, 6, 7, 8], say=said.append))
    assert sorted(marker.unit for marker in markers) == [4, 5, 6, 7, 8]
    assert said == ["no GPU"]


class FakeWorker:
    """Computes at once; what it writes waits until it may."""

    def __init__(self, *_, **__):
        self.computed, self.may_write = [], threading.Event()
        FakeWorker.last = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def compute(self, unit):
        self.computed.append(unit)
        return unit

    def write(self, computed):
        self.may_write.wait(3)
        return computed


def test_a_process_keeps_to_its_cores_and_computes_one_unit_ahead(monkeypatch):
    set_cores, limited = [], []
    monkeypatch.setattr(os, "sched_setaffinity", lambda *what: set_cores.append(what))
    monkeypatch.setattr(local_process, "limit_pools", limited.append)
    monkeypatch.setattr(local_process, "Worker", FakeWorker)
    cohort = SimpleNamespace(plan=planned(3).plan, units=["a", "b", "c", "d"])
    monkeypatch.setattr(local_process, "Cohort", lambda _: cohort)
    ours, theirs = Pipe()
    process = threading.Thread(target=local_process.work, args=(theirs,), daemon=True)
    ours.send(("c", Seat(SEAT.resources, frozenset({1, 5}))))
    for number in range(4):
        ours.send(number)
    process.start()
    time.sleep(0.3)
    assert (set_cores, limited) == ([(0, frozenset({1, 5}))], [3])
    assert FakeWorker.last.computed == ["a", "b"]
    FakeWorker.last.may_write.set()
    assert [ours.recv() for _ in range(4)] == [(DONE, unit) for unit in "abcd"]
    ours.close()
    process.join(30)
    assert not process.is_alive()
