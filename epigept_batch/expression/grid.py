"""Find a table's header, its separator, and the name of each column.

Everything is decided here, once, from all the lines that were examined. Rows further down that do not fit are refused
when they are read. The rules, in order:

1. Lines before the first content line are not rows. A content line is not blank, does not begin with `#`, and is not
   `sep=;`, which spreadsheets write.
2. The separator is the tab if the first content line and most others contain it. Otherwise it is the semicolon or
   comma, whichever gives the header and most rows equal numbers of fields. If both do, the larger number wins, because
   tables with semicolons have commas in their decimals.
3. A row of numbers is not a header. The first line is a row if it has numbers (or NA) wherever most rows have numbers,
   and its first field is not a word for ids. Then the header is the last line with `#` before it, if that has as many
   fields. If there is no such line, the table is refused.
4. Fields at the end without a name and without a value in any line are dropped: the rows, the header or both end in
   separators. If rows do, and the header's first name is not a word for ids, that name may be a sample's, and the last
   sample may have no value: the table is refused.
5. If most rows still have one field more than the header, the first name is missing, as R's write.table leaves it out.
   This holds only if the last field of a row contains something. If the header's first name is a word for ids, rows
   must begin with row numbers, or have ids in the second field too, and no id column may then be numeric. In tables
   with commas, numbers must contain points: `CTCF,3,84` may be two numbers or one. If the header ends in a separator
   and the rows do not, the last column has no name: the table is refused.
6. A row has as many fields as the header, and nothing after them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.expression.column_names import names_ids
from epigept_batch.expression.numerals import is_like_number, is_no_value, share_of_numbers
from epigept_batch.expression.splitting import TAB, OpenQuoteError, fits, split, split_quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from epigept_batch.expression.tables import TextTable

SEPARATORS = (TAB, ";", ",")
SEMICOLON, COMMENT = ";", "#"
MOST = 0.5
SHARE_OF_NUMBERS = 0.5
"""Share of a column's first values that must be numbers for it to be numeric."""
DIFFERENT = 0.9
"""Share of distinct values from which values may be ids."""
EXCEL = re.compile(r'"?sep=[,;\t]?"?')
"""A first line that tells spreadsheets the separator."""
GENE = re.compile(r"ENS[A-Z]*[GT]\d{11}")
NAMES_SHOWN = 5
NAME_ALL = "name every column"


@dataclass(frozen=True)
class Grid:
    """A table's columns and first rows.

    Attributes:
        table: The table.
        separator: Character between fields.
        header: Names of the columns; the first may be empty.
        skip: Lines before the first row.
        width: Number of fields in most rows; fields after the last column are empty.
        rows: The first rows, each with as many fields as the header.
    """

    table: TextTable
    separator: str
    header: tuple[str, ...]
    skip: int
    width: int
    rows: tuple[tuple[str, ...], ...]

    def column(self, number: int) -> list[str]:
        """Return the first values of a column."""
        return [row[number] for row in self.rows]

    def batches(self, wanted: Sequence[int]) -> Iterator[pl.DataFrame]:
        """Yield these columns of all rows, as `TextTable.batches` does."""
        return self.table.batches(self.separator, len(self.header), skip=self.skip, width=self.width, wanted=wanted)


@dataclass(frozen=True)
class _Line:
    """A line that was split: its number, from 1, and its fields."""

    number: int
    fields: list[str]

    @property
    def live(self) -> int:
        """Number of fields up to the last one that is not empty."""
        return max((place for place, field in enumerate(self.fields, 1) if field), default=0)


def find_grid(table: TextTable, *, header_line: int | None = None, rows_after: int = 1) -> Grid:
    """Find a table's header and columns, by the rules above.

    Args:
        table: The table with its first lines.
        header_line: 0-based number of the header line, if the format defines it.
        rows_after: How many lines after the header the rows begin.

    Raises:
        InputError: There is no header, no row or only one column, or rows do not fit the header.
    """
    lines = [(number, line) for number, line in enumerate(table.head, 1) if _is_content(line)]
    if header_line is not None:
        lines = [
            (number, line) for number, line in lines if number == header_line + 1 or number > header_line + rows_after
        ]
    if not lines:
        raise InputError("no header line; the first line must name the columns", table.path)
    separator = _separator([line for _, line in lines])
    first = _Line(lines[0][0], table.fields(lines[0][1], separator))
    rows = _split_rows(table, lines[1:], separator, named=first.live)
    header = first
    if header_line is None and _is_row(first.fields, rows):
        header = _commented_header(table, first, rows, separator)
        rows = [first, *rows]
    if len(header.fields) == 1 and not any(len(row.fields) > 1 for row in rows):
        advice = _separator_advice(header.fields[0])
        raise InputError(f"only one column, {header.fields[0]!r}; {advice}", table.path)
    last = header.number + rows_after - 1 if header_line is not None else header.number
    if not rows and len(table.head) <= max(last, first.number):
        raise InputError("a header but no rows", table.path)
    names, width = _columns(table, header, rows, separator)
    _check_rows(table, names, rows)
    fields = tuple(tuple(row.fields[: len(names)]) for row in rows)
    return Grid(table, separator, tuple(names), skip=last, width=width, rows=fields)


def _is_content(line: str) -> bool:
    return bool(line.strip(" \t;,")) and not line.startswith(COMMENT) and EXCEL.fullmatch(line.strip()) is None


def _count(line: str, separator: str) -> int:
    """Count the fields of a line, respecting quotes unless one is unclosed."""
    try:
        return len(split(line, separator))
    except OpenQuoteError:
        return line.count(separator) + 1


def _stripped(line: str, separator: str) -> list[str]:
    return line.strip().rstrip(separator).split(separator)


def _separator(lines: Sequence[str]) -> str:
    """Apply rule 2; for one column of values and no name for the ids, as R writes it, only the rows decide."""
    by_header: dict[str, int] = {}
    by_rows: dict[str, int] = {}
    for separator in SEPARATORS:
        header, rows = _count(lines[0], separator), [_count(line, separator) for line in lines[1:]]
        usual, times = Counter(rows).most_common(1)[0] if rows else (header, 1)
        if usual > 1 and times > MOST * len(rows) and header > 1:
            if separator == TAB:
                return TAB
            by_header[separator] = header - abs(header - usual)
        elif header == 1 < usual and {len(_stripped(line, separator)) for line in lines[1:]} == {2}:
            by_rows[separator] = usual
    if by_header:
        return max(by_header, key=lambda separator: by_header[separator])
    if by_rows:
        return next(iter(by_rows))
    return next((separator for separator in SEPARATORS if separator in lines[0]), TAB)


def _split_rows(table: TextTable, lines: Sequence[tuple[int, str]], separator: str, *, named: int) -> list[_Line]:
    """Split rows into fields; the usual and the named number of fields decide what quotes mean in tables with tabs."""
    rows = [_Line(number, table.fields(line, separator)) for number, line in lines]
    if separator != TAB:
        return rows
    usual = _usual(rows)
    if usual > named and any('"' in line for _, line in lines):
        quoted = [
            _Line(row.number, split_quoted(line, separator) or row.fields)
            for row, (_, line) in zip(rows, lines, strict=True)
        ]
        usual, rows = min((usual, rows), (_usual(quoted), quoted), key=lambda way: abs(way[0] - named))
    return [
        row if len(row.fields) == usual else _Line(row.number, split(line, separator, columns=usual))
        for row, (_, line) in zip(rows, lines, strict=True)
    ]


def _usual(rows: Sequence[_Line]) -> int:
    return Counter(len(row.fields) for row in rows).most_common(1)[0][0] if rows else 0


def _is_row(fields: Sequence[str], rows: Sequence[_Line]) -> bool:
    """Apply rule 3: whether a line is a row of numbers."""
    if GENE.match(fields[0]) and sum(GENE.match(field) is not None for field in fields) <= MOST * len(fields):
        return True
    if not fields[0] or names_ids(fields[0]):
        return False
    usual = _usual(rows) or len(fields)
    even = [row.fields for row in rows if len(row.fields) == usual]
    numbers = 0
    for place in range(1, usual):
        field = fields[place] if place < len(fields) else None
        like = field is not None and (is_like_number(field) or is_no_value(field))
        numbers += like and is_like_number(field or "")
        if not like and _are_numbers([row[place] for row in even] or [field or ""]):
            return False
    return numbers > 0


def _are_numbers(values: Sequence[str]) -> bool:
    share = share_of_numbers(values)
    return share is not None and share >= SHARE_OF_NUMBERS


def _commented_header(table: TextTable, first: _Line, rows: Sequence[_Line], separator: str) -> _Line:
    """Return the last line with `#` before the rows, if it has their columns.

    Raises:
        InputError: There is no such line, so the table has no header.
    """
    comments = [number for number, line in enumerate(table.head[: first.number - 1]) if line.startswith(COMMENT)]
    if comments:
        line = table.head[comments[-1]].lstrip(COMMENT)
        header = _Line(comments[-1] + 1, table.fields(line, separator))
        filled = max([first.live, *(row.live for row in rows)])
        fitting = filled - 1 <= header.live <= max(filled, _usual([first, *rows]))
        if fitting and header.live > 0 and not _is_row(header.fields, [first, *rows]):
            return header
    raise InputError(
        f"values instead of column names ({first.fields[0]!r}); add a header line, such as gene_id and TPM",
        table.path,
        first.number,
    )


def _columns(table: TextTable, header: _Line, rows: Sequence[_Line], separator: str) -> tuple[list[str], int]:
    """Apply rules 4 and 5; return the columns' names and the number of fields in most rows."""
    usual = _usual(rows) or len(header.fields)
    named = header.live
    even = [row for row in rows if len(row.fields) == usual]
    filled = max((row.live for row in even), default=named)
    if filled == named + 1:
        if usual == len(header.fields):
            raise InputError(f"column {filled} has values but no name; {NAME_ALL}", table.path, header.number)
        _check_row_names(table, header, even, separator)
        return ["", *header.fields[:named]], usual
    if filled > named:
        line = next(row.number for row in even if row.live > named)
        raise InputError(f"{filled} columns, but the header has {named}; {NAME_ALL}", table.path, line)
    if usual > named and header.fields[0] and not names_ids(header.fields[0]):
        raise InputError(
            f"rows end in an empty field, and the header's first name, {header.fields[0]!r}, may be a sample's; name "
            "the id column gene_id",
            table.path,
            header.number,
        )
    return header.fields[:named], max(usual, named)


def _check_row_names(table: TextTable, header: _Line, rows: Sequence[_Line], separator: str) -> None:
    """Check that it is the first name that is missing: rule 5.

    Raises:
        InputError: It may be another name.
    """
    first, names = [row.fields[0] for row in rows], header.fields[: header.live]
    if not names[0] or names_ids(names[0]):
        second = _cells(rows, 1)
        numbers = {
            place for place, name in enumerate(names, 1) if names_ids(name) and _are_numbers(_cells(rows, place))
        }
        if numbers or not (all(field.isdecimal() for field in first) or _are_ids(second)):
            raise InputError(
                f"{header.live + 1} columns, but the header has {header.live} and its first name, {names[0]!r}, is "
                f"that of an id column; {NAME_ALL}, and write decimals with a point",
                table.path,
                rows[0].number,
            )
    cells = (field for row in rows for field in row.fields[1:] if "." in field or "," in field)
    if separator == "," and not any(map(is_like_number, cells)):
        raise InputError(
            f"{header.live + 1} columns, but the header has {header.live}, and there is no decimal point; write "
            f"decimals with a point, and {NAME_ALL}",
            table.path,
            rows[0].number,
        )


def _cells(rows: Sequence[_Line], place: int) -> list[str]:
    return [row.fields[place] for row in rows]


def _are_ids(values: Sequence[str]) -> bool:
    """Whether values may be ids: nearly all differ, and few contain spaces."""
    return (
        len(set(values)) >= DIFFERENT * len(values)
        and sum(" " in value for value in values) <= (1 - DIFFERENT) * len(values)
        and not _are_numbers(values)
    )


def _check_rows(table: TextTable, names: Sequence[str], rows: Sequence[_Line]) -> None:
    for row in rows:
        if not fits(row.fields, len(names)):
            found = len(row.fields)
            words = f"{found} column{'s' if found > 1 else ''}, but the header has {len(names)}"
            raise InputError(words, table.path, row.number)


def _separator_advice(header: str) -> str:
    for separator, name in (("|", "vertical bars"), (" ", "spaces")):
        if separator in header:
            return f"columns seem to be separated by {name}: use tabs, commas or semicolons"
    return "provide a table of genes with a TPM column, separated by tabs, commas or semicolons"
