"""A sheet of samples: which file each is in, and what else a user wrote down of it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from epigept_batch.bounds import GZIP_MAGIC
from epigept_batch.errors import InputError, reason
from epigept_batch.names import can_be_file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SAMPLE, FILE, COLUMN = "sample", "file", "column"
LARGEST = 1 << 26
"""Bytes; a line a sample takes a hundred."""
NOT_TEXT = (GZIP_MAGIC, b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff", b"\x89HDF")


@dataclass(frozen=True)
class SheetRow:
    """A sample of a sheet.

    Attributes:
        sheet: The sheet.
        line: Its line in it, from 1.
        sample: Its name.
        file: Its table.
        column: Its name in the table; None where the sheet does not say.
        others: What the sheet has in its further columns.
    """

    sheet: Path
    line: int
    sample: str
    file: Path
    column: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)


def read_sheet(path: Path) -> tuple[SheetRow, ...]:
    """Read the samples, in the order of the sheet.

    Args:
        path: Tab-, comma- or semicolon-separated text. Its header has `sample` and `file`, perhaps `column`, and
            whatever else; files are relative to the sheet's folder. Blank lines and those that begin with # are left
            out.

    Raises:
        InputError: It cannot be read, lacks a column or a value, or has a sample twice; each with its line.
    """
    rows = list(_lines(path))
    if not rows:
        raise InputError("has no header; the first line names the columns: sample, file", path)
    (line, names), rows = rows[0], rows[1:]
    columns = [name.lower() if name.lower() in {SAMPLE, FILE, COLUMN} else name for name in names]
    _check_header(path, line, columns)
    if not rows:
        raise InputError("has a header and no samples", path)
    found = [_row(path, number, columns, fields) for number, fields in rows]
    first: dict[str, int] = {}
    for row in found:
        if row.sample in first:
            raise InputError(f"has sample '{row.sample}' again, as in line {first[row.sample]}", path, row.line)
        first[row.sample] = row.line
    return tuple(found)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line that has some."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"sheet of samples cannot be read: {reason(error)}", path) from error
    if len(content) > LARGEST or content.startswith(NOT_TEXT) or b"\0" in content:
        raise InputError(
            "is no sheet of samples: give a table of text, with a header and a line a sample; tables go by --tpm", path
        )
    text = content.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    header = next((line for line in text.split("\n") if line.strip() and not line.startswith("#")), "")
    separator = next((character for character in "\t,;" if character in header), "\t")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for fields in reader:
            stripped = [field.strip() for field in fields]
            if any(stripped) and not stripped[0].startswith("#"):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise InputError(f"is no line of a sheet ({error})", path, reader.line_num) from error


def _check_header(path: Path, line: int, columns: Sequence[str]) -> None:
    missing = [name for name in (SAMPLE, FILE) if name not in columns]
    if missing:
        have = ", ".join(name or "''" for name in columns)
        raise InputError(
            f"has no column {' and no column '.join(missing)} (columns: {have}); the header of a sheet has sample and "
            "file",
            path,
            line,
        )
    name, times = Counter(name for name in columns if name).most_common(1)[0]
    if times > 1:
        raise InputError(f"has {times} columns '{name}'; give each a name of its own", path, line)


def _even(path: Path, line: int, fields: list[str], columns: Sequence[str]) -> list[str]:
    """A row with as many fields as the header; empty ones at its end may be left out, or be more."""
    while len(fields) > len(columns) and not fields[-1]:
        fields = fields[:-1]
    if len(fields) > len(columns):
        raise InputError(f"has {len(fields)} columns where the header has {len(columns)}", path, line)
    return fields + [""] * (len(columns) - len(fields))


def _row(path: Path, line: int, columns: Sequence[str], fields: list[str]) -> SheetRow:
    """A sample whose name and file can be used."""
    values = dict(zip(columns, _even(path, line, fields, columns), strict=True))
    sample, file = values.pop(SAMPLE), values.pop(FILE)
    column = values.pop(COLUMN, "") or None
    values.pop("", None)
    for name, value in ((SAMPLE, sample), (FILE, file)):
        if not value:
            raise InputError(f"has no {name}", path, line)
    if not can_be_file_name(sample):
        raise InputError(f"has a sample '{sample}', which cannot be a file's name; give it another", path, line)
    table = path.parent / file
    if not table.exists():
        raise InputError(f"names {table}, which is not there; files are relative to the sheet's folder", path, line)
    return SheetRow(path, line, sample, table, column, values)
