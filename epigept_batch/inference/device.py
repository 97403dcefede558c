"""The requested device, and options for running a model file on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.inference.ports import SIGNAL

if TYPE_CHECKING:
    from epigept_batch.inference.device_scan import ScanMaker

FORMS = "auto, cpu, cuda, cuda:N or cuda:N,M, openvino or openvino:bf16"


@dataclass(frozen=True)
class Device:
    """A device as requested.

    Attributes:
        kind: `auto`, `cpu`, `cuda` or `openvino`.
        indices: Indices of the GPUs; empty for all.
        bf16: Whether OpenVINO may compute in bfloat16.
    """

    kind: str
    indices: tuple[int, ...] = ()
    bf16: bool = False


@dataclass(frozen=True)
class RunOptions:
    """Options for running a model file.

    Attributes:
        precision: The precision of the file.
        threads: Number of CPU threads.
        batch_size: Pairs of a window and a sample per call; None to choose it for the device.
        samples: Number of samples of the run.
        digest: The file's SHA-256, to look up an earlier trial on this device; None for a new trial.
        outputs: Names of the outputs to compute.
        scan: Makes scans, so that GPUs compute the motif scores themselves; None if scores are an input.
    """

    precision: str
    threads: int = 1
    batch_size: int | None = None
    samples: int = 1
    digest: str | None = None
    outputs: tuple[str, ...] = (SIGNAL,)
    scan: ScanMaker | None = None


AUTO = Device("auto")
CPU = Device("cpu")


def parse_device(text: str) -> Device:
    """Parse a device's name.

    Raises:
        InputError: It is not a device.
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
