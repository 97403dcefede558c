"""Find what can run the network on this machine: ONNX Runtime packages, the NVIDIA driver and the CUDA libraries."""

from __future__ import annotations

import ctypes
import platform
import site
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from epigept_batch.errors import DeviceError
from epigept_batch.inference.gpu.driver import DRIVER_LIBRARY, CudaDriver

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
LIBRARIES = ("libcudart.so", "libcublas.so", "libcublasLt.so", "libcufft.so", "libcurand.so", "libcudnn.so")
"""Libraries that the CUDA provider of ONNX Runtime loads."""
CUDA_MAJOR, LEAST_DRIVER = 13, 580
"""CUDA version and least driver of ONNX Runtime 1.27 and later; the last version for CUDA 12 is 1.26."""


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver.

    Attributes:
        version: The driver's version, such as `580.65.06`; empty if unknown.
        cuda: The highest CUDA version that it supports, such as (13, 0); None if it does not answer.
        devices: Names of the GPUs that it finds.
    """

    version: str
    cuda: tuple[int, int] | None
    devices: tuple[str, ...]


def installed_runtimes() -> dict[str, str]:
    """Return the versions of installed ONNX Runtime packages, by name; they overwrite each other's files."""
    found = {}
    for name in RUNTIMES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def find_driver() -> Driver | None:
    """Return the NVIDIA driver; None if it is not installed."""
    try:
        library = ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return None
    version = ctypes.c_int()
    told = library.cuDriverGetVersion(ctypes.byref(version)) == 0
    cuda = divmod(version.value // 10, 100) if told and version.value else None
    try:
        driver = CudaDriver()
        devices = tuple(map(driver.device_name, range(driver.device_count())))
    except DeviceError:
        devices = ()
    return Driver(_driver_version(), cuda, devices)


def _driver_version() -> str:
    try:
        words = Path("/proc/driver/nvidia/version").read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return ""
    return next((word for word in words if word[0].isdigit() and "." in word), "")


def missing_libraries() -> list[str]:
    """Return the CUDA libraries that neither pip packages nor the system provide."""
    folders = [Path(folder) / "nvidia" for folder in site.getsitepackages()]
    packaged = {path.name for folder in folders if folder.is_dir() for path in folder.rglob("lib*.so*")}
    return [name for name in LIBRARIES if not any(file.startswith(name) for file in packaged) and not _loads(name)]


def _loads(name: str) -> bool:
    for version in ("", ".9", f".{CUDA_MAJOR}", ".12", ".11", ".10"):
        try:
            ctypes.CDLL(name + version)
        except OSError:
            continue
        return True
    return False


def system() -> str:
    """Describe Python, operating system and processor."""
    return f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {platform.machine()}"
