"""Arrays in files, for processes that read data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class MappedArray:
    """An array in a file that is mapped read-only; mapped anew in each process that it is sent to.

    Args:
        path: The file: a .npy, or only values.
        dtype: The type of the values; None for a .npy.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any] | None = None) -> None:
        self._path, self._dtype = path, dtype
        self.array: NDArray[Any] = (
            np.load(path, mmap_mode="r") if dtype is None else np.memmap(path, dtype=dtype, mode="r")
        )

    def __reduce__(self) -> tuple[type[MappedArray], tuple[Path, np.dtype[Any] | None]]:
        return MappedArray, (self._path, self._dtype)
