"""Sample sheets: tables that name each sample's file, and further columns of the user's own."""

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
"""Largest sheet in bytes; the line of a sample takes about a hundred."""
NOT_TEXT = (GZIP_MAGIC, b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff", b"\x89HDF")


@dataclass(frozen=True)
class SheetRow:
    """A sample of a sheet.

    Attributes:
        sheet: The sheet.
        line: The sample's line in the sheet, from 1.
        sample: The sample's name.
        file: The sample's table.
        column: The sample's name in the table; None if the sheet does not give it.
        others: Values of the sheet's further columns.
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
        path: Tab-, comma- or semicolon-separated text. Its header has `sample` and `file`, optionally `column`,
            and any other columns. Files are relative to the sheet's folder. Blank lines and lines that begin with # are
            skipped.

    Raises:
        InputError: The sheet cannot be read, lacks a column or a value, or has a sample twice; with the line.
    """
    rows = list(_lines(path))
    if not rows:
        raise InputError("no header; the first line must name the columns: sample, file", path)
    (line, names), rows = rows[0], rows[1:]
    columns = [name.lower() if name.lower() in {SAMPLE, FILE, COLUMN} else name for name in names]
    _check_header(path, line, columns)
    if not rows:
        raise InputError("a header but no samples", path)
    found = [_row(path, number, columns, fields) for number, fields in rows]
    first: dict[str, int] = {}
    for row in found:
        if row.sample in first:
            raise InputError(f"sample '{row.sample}' is already in line {first[row.sample]}", path, row.line)
        first[row.sample] = row.line
    return tuple(found)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields of each line that is not blank and not a comment."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"sample sheet cannot be read: {reason(error)}", path) from error
    if len(content) > LARGEST or content.startswith(NOT_TEXT) or b"\0" in content:
        raise InputError(
            "not a sample sheet; provide a text table with a header and one line per sample, or pass TPM tables with "
            "--tpm",
            path,
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
        raise InputError(f"not a valid line of a sample sheet ({error})", path, reader.line_num) from error


def _check_header(path: Path, line: int, columns: Sequence[str]) -> None:
    missing = [name for name in (SAMPLE, FILE) if name not in columns]
    if missing:
        have = ", ".join(name or "''" for name in columns)
        raise InputError(
            f"no column {' and no column '.join(missing)} (columns: {have}); the header of a sample sheet must contain "
            "sample and file",
            path,
            line,
        )
    name, times = Counter(name for name in columns if name).most_common(1)[0]
    if times > 1:
        raise InputError(f"{times} columns named '{name}'; give each a different name", path, line)


def _even(path: Path, line: int, fields: list[str], columns: Sequence[str]) -> list[str]:
    """Return a row with as many fields as the header; it may have fewer or more empty fields at its end."""
    while len(fields) > len(columns) and not fields[-1]:
        fields = fields[:-1]
    if len(fields) > len(columns):
        raise InputError(f"{len(fields)} columns, but the header has {len(columns)}", path, line)
    return fields + [""] * (len(columns) - len(fields))


def _row(path: Path, line: int, columns: Sequence[str], fields: list[str]) -> SheetRow:
    """Return a sample whose name and file can be used."""
    values = dict(zip(columns, _even(path, line, fields, columns), strict=True))
    sample, file = values.pop(SAMPLE), values.pop(FILE)
    column = values.pop(COLUMN, "") or None
    values.pop("", None)
    for name, value in ((SAMPLE, sample), (FILE, file)):
        if not value:
            raise InputError(f"no value in column {name}", path, line)
    if not can_be_file_name(sample):
        raise InputError(f"sample '{sample}' cannot be used in a file name; choose another name", path, line)
    table = path.parent / file
    if not table.exists():
        raise InputError(f"{table} does not exist; files are relative to the sheet's folder", path, line)
    return SheetRow(path, line, sample, table, column, values)
