"""What the CUDA driver says of the GPUs, and page-locked memory; by its own library, without a toolkit."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import DeviceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRIVER_LIBRARY = "libcuda.so.1"
PORTABLE = 1  # CU_MEMHOSTREGISTER_PORTABLE: page-locked for every context of the process
NAME_BYTES = 256


@dataclass(frozen=True)
class GpuMemory:
    """Bytes of a GPU's memory."""

    free: int
    total: int


class CudaDriver:
    """The driver's interface, of which every version has these functions.

    Raises:
        DeviceError: There is no driver, or it refuses a call, here and by every method.
    """

    def __init__(self) -> None:
        try:
            self._library: Any = ctypes.CDLL(DRIVER_LIBRARY)
        except OSError as error:
            raise DeviceError("there is no NVIDIA driver on this machine; install one, 580 or later") from error
        self._call("cuInit", 0)

    def device_count(self) -> int:
        """How many GPUs this process may use (CUDA_VISIBLE_DEVICES)."""
        count = ctypes.c_int()
        self._call("cuDeviceGetCount", ctypes.byref(count))
        return count.value

    def device_name(self, index: int) -> str:
        """As nvidia-smi has it."""
        name = ctypes.create_string_buffer(NAME_BYTES)
        self._call("cuDeviceGetName", name, NAME_BYTES, self._device(index))
        return name.value.decode(errors="replace")

    def memory(self, index: int) -> GpuMemory:
        """Of a GPU, now."""
        device, context = self._device(index), ctypes.c_void_p()
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        # The primary context is the one that ONNX Runtime works in.
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        try:
            self._call("cuCtxPushCurrent_v2", context)
            try:
                self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
            finally:
                self._call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
        finally:
            self._call("cuDevicePrimaryCtxRelease_v2", device)
        return GpuMemory(free.value, total.value)

    def lock_pages(self, array: NDArray[np.generic]) -> None:
        """Let a GPU copy from an array at the bus's full rate, until `unlock_pages`."""
        self._call("cuMemHostRegister_v2", ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes), PORTABLE)

    def unlock_pages(self, array: NDArray[np.generic]) -> None:
        """Before the array is freed."""
        self._call("cuMemHostUnregister", ctypes.c_void_p(array.ctypes.data))

    def _device(self, index: int) -> ctypes.c_int:
        device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(device), index)
        return device

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise DeviceError(f"the NVIDIA driver refused {name} (CUresult {code}); look at nvidia-smi")
