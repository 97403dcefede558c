"""Query GPUs and lock memory pages through the CUDA driver's own library, without the CUDA toolkit."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

DRIVER_LIBRARY = "libcuda.so.1"
PORTABLE = 1  # CU_MEMHOSTREGISTER_PORTABLE: page-locked for every context of the process
NAME_BYTES = 256


@dataclass(frozen=True)
class GpuMemory:
    """Free and total memory of a GPU in bytes."""

    free: int
    total: int


class CudaDriver:
    """The driver's interface; every driver version has these functions.

    Raises:
        DeviceError: There is no driver, or it refuses a call. Every method may raise it.
    """

    def __init__(self) -> None:
        try:
            self._library: Any = ctypes.CDLL(DRIVER_LIBRARY)
        except OSError as error:
            raise DeviceError("no NVIDIA driver on this machine; install version 580 or later") from error
        self._call("cuInit", 0)

    def device_count(self) -> int:
        """Return the number of GPUs that this process may use (CUDA_VISIBLE_DEVICES)."""
        count = ctypes.c_int()
        self._call("cuDeviceGetCount", ctypes.byref(count))
        return count.value

    def device_name(self, index: int) -> str:
        """Return a GPU's name as in nvidia-smi."""
        name = ctypes.create_string_buffer(NAME_BYTES)
        self._call("cuDeviceGetName", name, NAME_BYTES, self._device(index))
        return name.value.decode(errors="replace")

    def memory(self, index: int) -> GpuMemory:
        """Return a GPU's current memory."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        with self._context(index):
            self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return GpuMemory(free.value, total.value)

    def lock_pages(self, array: NDArray[np.generic], index: int) -> None:
        """Lock an array's pages, so that a GPU copies from it at the bus's full rate, until `unlock_pages`.

        Args:
            array: An array in pages of its own; the driver refuses to lock a page twice.
            index: Index of a GPU. The pages are locked for all GPUs.
        """
        address, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
        with self._context(index):
            self._call("cuMemHostRegister_v2", address, size, PORTABLE)

    def unlock_pages(self, array: NDArray[np.generic], index: int) -> None:
        """Unlock an array's pages; call this before the array is freed."""
        with self._context(index):
            self._call("cuMemHostUnregister", ctypes.c_void_p(array.ctypes.data))

    @contextmanager
    def _context(self, index: int) -> Iterator[None]:
        """Make a GPU's primary context, in which ONNX Runtime works, current in this thread."""
        device, context = self._device(index), ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        try:
            self._call("cuCtxPushCurrent_v2", context)
            try:
                yield
            finally:
                self._call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
        finally:
            self._call("cuDevicePrimaryCtxRelease_v2", device)

    def _device(self, index: int) -> ctypes.c_int:
        device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(device), index)
        return device

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise DeviceError(f"the NVIDIA driver refused {name} (CUresult {code}); check the output of nvidia-smi")
