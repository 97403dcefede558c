"""Split a line of a table into fields, with the rules for quotes.

A line is always one row. In tables with commas or semicolons, a field may be quoted, and separators within it are text.
An unclosed quote is refused, because it is unclear what it contains. In tables with tabs, a quote is an ordinary
character, because a description may contain a single one. The exception is a line that has the right number of fields
only if quotes are respected. Quotes around a whole field are removed.
"""

from __future__ import annotations

import csv
import re

TAB = "\t"
DOUBLED = {"doublequote": True}
ESCAPED = {"doublequote": False, "escapechar": "\\"}
"""How a quote within quotes is written: doubled, or escaped with a backslash as in R's write.table."""
WHOLE_FIELD = re.compile(r'"(.*)"', re.DOTALL)


class OpenQuoteError(ValueError):
    """A quote that does not close within its line."""


def split(line: str, separator: str, *, columns: int | None = None) -> list[str]:
    """Return the fields of a line, without the quotes and spaces around them.

    Args:
        line: A line without its line ending.
        separator: A character.
        columns: How many columns a row has; None if that is not known yet.

    Raises:
        OpenQuoteError: A quote is unclosed, in a table without tabs.
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
    """Whether a row has all its columns, and nothing after them."""
    return len(fields) >= columns and not any(field.strip() for field in fields[columns:])


def unquoted(field: str) -> str:
    """Return a field without surrounding spaces, and without quotes that enclose all of it."""
    field = field.strip()
    whole = WHOLE_FIELD.fullmatch(field)
    return whole[1].replace('""', '"').strip() if whole else field


def split_quoted(line: str, separator: str) -> list[str] | None:
    """Return the fields of a line, respecting quotes; None if one is unclosed."""
    for dialect in (DOUBLED, ESCAPED):
        try:
            return next(csv.reader([line], delimiter=separator, strict=True, **dialect))
        except csv.Error:
            continue
    if line.count('"') % 2:
        return None
    try:
        return next(csv.reader([line], delimiter=separator))  # with spaces between quote and separator
    except csv.Error:
        return None
