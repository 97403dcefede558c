"""Text tables of any size: their first lines, then batches of rows as text whose lines can be named."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import polars as pl

from epigept_batch.errors import InputError, reason
from epigept_batch.inputs.bounds import GZIP_MAGIC, bounded_line, bounded_lines, open_gzip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HDF5_MAGIC = b"\x89HDF"
UTF8_MARK = b"\xef\xbb\xbf"
NOT_TEXT = {
    b"PK\x03\x04": "is an Excel file or zip archive; save the table as tab-separated text, or unpack it",
    b"BZh": "is packed with bzip2; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "is packed with xz; unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "is packed with zstd; unpack it, or pack it with gzip",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
    b"%PDF": "is a PDF; give a table of text",
}
TPM_TABLE = "TPM table"
HEAD_LINES, HEAD_BYTES = 64, 1 << 26
BATCH_BYTES = 1 << 24
LINE = "line"
"""The column of a batch that holds the number of each row's line, from 1."""


@dataclass(frozen=True)
class TextTable:
    """A table whose first lines have been read.

    Attributes:
        path: The file, plain or gzip.
        head: Its first lines, without their ends, at most `HEAD_LINES`.
        kind: What it is to the user, for messages.
    """

    path: Path
    head: tuple[str, ...]
    kind: str

    def batches(
        self, separator: str, columns: int, *, skip: int, wanted: Sequence[int] | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows as text, some 16 MB at a time: columns "0", "1", … and `LINE`; blank lines are left out.

        Args:
            separator: A character.
            columns: How many a row has; null where it ends before.
            skip: Lines before the first row.
            wanted: Columns to read, for all the others cost as much; None for all.

        Raises:
            InputError: A row has more or fewer columns, or the file cannot be read to its end.
        """
        quote = '"' if _is_quoted(self.head, separator) else None
        names = [str(number) for number in range(columns)]
        kept = names if wanted is None else [names[number] for number in sorted(set(wanted))]
        line = skip + 1
        with _reading(self.path, self.kind) as stream:
            for _ in islice(stream, skip):
                pass
            while chunk := stream.read(BATCH_BYTES):
                chunk += bounded_line(stream, self.path, line + chunk.count(b"\n"))
                text = separator.join(names).encode() + b"\n" + chunk
                self._check_even(chunk, separator, columns, first_line=line)
                try:
                    rows = pl.read_csv(
                        io.BytesIO(text),
                        columns=kept,
                        separator=separator,
                        infer_schema=False,
                        quote_char=quote,
                        encoding="utf8-lossy",
                    )
                except pl.exceptions.PolarsError as error:
                    raise InputError(
                        f"is not a table of {columns} columns ({_first_line(error)})", self.path
                    ) from error
                yield rows.with_row_index(LINE, offset=line).filter(~pl.all_horizontal(pl.col(kept).is_null()))
                line += chunk.count(b"\n")

    def fields(self, line: str, separator: str) -> list[str]:
        """A line's fields, without quotes and the blanks around them."""
        if not _is_quoted(self.head, separator):
            return [field.strip() for field in line.split(separator)]
        try:
            return [field.strip() for field in next(csv.reader([line], delimiter=separator), [])]
        except csv.Error as error:  # all that a line can be wrong by
            raise InputError("has a CR within a line; save it with line ends of Unix or Windows", self.path) from error

    def _check_even(self, chunk: bytes, separator: str, columns: int, *, first_line: int) -> None:
        """See that every row has as many columns as the header; comments may have fewer."""
        lines = chunk.count(b"\n") + (not chunk.endswith(b"\n"))
        if chunk.count(separator.encode()) == (columns - 1) * lines:
            return
        for number, row in enumerate(chunk.decode("utf-8", "replace").split("\n"), first_line):
            if not row.strip() or row.startswith("#"):
                continue
            if (found := len(self.fields(row, separator))) != columns:
                words = f"has {found} column{'s' if found > 1 else ''} where the header has {columns}"
                raise InputError(words, self.path, number)


@lru_cache
def _is_quoted(head: tuple[str, ...], separator: str) -> bool:
    """Whether quotes mean something: in CSV always, elsewhere where the first lines have fields in quotes."""
    field = re.compile(f'(?:^|{separator})"[^"]*"(?:{separator}|$)')
    return separator == "," or any(field.search(line) for line in head)


def open_table(path: Path, kind: str = TPM_TABLE) -> TextTable:
    """Read a table's first lines.

    Args:
        path: The table.
        kind: What it is to the user, for messages.

    Raises:
        InputError: It cannot be read, is empty, or is no text.
    """
    with _reading(path, kind) as stream:
        start = stream.peek(4)[:4]
        for magic, words in (NOT_TEXT | {HDF5_MAGIC: "is an HDF5 file; give the program's table of text"}).items():
            if start.startswith(magic):
                raise InputError(words, path)
        lines = [line.rstrip(b"\r\n") for line in _head(stream, path)]
    if not any(line.strip() for line in lines):
        raise InputError("is empty", path)
    if any(b"\0" in line for line in lines):
        raise InputError("is not a table of text", path)
    if len(lines) == 1 and b"\r" in lines[0]:
        raise InputError("has lines that end in CR alone; save it with line ends of Unix or Windows", path)
    lines[0] = lines[0].removeprefix(UTF8_MARK)
    return TextTable(path, tuple(line.decode("utf-8", "replace") for line in lines), kind)


def _head(stream: io.BufferedReader, path: Path) -> Iterator[bytes]:
    """The first lines, fewer where they are very long."""
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
    """The file's bytes, unpacked; every failure to read them is the user's to mend."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError("is a pipe or device, which cannot be read twice; give a file", path)
        with path.open("rb") as stream:
            if stream.peek(2).startswith(GZIP_MAGIC):
                with open_gzip(stream, path) as unpacked:
                    yield unpacked
            else:
                yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"is a damaged or truncated gzip file ({error})", path) from error
    except OSError as error:
        raise InputError(f"{kind} cannot be read: {reason(error)}", path) from error
