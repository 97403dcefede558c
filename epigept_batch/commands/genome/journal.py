"""What of a sample is finished, on disk, so that a run that was stopped goes on where it was.

A file beside the outputs: a line of JSON that says what the values are made from, then a record a tile as it is
finished. Each record carries a checksum, so that of one that was being written when the machine went down nothing is
believed. The open file is locked; the system drops the lock with the process, however it dies.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from epigept_batch.errors import OutputError
from epigept_batch.files import is_still_linked
from epigept_batch.tracks.made_from import differing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
RECORD = struct.Struct("<IIII")
"""Tile, bins, tracks, CRC-32 of these three and of the values."""
KEYED = struct.Struct("<III")
MOST_VALUES = 1 << 26
"""In a record; more is damage."""
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
HEADER_BLOCK = 1 << 20
JOURNAL_BIN_BYTES = 4
"""Of a bin of a track."""
LONGEST_HEADER = 1 << 30
"""A million scaffolds, with a digest and the selected bins of each, take a tenth of it; more is damage."""


@dataclass(frozen=True)
class _Place:
    """Where a record's values lie in the file."""

    offset: int
    bins: int
    tracks: int


class OtherRunError(OutputError):
    """The values in a journal are of a run with other inputs, or on another device."""


class Journal:
    """The finished tiles of one sample.

    Args:
        path: The file; made where there is none.
        inputs: What the values are made from, as JSON can hold it.
        fresh: Forget what is there.

    Raises:
        OutputError: Another process has it, it was begun with other inputs, or it cannot be written.
    """

    def __init__(self, path: Path, inputs: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        self._inputs: dict[str, Any] = json.loads(json.dumps(inputs))
        self._places: dict[int, _Place] = {}
        self._file = _opened_and_locked(path)
        try:
            self._session = self._read(fresh=fresh)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, *, fresh: bool) -> dict[str, Any] | None:
        """Find the records; what the values that are there were computed by, None where there are none."""
        header = None if fresh else self._header()
        if header is None:
            self._cut(0)
            return None
        end = self._file.tell()
        size = os.fstat(self._file.fileno()).st_size
        while (place := self._record(size)) is not None:
            end = self._file.tell()
            self._places[place[0]] = place[1]
        if not self._places:
            self._cut(0)
            return None
        self._compare(header["inputs"], self._inputs)
        self._cut(end)
        session: dict[str, Any] = header["session"]
        return session

    def _header(self) -> dict[str, Any] | None:
        """The first line, None where it is not whole or not ours."""
        line = self._first_line()
        try:
            header = json.loads(line)
        except ValueError:
            return None
        known = isinstance(header, dict) and header.get("epigept-batch journal") == FORMAT and line.endswith(b"\n")
        return header if known and all(isinstance(header.get(key), dict) for key in ("inputs", "session")) else None

    def _first_line(self) -> bytes:
        """Up to its end, where the file then is; by the block, for the unbuffered file's own takes a call per byte."""
        self._file.seek(0)
        line = bytearray()
        while len(line) < LONGEST_HEADER and (block := self._file.read(HEADER_BLOCK)):
            end = block.find(b"\n") + 1
            line += block[:end] if end else block
            if end:
                break
        self._file.seek(len(line))
        return bytes(line)

    def _record(self, size: int) -> tuple[int, _Place] | None:
        """The record that begins here, None where none is whole."""
        head = self._file.read(RECORD.size)
        if len(head) < RECORD.size:
            return None
        tile, bins, tracks, checksum = RECORD.unpack(head)
        offset, values = self._file.tell(), bins * tracks
        if values > MOST_VALUES or offset + 4 * values > size:
            return None
        if checksum != _checksum(tile, bins, tracks, self._file.read(4 * values)):
            return None
        return tile, _Place(offset, bins, tracks)

    def _compare(self, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        changed = differing(there, wanted)
        if changed:
            raise OtherRunError(
                f"is of a run that was stopped, with another {', '.join(changed)}; run it again as it was, give "
                "another --out, or start over by --fresh",
                self.path,
            )

    def begin(self, session: Mapping[str, Any]) -> None:
        """Say what computes the values from here on, before any is added.

        Args:
            session: As JSON can hold it.

        Raises:
            OutputError: What is there was computed by another, or it cannot be written.
        """
        wanted = json.loads(json.dumps(session))
        if self._session is not None:
            self._compare(self._session, wanted)
            return
        header = {"epigept-batch journal": FORMAT, "inputs": self._inputs, "session": wanted}
        self._write(json.dumps(header).encode() + b"\n")
        self._session = wanted
        self.sync()

    @property
    def tiles(self) -> frozenset[int]:
        """Numbers of the finished tiles, at this moment."""
        return frozenset(self._places)

    def __contains__(self, tile: int) -> bool:
        """Whether a tile is finished; at the same cost however many are."""
        return tile in self._places

    def read(self, tile: int) -> NDArray[np.float32]:
        """What a finished tile gave, float32, (bins, tracks), as it was added."""
        place = self._places[tile]
        data = os.pread(self._file.fileno(), 4 * place.bins * place.tracks, place.offset)
        return np.frombuffer(data, dtype="<f4").reshape(place.bins, place.tracks)

    def add(self, tile: int, values: NDArray[np.float32]) -> None:
        """Note that a tile is finished; a killed process keeps it, a machine that goes down only after `sync`.

        Args:
            tile: Its number.
            values: float32, (bins, tracks): all that the outputs need of it.

        Raises:
            OutputError: It cannot be written; what was finished before is kept.
        """
        bins, tracks = values.shape
        data = np.ascontiguousarray(values, dtype="<f4").tobytes()
        offset = self._file.seek(0, os.SEEK_END) + RECORD.size
        self._write(RECORD.pack(tile, bins, tracks, _checksum(tile, bins, tracks, data)) + data)
        self._places[tile] = _Place(offset, bins, tracks)

    def _write(self, data: bytes) -> None:
        """Append, all of it or nothing."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            left = memoryview(data)
            while left:  # a disk that fills up takes a part
                left = left[self._file.write(left) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut(end)
            raise _unwritable(self.path, error) from error

    def sync(self) -> None:
        """Have what was added on the disk.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _cut(self, end: int) -> None:
        try:
            os.ftruncate(self._file.fileno(), end)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def remove(self) -> None:
        """Forget it: the outputs are complete."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file, which stays if a tile is finished."""
        if self._file.closed:
            return
        if not self._places:
            self.path.unlink(missing_ok=True)
        self._file.close()


def _checksum(tile: int, bins: int, tracks: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(KEYED.pack(tile, bins, tracks)))


def _opened_and_locked(path: Path) -> Any:  # noqa: ANN401 - an unbuffered binary file
    """The file, which no other process has.

    Raises:
        OutputError: Another has it, or it cannot be made.
    """
    while True:
        try:
            file = path.open("a+b", buffering=0)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise OutputError(
                "another run is writing these outputs at this moment; wait for it, or give another --out", path
            ) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                file.close()
                raise _unwritable(path, error) from error
        if is_still_linked(file.fileno(), path):
            return file
        file.close()  # the process that had it was removing it: there is another by now, or none


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot be written: {error.strerror}; mend that and run the same command again: what is finished is kept", path
    )
