"""Read text tables of any size: the first lines, then batches of rows as text with their line numbers."""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from epigept_batch.bounds import GZIP_MAGIC, bounded_line, bounded_lines, open_gzip
from epigept_batch.errors import InputError, reason
from epigept_batch.expression.splitting import TAB, OpenQuoteError, fits, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

HDF5_MAGIC = b"\x89HDF"
UTF8_MARK = b"\xef\xbb\xbf"
NOT_TEXT = {
    b"PK\x03\x04": "an Excel file or a zip archive; save the table as tab-separated text, or unpack the archive",
    b"BZh": "compressed with bzip2; decompress it, or compress it with gzip",
    b"\xfd7zXZ": "compressed with xz; decompress it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it, or compress it with gzip",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"%PDF": "a PDF, not a text table; provide a text table",
}
TPM_TABLE = "TPM table"
HEAD_LINES, HEAD_BYTES = 64, 1 << 26
BATCH_BYTES = 1 << 24
QUOTE, COMMENT, NEW_LINE = b'"', b"#", ord("\n")
STAND_IN = "\x1f"
"""Stands for a separator within quotes until rows are split: ASCII's unit separator, which no table contains."""
MOST_MARKS = 4
OPEN_QUOTE = "unclosed quote; close or remove it"
NAME_ALL = "name every column, and write as many fields per row as the header has"
LINE = "line"
"""The column of a batch with each row's line number, from 1."""


@dataclass(frozen=True)
class TextTable:
    """A table whose first lines have been read.

    Attributes:
        path: The file, plain or gzip.
        head: Its first lines, without line endings, at most `HEAD_LINES`.
        kind: What the file is, for messages.
    """

    path: Path
    head: tuple[str, ...]
    kind: str

    def batches(
        self, separator: str, columns: int, *, skip: int, wanted: Sequence[int] | None = None, width: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows as text, about 16 MB at a time: columns "0", "1", … and `LINE`; blank lines are skipped.

        A line is always one row, whatever quotes it contains. Lines that begin with `#` are comments. Empty fields are
        null.

        Args:
            separator: A character.
            columns: How many columns a row has.
            skip: Lines before the first row.
            wanted: Columns to read, because unwanted columns cost as much time; None for all.
            width: Number of fields in most rows, if larger than `columns`; fields after the last column are empty.

        Raises:
            InputError: A row has more or fewer columns, or the file cannot be read to its end.
        """
        width = max(width or columns, columns)
        wanted = sorted(set(range(columns) if wanted is None else wanted))
        line = skip + 1
        with _reading(self.path, self.kind) as stream:
            self._skip(stream, skip)
            while chunk := stream.read(BATCH_BYTES):
                chunk += bounded_line(stream, self.path, line + chunk.count(b"\n"))
                rows = _Rows(self.path, chunk, separator, columns=columns, width=width, first_line=line)
                yield rows.frame(wanted).with_row_index(LINE, offset=line).filter(~pl.all_horizontal(_are_null(wanted)))
                line += chunk.count(b"\n")

    def fields(self, line: str, separator: str) -> list[str]:
        """Return a line's fields, without quotes and surrounding spaces."""
        if separator != TAB and '"' in line and "\r" in line:
            raise InputError(
                "a carriage return (CR) within a line; save the file with Unix or Windows line endings", self.path
            )
        try:
            return split(line, separator)
        except OpenQuoteError as error:
            number = self.head.index(line) + 1 if line in self.head else None
            raise InputError(OPEN_QUOTE, self.path, number) from error

    def _skip(self, stream: io.BufferedReader, lines: int) -> None:
        """Skip to the first row."""
        if not lines:
            for _ in range(_marks(stream.peek(len(UTF8_MARK) * MOST_MARKS))):
                stream.read(len(UTF8_MARK))
        for _ in islice(stream, lines):
            pass


class _Rows:
    """A chunk of complete lines of a table."""

    def __init__(self, path: Path, chunk: bytes, separator: str, *, columns: int, width: int, first_line: int) -> None:
        self.path, self.separator, self.columns, self.width, self.first_line = (
            path,
            separator,
            columns,
            width,
            first_line,
        )
        self.chunk = chunk
        self.lines = chunk.count(b"\n") + (not chunk.endswith(b"\n"))
        self.has_quotes = QUOTE in chunk
        self.is_mended = False

    def frame(self, wanted: Sequence[int]) -> pl.DataFrame:
        """Return text columns, one row per line."""
        if not self._is_plain():
            self._mend(self._odd_lines())
        frame = self._parsed(wanted)
        if not self.is_mended and frame[str(self.width - 1)].null_count():  # a row may be short, another long
            self._mend(self._odd_lines())
            frame = self._parsed(wanted) if self.is_mended else frame
        if not self.is_mended:
            self._check_behind(frame)
        if frame.height != self.lines:
            raise InputError(
                f"{frame.height:,} rows in {self.lines:,} lines",
                self.path,
                self.first_line,
            )
        return self._cleaned(frame.select(str(number) for number in wanted))

    def _is_plain(self) -> bool:
        """Whether the bytes show no row of another length, no comment, and no quotes that may matter."""
        separators = self.chunk.count(self.separator.encode())
        comments = self.chunk.startswith(COMMENT) or b"\n" + COMMENT in self.chunk
        quotes = self.has_quotes and self.separator != TAB
        return separators == (self.width - 1) * self.lines and not comments and not quotes

    def _odd_lines(self) -> NDArray[np.int64]:
        """Return the 0-based numbers of lines that are not plain: uneven, comments, or with quoted separators."""
        chunk = self.chunk if self.chunk.endswith(b"\n") else self.chunk + b"\n"
        letters = np.frombuffer(chunk, np.uint8)
        ends = np.flatnonzero(letters == NEW_LINE)
        starts = np.concatenate([[0], ends[:-1] + 1])
        separators = np.flatnonzero(letters == ord(self.separator))
        odd = _within(separators, starts, ends) != self.width - 1
        odd |= letters[starts] == COMMENT[0]
        if self.has_quotes and self.separator != TAB:
            quotes = letters == QUOTE[0]
            alone = _within(np.flatnonzero(quotes), starts, ends) % 2 == 1
            odd |= alone
            for line in np.flatnonzero(alone):
                quotes[starts[line] : ends[line]] = False
            inside = separators[np.logical_xor.accumulate(quotes)[separators]]
            odd |= _within(inside, starts, ends) > 0
        return np.flatnonzero(odd)

    def _mend(self, odd: NDArray[np.int64]) -> None:
        """Rewrite these lines with as many plain fields as the others have."""
        if not len(odd):
            return
        lines = self.chunk.split(b"\n")[: self.lines]
        for number in odd:
            lines[number] = self._mended(lines[number], self.first_line + int(number))
        self.chunk = b"\n".join(lines) + b"\n"
        self.is_mended = True

    def _mended(self, line: bytes, number: int) -> bytes:
        text = line.decode("utf-8", "replace").rstrip("\r")
        if line.startswith(COMMENT) or not text.strip().strip(f"{self.separator} "):
            return b""
        if self.separator != TAB and "\r" in text:
            raise InputError(
                "a carriage return (CR) within a line; save the file with Unix or Windows line endings", self.path
            )
        try:
            fields = split(text, self.separator, columns=self.columns)
        except OpenQuoteError as error:
            raise InputError(OPEN_QUOTE, self.path, number) from error
        if not fits(fields, self.columns):
            found = len(fields)
            words = f"{found} column{'s' if found > 1 else ''}, but the header has {self.columns}"
            raise InputError(words, self.path, number)
        plain = [field.replace(self.separator, STAND_IN) for field in fields[: self.columns]]
        return self.separator.join(plain + [""] * (self.width - self.columns)).encode()

    def _parsed(self, wanted: Sequence[int]) -> pl.DataFrame:
        names = [str(number) for number in range(self.width)]
        kept = sorted({*wanted, *range(self.columns, self.width), self.width - 1})
        text = self.separator.join(names).encode() + b"\n" + self.chunk
        try:
            return pl.read_csv(
                io.BytesIO(text),
                columns=[names[number] for number in kept],
                separator=self.separator,
                infer_schema=False,
                quote_char=None,
                encoding="utf8-lossy",
            )
        except pl.exceptions.PolarsError as error:
            if not self.is_mended:
                self._mend(self._odd_lines())  # reports which row has another length
            raise InputError(f"not a table of {self.columns} columns ({_first_line(error)})", self.path) from error

    def _check_behind(self, frame: pl.DataFrame) -> None:
        """Check that nothing follows the last column of rows that end in a separator."""
        for number in range(self.columns, self.width):
            filled = frame[str(number)].str.strip_chars().fill_null("") != ""
            if filled.any():
                line = self.first_line + int(filled.arg_max() or 0)
                raise InputError(
                    f"a value after the last column, where the rows before end in a separator; {NAME_ALL}",
                    self.path,
                    line,
                )

    def _cleaned(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Remove quotes around whole fields, and restore the separators within them."""
        if self.is_mended:
            frame = frame.with_columns(pl.all().str.replace_all(STAND_IN, self.separator, literal=True))
        if not self.has_quotes:
            return frame
        quoted = [column.name for column in frame.get_columns() if column.str.contains('"', literal=True).any()]
        inner = pl.col(quoted).str.strip_chars().str.replace(r'(?s)^"(.*)"$', "$1")
        whole = pl.col(quoted).str.contains(r'(?s)^\s*".*"\s*$')
        inner = inner.str.replace_all('""', '"', literal=True).str.strip_chars()
        frame = frame.with_columns(pl.when(whole).then(inner).otherwise(pl.col(quoted)))
        return frame.with_columns(pl.when(pl.col(quoted) != "").then(pl.col(quoted)))


def _within(places: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the places in each line."""
    return np.searchsorted(places, ends) - np.searchsorted(places, starts)


def _are_null(wanted: Sequence[int]) -> pl.Expr:
    return pl.col([str(number) for number in wanted]).is_null()


def _marks(start: bytes) -> int:
    """Count the byte order marks at the start of a file; programs that join files leave more than one."""
    marks = 0
    while start.startswith(UTF8_MARK, marks * len(UTF8_MARK)):
        marks += 1
    return marks


def open_table(path: Path, kind: str = TPM_TABLE) -> TextTable:
    """Read a table's first lines.

    Args:
        path: The table.
        kind: What the file is, for messages.

    Raises:
        InputError: The file cannot be read, is empty, or is not text.
    """
    with _reading(path, kind) as stream:
        start = stream.peek(4)[:4]
        for magic, words in (NOT_TEXT | {HDF5_MAGIC: "an HDF5 file; provide the program's text table"}).items():
            if start.startswith(magic):
                raise InputError(words, path)
        lines = [line.rstrip(b"\r\n") for line in _head(stream, path)]
    if not any(line.strip() for line in lines):
        raise InputError("is empty", path)
    if any(b"\0" in line for line in lines):
        raise InputError("not a text table", path)
    if len(lines) == 1 and b"\r" in lines[0]:
        raise InputError(
            "lines end in carriage returns (CR) only; save the file with Unix or Windows line endings", path
        )
    lines[0] = lines[0][len(UTF8_MARK) * _marks(lines[0]) :]
    if not any(line.strip() for line in lines):
        raise InputError("is empty", path)
    return TextTable(path, tuple(line.decode("utf-8", "replace") for line in lines), kind)


def _head(stream: io.BufferedReader, path: Path) -> Iterator[bytes]:
    """Yield the first lines, fewer if they are very long."""
    read = 0
    for line in islice(bounded_lines(stream, path), HEAD_LINES):
        yield line
        read += len(line)
        if read > HEAD_BYTES:
            return


def is_hdf5(path: Path) -> bool:
    """Whether a file's first bytes are those of HDF5.

    Raises:
        InputError: It cannot be read.
    """
    with _reading(path, TPM_TABLE) as stream:
        return stream.peek(len(HDF5_MAGIC)).startswith(HDF5_MAGIC)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[io.BufferedReader]:
    """Open the file's decompressed bytes; report every failure to read them as an error of the input."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError("a pipe or device, which cannot be read twice; provide a regular file", path)
        with path.open("rb") as stream:
            if stream.peek(2).startswith(GZIP_MAGIC):
                with open_gzip(stream, path) as unpacked:
                    yield unpacked
            else:
                yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"a damaged or truncated gzip file ({error})", path) from error
    except OSError as error:
        raise InputError(f"{kind} cannot be read: {reason(error)}", path) from error
