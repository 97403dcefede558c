"""Standard streams as a run finds them: open, closed, or on a full disk.

Without a standard error, or with one that nothing can be written to, a run goes on in silence; its exit code says how
it ended. A result that standard output cannot take is an error.
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
    """A file that takes what it can, and the rest as if it had."""

    def write(self, data: ReadableBuffer, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        with suppress(OSError):
            while left:
                left = left[super().write(left) or len(left) :]
        return size


class _Closed(io.RawIOBase):
    """Standard output that is none."""

    def writable(self) -> bool:
        return True

    def write(self, _: ReadableBuffer, /) -> int:
        raise OutputError("standard output is closed, and the result goes there; let it go to a file or to /dev/null")


def secure_streams() -> None:
    """Make standard streams that a program can rely on, before it opens anything.

    The number of a closed one would go to the next file that is opened; then what a library says of an error were
    written into a bigWig.
    """
    for number, flags in ((INPUT, os.O_RDONLY), (OUTPUT, os.O_WRONLY), (ERROR, os.O_WRONLY)):
        with suppress(OSError):  # there is no /dev/null: nothing better can be done
            _occupy(number, flags)
    if sys.stdout is None:
        sys.stdout = _text(cast("IO[bytes]", _Closed()), "utf-8")
    with suppress(OSError):
        encoding = getattr(sys.stderr, "encoding", "utf-8")
        sys.stderr = _text(cast("IO[bytes]", _Forgiving(ERROR, "w", closefd=False)), encoding)


def _occupy(number: int, flags: int) -> None:
    """Let a stream that is closed be /dev/null, here and in the processes to come."""
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
