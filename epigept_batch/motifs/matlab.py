"""Read cell arrays of text in MATLAB's Level 5 format (saved with -v6 or -v7) without trusting declared sizes.

SciPy's reader trusts them, and a damaged file can crash the interpreter. The format follows "MAT-File Format" by
MathWorks, chapter 1: a header of 128 bytes, then elements, each with its kind and size. Elements may be compressed with
zlib. An array is an element that contains its flags, dimensions, name and contents as elements.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Literal, NamedTuple

from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER, TAG, ALIGNMENT, ENDIAN = 128, 8, 8, slice(126, 128)
MATRIX, PACKED = 14, 15
CELL, CHAR = 1, 4  # classes of arrays
ENCODINGS = {1: "latin-1", 2: "latin-1", 3: "utf-16", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
"""Encodings of the element kinds that may hold text; MATLAB's characters are UTF-16."""
SMALL_SHIFT = 16
LARGEST = 1 << 26
"""Most bytes that an element may unpack to; the published pairs have 1.3 MB."""


class TooLargeError(ValueError):
    """Raised when an element unpacks to more than the limit."""


class _Order(NamedTuple):
    bytes: Literal["big", "little"]
    suffix: str


class _Array(NamedTuple):
    kind: int
    dims: tuple[int, ...]
    name: str
    parts: list[tuple[int, memoryview]]


def read_text_cells(content: bytes, variable: str) -> tuple[list[tuple[str, ...]] | None, list[str]]:
    """Read the rows of a cell array of text.

    Args:
        content: The content of the file.
        variable: The name of the array.

    Returns:
        The rows, or None if there is no such variable; and the names of all variables.

    Raises:
        TooLargeError: A variable unpacks to more than 64 MB.
        TypeError: The variable is not a cell array of text.
        ValueError, IndexError, zlib.error: The file is damaged.
    """
    if content[ENDIAN] not in (b"MI", b"IM"):
        raise ValueError("no header")
    order = _Order("big", "-be") if content[ENDIAN] == b"MI" else _Order("little", "-le")
    names, rows = [], None
    for kind, part in _elements(memoryview(content)[HEADER:], order):
        for inner, data in _elements(_unpacked(part), order) if kind == PACKED else ((kind, part),):
            if inner == MATRIX:
                array = _array(data, order)
                names.append(array.name)
                if array.name == variable:
                    rows = _rows(array, order)
    return rows, names


def _elements(data: memoryview, order: _Order) -> Iterator[tuple[int, memoryview]]:
    """Yield the kind and content of each element."""
    place = 0
    while place < len(data):
        if len(data) - place < TAG:
            raise ValueError("truncated element")
        first = int.from_bytes(data[place : place + 4], order.bytes)
        if first >> SMALL_SHIFT:  # both numbers in four bytes, then at most four bytes of content
            kind, size, begin = first & 0xFFFF, first >> SMALL_SHIFT, place + 4
            place = end = begin + 4
        else:
            kind, size, begin = first, int.from_bytes(data[place + 4 : place + 8], order.bytes), place + TAG
            end = begin + size
            place = end if kind == PACKED else begin + ceil_div(size, ALIGNMENT) * ALIGNMENT
        if begin + size > min(end, len(data)):
            raise ValueError("truncated element")
        yield kind, data[begin : begin + size]


def _unpacked(data: memoryview) -> memoryview:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, LARGEST)
    if unpacker.unconsumed_tail:
        raise TooLargeError(f"unpacks to more than {LARGEST >> 20} MB")
    if not unpacker.eof:
        raise ValueError("truncated compressed element")
    return memoryview(content)


def _array(data: memoryview, order: _Order) -> _Array:
    (_, flags), (_, dims), (_, name), *parts = _elements(data, order)
    sizes = tuple(int.from_bytes(dims[at : at + 4], order.bytes, signed=True) for at in range(0, len(dims), 4))
    kind = int.from_bytes(flags[:4], order.bytes) & 0xFF
    return _Array(kind, sizes, bytes(name).decode("latin-1"), parts)


def _rows(array: _Array, order: _Order) -> list[tuple[str, ...]]:
    if array.kind != CELL or len(array.dims) != 2:  # noqa: PLR2004 - rows and columns
        raise TypeError("not a cell array")
    rows, columns = array.dims
    if math.prod(array.dims) != len(array.parts) or min(array.dims) < 0:
        raise ValueError("the number of cells differs from the declared one")
    texts = [_text(kind, part, order) for kind, part in array.parts]
    return [tuple(texts[column * rows + row] for column in range(columns)) for row in range(rows)]


def _text(kind: int, data: memoryview, order: _Order) -> str:
    array = _array(data, order) if kind == MATRIX and len(data) else None
    if array is None or array.kind != CHAR or array.dims[:1] != (1,) or len(array.parts) != 1:
        raise TypeError("a cell is not text")
    stored, content = array.parts[0]
    if stored not in ENCODINGS:
        raise TypeError("a cell is not text")
    encoding = ENCODINGS[stored]
    return bytes(content).decode(encoding if encoding in {"latin-1", "utf-8"} else encoding + order.suffix)
