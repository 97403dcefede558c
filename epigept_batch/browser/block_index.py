"""The index of a bgzip file's blocks, with the end of the file as a last entry.

igv.js 3.1 reads a block up to the next one of the index. It shows nothing of the last block, which has no next one.
Of a small FASTA, that is all of it. So the end of the last block is added here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

NUMBER, ENTRY = struct.Struct("<Q"), struct.Struct("<QQ")
BLOCK_BYTES = 1 << 16
"""Size of the largest block, packed."""
EXTRA_AT, FIELD, BLOCK_SIZE = 10, struct.Struct("<2sH"), struct.Struct("<H")
"""Where the extra fields of gzip's header begin, with their length first; a field's name and length; BC's value."""
UNPACKED = struct.Struct("<I")
"""The last field of a block: how many bytes it has unpacked."""


def with_end(index: Path, packed: Path) -> bytes:
    """Return an index with the end of the last block that has data.

    Args:
        index: The .gzi: the number of blocks behind the first, then where each begins, packed and unpacked.
        packed: The bgzip file.

    Raises:
        InputError: The index does not fit the file.
    """
    content = index.read_bytes()
    entries = content[NUMBER.size :]
    if len(content) < NUMBER.size or len(entries) != NUMBER.unpack_from(content)[0] * ENTRY.size:
        raise InputError("not an index of bgzip; delete it, and rerun", index)
    start, unpacked = ENTRY.unpack(entries[-ENTRY.size :]) if entries else (0, 0)
    with packed.open("rb") as file:
        file.seek(start)
        block = file.read(BLOCK_BYTES)
    size = _size(block)
    if size is None or len(block) < size:
        raise InputError(f"does not fit {packed}; delete it, and rerun", index)
    end = start + size, unpacked + UNPACKED.unpack_from(block, size - UNPACKED.size)[0]
    return NUMBER.pack(len(entries) // ENTRY.size + 1) + entries + ENTRY.pack(*end)


def _size(block: bytes) -> int | None:
    """Return the packed size of a block, from the field BC of its header; None without one."""
    if len(block) < EXTRA_AT + BLOCK_SIZE.size:
        return None
    at = EXTRA_AT + BLOCK_SIZE.size
    end = at + BLOCK_SIZE.unpack_from(block, EXTRA_AT)[0]
    while at + FIELD.size + BLOCK_SIZE.size <= min(end, len(block)):
        name, length = FIELD.unpack_from(block, at)
        if name == b"BC":
            return int(BLOCK_SIZE.unpack_from(block, at + FIELD.size)[0]) + 1
        at += FIELD.size + length
    return None
