"""Describe a GPU and what ONNX Runtime does on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.files import in_words
from epigept_batch.inference.gpu.attention import attention_kernels
from epigept_batch.inference.gpu.driver import CudaDriver
from epigept_batch.inference.installation import find_driver

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class GpuAccount:
    """A GPU.

    Attributes:
        name: As in nvidia-smi.
        driver: Version of the driver; empty if unknown.
        memory_bytes: Its memory.
        attention: Names of the attention kernels that a model file uses on it; empty if ONNX Runtime does not say.
    """

    name: str
    driver: str
    memory_bytes: int
    attention: tuple[str, ...]

    def __str__(self) -> str:
        attention = ", ".join(self.attention) or "unknown"
        driver = self.driver or "of unknown version"
        return f"{self.name}, driver {driver}, {in_words(self.memory_bytes)}; attention: {attention}"


def describe_gpu(model: Path, index: int) -> GpuAccount:
    """Describe a GPU, and run a model file on it once.

    Raises:
        DeviceError: There is no driver, or it refuses a call.
    """
    driver, found = CudaDriver(), find_driver()
    version = "" if found is None else found.version
    return GpuAccount(driver.device_name(index), version, driver.memory(index).total, attention_kernels(model, index))
