"""OpenVINO, where onnxruntime-openvino is installed; what is said where it is not."""

from importlib import resources

import numpy as np
import onnxruntime
import pytest

from epigept_batch.errors import DeviceError
from epigept_batch.inference import host
from epigept_batch.inference import session as session_module
from epigept_batch.inference.check import check_inputs, check_limit, compare_tracks, run_check
from epigept_batch.inference.device import Device, RunOptions
from epigept_batch.inference.installation import Driver
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.runtime import OPENVINO_PROVIDER
from epigept_batch.inference.session import open_sessions

absent = OPENVINO_PROVIDER not in onnxruntime.get_available_providers()
installed = pytest.mark.skipif(absent, reason="needs onnxruntime-openvino")
DEMO = resources.files("epigept_batch.demo") / "model.onnx"


def open_one(path, device, precision="fp32", **wanted):
    return open_sessions(path, device, RunOptions(precision, **wanted), say=pytest.fail)[0]


@pytest.mark.skipif(not absent, reason="onnxruntime-openvino is installed")
def test_it_is_an_error_where_it_is_asked_for_and_not_there():
    with (
        resources.as_file(DEMO) as path,
        pytest.raises(DeviceError, match="this ONNX Runtime has no OpenVINO support; install"),
    ):
        open_one(path, Device("openvino"))


def test_integers_are_for_the_cpu():
    with (
        resources.as_file(DEMO) as path,
        pytest.raises(
            DeviceError, match="an int8 model file requires --device cpu; for OpenVINO, use a model file in fp32"
        ),
    ):
        open_one(path, Device("openvino"), "int8")


@installed
@pytest.mark.parametrize("bf16", [False, True])
def test_the_demos_model_passes_its_own_check(bf16):
    said = []
    with resources.as_file(DEMO) as path:
        spec = read_spec(path)
        openvino = open_sessions(path, Device("openvino", bf16=bf16), RunOptions("fp32", threads=2), say=said.append)[0]
    arithmetic = "bf16" if bf16 and not host.lacks_bfloat16() else "fp32"
    here = "this processor does not support bfloat16, so OpenVINO computes in float32"
    assert said == ([here] if bf16 and arithmetic == "fp32" else [])
    assert (openvino.device, openvino.arithmetic) == ("openvino", arithmetic)
    assert openvino.provider == OPENVINO_PROVIDER
    limit = check_limit(spec.precision, openvino.arithmetic, openvino.provider)
    for figures in compare_tracks(run_check(openvino, spec), spec.check.signal, spec.tracks):
        assert figures.within(limit), figures


@pytest.mark.parametrize(
    ("machine", "flags", "lacks"),
    [
        ("x86_64", "fpu avx avx2 f16c", True),
        ("x86_64", "fpu avx2 avx512f avx512_bf16", False),
        ("x86_64", "fpu avx2 avx512f", False),
        ("x86_64", "fpu avx2 avx_ne_convert", False),
        ("aarch64", "asimd", False),
        ("x86_64", None, False),
    ],
)
def test_processors_without_bfloat16_are_known(monkeypatch, tmp_path, machine, flags, lacks):
    """By what Linux says of them; where it says nothing, OpenVINO may have it."""
    monkeypatch.setattr(host.platform, "machine", lambda: machine)
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"processor\t: 0\nflags\t\t: {flags}\nflags\t\t: other\n")
    monkeypatch.setattr(host, "CPU_INFO", path)
    assert host.lacks_bfloat16() == lacks


@installed
@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("threads", [1, 2])
def test_batch_and_threads_change_no_value(batch_size, threads):
    with resources.as_file(DEMO) as path:
        spec = read_spec(path)
        inputs = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=4)
        whole = open_one(path, Device("openvino"), batch_size=1).signal(inputs)
        found = open_one(path, Device("openvino"), batch_size=batch_size, threads=threads).signal(inputs)
    np.testing.assert_allclose(found, whole, rtol=1e-6, atol=1e-6)


@installed
def test_auto_takes_it_in_full_precision(monkeypatch):
    said = []
    monkeypatch.setattr(session_module, "find_driver", lambda: Driver("580.65.06", (13, 0), ("NVIDIA L4",)))
    with resources.as_file(DEMO) as path:
        found = open_sessions(path, Device("auto"), RunOptions("fp32"), say=said.append)[0]
    assert (found.device, found.arithmetic) == ("openvino", "fp32")
    assert said == ["running on the CPU with OpenVINO: this ONNX Runtime has no CUDA support"]


@installed
def test_nobody_misses_a_gpu_that_there_is_not(monkeypatch):
    monkeypatch.setattr(session_module, "find_driver", lambda: None)
    with resources.as_file(DEMO) as path:
        assert open_sessions(path, Device("auto"), RunOptions("fp32"), say=pytest.fail)[0].device == "openvino"
