import pytest

from epigept_batch.errors import InputError
from epigept_batch.inference.device import Device, parse_device


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("auto", Device("auto")),
        ("cpu", Device("cpu")),
        ("cuda", Device("cuda")),
        ("cuda:3", Device("cuda", (3,))),
        ("cuda:0,1", Device("cuda", (0, 1))),
        ("openvino", Device("openvino")),
        ("openvino:bf16", Device("openvino", bf16=True)),
    ],
)
def test_devices(text, device):
    assert parse_device(text) == device


@pytest.mark.parametrize(
    "text", ["", "gpu", "cuda:", "cuda:x", "CPU", "cpu:1", "cuda:1,1", "cuda:0,", "openvino:fp16", "auto:bf16"]
)
def test_what_is_no_device_is_said(text):
    with pytest.raises(InputError, match=f"--device {text}: must be auto, cpu, cuda, cuda:N or cuda:N,M, openvino or"):
        parse_device(text)
