"""Calls as CUDA graphs, with the processor in place of a GPU: sessions, threads, and what is refused."""

import threading

import numpy as np
import pytest

from epigept_batch.inference.device import CPU, Device, RunOptions
from epigept_batch.inference.gpu import batch_size
from epigept_batch.inference.gpu.load import FEEDERS
from epigept_batch.inference.gpu.network import CudaNetwork
from epigept_batch.inference.ports import Inputs
from epigept_batch.inference.session import open_session, open_sessions
from small import SMALL, random_inputs
from tolerances import SAME


@pytest.fixture
def rows():
    return random_inputs(SMALL, windows=3, samples=2)


@pytest.fixture
def graphs_are(monkeypatch):
    """Make graphs so many times as fast as calls without."""

    def set_speed(times):
        monkeypatch.setattr(batch_size, "_seconds", lambda run, _: 1 / times if run.__name__ == "run_graph" else 1.0)

    return set_speed


def captured(opened):
    """How many sessions capture graphs."""
    return [arguments["providers"][0][1]["enable_cuda_graph"] for arguments in opened].count("1")


@pytest.mark.parametrize(("size", "samples"), [(1, 1), (1, 2), (2, 2), (2, 1)])
def test_faster_graphs_are_used_and_give_the_same(small_model, rows, gpu_of_host_memory, graphs_are, size, samples):
    _, opened = gpu_of_host_memory
    graphs_are(2)
    options = RunOptions("fp32", batch_size=size, samples=samples)
    sessions = open_sessions(small_model, Device("cuda"), options, say=pytest.fail)
    assert captured(opened) == 1 + FEEDERS == len(opened) - 1  # of the trial, and of each feeder
    cpu = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)
    for session in sessions:
        for taken in (samples, 2):  # 2 do not fit into the graph of a sample
            inputs = Inputs.of(**{**rows, "expression": rows["expression"][:taken]})
            np.testing.assert_allclose(session.signal(inputs), cpu.signal(inputs), rtol=1e-5, atol=SAME)


@pytest.mark.parametrize(("size", "times", "tried"), [(2, 0.5, 1), (2, 1.01, 1), (3, 2, 0), (8, 2, 0)])
def test_slower_graphs_and_those_of_large_batches_are_not(
    small_model, gpu_of_host_memory, graphs_are, size, times, tried
):
    _, opened = gpu_of_host_memory
    graphs_are(times)
    open_sessions(small_model, Device("cuda"), RunOptions("fp32", batch_size=size), say=pytest.fail)
    assert captured(opened) == tried
    assert len(opened) == 1 + tried


def test_every_graph_has_a_thread_and_a_session_of_its_own(
    small_model, rows, gpu_of_host_memory, graphs_are, monkeypatch
):
    """ONNX Runtime keeps the graph of a session by thread; a call in another thread would capture again."""
    ran = {}
    real = CudaNetwork.run

    def run(network):
        ran.setdefault(network, set()).add(threading.current_thread().name)
        return real(network)

    monkeypatch.setattr(CudaNetwork, "run", run)
    _, opened = gpu_of_host_memory
    graphs_are(2)
    options = RunOptions("fp32", batch_size=1)
    sessions = open_sessions(small_model, Device("cuda"), options, say=pytest.fail)
    for session in sessions:
        for _ in range(2):
            thread = threading.Thread(target=session.signal, args=(Inputs.of(**rows),))
            thread.start()
            thread.join()
    of_graphs = {
        network: names for network, names in ran.items() if any(name.startswith("cuda-graph") for name in names)
    }
    assert len(of_graphs) == captured(opened) == 1 + FEEDERS
    assert all(len(names) == 1 for names in of_graphs.values())


class Stale:
    """A replay that computes the first inputs again, as a graph with other buffers does."""

    def __init__(self):
        self.real, self.first = CudaNetwork.run, {}

    @property
    def run(self):
        """In place of the method of a network."""

        def run(network):
            return self.outputs(network)

        return run

    def outputs(self, network):
        outputs = self.real(network)
        if not threading.current_thread().name.startswith("cuda-graph"):
            return outputs
        return self.first.setdefault(network, {name: values.copy() for name, values in outputs.items()})


def test_a_graph_that_gives_other_values_is_not_used(small_model, rows, gpu_of_host_memory, graphs_are, monkeypatch):
    driver, opened = gpu_of_host_memory
    stale = Stale()
    monkeypatch.setattr(CudaNetwork, "run", stale.run)
    graphs_are(2)
    options = RunOptions("fp32", batch_size=2, samples=2)
    sessions = open_sessions(small_model, Device("cuda"), options, say=pytest.fail)
    stale.first.clear()
    assert captured(opened) == 1
    assert not driver.locked
    cpu = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)
    np.testing.assert_allclose(
        sessions[0].signal(Inputs.of(**rows)), cpu.signal(Inputs.of(**rows)), rtol=1e-5, atol=SAME
    )


def test_graphs_that_fail_after_the_trial_are_done_without(small_model, rows, gpu_of_host_memory, monkeypatch):
    from epigept_batch.inference.gpu import load

    del gpu_of_host_memory
    monkeypatch.setattr(load, "kept_trial", lambda *_: batch_size.Trial(2, {2: 1.0}, {2: 9.0}))

    def fail(*_):
        raise RuntimeError("capture is not permitted")

    monkeypatch.setattr(load.NetworkMaker, "as_graph", fail)
    options = RunOptions("fp32", batch_size=2, samples=2, digest="d")
    sessions = open_sessions(small_model, Device("cuda"), options, say=pytest.fail)
    cpu = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)
    np.testing.assert_allclose(
        sessions[0].signal(Inputs.of(**rows)), cpu.signal(Inputs.of(**rows)), rtol=1e-5, atol=SAME
    )
