"""Tables whose rows are samples and whose columns are genes, as DepMap writes them.

The header shows it: its names are ids of human genes, and no text column contains such ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from epigept_batch.errors import InputError
from epigept_batch.expression.gene_ids import candidate_ids, published_factors
from epigept_batch.expression.grid import SHARE_OF_NUMBERS
from epigept_batch.expression.numerals import share_of_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.expression.grid import Grid

ENSEMBL = re.compile(r"(?:^|[^A-Za-z0-9])ENSG\d{11}(?:$|[^A-Za-z0-9])")
NUMBERED = re.compile(r"\s*(?:\(\d+\)|\(ENSG\d{11}(?:\.\d+)?\)|\|\d+)$")
"""The gene's NCBI number or Ensembl id after a symbol: CTCF (10664), CTCF|10664."""
LEAST_GENES, LEAST_SHARE = 5, 0.02
MOST_OF_ROWS = 0.1
"""Fewest genes in the header (number and share of names), and largest share of genes in a text column."""


@dataclass(frozen=True)
class Turned:
    """Genes and samples of a table whose rows are samples.

    Attributes:
        column: The column that names the samples.
        genes: The columns of genes.
        ids: Ids of the genes.
        samples: Names of the samples.
    """

    column: int
    genes: tuple[int, ...]
    ids: tuple[str, ...]
    samples: tuple[str, ...]


def find_turned(grid: Grid) -> Turned | None:
    """Return genes and samples if rows are samples; None if they are genes, or if it is unclear.

    Raises:
        InputError: Rows are samples, but no column names them.
    """
    marks = [_is_gene(name) for name in grid.header]
    if sum(marks) < max(LEAST_GENES, LEAST_SHARE * len(marks)) or not grid.rows:
        return None
    text = [n for n in range(len(marks)) if not marks[n] and (n == 0 or not _is_numeric(grid.column(n)))]
    if any(sum(map(_is_gene, grid.column(n))) > MOST_OF_ROWS * len(grid.rows) for n in text):
        return None
    genes = [n for n in range(len(marks)) if n not in set(text) and _is_numeric(grid.column(n))]
    if sum(marks[n] for n in genes) < LEAST_GENES:
        return None
    if any(_genes_below(grid, n) > sum(marks) / 2 for n in text):  # samples that are named after genes
        return None
    by_words = sorted(text, key=lambda n: _is_numeric(grid.column(n)))  # a first column of numbers is a row index
    column = next((n for n in by_words if len(set(grid.column(n))) == len(grid.rows) and all(grid.column(n))), None)
    if column is None:
        raise InputError(
            "the header names genes, so rows are samples, but no column has a unique name for each row; add one",
            grid.table.path,
        )
    ids = tuple(
        NUMBERED.sub("", grid.header[n]) if not ENSEMBL.search(grid.header[n]) else grid.header[n] for n in genes
    )
    return Turned(column, tuple(genes), ids, _samples(grid, column))


def _is_numeric(cells: Sequence[str]) -> bool:
    share = share_of_numbers(cells)
    return share is not None and share >= SHARE_OF_NUMBERS


def _is_gene(name: str) -> bool:
    return ENSEMBL.search(name) is not None or NUMBERED.sub("", name) in _symbols()


def _genes_below(grid: Grid, column: int) -> int:
    """Count the different genes in a text column."""
    return sum(map(_is_gene, _cells(grid, column).unique().drop_nulls().to_list()))


def _cells(grid: Grid, column: int) -> pl.Series:
    return pl.concat([batch[str(column)].str.strip_chars() for batch in grid.batches([column])])


@cache
def _symbols() -> frozenset[str]:
    """Return the present and former symbols of the published factors."""
    return frozenset(name for tiers in candidate_ids(published_factors()) for tier in tiers for name in tier)


def _samples(grid: Grid, column: int) -> tuple[str, ...]:
    names = _cells(grid, column)
    twice = names.filter(names.is_duplicated())
    if len(twice):
        raise InputError(f"two rows for sample {twice[0]!r}; give each a different name", grid.table.path)
    return tuple(names.to_list())
