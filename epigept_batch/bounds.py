"""How much of a file may be taken into memory: bounds far above any real input, below what would fell the machine."""

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
"""Bytes of a line: of a matrix of a million samples."""
LARGEST_TEXT = 256 * MB
"""Bytes of a file that is read whole: motif sets have 1 MB, a reference of 105 cells 1 MB."""
MOST_UNPACKED, MOST_RATIO = 1024 * MB, 250
"""A gzip that unpacks to more than this size and this many times its own is no table: text reaches 20 times, gzip of
zeros 1,030."""


def read_whole(path: Path, *, most: int = LARGEST_TEXT) -> bytes:
    """The bytes of a file that is no larger than it may be.

    Raises:
        InputError: It is larger, or a pipe or device, which may have no end.
        OSError: It cannot be read.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError("is a pipe or device; give a file", path)
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise InputError(f"is larger than {most // MB:,} MB, which no file of its kind is", path)
    return content


def read_unpacked(path: Path, *, most: int = LARGEST_TEXT) -> bytes:
    """The bytes of a file, plain or gzip, of which neither the file nor what it holds is larger than it may be.

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
        raise InputError(f"is a damaged or truncated gzip file ({error})", path) from error
    if len(unpacked) > most:
        raise InputError(f"unpacks to more than {most // MB:,} MB, which no file of its kind does", path)
    return unpacked


def bounded_lines(stream: IO[bytes], path: Path, *, first: int = 1) -> Iterator[bytes]:
    """The lines of a stream with their ends.

    Args:
        stream: Of bytes.
        path: For messages.
        first: Number of the first line.

    Raises:
        InputError: One is longer than a line may be.
    """
    number = first
    while line := bounded_line(stream, path, number):
        yield line
        number += 1


def bounded_line(stream: IO[bytes], path: Path, number: int) -> bytes:
    """The next line of a stream with its end, empty behind the last.

    Raises:
        InputError: It is longer than a line may be.
    """
    line = stream.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise InputError(f"is longer than {LONGEST_LINE // MB} MB; give a text file with line ends", path, number)
    return line


def open_gzip(stream: IO[bytes], path: Path) -> io.BufferedReader:
    """What a gzip file holds, refused where it unpacks to what no text does.

    Args:
        stream: The file.
        path: For messages.
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

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever can be written to
        count = self._unpacked.readinto(buffer)
        size = self._unpacked.tell()
        if size > MOST_UNPACKED and size > MOST_RATIO * self._packed:
            raise InputError(
                f"unpacks to more than {MOST_RATIO} times its size, which no text does; unpack it and look", self._path
            )
        return count

    def close(self) -> None:
        self._unpacked.close()
        super().close()
