"""Main memory that a GPU copies from at the bus's full rate."""

from __future__ import annotations

import math
import mmap
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.inference.gpu.driver import CudaDriver


class HostMemory:
    """Arrays of zeros in pages of their own, which the driver locks together, once.

    The pages are unlocked before they can be freed: by `close`, or when this object is dropped, whatever the reason.
    The allocator hands freed addresses out again, and the driver would refuse to lock them twice.

    Attributes:
        arrays: The arrays.

    Args:
        arrays: Shape and type of each array.
        driver: The driver. If the system does not allow it to lock pages, copies are slower.
        index: Index of the GPU.
    """

    def __init__(self, arrays: Sequence[tuple[tuple[int, ...], np.dtype[Any]]], driver: CudaDriver, index: int) -> None:
        sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in arrays]
        pages = [ceil_div(size, mmap.PAGESIZE) for size in sizes]
        room = np.frombuffer(mmap.mmap(-1, max(sum(pages), 1) * mmap.PAGESIZE), dtype=np.uint8)
        starts = np.cumsum([0, *pages]) * mmap.PAGESIZE
        self.arrays: list[NDArray[Any]] = [
            room[start : start + size].view(dtype).reshape(shape)
            for start, size, (shape, dtype) in zip(starts, sizes, arrays, strict=False)
        ]
        self._unlock: weakref.finalize[[CudaDriver, NDArray[np.uint8], int], HostMemory] | None = None
        with suppress(DeviceError):
            driver.lock_pages(room, index)
            self._unlock = weakref.finalize(self, _unlock, driver, room, index)

    def close(self) -> None:
        """Unlock the pages; the arrays stay usable."""
        if self._unlock is not None:
            self._unlock()


def _unlock(driver: CudaDriver, room: NDArray[np.uint8], index: int) -> None:
    with suppress(DeviceError):
        driver.unlock_pages(room, index)
