"""Arrays as the content of .npy files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_npy(values: NDArray[Any]) -> bytes:
    """Return an array as the content of a .npy file; the same values always give the same bytes."""
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()
