"""The journal of a sample: its finished tiles on disk, so that an interrupted run can resume.

A journal is a file beside the outputs. Its first line is JSON that says what the values are made from. One record per
tile follows as tiles finish. Each record carries a checksum, so a record that was incomplete when the machine went down
is ignored. The open file is locked; the system releases the lock when the process ends in any way.
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
from epigept_batch.provenance.made_from import as_different, differing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
RECORD = struct.Struct("<IIII")
"""Head of a record: tile, bins, tracks, and the CRC-32 of these three and the values."""
KEYED = struct.Struct("<III")
MOST_VALUES = 1 << 26
"""Maximum number of values in a record; a larger number means damage."""
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
HEADER_BLOCK = 1 << 20
JOURNAL_BIN_BYTES = 4
"""Bytes per bin of a track in a journal."""
LONGEST_HEADER = 1 << 30
"""Maximum bytes of the header; a longer one means damage. A million scaffolds, with a digest and the selected bins of
each, take a tenth of it."""


@dataclass(frozen=True)
class _Place:
    """Position of a record's values in the file."""

    offset: int
    bins: int
    tracks: int


class OtherRunError(OutputError):
    """The values in a journal belong to a run with other inputs, or on another device."""


class Journal:
    """The finished tiles of one sample.

    Args:
        path: The file; created if it does not exist.
        inputs: What the values are made from, JSON-compatible.
        fresh: Discard what the file contains.

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
        """Find the records. Return the session that computed the values; None if there are no values."""
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
        """Return the first line as JSON; None if it is incomplete or not from this program."""
        line = self._first_line()
        try:
            header = json.loads(line)
        except ValueError:
            return None
        known = isinstance(header, dict) and header.get("epigept-batch journal") == FORMAT and line.endswith(b"\n")
        return header if known and all(isinstance(header.get(key), dict) for key in ("inputs", "session")) else None

    def _first_line(self) -> bytes:
        """Read the first line, and leave the file at its end.

        Reads blocks, because `readline` of an unbuffered file takes a system call per byte.
        """
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
        """Read the record that begins at the current position; None if there is no complete one."""
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
                f"belongs to an interrupted run with {as_different(changed)}; rerun that command unchanged to "
                "resume it, choose another --out, or discard its progress and start over with --fresh",
                self.path,
            )

    def begin(self, session: Mapping[str, Any]) -> None:
        """Record what computes the values from here on; call it before any are added.

        Args:
            session: Description of the session, JSON-compatible.

        Raises:
            OutputError: The existing values were computed by a different session, or the file cannot be written.
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
        """Numbers of the tiles that are finished now."""
        return frozenset(self._places)

    def __contains__(self, tile: int) -> bool:
        """Whether a tile is finished; takes constant time."""
        return tile in self._places

    def read(self, tile: int) -> NDArray[np.float32]:
        """Return the values of a finished tile as they were added, float32, (bins, tracks)."""
        place = self._places[tile]
        data = os.pread(self._file.fileno(), 4 * place.bins * place.tracks, place.offset)
        return np.frombuffer(data, dtype="<f4").reshape(place.bins, place.tracks)

    def add(self, tile: int, values: NDArray[np.float32]) -> None:
        """Append a finished tile. It survives a killed process at once, and a crash of the machine after `sync`.

        Args:
            tile: Its number.
            values: float32, (bins, tracks): all values that the outputs need from it.

        Raises:
            OutputError: It cannot be written; tiles that were finished before are kept.
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
            while left:  # a disk that fills up accepts only part of it
                left = left[self._file.write(left) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut(end)
            raise _unwritable(self.path, error) from error

    def sync(self) -> None:
        """Flush what was added to the disk.

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
        """Delete the journal: the outputs are complete."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the file; delete it if no tile is finished."""
        if self._file.closed:
            return
        if not self._places:
            self.path.unlink(missing_ok=True)
        self._file.close()


def _checksum(tile: int, bins: int, tracks: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(KEYED.pack(tile, bins, tracks)))


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Keep other runs from outputs that need no saved progress; progress that an earlier run saved stays.

    Args:
        path: The journal of the outputs.

    Raises:
        OutputError: Another process is writing them.
    """
    file = _opened_and_locked(path)
    try:
        yield
    finally:
        if not os.fstat(file.fileno()).st_size:
            path.unlink(missing_ok=True)
        file.close()


def _opened_and_locked(path: Path) -> Any:  # noqa: ANN401 - an unbuffered binary file
    """Open the file and lock it against other processes.

    Raises:
        OutputError: Another process has it, or it cannot be created.
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
                "another run is writing these outputs now; wait for it to finish, or choose another --out", path
            ) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                file.close()
                raise _unwritable(path, error) from error
        if is_still_linked(file.fileno(), path):
            return file
        file.close()  # the process that had it was deleting it: by now there is a new file, or none


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot be written: {error.strerror}; fix this and rerun the same command: finished windows are kept", path
    )
