"""What this machine has to run the network with: packages of ONNX Runtime, the NVIDIA driver and its libraries."""

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
"""What the CUDA provider of ONNX Runtime loads."""
CUDA_MAJOR, LEAST_DRIVER = 13, 580
"""Of ONNX Runtime from 1.27 on; the last for CUDA 12 is 1.26."""


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver.

    Attributes:
        version: Its own, such as `580.65.06`; empty where the system does not tell.
        cuda: Version of CUDA up to which it runs programs, such as (13, 0); None where it does not answer.
        devices: Names of the GPUs that it finds.
    """

    version: str
    cuda: tuple[int, int] | None
    devices: tuple[str, ...]


def installed_runtimes() -> dict[str, str]:
    """Versions of the packages that bring ONNX Runtime, by name; each overwrites the others' files."""
    found = {}
    for name in RUNTIMES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def find_driver() -> Driver | None:
    """The NVIDIA driver; None where there is none."""
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


def gpu_names() -> tuple[str, ...]:
    """Of the NVIDIA GPUs that this process may use."""
    driver = find_driver()
    return () if driver is None else driver.devices


def _driver_version() -> str:
    try:
        words = Path("/proc/driver/nvidia/version").read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return ""
    return next((word for word in words if word[0].isdigit() and "." in word), "")


def missing_libraries() -> list[str]:
    """Those of the CUDA libraries that neither pip's packages nor the system have."""
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
    """Python, operating system and processor in words."""
    return f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {platform.machine()}"
