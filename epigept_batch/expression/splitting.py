"""A line of a table to its fields: what quotes mean, and that no row runs on over its line.

A line is a row, always. In tables with commas or semicolons a field may be in quotes, and separators within it are
text; a quote that does not close is refused, for what it holds nobody knows. In tables with tabs a quote is a letter
like any other (a description may have one alone) unless the line has its fields only where quotes are taken as such.
Quotes that stand around a whole field are taken off.
"""

from __future__ import annotations

import csv
import re

TAB = "\t"
DOUBLED = {"doublequote": True}
ESCAPED = {"doublequote": False, "escapechar": "\\"}
"""How a quote within quotes is written: twice, or as R's write.table has it."""
WHOLE_FIELD = re.compile(r'"(.*)"', re.DOTALL)


class OpenQuoteError(ValueError):
    """A quote that does not close within its line."""


def split(line: str, separator: str, *, columns: int | None = None) -> list[str]:
    """The fields of a line, without the quotes and blanks around them.

    Args:
        line: Without its end.
        separator: A character.
        columns: How many a row has; None where that is not known yet.

    Raises:
        OpenQuoteError: A quote does not close, in a table without tabs.
    """
    plain = [unquoted(field) for field in line.split(separator)]
    if '"' not in line or (separator == TAB and columns is None):
        return plain
    quoted = split_quoted(line, separator)
    if separator == TAB:
        return [field.strip() for field in quoted] if quoted and columns and fits(quoted, columns) else plain
    if quoted is None:
        raise OpenQuoteError
    return [field.strip() for field in quoted]


def fits(fields: list[str], columns: int) -> bool:
    """Whether a row has its columns, and nothing behind them."""
    return len(fields) >= columns and not any(field.strip() for field in fields[columns:])


def unquoted(field: str) -> str:
    """A field without the blanks around it, and without quotes where they stand around all of it."""
    field = field.strip()
    whole = WHOLE_FIELD.fullmatch(field)
    return whole[1].replace('""', '"').strip() if whole else field


def split_quoted(line: str, separator: str) -> list[str] | None:
    """The fields of a line whose quotes mean something; None where one does not close."""
    for dialect in (DOUBLED, ESCAPED):
        try:
            return next(csv.reader([line], delimiter=separator, strict=True, **dialect))
        except csv.Error:
            continue
    if line.count('"') % 2:
        return None
    try:
        return next(csv.reader([line], delimiter=separator))  # with blanks between quote and separator
    except csv.Error:
        return None
