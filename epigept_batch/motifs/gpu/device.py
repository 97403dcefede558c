"""Memory and streams of a GPU, through numba."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import cuda as untyped

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import DTypeLike, NDArray

cuda: Any = untyped


def gpu(index: int) -> AbstractContextManager[object]:
    """Make a GPU current in this thread; in the primary context, which ONNX Runtime also uses."""
    current: AbstractContextManager[object] = cuda.gpus[index]
    return current


def stream() -> Any:  # noqa: ANN401 - numba has no types
    """Return a new stream of the current GPU."""
    return cuda.stream()


def uploaded(array: NDArray[np.generic]) -> Any:  # noqa: ANN401
    """Return a copy of an array in the GPU's memory; at least one element, because nothing cannot be allocated."""
    return cuda.to_device(array if array.size else np.zeros((1,) * array.ndim, dtype=array.dtype))


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Any:  # noqa: ANN401
    """Return an array of zeros in the GPU's memory."""
    return uploaded(np.zeros(shape, dtype=dtype))


def upload(rows: NDArray[np.generic], target: Any, stream: Any) -> None:  # noqa: ANN401
    """Copy rows to the first rows of an array in the GPU's memory."""
    target[: len(rows)].copy_to_device(np.ascontiguousarray(rows), stream=stream)
