"""Long tables: one row per gene and sample, with a column that names each row's sample, as sleuth writes them.

The column has a suitable name (sample, Tissue, Cell line, …). Or, if genes repeat in the first rows, it is the only
text column that tells their rows apart. The whole table decides: all rows of a gene must differ in that column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from epigept_batch.errors import InputError
from epigept_batch.expression.column_names import describes_genes
from epigept_batch.expression.gene_ids import are_transcripts
from epigept_batch.expression.tables import LINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.expression.columns import Columns

ENSEMBL = r"^ENS[A-Z]*[GT]\d{11}"
MOST = 0.5
LEAST_REPEATED = 0.1
"""Share of rows that repeat an earlier row's gene, from which a table is long; with two samples it is a half."""
REPEATED = 0.01
"""Share of rows that repeat a gene in the same sample, above which the column does not tell rows apart. Some repeats
are normal, because some genes share a symbol."""


@dataclass(frozen=True)
class Key:
    """The column that tells the samples of a long table apart.

    Attributes:
        column: Its number.
        samples: Their names, in the order of the table.
    """

    column: int
    samples: tuple[str, ...]


def find_key(columns: Columns, ids: Sequence[int], transcripts: int | None) -> Key | None:
    """Find the column that names each row's sample; None if each gene has one row.

    Args:
        columns: Columns of the table.
        ids: Columns that may hold ids.
        transcripts: The column that holds transcripts, according to its name.

    Raises:
        InputError: Genes have several rows, and no single column tells them apart.
    """
    named = list(columns.keys)
    ids = [number for number in ids if number not in named]
    if not ids:
        return None
    gene = transcripts if transcripts in ids else _gene_column(columns, ids)
    candidates = named or _by_rows(columns, gene)
    if not candidates:
        return None
    marks = _marks(columns, gene, candidates)
    if 1 - marks["gene"].n_unique() / len(marks) < LEAST_REPEATED:
        return None
    for number in candidates:
        if _repeated(marks, str(number)) <= REPEATED:
            return Key(number, _samples(columns, number))
    does = "does" if len(candidates) == 1 else "do"
    names = " and ".join(repr(columns.header[number]) for number in candidates)
    raise InputError(
        f"several rows for one gene, and {names} {does} not tell them apart; add one column that names each row's "
        "sample, or provide one file per sample",
        columns.grid.table.path,
    )


def _gene_column(columns: Columns, ids: Sequence[int]) -> int:
    """Return the column of Ensembl ids, else the first."""
    for number in ids:
        cells = pl.Series(columns.grid.column(number), dtype=pl.String)
        if len(cells) and cells.str.contains(ENSEMBL).mean() > MOST:  # type: ignore[operator]
            return number
    return ids[0]


def _by_rows(columns: Columns, gene: int) -> list[int]:
    """Return text columns that tell the first rows of a gene apart and have few distinct values."""
    genes = columns.grid.column(gene)
    if len(set(genes)) > MOST * len(genes):
        return []
    found = []
    for number in range(len(columns.header)):
        cells = columns.grid.column(number)
        if (
            number == gene
            or number in columns.numeric
            or number in columns.empty
            or describes_genes(columns.header[number])
        ):
            continue
        pairs = set(zip(genes, cells, strict=True))
        if len(pairs) == len(genes) and len(set(cells)) < len(cells) and not are_transcripts(pl.Series(cells)):
            found.append(number)
    return found if len(found) == 1 else []


def _marks(columns: Columns, gene: int, candidates: Sequence[int]) -> pl.DataFrame:
    """Return hashes of the gene and of the candidates in each row."""
    grid = columns.grid
    wanted = [gene, *candidates]
    marks = []
    for batch in grid.batches(wanted):
        for number in candidates:
            empty = batch[str(number)].str.strip_chars().fill_null("") == ""
            if empty.any():
                line = int(batch[LINE][int(empty.arg_max() or 0)])
                name = columns.header[number]
                raise InputError(
                    f"no value in {name!r}, the column that names the sample; fill it in", grid.table.path, line
                )
        stripped = (pl.col(str(number)).str.strip_chars() for number in candidates)
        hashes = (column.hash().alias(column.meta.output_name()) for column in stripped)
        marks.append(batch.select(pl.col(str(gene)).str.strip_chars().hash().alias("gene"), *hashes))
    return pl.concat(marks) if marks else pl.DataFrame(schema=["gene"])


def _repeated(marks: pl.DataFrame, candidate: str) -> float:
    """Return the share of rows that repeat the gene and candidate of an earlier row."""
    return 1 - marks.select("gene", candidate).n_unique() / len(marks)


def _samples(columns: Columns, number: int) -> tuple[str, ...]:
    grid = columns.grid
    names: dict[str, None] = {}
    for batch in grid.table.batches(
        grid.separator, len(grid.header), skip=grid.skip, width=grid.width, wanted=[number]
    ):
        names.update(dict.fromkeys(batch[str(number)].str.strip_chars().unique(maintain_order=True).to_list()))
    return tuple(names)
