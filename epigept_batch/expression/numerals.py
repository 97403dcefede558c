"""Recognise numbers and missing values in a table, and how it writes decimals.

A number consists of digits with at most one decimal point and one exponent: `7_1`, `0x1F` and `1 000` are not numbers.
A comma may be a decimal comma, a thousands separator, or part of the cells of five numbers of Expression Atlas. The
whole table decides:

- If any value has a decimal point, no comma is a decimal comma.
- If none has, commas are decimal commas if one of them cannot separate thousands: `0,123`, `3,84`. In `4,490` it can.
- Points separate thousands if they could do so in each of several cells (`1.234`), and whole numbers have none.
- Five numbers in ascending order, `0.1,0.5,0.9,2,7`, are minimum, quartiles and maximum; the value is their median.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
WITH_COMMAS = re.compile(r"[+-]?\d+(?:,\d+)+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|[+-]?\d+,\d+[eE][+-]?\d+", re.ASCII)
NO_VALUE = frozenset(
    {"", "na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", ".", "<na>", "nd", "missing"}
)
FIVE = 5
POINT, COMMA, UNCLEAR = ".", ",", ""
DECIMAL_COMMA = r"^[+-]?\d+,\d+(?:[eE][+-]?\d+)?$"
PERHAPS_THOUSANDS = r"^[+-]?[1-9]\d{0,2},\d{3}$"
MANY_COMMAS = r",.*,"
POINTS_OF_THOUSANDS, LEAST_OF_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(?:\.\d{3})+$", 5
WHOLE = r"^[1-9]\d*$"
CELL_OF_FIVE = r"^[^,]+(?:,[^,]+){4}$"


def is_number(text: str) -> bool:
    """Whether a cell is a number, with or without a decimal point."""
    return NUMBER.fullmatch(text.strip()) is not None


def is_no_value(text: str) -> bool:
    """Whether a cell stands for a missing value: empty, NA, NaN, null, -, and the like."""
    return text.strip().lower() in NO_VALUE


def is_like_number(text: str) -> bool:
    """Whether a cell is meant as a number, however its decimals are written."""
    text = text.strip()
    return is_number(text) or WITH_COMMAS.fullmatch(text) is not None or is_cell_of_five(text)


def is_cell_of_five(text: str) -> bool:
    """Whether a cell holds minimum, quartiles and maximum."""
    parts = text.split(",")
    if len(parts) != FIVE or not all(map(is_number, parts)):
        return False
    numbers = [float(part) for part in parts]
    return numbers == sorted(numbers)


class Numerals:
    """Reads the cells of one table in batches, and learns from them how the table writes decimals.

    Attributes:
        decimal: `.` or `,` once a cell shows it; empty if points may separate thousands.
        fives: Number of cells of five numbers that were read as their median.
    """

    def __init__(self) -> None:
        self.decimal: str | None = None
        self.fives = 0

    def read(self, text: pl.DataFrame) -> NDArray[np.float64]:
        """Return cells as numbers, float64, (rows, columns); NaN if a cell is not a number in this table's notation.

        Args:
            text: Text columns, null where a cell is empty.
        """
        values = text.cast(pl.Float64, strict=False)
        if _nulls(values) > _nulls(text):  # perhaps because of spaces around them
            text = text.with_columns(pl.all().str.strip_chars())
            values = text.cast(pl.Float64, strict=False)
        self._learn_points(text)
        if self.decimal in {COMMA, UNCLEAR}:
            return self._without_points(text)
        numbers = values.fill_null(np.nan).to_numpy(writable=True)
        if _nulls(values) == _nulls(text):
            return numbers
        odd = [name for name in text.columns if values[name].null_count() > text[name].null_count()]
        if odd and self._learn_commas(text.select(odd)):
            return self._without_points(text)
        for name in odd:
            self._read_fives(text[name], numbers[:, text.columns.index(name)])
        return numbers

    def _learn_points(self, text: pl.DataFrame) -> None:
        if self.decimal is not None:
            return
        thousands, whole = 0, False
        for column in text.get_columns():
            points = column.str.contains(POINT, literal=True)
            perhaps = column.str.contains(POINTS_OF_THOUSANDS)
            if (points & ~perhaps).any():
                self.decimal = POINT
                return
            thousands += int(perhaps.sum())
            whole = whole or bool(column.str.contains(WHOLE).any())
        if thousands:
            self.decimal = UNCLEAR if whole and thousands >= LEAST_OF_THOUSANDS else POINT

    def _learn_commas(self, text: pl.DataFrame) -> bool:
        """Whether the cells that are not plain numbers show that commas are decimal commas."""
        if self.decimal is not None:
            return False
        cells = pl.concat([column.alias("cell") for column in text.get_columns()]).drop_nulls()
        one = cells.filter(cells.str.contains(DECIMAL_COMMA))
        if cells.str.contains(MANY_COMMAS).any() or one.str.contains(PERHAPS_THOUSANDS).all():
            return False
        self.decimal = COMMA
        return True

    def _without_points(self, text: pl.DataFrame) -> NDArray[np.float64]:
        """Read commas as decimal commas; a cell with a point is then ambiguous and not a number."""
        points = pl.all().str.contains(POINT, literal=True)
        cells = text.select(pl.when(~points).then(pl.all().str.replace(COMMA, POINT, literal=True)))
        return cells.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy(writable=True)

    def _read_fives(self, cells: pl.Series, numbers: NDArray[np.float64]) -> None:
        """Insert the median of each cell of five numbers into a column of numbers."""
        five = cells.str.contains(CELL_OF_FIVE).fill_null(value=False)
        places = five.arg_true().to_numpy()
        if not len(places):
            return
        parts = cells.gather(places).str.split(COMMA).list.to_array(FIVE).cast(pl.Array(pl.Float64, FIVE), strict=False)
        values = np.vstack([np.array(part, dtype=np.float64) for part in parts.to_list()])
        good = (np.diff(values, axis=1) >= 0).all(axis=1)
        numbers[places[good]] = values[good, FIVE // 2]
        self.fives += int(good.sum())


def _nulls(frame: pl.DataFrame) -> int:
    return int(frame.null_count().sum_horizontal()[0])


def share_of_numbers(cells: Sequence[str]) -> float | None:
    """The share of numbers, however written, among the cells that have a value; None where none has."""
    filled = [cell for cell in cells if not is_no_value(cell)]
    return sum(map(is_like_number, filled)) / len(filled) if filled else None
