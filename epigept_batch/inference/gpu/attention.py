"""Find out which attention kernels ONNX Runtime uses for a network on a GPU.

It says so on its process's standard output, if a variable asks for it before it starts. So a process of its own runs
the network: `python -m epigept_batch.inference.gpu.attention MODEL INDEX`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.inference.device import Device, RunOptions
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import Inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

SAYS_KERNELS = "ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO"
PATIENCE_S = 120
BATCH = 4
"""More than the sizes that may be CUDA graphs."""


def attention_kernels(model: Path, index: int) -> tuple[str, ...]:
    """Return the names of the attention kernels of a model file on a GPU, sorted; empty if it does not say.

    Args:
        model: A model file.
        index: Index of the GPU.
    """
    command = [sys.executable, "-m", "epigept_batch.inference.gpu.attention", str(model), str(index)]
    environment = {**os.environ, SAYS_KERNELS: "1"}
    try:
        done = subprocess.run(  # noqa: S603 - this program itself
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(sorted(set(re.findall(r"SdpaKernel=(\w+)", done.stdout + done.stderr))))


def main(arguments: Sequence[str]) -> None:
    """Run a model file once on a GPU, with inputs of zeros."""
    from epigept_batch.inference.session import open_sessions

    model, index = Path(arguments[0]), int(arguments[1])
    options = RunOptions(read_spec(model).precision, batch_size=BATCH)
    session = open_sessions(model, Device("cuda", (index,)), options, say=lambda _: None)[0]
    session.run(Inputs.of(**{port.name: np.zeros((1, *port.shape), port.dtype) for port in session.ports.inputs}))


if __name__ == "__main__":
    main(sys.argv[1:])
