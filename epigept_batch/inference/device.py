"""What users ask for: a device by its name, and how a model file is to run on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from epigept_batch.errors import InputError
from epigept_batch.inference.ports import SIGNAL

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


@dataclass(frozen=True)
class RunOptions:
    """How a model file is to run.

    Attributes:
        precision: The file's.
        threads: How many the CPU may use.
        batch_size: Pairs of a window and a sample per call; None for what suits the device.
        samples: How many a run has.
        digest: The file's SHA-256, by which a trial on this device is known again; None to try anew.
        outputs: Names of the outputs to compute.
    """

    precision: str
    threads: int = 1
    batch_size: int | None = None
    samples: int = 1
    digest: str | None = None
    outputs: tuple[str, ...] = (SIGNAL,)


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
