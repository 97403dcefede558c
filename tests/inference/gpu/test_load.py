"""What runs a GPU, on a CPU as far as that goes: the same buffers and bindings, another kind of memory."""

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from epigept_batch.errors import DeviceError
from epigept_batch.inference.device import CPU, Device, RunOptions
from epigept_batch.inference.gpu import batch_size as trials
from epigept_batch.inference.gpu import driver as cuda_driver
from epigept_batch.inference.gpu import load as cuda
from epigept_batch.inference.gpu.driver import CudaDriver
from epigept_batch.inference.gpu.host_memory import HostMemory
from epigept_batch.inference.gpu.network import CudaNetwork, FixedShapes, is_out_of_memory
from epigept_batch.inference.model_file import shape_nodes
from epigept_batch.inference.ports import SIGNAL, Input, Inputs, Ports
from epigept_batch.inference.runtime import CUDA_PROVIDER
from epigept_batch.inference.session import open_session, open_sessions
from gpus import Driver
from small import SMALL, random_inputs
from tolerances import SAME

gpu = pytest.mark.skipif(
    CUDA_PROVIDER not in onnxruntime.get_available_providers(),
    reason="needs onnxruntime-gpu and a CUDA device",
)


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
    assert bool(driver.locked) != refuses
    found = {}
    for first, last, samples in ((0, 4, 3), (4, 5, 3), (1, 3, 2)):
        rows = {name: list(inputs[name][first:last]) for name in ("tokens", "motif_scores")}
        found[first, last, samples] = network(Inputs.of(**rows, expression=inputs["expression"][:samples]))[SIGNAL]
    network.close()
    assert not driver.locked
    whole = plain.signal(Inputs.of(**inputs))
    for (first, last, samples), signal in found.items():
        np.testing.assert_allclose(signal, whole[first:last, :samples], rtol=1e-5, atol=SAME)


def test_arrays_lie_in_locked_pages_that_hold_nothing_else():
    driver, kinds = (
        Driver(),
        [((3, 5000), np.dtype(np.uint8)), ((2, 7), np.dtype(np.float16)), ((0, 4), np.dtype("f4"))],
    )
    memories = [HostMemory(kinds, driver, 0) for _ in range(2)]
    arrays = [array for memory in memories for array in memory.arrays]
    assert [(array.shape, array.dtype) for array in arrays] == 2 * kinds
    pages = [Driver.pages(array) for array in arrays if array.size]
    assert [len(some) for some in pages] == [4, 1] * 2
    assert sum(map(len, pages)) == len(set().union(*pages)) == len(driver.locked)
    assert not any(array.any() for array in arrays)
    arrays[0][:] = arrays[1][:] = 1
    assert arrays[0].all()


def test_pages_are_unlocked_before_they_are_freed_even_of_a_network_that_nobody_closes(make):
    driver = Driver()
    network = make((1, 1), driver)
    assert driver.locked
    del network
    assert not driver.locked


def test_closing_twice_unlocks_once(make):
    driver = Driver()
    network = make((1, 1), driver)
    network.close()
    network.close()
    assert not driver.locked


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
    monkeypatch.setattr(cuda, "_run_once", lambda _: None)
    wanted = RunOptions("fp32", batch_size=4)
    for device, indices in ((Device("cuda"), [0, 1, 2]), (Device("cuda", (2, 0)), [2, 0]), (Device("auto"), [0])):
        opened.clear()
        sessions = open_sessions(small_model, device, wanted, say=pytest.fail)
        assert opened == indices
        assert sorted(s.device for s in sessions) == sorted(2 * [f"cuda:{index}" for index in indices])
        assert {(s.provider, s.arithmetic, s.batch_size) for s in sessions} == {(CUDA_PROVIDER, "fp32", 4)}


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
    driver.lock_pages(pages, 0)
    driver.unlock_pages(pages, 0)


def test_a_kept_trial_is_that_of_the_outputs_of_the_run(contacts_model, monkeypatch):
    """Contacts take more memory than the signal, so the batch that suits one may be too large for both."""
    ort = SimpleNamespace(get_available_providers=lambda: [CUDA_PROVIDER])
    memory = SimpleNamespace(free=1 << 30, total=1 << 31)
    driver = SimpleNamespace(device_count=lambda: 1, memory=lambda _: memory, device_name=lambda _: "H100")
    keys = []
    monkeypatch.setattr(cuda, "CudaDriver", lambda: driver)
    monkeypatch.setattr(cuda, "load_on_gpu", lambda *_: None)
    monkeypatch.setattr(cuda, "_run_once", lambda _: None)
    monkeypatch.setattr(Ports, "of_session", lambda _: SimpleNamespace(inputs=[Input("tokens", (128_000,))]))
    monkeypatch.setattr(
        cuda, "kept_trial", lambda key, _: keys.append(key) or SimpleNamespace(batch_size=4, graphs=False)
    )
    for size, outputs in ((None, (SIGNAL,)), (None, (SIGNAL, "contacts")), (None, (SIGNAL,)), (2, (SIGNAL,))):
        options = RunOptions("fp16", digest="d", outputs=outputs, batch_size=size)
        cuda.load_on_gpus(ort, contacts_model, Device("cuda"), options, runtime="r", say=lambda _: None)
    assert keys[0] == keys[2] != keys[1]
    assert keys[3] != keys[0]


def test_float32_products_and_sums_of_squares_stay_float32(small_model, gpu_of_host_memory):
    """ONNX Runtime's own choice is TF32, whose products have 10 bits, and sums of squares in float16."""
    _, opened = gpu_of_host_memory
    open_session(small_model, Device("cuda"), precision="fp32", threads=1, say=pytest.fail)
    ((name, options), other) = opened[0]["providers"]
    assert (name, other) == (CUDA_PROVIDER, "CPUExecutionProvider")
    assert options["use_tf32"] == "0"
    assert options["enable_skip_layer_norm_strict_mode"] == "1"


def test_the_runtime_does_not_try_again_without_the_gpu(small_model, gpu_of_host_memory):
    """It would, and print on standard output that it does."""
    _, opened = gpu_of_host_memory
    open_session(small_model, Device("cuda"), precision="fp32", threads=1, say=pytest.fail)
    assert opened[0]["enable_fallback"] == 0


def test_the_runtime_is_asked_to_say_where_it_puts_nodes(small_model, gpu_of_host_memory):
    _, opened = gpu_of_host_memory
    open_session(small_model, Device("cuda"), precision="fp32", threads=1, say=pytest.fail)
    assert opened[0]["sess_options"].get_session_config_entry(cuda.RECORD_PLACEMENT) == "1"


@pytest.mark.parametrize("batch_size", [None, 2])
def test_probes_leave_no_locked_pages(small_model, gpu_of_host_memory, monkeypatch, batch_size):
    monkeypatch.setattr(trials, "_seconds", lambda run, _: 2.0 if run.__name__ == "run_graph" else 1.0)
    driver, _ = gpu_of_host_memory
    options = RunOptions("fp32", batch_size=batch_size)
    sessions = open_sessions(small_model, Device("cuda"), options, say=lambda _: None)
    assert not driver.locked
    sessions[0].run(Inputs.of(**random_inputs(SMALL, windows=1, samples=1)))
    assert driver.locked
    del sessions
    assert not driver.locked


def test_a_trial_has_one_batch_in_memory_at_a_time(small_model, gpu_of_host_memory, monkeypatch):
    monkeypatch.setattr(trials, "_seconds", lambda run, size: size * (2.0 if run.__name__ == "run_graph" else 1.0) ** 2)
    driver, _ = gpu_of_host_memory
    real, before = driver.lock_pages, []

    def lock(array, index):
        before.append((array.nbytes, len(driver.locked)))
        real(array, index)

    driver.lock_pages = lock
    open_sessions(small_model, Device("cuda"), RunOptions("fp32"), say=lambda _: None)
    sizes = sorted({size for size, _ in before})
    assert len(sizes) >= 3  # batches of 1, 2 and 4
    assert all(locked == 0 for size, locked in before if size == sizes[-1])


@pytest.mark.usefixtures("gpu_of_host_memory")
@pytest.mark.parametrize("batch_size", [None, 2])
def test_a_gpu_that_loads_the_network_and_cannot_run_it_is_said(small_model, monkeypatch, batch_size):
    def fail(_):
        raise RuntimeError("CUDA error cudaErrorNoKernelImageForDevice: no kernel image is available\nfile: x.cc")

    monkeypatch.setattr(CudaNetwork, "run", fail)
    said, options = [], RunOptions("fp32", batch_size=batch_size)
    message = (
        r"CUDA device 0 cannot run the network \(CUDA error cudaErrorNoKernelImageForDevice: no kernel image is avai"
    )
    with pytest.raises(DeviceError, match=message) as raised:
        open_sessions(small_model, Device("cuda"), options, say=said.append)
    assert str(raised.value).endswith("); update driver and onnxruntime-gpu, or use --device cpu")
    assert said == []
    (session,) = open_sessions(small_model, Device("auto"), options, say=said.append)
    assert session.device == "cpu"
    (sentence,) = said
    assert sentence.startswith("running on the CPU: CUDA device 0 cannot run the network (CUDA error")


@pytest.mark.usefixtures("gpu_of_host_memory")
def test_a_trial_that_fails_is_said(small_model, monkeypatch):
    real = CudaNetwork.run

    def fail(network):
        if network.shape != (1, 1):
            raise RuntimeError("misaligned address")
        return real(network)

    monkeypatch.setattr(CudaNetwork, "run", fail)
    with pytest.raises(DeviceError, match=r"cannot run the network \(misaligned address\)"):
        open_sessions(small_model, Device("cuda"), RunOptions("fp32"), say=lambda _: None)


def placed(*nodes):
    """A session that put nodes on the CPU."""
    kinds = [SimpleNamespace(op_type=operator, name=name) for operator, name in nodes]
    parts = [
        SimpleNamespace(ep_name=CUDA_PROVIDER, get_nodes=lambda: [SimpleNamespace(op_type="Gemm", name="g")]),
        SimpleNamespace(ep_name="CPUExecutionProvider", get_nodes=lambda: kinds),
    ]
    return SimpleNamespace(
        get_providers=lambda: [CUDA_PROVIDER, "CPUExecutionProvider"], get_provider_graph_assignment_info=lambda: parts
    )


@pytest.mark.parametrize("attention", ["fused", "plain"])
def test_what_is_computed_on_the_cpu_is_an_error_except_shapes(make_small_model, attention):
    """Of the files themselves: every node that is not part of a shape would be noticed, whichever it is."""
    path = make_small_model("fp16", attention)
    nodes = {node.name: node.op_type for node in onnx.load(path).graph.node}
    shapes = shape_nodes(path)
    assert sorted(nodes[name] for name in shapes) == ["Concat", "Concat", "Shape", "Shape"]
    assert len(nodes) - len(shapes) > 20
    ort = SimpleNamespace(
        SessionOptions=onnxruntime.SessionOptions, set_default_logger_severity=lambda _: None, InferenceSession=None
    )
    for name, operator in nodes.items():
        ort.InferenceSession = lambda *_, found=(operator, name), **__: placed(found)
        if name in shapes:
            cuda.load_on_gpu(ort, path, 0, 1)
            continue
        with pytest.raises(
            DeviceError, match=f"would leave 1 operators of the network to the CPU \\({operator} {name}"
        ):
            cuda.load_on_gpu(ort, path, 0, 1)


def test_the_runtime_says_where_it_puts_nodes(small_model):
    """The real one, with everything on the CPU: it names the nodes of the file."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(cuda.RECORD_PLACEMENT, "1")
    session = onnxruntime.InferenceSession(small_model, options, providers=["CPUExecutionProvider"])
    left = cuda.left_to_the_cpu(session, small_model)
    assert sum(node.startswith("Attention ") for node in left) == 2
    assert not [node for node in left if node.startswith("Shape ")]
    assert sum(node.startswith("Concat ") for node in left) == 1


class Library:
    """Takes notes of what is asked of libcuda."""

    def __init__(self):
        self.called = []

    def __getattr__(self, name):
        return lambda *arguments: self.called.append((name, *arguments[1:])) or 0


def test_pages_are_locked_in_the_context_of_their_gpu_from_any_thread(monkeypatch):
    """In a thread that has not used the GPU yet no context is current, and the driver would refuse."""
    library = Library()
    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", lambda _: library)
    driver = CudaDriver()
    array = np.zeros(10, dtype=np.int16)
    for act, name in ((driver.lock_pages, "cuMemHostRegister_v2"), (driver.unlock_pages, "cuMemHostUnregister")):
        library.called.clear()
        act(array, 0)
        names = [call[0] for call in library.called]
        at = names.index(name)
        assert names[at - 1 : at + 2] == ["cuCtxPushCurrent_v2", name, "cuCtxPopCurrent_v2"]
        assert names.count("cuDevicePrimaryCtxRetain") == names.count("cuDevicePrimaryCtxRelease_v2") == 1
        if act == driver.lock_pages:
            size, flags = library.called[at][1:]
            assert (size.value, flags) == (20, cuda_driver.PORTABLE)
