"""Compute the index of a FASTA, or find the first line that no index can describe.

For each record, an index stores where its first base lies and how long its lines are. So all lines of a record must
have the same number of bases and bytes, except for the last, which may be shorter. Blank lines are harmless before,
between and after sequences. Within a sequence, blank lines and spaces would shift all later bases, so both are refused.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

BLOCK_BYTES = 1 << 22
SIGNS = (string.ascii_letters + "*-.").encode()
"""Characters that may stand for a base, known or not."""
LINE_ENDS = b"\r\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ALIKE = "make all lines the same length and remove blank lines, for example with seqkit seq -w 60"


@dataclass
class Record:
    """One line of an index.

    Attributes:
        name: The header's first word.
        header: Line number of the header.
        offset: Bytes from the file's beginning to the first base.
        length: Number of bases.
        line_bases: Bases of each line except the last.
        line_bytes: Bytes of such a line with its line end.
        last_line: Number of a line that differs from those before, so that no base may follow; 0 if none does.
        last_is_blank: Whether that line has no base.
    """

    name: str
    header: int
    offset: int
    length: int = 0
    line_bases: int = 0
    line_bytes: int = 0
    last_line: int = 0
    last_is_blank: bool = False

    def __str__(self) -> str:
        return f"{self.name}\t{self.length}\t{self.offset}\t{self.line_bases}\t{self.line_bytes}\n"


def read_layout(stream: BinaryIO, path: Path) -> Iterator[Record]:
    """Iterate over the records in the file's order.

    Args:
        stream: The unpacked FASTA, at its beginning.
        path: Its name, for error messages.

    Raises:
        InputError: With the line number: bases before the first header, a header without a name or with a repeated
            name, lines of different length within a record, or a blank line or invalid character within a sequence.
            Without it: the file has no record.
    """
    layout = _Layout(path)
    while block := stream.read(BLOCK_BYTES):
        layout.add(block + stream.readline())
    if not layout.records:
        raise InputError("no FASTA record; each sequence needs a line >NAME before it", path)
    yield from layout.records.values()


class _Layout:
    """The records found so far, and the current place in the file."""

    def __init__(self, path: Path) -> None:
        self.records: dict[str, Record] = {}
        self._path = path
        self._last: Record | None = None
        self._lines = 0
        self._bytes = 0

    def add(self, block: bytes) -> None:
        """Read a block of whole lines."""
        start = 0
        while start < len(block):
            if block[start : start + 1] == b">":
                end = block.find(b"\n", start) + 1 or len(block)
                self._add_header(block[start:end])
            else:
                end = block.find(b"\n>", start) + 1 or len(block)
                self._add_sequence(block[start:end])
            start = end

    def _add_header(self, line: bytes) -> None:
        self._lines += 1
        self._bytes += len(line)
        if b"\r" in line.rstrip(LINE_ENDS):
            raise self._error(0, "line ends are CR only, as on old Macs; convert the file, for example with mac2unix")
        words = line[1:].split(maxsplit=1)
        if not words:
            raise self._error(0, "header without a name; add a name after the >")
        try:
            name = words[0].decode()
        except UnicodeDecodeError as error:
            raise self._error(0, "name in the header is not UTF-8; rename the record") from error
        if name in self.records:
            raise self._error(
                0, f"second record named {name}; the first is in line {self.records[name].header:,}; rename one of them"
            )
        self._last = self.records[name] = Record(name, self._lines, self._bytes)

    def _add_sequence(self, run: bytes) -> None:
        """Read lines that are not headers."""
        ends = np.flatnonzero(np.frombuffer(run, np.uint8) == ord("\n")) + 1
        if not run.endswith(b"\n"):
            ends = np.append(ends, len(run))
        starts = np.concatenate([[0], ends[:-1]])
        bases = self._bases(run, starts, ends)
        if self._last is None:
            self._skip(run, starts, ends)
        else:
            self._extend(self._last, bases, ends - starts)
        self._lines += len(ends)
        self._bytes += len(run)

    def _bases(self, run: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of bases of each line; 0 for a line that is blank or holds only spaces."""
        values = np.frombuffer(run, np.uint8)
        bases: NDArray[np.int64] = ends - starts - (values[ends - 1] == ord("\n"))
        has_return = (bases > 0) & (values[starts + np.maximum(bases, 1) - 1] == ord("\r"))
        bases -= has_return
        lines_are_plain = not run.translate(None, SIGNS + LINE_ENDS) and run.count(b"\r") == np.count_nonzero(
            has_return
        )
        if lines_are_plain or self._last is None:
            return bases
        for number, (start, count) in enumerate(zip(starts.tolist(), bases.tolist(), strict=True)):
            line = run[start : start + count]
            if not line.strip():
                bases[number] = 0
            elif strange := line.translate(None, SIGNS):
                sign = strange[:1].decode("latin-1")
                raise self._error(
                    number + 1,
                    f"contains {sign!r} among the bases of record {self._last.name}; remove what is not a base",
                )
        return bases

    def _skip(self, run: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Check that only blank lines and comments precede the first header."""
        for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True), 1):
            line = run[start:end]
            if self._bytes + start == 0 and line.startswith(BYTE_ORDER_MARK):
                raise self._error(number, "begins with a byte order mark; save the file as plain text without it")
            if line.strip() and not line.startswith(b";"):
                raise self._error(number, "not a FASTA header; each sequence needs a line >NAME before it")

    def _extend(self, record: Record, bases: NDArray[np.int64], widths: NDArray[np.int64]) -> None:
        """Extend a record by lines with these numbers of bases and bytes."""
        first = 0
        if not record.line_bases:
            filled = np.flatnonzero(bases)
            first = int(filled[0]) if filled.size else len(bases)
            record.offset += int(widths[:first].sum())
            if not filled.size:
                return
            record.line_bases, record.line_bytes = int(bases[first]), int(widths[first])
        whole = first
        if not record.last_line:
            others = np.flatnonzero((bases[first:] != record.line_bases) | (widths[first:] != record.line_bytes))
            whole = first + int(others[0]) if others.size else len(bases)
            record.length += (whole - first) * record.line_bases
            if whole < len(bases):
                self._close(record, whole, int(bases[whole]))
                whole += 1
        if bases[whole:].any():
            how = (
                f"blank line within record {record.name}"
                if record.last_is_blank
                else f"line length differs from the lines of record {record.name} before it, and it is not the last"
            )
            raise InputError(f"{how}; {ALIKE}", self._path, record.last_line)

    def _close(self, record: Record, number: int, bases: int) -> None:
        """Treat a line that differs from those before as the record's last."""
        if bases > record.line_bases:
            raise self._error(
                number + 1,
                f"line has {bases:,} bases, but lines before it in record {record.name} have {record.line_bases:,}; "
                f"{ALIKE}",
            )
        record.length += bases
        record.last_line, record.last_is_blank = self._lines + number + 1, not bases

    def _error(self, line: int, message: str) -> InputError:
        """Make an error for a line, counted from the last line read."""
        return InputError(message, self._path, self._lines + line)
