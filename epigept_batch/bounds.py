"""Limits on how much of a file is read into memory: far above any real input, below what exhausts a machine."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from typing import IO, TYPE_CHECKING, Any

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MB = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
LONGEST_LINE = 16 * MB
"""Most bytes of a line: enough for a matrix of a million samples."""
LARGEST_TEXT = 256 * MB
"""Most bytes of a file that is read whole. Motif sets have 1 MB; a reference of 105 cells has 1 MB."""
MOST_UNPACKED, MOST_RATIO = 1024 * MB, 250
"""Limits for gzip files: one that unpacks to more than this size and more than this multiple of its own size is not a
table. Text expands up to 20 times, zeros 1,030 times."""


def read_whole(path: Path, *, most: int = LARGEST_TEXT) -> bytes:
    """Read a whole file, up to a size limit.

    Raises:
        InputError: It is larger, or it is a pipe or device, which may have no end.
        OSError: It cannot be read.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError("is a pipe or device; use a regular file", path)
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise InputError(
            f"larger than {most // MB:,} MB, the limit for this kind of file; check that it is the right file", path
        )
    return content


def read_unpacked(path: Path, *, most: int = LARGEST_TEXT) -> bytes:
    """Read a whole file, plain or gzip, where both the file and its unpacked content stay within a size limit.

    Raises:
        InputError: It is larger, damaged, or a pipe or device.
        OSError: It cannot be read.
    """
    content = read_whole(path, most=most)
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            unpacked = stream.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"damaged or truncated gzip file ({error}); copy or download it again", path) from error
    if len(unpacked) > most:
        raise InputError(
            f"unpacks to more than {most // MB:,} MB, the limit for this kind of file; check that it is the right file",
            path,
        )
    return unpacked


def bounded_lines(stream: IO[bytes], path: Path, *, first: int = 1) -> Iterator[bytes]:
    """Iterate over the lines of a stream, with their line ends.

    Args:
        stream: A stream of bytes.
        path: The file's name, for messages.
        first: Number of the first line.

    Raises:
        InputError: A line is longer than the limit.
    """
    number = first
    while line := bounded_line(stream, path, number):
        yield line
        number += 1


def bounded_line(stream: IO[bytes], path: Path, number: int) -> bytes:
    """Return the next line of a stream with its line end; empty after the last line.

    Raises:
        InputError: The line is longer than the limit.
    """
    line = stream.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise InputError(f"line longer than {LONGEST_LINE // MB} MB; use a text file with line breaks", path, number)
    return line


def open_gzip(stream: IO[bytes], path: Path) -> io.BufferedReader:
    """Open a gzip file for reading; reading fails if it expands more than any text does.

    Args:
        stream: The file.
        path: The file's name, for messages.
    """
    return io.BufferedReader(_BoundedGzip(stream, path), MB)


class _BoundedGzip(io.RawIOBase):
    def __init__(self, stream: IO[bytes], path: Path) -> None:
        super().__init__()
        self._unpacked = gzip.GzipFile(fileobj=stream)
        self._path = path
        self._packed = os.fstat(stream.fileno()).st_size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        count = self._unpacked.readinto(buffer)
        size = self._unpacked.tell()
        if size > MOST_UNPACKED and size > MOST_RATIO * self._packed:
            raise InputError(
                f"unpacks to more than {MOST_RATIO} times its size, as no text does; unpack it and check its content",
                self._path,
            )
        return count

    def close(self) -> None:
        self._unpacked.close()
        super().close()
