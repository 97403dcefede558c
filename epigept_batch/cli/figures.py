"""Tables of figures on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield indented rows with aligned columns: names on the left, figures on the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, *values in rows:
        figures = (f"{value:>{width}}" for value, width in zip(values, widths[1:], strict=True))
        yield f"  {name:{widths[0]}}  {'  '.join(figures)}".rstrip()
