"""Decide which columns of a matrix are samples and which describe its genes, from their names and values.

1. The first column holds ids, whatever its values. Text columns may hold ids too.
2. A numeric column is not a sample if its name says what it is: a length, a position, an id, a count of exons, a
   statistic. Nor is a column without a value in any row.
3. If column names contain units, the TPM columns are the samples. If there are none, the FPKM columns are. Other
   columns of the same samples (`A_count` next to `A_tpm`) are not samples. A column without a unit next to them is
   ambiguous: the table is refused.
4. TPM have decimals. A column of whole numbers next to others with decimals therefore describes genes, whatever its
   name. If no value is small and nearly all differ, as for lengths, positions and ids, the column is left out.
   Otherwise the table is refused. A column whose values all lie between a quarter and three quarters of 1 or 100 may
   be GC content: the table is refused.

Users resolve a refusal with `--sample`, which selects columns by name.
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
"""Numeric columns with one of these words in their names may hold ids."""
LEAST_TO_TELL = 10
"""Fewest whole values above 0 that cannot be chance: of TPM written with one decimal, one in ten is whole."""
SOME_NUMBERS = 0.1
"""Share of numbers from which a text column is reported as not a sample."""
LEAST_OF_GC, GC = 30, (0.25, 0.75)
SMALLEST_LENGTH = 15
NAMES_SHOWN, HEAD_SHOWN = 8, 200


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        grid: The table's layout and first rows.
        numeric: Numeric columns.
        empty: Columns without a value in any row.
        mixed: Text columns with some numbers among their first values.
        keys: Columns that identify samples, judged by their names and by text or whole numbers as values.
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
        """All names in lower case, with points and underscores replaced by spaces, as R and people interchange them."""
        return frozenset(re.sub("[._]", " ", name) for name in self.names)

    def named(self, *names: str) -> list[int]:
        """Return the columns with these names, ignoring case."""
        return [number for number, name in enumerate(self.header) if name.lower() in names]

    def of(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Return the names of these columns."""
        return tuple(self.header[number] for number in sorted(numbers))

    def ids(self, taken: Iterable[int]) -> tuple[int, ...]:
        """Return the columns that may hold ids: the first and all text columns, except those already taken."""
        without = frozenset(taken) | self.empty
        text = (n for n, name in enumerate(self.header) if n not in self.numeric or _may_be_ids(name))
        return tuple(dict.fromkeys(number for number in (0, *text) if number not in without))

    @property
    def candidates(self) -> list[int]:
        """Numeric columns that may be samples: all but the first and those whose names rule it out."""
        return [n for n in sorted(self.numeric) if n and n not in self.keys and not describes_genes(self.header[n])]


def _may_be_ids(name: str) -> bool:
    return any(word in name.lower() for word in ID_WORDS)


def find_columns(grid: Grid) -> Columns:
    """Determine what each column of a table holds; for columns that are empty in the first rows, read further."""
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
    """Whether the first values of these columns, in whatever row, are numbers; columns without values are left out."""
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
        unit: The unit in their names: TPM, FPKM, or None.
        values: The columns.
        names: Names of the samples.
        left_out: Names of the other numeric columns.
    """

    unit: str | None
    values: tuple[int, ...]
    names: tuple[str, ...]
    left_out: tuple[str, ...]


def find_samples(columns: Columns) -> Samples:
    """Separate the samples of a matrix from columns that describe its genes, by the rules above.

    Raises:
        InputError: A column may be either.
    """
    unit, values, names = _by_unit(columns, columns.candidates)
    values = _without_whole(columns, values)
    _check_gc(columns, values)
    mixed = {number for number in columns.mixed if not describes_genes(columns.header[number])}
    left_out = columns.of((columns.numeric | mixed) - {0, *values, *columns.keys})
    return Samples(unit, tuple(values), tuple(names[n] for n in values), left_out)


def _by_unit(columns: Columns, candidates: Sequence[int]) -> tuple[str | None, list[int], dict[int, str]]:
    """Apply rule 3; return the unit, the columns and the names of their samples."""
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
                _ask(columns, unlike, f"without a unit, next to {unit} columns,", [*values, *unlike]),
                columns.grid.table.path,
            )
        rest = (unit_and_sample(columns.header[n]) for n in columns.numeric - set(values))
        if len(samples) == len(values) and any(found is not None and found[1] in samples for found in rest):
            return unit, values, {number: known[number][1] for number in values}
        return unit, values, plain
    return None, list(candidates), plain


def _without_whole(columns: Columns, values: Sequence[int]) -> list[int]:
    """Apply rule 4 to columns of whole numbers."""
    cells = {number: [c for c in columns.grid.column(number) if not is_no_value(c)] for number in values}
    whole = [number for number in values if _is_whole(cells[number])]
    if not whole or len(whole) == len(values) or not any(_has_decimals(cells[n]) for n in values if n not in whole):
        return list(values)
    unclear = [number for number in whole if not _are_sizes(cells[number])]
    if unclear:
        words = "of whole numbers, next to columns with decimals,"
        raise InputError(_ask(columns, unclear, words, [n for n in values if n not in whole]), columns.grid.table.path)
    return [number for number in values if number not in whole]


def _is_whole(cells: Sequence[str]) -> bool:
    positive = [cell for cell in cells if cell.isdecimal() and cell.strip("0")]
    return len(positive) >= LEAST_TO_TELL and all(cell.isdecimal() for cell in cells)


def _has_decimals(cells: Sequence[str]) -> bool:
    return sum(not cell.isdecimal() for cell in cells) >= LEAST_TO_TELL


def _are_sizes(cells: Sequence[str]) -> bool:
    """Whether numbers look like lengths, positions or ids: none is small, and nearly all differ."""
    return min(map(int, cells)) >= SMALLEST_LENGTH and len(set(cells)) > GC[1] * len(cells)


def _check_gc(columns: Columns, values: Sequence[int]) -> None:
    """Apply rule 4 to columns that may be GC content."""
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
                words = f"with all values between {GC[0] * whole:g} and {GC[1] * whole:g}, like GC content,"
                raise InputError(_ask(columns, [number], words, others), columns.grid.table.path)


def _ask(columns: Columns, unclear: Sequence[int], words: str, likely: Sequence[int]) -> str:
    """Return the message on columns that may or may not be samples."""
    some = shown(columns.of(unclear), most=NAMES_SHOWN)
    choice = " ".join(f"--sample {_quoted(name)}" for name in columns.of(likely)[:NAMES_SHOWN])
    more = " …" if len(likely) > NAMES_SHOWN else ""
    return f"unclear whether columns {words} are samples ({some}); pick the samples, for example with {choice}{more}"


def _quoted(name: str) -> str:
    return f"'{name}'" if not name or any(letter in name for letter in " '\"()$&;|<>*?") else name


def shown(names: Sequence[str], *, most: int) -> str:
    """Join names for a message, at most this many."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def pick(columns: Columns, wanted: Iterable[str]) -> list[int]:
    """Return the numeric columns that a user names, whatever their values."""
    names = frozenset(wanted)
    return [n for n in sorted(columns.numeric) if n and columns.header[n] in names]
