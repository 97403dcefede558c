"""Standard streams that may be closed, or on a full disk.

If standard error cannot be written, a run continues silently and its exit code tells how it ended. If standard output
cannot take a result, that is an error.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, cast

from epigept_batch.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

INPUT, OUTPUT, ERROR = 0, 1, 2


class _Forgiving(io.FileIO):
    """A file that drops what it cannot write."""

    def write(self, data: ReadableBuffer, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        with suppress(OSError):
            while left:
                left = left[super().write(left) or len(left) :]
        return size


class _Closed(io.RawIOBase):
    """Standard output that was closed at the start."""

    def writable(self) -> bool:
        return True

    def write(self, _: ReadableBuffer, /) -> int:
        raise OutputError("cannot print the result: standard output is closed; redirect it to a file or to /dev/null")


def secure_streams() -> None:
    """Make the standard streams safe to use, before the program opens any file.

    The next file that is opened would get the number of a closed stream. A library's error message could then end up in
    a bigWig.
    """
    for number, flags in ((INPUT, os.O_RDONLY), (OUTPUT, os.O_WRONLY), (ERROR, os.O_WRONLY)):
        with suppress(OSError):  # no /dev/null
            _occupy(number, flags)
    if sys.stdout is None:
        sys.stdout = _text(cast("IO[bytes]", _Closed()), "utf-8")
    with suppress(OSError):
        encoding = getattr(sys.stderr, "encoding", "utf-8")
        sys.stderr = _text(cast("IO[bytes]", _Forgiving(ERROR, "w", closefd=False)), encoding)


def _occupy(number: int, flags: int) -> None:
    """Open /dev/null in place of a closed stream, for this process and its children."""
    try:
        os.fstat(number)
    except OSError:
        nothing = os.open(os.devnull, flags)
        if nothing != number:
            os.dup2(nothing, number)
            os.close(nothing)
        os.set_inheritable(number, True)


def _text(stream: IO[bytes], encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(stream, encoding=encoding, errors="backslashreplace", write_through=True)
