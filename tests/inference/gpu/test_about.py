"""What is said about a GPU, and the attention kernels that ONNX Runtime names on standard output."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from epigept_batch.inference.gpu import about, attention
from epigept_batch.inference.gpu.about import GpuAccount, describe_gpu
from epigept_batch.inference.gpu.attention import attention_kernels
from epigept_batch.inference.installation import Driver

SAID = """\x1b[36mOperator=Attention Node=a DataType=fp16 SdpaKernel=FLASH_ATTENTION\x1b[0m
\x1b[36mOperator=Attention Node=b DataType=fp16 SdpaKernel=CUDNN_FLASH_ATTENTION\x1b[0m
\x1b[36mOperator=Attention Node=c DataType=fp16 SdpaKernel=FLASH_ATTENTION\x1b[0m
"""


@pytest.mark.parametrize(("said", "kernels"), [(SAID, ("CUDNN_FLASH_ATTENTION", "FLASH_ATTENTION")), ("", ())])
def test_kernels_are_those_that_a_process_of_its_own_names(monkeypatch, tmp_path, said, kernels):
    called = []

    def run(command, **options):
        called.append((command, options["env"]))
        return SimpleNamespace(stdout=said, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    assert attention_kernels(tmp_path / "m.onnx", 2) == kernels
    ((command, environment),) = called
    assert command[2:] == ["epigept_batch.inference.gpu.attention", str(tmp_path / "m.onnx"), "2"]
    assert environment.items() - os.environ.items() == {("ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO", "1")}


def test_a_process_that_hangs_or_fails_names_none(monkeypatch, tmp_path):
    monkeypatch.setattr(attention, "PATIENCE_S", 0.01)
    assert attention_kernels(tmp_path / "absent.onnx", 0) == ()
    monkeypatch.setattr(attention, "PATIENCE_S", 100)
    assert attention_kernels(tmp_path / "absent.onnx", 0) == ()


def test_the_process_runs_the_network_on_the_gpu(small_model, gpu_of_host_memory, monkeypatch):
    ran = []
    _, opened = gpu_of_host_memory
    real = attention.Inputs.of
    monkeypatch.setattr(attention.Inputs, "of", lambda **rows: ran.append(set(rows)) or real(**rows))
    attention.main([str(small_model), "0"])
    assert ran == [{"tokens", "motif_scores", "expression"}]
    assert opened[0]["providers"][0][1]["device_id"] == "0"


def test_a_gpu_is_described(monkeypatch, tmp_path, gpu_of_host_memory):
    driver, _ = gpu_of_host_memory
    monkeypatch.setattr(about, "CudaDriver", lambda: driver)
    monkeypatch.setattr(about, "find_driver", lambda: Driver("580.65.06", (13, 0), ("H100",)))
    monkeypatch.setattr(about, "attention_kernels", lambda model, index: (model.name, str(index)))
    found = describe_gpu(tmp_path / "m.onnx", 3)
    assert found == GpuAccount("H100", "580.65.06", 1 << 35, ("m.onnx", "3"))
    assert str(found) == "H100, driver 580.65.06, 34.4 GB; attention: m.onnx, 3"
    assert str(GpuAccount("A", "", 10**9, ())) == "A, driver of unknown version, 1.0 GB; attention: unknown"
