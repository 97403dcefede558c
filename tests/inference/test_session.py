from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf.message import EncodeError

from epigept_batch.errors import DeviceError, ModelError
from epigept_batch.inference import installation, runtime
from epigept_batch.inference import session as session_module
from epigept_batch.inference.device import CPU, Device
from epigept_batch.inference.host import HostNetwork
from epigept_batch.inference.installation import Driver
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.ports import Inputs
from epigept_batch.inference.runtime import CPU_PROVIDER, CUDA_PROVIDER
from epigept_batch.inference.session import open_session
from small import SMALL, random_inputs
from tolerances import SAME

DRIVER, REFUSING = Driver("580.65.06", (13, 0), ("NVIDIA L4",)), Driver("580.65.06", (13, 0), ())


@pytest.fixture(scope="session")
def inputs():
    return random_inputs(SMALL, windows=3, samples=2)


@pytest.fixture
def cpu(small_model):
    return open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)


def test_the_session_says_what_runs(cpu):
    assert (cpu.device, cpu.provider) == ("cpu", "CPUExecutionProvider")
    assert cpu.runtime == f"onnxruntime {onnxruntime.__version__}"


def test_the_signal_has_windows_samples_bins_and_tracks(cpu, inputs):
    signal = cpu.signal(Inputs.of(**inputs))
    assert signal.shape == (3, 2, 20, 3)
    assert signal.dtype == np.float32
    assert signal.min() >= 0
    assert (signal.std(axis=2) > 0.01).all()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_window_and_a_sample_alone_give_what_they_give_together(make_small_model, inputs, precision, threads):
    session = open_session(make_small_model(precision), CPU, precision=precision, threads=threads, say=pytest.fail)
    together = session.signal(Inputs.of(**inputs))
    for window in range(3):
        for sample in range(2):
            rows = {"tokens": window, "motif_scores": window, "expression": sample}
            alone = session.signal(Inputs.of(**{name: inputs[name][row : row + 1] for name, row in rows.items()}))
            np.testing.assert_allclose(alone[0, 0], together[window, sample], rtol=SAME, atol=SAME)


@pytest.mark.skipif(CUDA_PROVIDER in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_cuda_is_an_error_where_asked_for_and_a_sentence_where_not(small_model, monkeypatch):
    with pytest.raises(DeviceError, match="this ONNX Runtime has no CUDA support; for a GPU, install epigept-batch"):
        open_session(small_model, Device("cuda"), precision="fp32", threads=1, say=pytest.fail)
    said = []
    monkeypatch.setattr(session_module, "find_driver", lambda: DRIVER)
    assert open_session(small_model, Device("auto"), precision="fp32", threads=1, say=said.append).device == "cpu"
    assert said == ["running on the CPU: this ONNX Runtime has no CUDA support"]


@pytest.mark.parametrize(
    ("driver", "providers", "said"),
    [
        (None, [], 0),
        (None, ["AzureExecutionProvider"], 0),
        (None, [CUDA_PROVIDER], 1),
        (DRIVER, [], 1),
        (REFUSING, [], 1),
        (DRIVER, [CUDA_PROVIDER], 1),
    ],
)
def test_the_cpu_is_no_surprise_where_there_is_neither_a_driver_nor_a_runtime_for_gpus(
    small_model, monkeypatch, driver, providers, said
):
    monkeypatch.setattr(session_module, "find_driver", lambda: driver)
    monkeypatch.setattr(session_module, "load_on_gpus", no_gpu)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*providers, CPU_PROVIDER])
    heard = []
    assert open_session(small_model, Device("auto"), precision="fp32", threads=1, say=heard.append).device == "cpu"
    assert heard == ["running on the CPU: there is none"] * said


@pytest.mark.parametrize("refuses", [True, False])
def test_a_driver_that_cannot_be_used_is_said_and_one_that_is_not_there_is_not(small_model, monkeypatch, refuses):
    """Up to the library: one that answers and then refuses to start, as after an update without a restart, or none."""

    def load(name):
        if not refuses:
            raise OSError(f"{name}: cannot open shared object file")
        return SimpleNamespace(cuDriverGetVersion=lambda _: 0, cuInit=lambda _: 803)

    monkeypatch.setattr(installation.ctypes, "CDLL", load)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU_PROVIDER])
    heard = []
    open_session(small_model, Device("auto"), precision="fp32", threads=1, say=heard.append)
    assert heard == ["running on the CPU: this ONNX Runtime has no CUDA support"] * refuses


def no_gpu(*_, **__):
    raise DeviceError("there is none; buy one")


@pytest.mark.parametrize(("threads", "spins"), [(4, True), (5, False)])
def test_threads_without_a_processor_of_their_own_do_not_spin(monkeypatch, threads, spins):
    monkeypatch.setattr(runtime, "usable_processors", lambda: 4)
    options = runtime.session_options(onnxruntime, threads)
    assert options.intra_op_num_threads == threads
    if spins:
        with pytest.raises(RuntimeError):  # it is not set
            options.get_session_config_entry("session.intra_op.allow_spinning")
    else:
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc"), EncodeError("Failed to serialize")])
def test_want_of_memory_is_not_laid_to_the_file(small_model, monkeypatch, error):
    def fail(*_, **__):
        raise error

    if isinstance(error, EncodeError):
        monkeypatch.setattr(onnx.ModelProto, "SerializeToString", fail)
    else:
        monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(MemoryError):
        open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail)


def test_want_of_memory_in_a_call_is_said(inputs):
    class Short:
        def get_inputs(self):
            return [SimpleNamespace(name=name, shape=[1, *values.shape[1:]]) for name, values in inputs.items()]

        def get_outputs(self):
            return []

        def run(self, *_):
            raise RuntimeError("Failed to allocate memory for requested buffer of size 1")

    with pytest.raises(MemoryError):
        HostNetwork(Short(), ("signal",))(Inputs.of(**inputs))


def test_an_error_without_words_has_a_name():
    assert runtime.first_line(ValueError()) == "ValueError"
    assert runtime.first_line(ValueError("first\nsecond")) == "first"


def test_integers_are_for_the_cpu(make_small_model, monkeypatch):
    path = make_small_model("int8")
    with pytest.raises(
        DeviceError, match="an int8 model file runs on CPUs only; for a GPU, convert with --precision fp16"
    ):
        open_session(path, Device("cuda"), precision="int8", threads=1, say=pytest.fail)
    said = []
    monkeypatch.setattr(session_module, "find_driver", lambda: DRIVER)
    assert open_session(path, Device("auto"), precision="int8", threads=1, say=said.append).device == "cpu"
    assert said == ["running on the CPU: an int8 model file runs on CPUs only"]


def test_cuda_that_silently_becomes_the_cpu_is_an_error(small_model, monkeypatch, capsys):
    """A GPU build without its libraries lists CUDA as available, complains, then gives a session on the CPU."""
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA_PROVIDER, CPU_PROVIDER])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, **_: real(path, providers=[CPU_PROVIDER]))
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libx.so: libx.so: not there\nMore"))
    with pytest.raises(
        DeviceError, match=r"CUDA device 0 could not be started \(libx.so: not there\); check nvidia-smi"
    ):
        open_session(small_model, Device("cuda"), precision="fp32", threads=1, say=pytest.fail)
    assert capsys.readouterr() == ("", "")


def test_two_runtimes_in_one_environment_are_said(small_model, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.0")
    said = []
    open_session(small_model, CPU, precision="fp32", threads=1, say=said.append)
    assert "onnxruntime and onnxruntime-gpu and onnxruntime-openvino are installed together" in said[0]


@pytest.mark.gpu
@pytest.mark.skipif(
    CUDA_PROVIDER not in onnxruntime.get_available_providers(),
    reason="needs onnxruntime-gpu and a CUDA device",
)
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_cuda_gives_what_the_cpu_gives(make_small_model, cpu, inputs, precision):
    cuda = open_session(make_small_model(precision), Device("cuda"), precision=precision, threads=1, say=pytest.fail)
    assert cuda.provider == CUDA_PROVIDER
    np.testing.assert_allclose(cuda.signal(Inputs.of(**inputs)), cpu.signal(Inputs.of(**inputs)), atol=1e-2)


def test_a_graph_that_cannot_be_loaded_is_said(tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="ONNX Runtime cannot load the model file"):
        open_session(path, CPU, precision="fp32", threads=1, say=pytest.fail)


def test_the_spec_is_in_the_file(small_model):
    spec = read_spec(small_model)
    assert (spec.geometry.bins, spec.geometry.bin_bp) == (20, 128)
    assert spec.tracks == ("DNase", "CTCF", "H3K27ac")
    assert spec.factors == tuple(f"F{n:02d}" for n in range(15))
    assert (spec.motif_set.window.left, spec.motif_set.window.right) == (-37, 164)


def strip_metadata(model):
    del model.metadata_props[:]


def rename_input(model):
    model.graph.input[0].name = "bases"


def damage_spec(model):
    model.metadata_props[0].value = "{"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (strip_metadata, "an ONNX model, but not an EpiGePT model file; make one with `epigept-export convert`"),
        (rename_input, "the model's graph has no tokens; convert the checkpoint again"),
        (damage_spec, "the spec in the model file is damaged"),
    ],
)
def test_a_model_that_is_not_ours_is_said(small_model, tmp_path, change, message):
    import onnx

    model = onnx.load(small_model)
    change(model)
    path = tmp_path / "other.onnx"
    onnx.save(model, path)
    with pytest.raises(ModelError, match=f"^{path}: {message}"):
        read_spec(path)


def test_a_file_that_is_no_model_is_said(tmp_path):
    for content in (b"", b"text\n", bytes(100)):
        path = tmp_path / "no.onnx"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="not an ONNX model"):
            read_spec(path)
    with pytest.raises(ModelError, match="model file cannot be read: No such file or directory"):
        read_spec(tmp_path / "absent.onnx")


def test_digest(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
