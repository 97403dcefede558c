"""Names of devices, as users give them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from epigept_batch.errors import InputError

FORMS = "auto, cpu, cuda, cuda:N or cuda:N,M, openvino or openvino:bf16"


@dataclass(frozen=True)
class Device:
    """A device as asked for.

    Attributes:
        kind: `auto`, `cpu`, `cuda` or `openvino`.
        indices: Which GPUs; none for all.
        bf16: Whether OpenVINO may compute in bfloat16.
    """

    kind: str
    indices: tuple[int, ...] = ()
    bf16: bool = False


AUTO = Device("auto")
CPU = Device("cpu")


def parse_device(text: str) -> Device:
    """Read a device's name.

    Raises:
        InputError: It is none.
    """
    if text in {"auto", "cpu", "cuda", "openvino"}:
        return Device(text)
    if text == "openvino:bf16":
        return Device("openvino", bf16=True)
    if match := re.fullmatch(r"cuda:(\d+(?:,\d+)*)", text):
        indices = tuple(int(index) for index in match[1].split(","))
        if len(set(indices)) == len(indices):
            return Device("cuda", indices)
    raise InputError(f"--device {text}: must be {FORMS}")
