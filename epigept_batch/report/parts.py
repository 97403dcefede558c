"""What a report consists of, as values: sections of sentences, facts, lists, tables and plots."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNKNOWN = "n/a"
"""What a table shows for a value that is not known."""


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str
    kind: str = field(default="words", init=False)


@dataclass(frozen=True)
class Items:
    """A list of sentences.

    Attributes:
        title: What they are.
        items: The sentences.
        is_warning: Whether they tell of something to check.
    """

    title: str
    items: Sequence[str]
    is_warning: bool = False
    kind: str = field(default="items", init=False)


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    title: str
    facts: Sequence[tuple[str, str]]
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Attributes:
        caption: What it contains.
        columns: Titles of the columns.
        rows: The cells of each row.
        texts: Numbers of further columns of text; the others are figures.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: frozenset[int] = frozenset()
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Plot:
    """A plot of the page.

    Attributes:
        svg: The `svg` element.
        title: What it is.
        caption: What it shows, in sentences.
    """

    svg: str
    title: str
    caption: str


@dataclass(frozen=True)
class Plots:
    """Plots side by side, as far as the page is wide enough."""

    plots: Sequence[Plot]
    kind: str = field(default="plots", init=False)


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        key: Its anchor; letters and hyphens.
        title: Its heading.
        parts: What it consists of.
    """

    key: str
    title: str
    parts: Sequence[Words | Items | Facts | Table | Plots]


def figure(value: float | None, digits: int = 3) -> str:
    """Format a number with so many significant digits."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return UNKNOWN
    return "0" if value == 0 else f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def decimal(value: float | None, digits: int = 3) -> str:
    """Format a number with so many decimals."""
    return UNKNOWN if value is None or value != value else f"{value:.{digits}f}"  # noqa: PLR0124 - NaN


def count(value: int | None) -> str:
    """Format a whole number."""
    return UNKNOWN if value is None else f"{value:,}"


def plural(number: int, word: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def seconds(value: float | None) -> str:
    """Format a duration."""
    if value is None:
        return UNKNOWN
    whole = round(value)
    if whole < 60:  # noqa: PLR2004
        return f"{value:.1f} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def listed(names: Iterable[str], most: int) -> str:
    """Return names with commas, and how many more there are."""
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most:,} more" if len(every) > most else "")


def moment(text: object) -> str:
    """Format a time of a record, which is ISO 8601 in UTC."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return UNKNOWN
    return f"{found:%Y-%m-%d %H:%M} UTC" if found.utcoffset() == timedelta(0) else found.isoformat(" ", "minutes")
