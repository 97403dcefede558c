"""What runs a GPU, on a CPU as far as that goes: the same buffers and bindings, another kind of memory."""

from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from epigept_batch.errors import DeviceError
from epigept_batch.inference.device import CPU, Device, RunOptions
from epigept_batch.inference.gpu import driver as cuda_driver
from epigept_batch.inference.gpu import load as cuda
from epigept_batch.inference.gpu.driver import CudaDriver
from epigept_batch.inference.gpu.network import CudaNetwork, FixedShapes, is_out_of_memory
from epigept_batch.inference.ports import SIGNAL, Inputs, Ports
from epigept_batch.inference.runtime import CUDA_PROVIDER
from epigept_batch.inference.session import open_session, open_sessions
from small import SMALL, random_inputs
from tolerances import SAME

gpu = pytest.mark.skipif(
    CUDA_PROVIDER not in onnxruntime.get_available_providers(),
    reason="needs onnxruntime-gpu and a CUDA device",
)


class Driver:
    """Keeps account of locked pages; a driver that refuses, if asked to be."""

    def __init__(self, *, refuses=False):
        self.locked = []
        self.refuses = refuses

    def lock_pages(self, array):
        if self.refuses:
            raise DeviceError("not permitted")
        self.locked.append(array.ctypes.data)

    def unlock_pages(self, array):
        self.locked.remove(array.ctypes.data)


@pytest.fixture(scope="module")
def inputs():
    return random_inputs(SMALL, windows=5, samples=3)


@pytest.fixture
def plain(small_model):
    return open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)


@pytest.fixture
def make(small_model):
    """Maker of networks of a shape, as for a GPU, in the processor's memory."""

    def in_host_memory(shape, kind, device, index):
        assert (device, index) == ("cuda", 0)
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, kind)

    ort = SimpleNamespace(OrtValue=SimpleNamespace(ortvalue_from_shape_and_type=in_host_memory))
    loaded = onnxruntime.InferenceSession(small_model, providers=["CPUExecutionProvider"])

    def make(shape, driver=None):
        return CudaNetwork(ort, loaded, driver or Driver(), 0, outputs=[SIGNAL], shape=shape)

    return make


@pytest.fixture
def ports(small_model):
    """Of the small network."""
    return Ports.of_session(onnxruntime.InferenceSession(small_model, providers=["CPUExecutionProvider"]))


@pytest.mark.parametrize("refuses", [False, True])
def test_calls_of_one_shape_give_what_free_ones_give(make, plain, inputs, refuses):
    driver = Driver(refuses=refuses)
    network = make((4, 3), driver)
    assert len(driver.locked) == (0 if refuses else 3)
    found = {}
    for first, last, samples in ((0, 4, 3), (4, 5, 3), (1, 3, 2)):
        rows = {name: list(inputs[name][first:last]) for name in ("tokens", "motif_scores")}
        found[first, last, samples] = network(Inputs.of(**rows, expression=inputs["expression"][:samples]))[SIGNAL]
    network.close()
    assert driver.locked == []
    whole = plain.signal(Inputs.of(**inputs))
    for (first, last, samples), signal in found.items():
        np.testing.assert_allclose(signal, whole[first:last, :samples], rtol=1e-5, atol=SAME)


@pytest.mark.parametrize("fit", [1, 2, 4, 7])
def test_when_memory_runs_out_calls_become_smaller_and_values_stay(make, plain, ports, inputs, fit):
    said, made, open_networks = [], [], set()

    def of_limited_memory(shape):
        made.append(shape)
        if shape[0] * shape[1] > fit:
            raise RuntimeError("Available memory of 1 is smaller than requested bytes of 2: Failed to allocate memory")
        network = make(shape)
        open_networks.add(network)
        real = network.close
        network.close = lambda: (real(), open_networks.discard(network))
        return network

    shapes = FixedShapes(of_limited_memory, ports, said.append)
    found = [shapes(Inputs.of(**inputs))[SIGNAL] for _ in range(2)]
    for signal in found:
        np.testing.assert_allclose(signal, plain.signal(Inputs.of(**inputs)), rtol=1e-5, atol=SAME)
    assert len([shape for shape in made if shape[0] * shape[1] > fit]) == len(said)
    assert said[0] == "not enough GPU memory for a batch of 15; continuing with 7"
    assert len(open_networks) == 1


def test_no_memory_for_one_window_is_an_error(ports, inputs):
    def fail(_):
        raise RuntimeError("CUDA error: out of memory")

    shapes = FixedShapes(fail, ports, lambda _: None)
    with pytest.raises(
        DeviceError, match="not enough GPU memory for one window; free some GPU memory, or use --device cpu"
    ):
        shapes(Inputs.of(**inputs))


def test_other_errors_are_not_taken_for_a_lack_of_memory(ports, inputs):
    def fail(_):
        raise RuntimeError("misaligned address")

    with pytest.raises(RuntimeError, match="misaligned"):
        FixedShapes(fail, ports, pytest.fail)(Inputs.of(**inputs))
    assert is_out_of_memory(RuntimeError("CUDA failure 2: out of memory ; GPU=0"))


def test_a_machine_without_a_driver_is_said(monkeypatch):
    monkeypatch.setattr(cuda_driver, "DRIVER_LIBRARY", "libcuda-is-not-here.so")
    with pytest.raises(DeviceError, match="no NVIDIA driver on this machine"):
        CudaDriver()


def test_every_gpu_has_its_own_session_and_feeders(small_model, monkeypatch):
    """With all that speaks to a GPU replaced: which are opened, and what each session is said to be."""
    opened = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA_PROVIDER])
    loaded = onnxruntime.InferenceSession(small_model, providers=["CPUExecutionProvider"])
    monkeypatch.setattr(cuda, "load_on_gpu", lambda _ort, _path, index, _threads: opened.append(index) or loaded)
    monkeypatch.setattr(cuda, "CudaDriver", lambda: SimpleNamespace(device_count=lambda: 3))
    wanted = RunOptions("fp32", batch_size=2)
    for device, indices in ((Device("cuda"), [0, 1, 2]), (Device("cuda", (2, 0)), [2, 0]), (Device("auto"), [0])):
        opened.clear()
        sessions = open_sessions(small_model, device, wanted, say=pytest.fail)
        assert opened == indices
        assert sorted(s.device for s in sessions) == sorted(2 * [f"cuda:{index}" for index in indices])
        assert {(s.provider, s.arithmetic, s.batch_size) for s in sessions} == {(CUDA_PROVIDER, "fp32", 2)}


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("batch_size", [1, 3, 8, None])
def test_a_gpu_gives_what_the_cpu_gives_whatever_the_batch(make_small_model, plain, inputs, precision, batch_size):
    path = make_small_model(precision)
    wanted = RunOptions(precision, batch_size=batch_size, samples=3)
    cuda = open_sessions(path, Device("cuda", (0,)), wanted, say=lambda _: None)
    expected, atol = plain.signal(Inputs.of(**inputs)), 1e-2 if precision == "fp16" else 1e-4
    for one in cuda:
        np.testing.assert_allclose(one.signal(Inputs.of(**inputs)), expected, atol=atol)


@pytest.mark.gpu
@gpu
def test_the_driver_knows_its_gpus():
    driver = CudaDriver()
    assert driver.device_count() >= 1
    assert driver.device_name(0)
    memory = driver.memory(0)
    assert 0 < memory.free <= memory.total
    pages = np.zeros(1 << 20, np.uint8)
    driver.lock_pages(pages)
    driver.unlock_pages(pages)


def test_a_kept_trial_is_that_of_the_outputs_of_the_run(contacts_model, monkeypatch):
    """Contacts take more memory than the signal, so the batch that suits one may be too large for both."""
    ort = SimpleNamespace(get_available_providers=lambda: [CUDA_PROVIDER])
    memory = SimpleNamespace(free=1 << 30, total=1 << 31)
    driver = SimpleNamespace(device_count=lambda: 1, memory=lambda _: memory, device_name=lambda _: "H100")
    keys = []
    monkeypatch.setattr(cuda, "CudaDriver", lambda: driver)
    monkeypatch.setattr(cuda, "load_on_gpu", lambda *_: None)
    monkeypatch.setattr(Ports, "of_session", lambda _: None)
    monkeypatch.setattr(cuda, "kept_trial", lambda key, _: keys.append(key) or SimpleNamespace(batch_size=4))
    for outputs in ((SIGNAL,), (SIGNAL, "contacts"), (SIGNAL,)):
        options = RunOptions("fp16", digest="d", outputs=outputs)
        cuda.load_on_gpus(ort, contacts_model, Device("cuda"), options, runtime="r", say=lambda _: None)
    assert keys[0] == keys[2] != keys[1]
