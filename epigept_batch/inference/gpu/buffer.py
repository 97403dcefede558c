"""Memory of a GPU that ONNX Runtime allocated, for other libraries to write into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


class DeviceBuffer:
    """The memory of an OrtValue as seen through the CUDA array interface, which numba, CuPy and PyTorch read.

    Attributes:
        __cuda_array_interface__: Version 3 of the interface: C-contiguous, and not to be synchronised with any stream.

    Args:
        value: The OrtValue, on a GPU; kept as long as this object.
        shape: Its shape.
        dtype: The type of its values, or one of the same size for their bits.
    """

    def __init__(self, value: Any, shape: Sequence[int], dtype: np.dtype[Any]) -> None:  # noqa: ANN401 - untyped
        self._value = value
        self.__cuda_array_interface__ = {
            "shape": tuple(shape),
            "typestr": np.dtype(dtype).str,
            "data": (value.data_ptr(), False),
            "strides": None,
            "stream": None,
            "version": 3,
        }
