"""Which columns of a matrix are samples, and which describe its genes: by their names and by what is in them.

1. The first column has ids, whatever it holds. So may columns of text.
2. A column of numbers is no sample where its name says what it is: a length, a position, an id, a count of exons, a
   statistic. Nor is one that has no value in any row.
3. Where columns have a unit in their names, those of TPM are the samples, else those of FPKM, and others of the same
   samples (`A_count` beside `A_tpm`) are none. One with no unit beside them may be either: refused.
4. A column of whole numbers beside others with decimals describes genes, whatever its name: TPM have decimals. Where
   no value is small or given twice, it is left out, as lengths, positions and ids; else refused. A column whose
   values all lie between a quarter and three quarters of 1 or 100 may be of GC content: refused.

What is refused, `--sample` decides: it takes columns by their names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.expression.column_names import describes_genes, tells_samples_apart, unit_and_sample
from epigept_batch.expression.grid import SHARE_OF_NUMBERS
from epigept_batch.expression.numerals import NO_VALUE, is_no_value, is_number, share_of_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from epigept_batch.expression.grid import Grid

ID_WORDS = ("gene", "name", "id", "symbol", "target", "factor")
"""Columns of numbers with one of these in their names may have ids."""
LEAST_TO_TELL = 10
"""Values above 0 that are whole, from which on that is no chance: of TPM one in ten is, if written with a decimal."""
SOME_NUMBERS = 0.1
"""Share of numbers from which on a column of text is said to be no sample."""
LEAST_OF_GC, GC = 30, (0.25, 0.75)
SMALLEST_LENGTH = 15
NAMES_SHOWN, HEAD_SHOWN = 8, 200


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        grid: Where they are, and their first rows.
        numeric: Those of numbers.
        empty: Those without a value in any row.
        mixed: Those of text with some numbers among their first values.
        keys: Those that by their names, and text or whole numbers, tell samples apart.
    """

    grid: Grid
    numeric: frozenset[int]
    empty: frozenset[int] = frozenset()
    mixed: frozenset[int] = frozenset()
    keys: tuple[int, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """Their names."""
        return self.grid.header

    @property
    def names(self) -> frozenset[str]:
        """All names, in lower case."""
        return frozenset(name.lower() for name in self.header)

    @property
    def names_of_r(self) -> frozenset[str]:
        """All names in lower case, with blanks where R's read.table and people write points and underscores."""
        return frozenset(re.sub("[._]", " ", name) for name in self.names)

    def named(self, *names: str) -> list[int]:
        """Columns of these names, in any case."""
        return [number for number, name in enumerate(self.header) if name.lower() in names]

    def of(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Names of these columns."""
        return tuple(self.header[number] for number in sorted(numbers))

    def ids(self, taken: Iterable[int]) -> tuple[int, ...]:
        """The first column and those of text, which may hold ids; none that is taken."""
        without = frozenset(taken) | self.empty
        text = (n for n, name in enumerate(self.header) if n not in self.numeric or _may_be_ids(name))
        return tuple(dict.fromkeys(number for number in (0, *text) if number not in without))

    @property
    def candidates(self) -> list[int]:
        """Columns of numbers that may be samples: all but the first and those that by their names are none."""
        return [n for n in sorted(self.numeric) if n and n not in self.keys and not describes_genes(self.header[n])]


def _may_be_ids(name: str) -> bool:
    return any(word in name.lower() for word in ID_WORDS)


def find_columns(grid: Grid) -> Columns:
    """See what the columns of a table hold; those that have nothing in the first rows, further down."""
    numeric, mixed, unknown = set(), set(), []
    for number in range(len(grid.header)):
        share = share_of_numbers(grid.column(number))
        if share is None and number:
            unknown.append(number)
        elif share is not None and share >= SHARE_OF_NUMBERS:
            numeric.add(number)
        elif share is not None and share >= SOME_NUMBERS and number:
            mixed.add(number)
    later = _look_further(grid, unknown) if unknown else {}
    numeric.update(number for number, is_numeric in later.items() if is_numeric)
    columns = Columns(grid, frozenset(numeric), frozenset(unknown) - set(later), frozenset(mixed))
    return replace(columns, keys=tuple(n for n in range(len(grid.header)) if _is_key(columns, n)))


def _look_further(grid: Grid, unknown: Sequence[int]) -> dict[int, bool]:
    """Whether the first values of these columns, wherever they are, are numbers; those that have none are left out."""
    found: dict[int, bool] = {}
    wanted = list(unknown)
    for batch in grid.batches(wanted):
        for number in wanted:
            cells = batch[str(number)].drop_nulls().str.strip_chars()
            filled = cells.filter(~cells.str.to_lowercase().is_in(sorted(NO_VALUE))).head(HEAD_SHOWN)
            if len(filled):
                found[number] = (share_of_numbers(filled.to_list()) or 0) >= SHARE_OF_NUMBERS
        wanted = [number for number in wanted if number not in found]
        if not wanted:
            break
    return found


def _is_key(columns: Columns, number: int) -> bool:
    if not tells_samples_apart(columns.header[number]):
        return False
    if number not in columns.numeric:
        return number not in columns.empty
    cells = [cell for cell in columns.grid.column(number) if not is_no_value(cell)]
    return all(cell.isdecimal() for cell in cells) and bool(set(columns.numeric) - {0, number})


@dataclass(frozen=True)
class Samples:
    """Columns that are samples.

    Attributes:
        unit: That their names say: TPM, FPKM, or None.
        values: The columns.
        names: Names of the samples.
        left_out: Names of the other columns of numbers.
    """

    unit: str | None
    values: tuple[int, ...]
    names: tuple[str, ...]
    left_out: tuple[str, ...]


def find_samples(columns: Columns) -> Samples:
    """Tell the samples of a matrix from what describes its genes, by the rules above.

    Raises:
        InputError: It cannot be told of a column.
    """
    unit, values, names = _by_unit(columns, columns.candidates)
    values = _without_whole(columns, values)
    _check_gc(columns, values)
    mixed = {number for number in columns.mixed if not describes_genes(columns.header[number])}
    left_out = columns.of((columns.numeric | mixed) - {0, *values, *columns.keys})
    return Samples(unit, tuple(values), tuple(names[n] for n in values), left_out)


def _by_unit(columns: Columns, candidates: Sequence[int]) -> tuple[str | None, list[int], dict[int, str]]:
    """Rule 3: unit, columns and their samples' names."""
    plain = {number: columns.header[number] for number in candidates}
    known = {number: found for number in candidates if (found := unit_and_sample(columns.header[number])) is not None}
    for unit in ("TPM", "FPKM"):
        values = [number for number, (of, _) in known.items() if of == unit]
        if not values:
            continue
        samples = {known[number][1] for number in values}
        unlike = [n for n in candidates if n not in known]
        if unlike:
            raise InputError(
                _ask(columns, unlike, f"beside columns of {unit}", [*values, *unlike]), columns.grid.table.path
            )
        rest = (unit_and_sample(columns.header[n]) for n in columns.numeric - set(values))
        if len(samples) == len(values) and any(found is not None and found[1] in samples for found in rest):
            return unit, values, {number: known[number][1] for number in values}
        return unit, values, plain
    return None, list(candidates), plain


def _without_whole(columns: Columns, values: Sequence[int]) -> list[int]:
    """Rule 4, of whole numbers."""
    cells = {number: [c for c in columns.grid.column(number) if not is_no_value(c)] for number in values}
    whole = [number for number in values if _is_whole(cells[number])]
    if not whole or len(whole) == len(values) or not any(_has_decimals(cells[n]) for n in values if n not in whole):
        return list(values)
    unclear = [number for number in whole if not _are_sizes(cells[number])]
    if unclear:
        words = "of whole numbers beside others with decimals"
        raise InputError(_ask(columns, unclear, words, [n for n in values if n not in whole]), columns.grid.table.path)
    return [number for number in values if number not in whole]


def _is_whole(cells: Sequence[str]) -> bool:
    positive = [cell for cell in cells if cell.isdecimal() and cell.strip("0")]
    return len(positive) >= LEAST_TO_TELL and all(cell.isdecimal() for cell in cells)


def _has_decimals(cells: Sequence[str]) -> bool:
    return sum(not cell.isdecimal() for cell in cells) >= LEAST_TO_TELL


def _are_sizes(cells: Sequence[str]) -> bool:
    """Whether numbers are lengths, positions or ids: none is small, and nearly all differ."""
    return min(map(int, cells)) >= SMALLEST_LENGTH and len(set(cells)) > GC[1] * len(cells)


def _check_gc(columns: Columns, values: Sequence[int]) -> None:
    """Rule 4, of shares."""
    if len(values) == 1:
        return
    for number in values:
        cells = [cell for cell in columns.grid.column(number) if not is_no_value(cell)]
        if len(cells) < LEAST_OF_GC or not all(map(is_number, cells)):
            continue
        numbers = [float(cell) for cell in cells]
        for whole in (1, 100):
            if all(GC[0] * whole <= value <= GC[1] * whole for value in numbers):
                others = [n for n in values if n != number]
                words = f"whose values all lie between {GC[0] * whole:g} and {GC[1] * whole:g}, as of GC content"
                raise InputError(_ask(columns, [number], words, others), columns.grid.table.path)


def _ask(columns: Columns, unclear: Sequence[int], words: str, likely: Sequence[int]) -> str:
    """What is said of columns of which it cannot be told."""
    some = shown(columns.of(unclear), most=NAMES_SHOWN)
    choice = " ".join(f"--sample {_quoted(name)}" for name in columns.of(likely)[:NAMES_SHOWN])
    more = " …" if len(likely) > NAMES_SHOWN else ""
    return f"has columns {words}, which may be samples or not ({some}); pick samples, such as by {choice}{more}"


def _quoted(name: str) -> str:
    return f"'{name}'" if not name or any(letter in name for letter in " '\"()$&;|<>*?") else name


def shown(names: Sequence[str], *, most: int) -> str:
    """Names for a message, no more than so many."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def pick(columns: Columns, wanted: Iterable[str]) -> list[int]:
    """Columns of numbers that a user names, whatever is in them."""
    names = frozenset(wanted)
    return [n for n in sorted(columns.numeric) if n and columns.header[n] in names]
