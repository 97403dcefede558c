"""Find the TPM of the factors in a table's rows of genes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from epigept_batch.expression.gene_ids import (
    MOSTLY,
    OWN_TIERS,
    Tiers,
    are_further_places,
    candidate_ids,
    candidate_numbers,
    gene_keys,
    gene_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

ROW, COPY = "row", "copy"
COPY_ON_Y = r"_PAR_Y$"
ON_Y = r"^(?i:(?:chr)?Y|NC_000024(?:\.\d+)?|CM000686(?:\.\d+)?)$"
"""Names of chromosome Y in UCSC, Ensembl, RefSeq and GenBank."""
NAMES_BEFORE_NUMBERS = 10
"""Numbers are used as ids only if they find this many times as many factors as any column of names."""


@dataclass(frozen=True, eq=False)
class FactorTPM:
    """TPM of the factors in one sample.

    Attributes:
        factors: Names, in the network's order.
        by_factor: float64, (factors,): TPM; 0 where missing.
        found_as: The id or symbol under which each factor is found; None if it is missing.
        renamed: Factors found under an alias: a symbol or id other than their first.
        several: Number of rows of each factor that has several, which were combined; copies on Y do not count.
    """

    factors: tuple[str, ...]
    by_factor: NDArray[np.float64]
    found_as: tuple[str | None, ...]
    renamed: tuple[str, ...]
    several: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Factors that are missing from the table."""
        return tuple(name for name, found in zip(self.factors, self.found_as, strict=True) if found is None)


class _Numbers:
    """Decides from all rows whether a column of ids may hold the genes' NCBI numbers.

    Most ids must be numbers, because ENCODE's tables have numbers for tRNA among names. The numbers must not be
    consecutive, because pandas writes its row index that way.
    """

    def __init__(self) -> None:
        self._ids = self._numbers = 0
        self._least, self._most = 1 << 62, 0

    def add(self, ids: pl.Series) -> None:
        numbers = gene_numbers(ids).cast(pl.Int64, strict=False).drop_nulls()
        self._ids += len(ids) - ids.null_count()
        self._numbers += len(numbers)
        if len(numbers):
            self._least = min(self._least, int(numbers.min()))  # type: ignore[arg-type]
            self._most = max(self._most, int(numbers.max()))  # type: ignore[arg-type]

    @property
    def are_genes(self) -> bool:
        counted = self._most - self._least + 1 <= self._numbers
        return self._numbers > MOSTLY * self._ids and not (counted and self._numbers > 1)


class FactorRows:
    """Collects the rows of a table that may belong to a factor, and drops the others."""

    def __init__(self, factors: Sequence[str]) -> None:
        self.factors = tuple(factors)
        (self._candidates, self._wanted), (self._candidate_numbers, self._wanted_numbers) = _vocabularies(self.factors)
        self._ids: list[pl.DataFrame] = []
        self._places: list[pl.Series] = []
        self._values: list[NDArray[np.float64]] = []
        self._numbers: dict[str, _Numbers] = {}

    def add(self, ids: pl.DataFrame, values: NDArray[np.float64], *, places: pl.Series | None = None) -> None:
        """Add rows of a table.

        Args:
            ids: Text columns that may hold gene ids, the same in every call.
            values: float64, (rows, samples).
            places: The chromosome of each row, if rows are loci.
        """
        for column in ids.get_columns():
            self._numbers.setdefault(column.name, _Numbers()).add(column)
        marks = (self._is_wanted(column) for column in ids.get_columns())
        rows = np.flatnonzero(np.logical_or.reduce([mark.to_numpy() for mark in marks]))
        self._ids.append(ids[rows])
        self._values.append(values[rows])
        self._places.append(pl.repeat("", len(rows), eager=True) if places is None else places[rows])

    def _is_wanted(self, ids: pl.Series) -> pl.Series:
        keys = gene_keys(ids)
        named = keys.select(pl.any_horizontal(pl.all().is_in(self._wanted.implode()).fill_null(value=False)))
        return named.to_series() | gene_numbers(ids).is_in(self._wanted_numbers.implode()).fill_null(value=False)

    def factor_tpm(self, *, transcripts: bool = False, loci: bool = False) -> list[FactorTPM]:
        """Return the factors' TPM in each sample.

        The id column is the one in which most factors are found. Columns of names come before columns of numbers: a
        number may be anything, so numbers count only if names find next to nothing.

        Rows of transcripts are summed to genes. Several rows of one gene are then combined:

        - Copies on X and Y are averaged, as in the published code.
        - Loci, as StringTie writes them, are summed: a gene assembled in pieces shares its reads among them, and a
          second row without reads (StringTie 3.0.3) adds nothing. Rows of one symbol with different Ensembl ids are
          different genes, not loci of one gene.
        - Other rows are averaged and counted, because nothing says what they are. A gene may be listed twice, which a
          sum would double. Or different genes may share a symbol, and then neither sum nor mean is the factor's value.
          The published code takes the mean, which is correct in the first case. `FactorTPM.several` lets the user
          check.

        Args:
            transcripts: Whether rows are transcripts, each with the id of its gene.
            loci: Whether rows are loci.
        """
        ids, values, places = pl.concat(self._ids), np.concatenate(self._values), pl.concat(self._places)
        if transcripts:
            places = pl.repeat("", len(ids), eager=True)
        on_y = places.str.contains(ON_Y).fill_null(value=False)
        genes = None
        if loci and not transcripts:
            by_column = [gene_keys(column)["ensembl"].alias(column.name) for column in ids.get_columns()]
            genes = pl.DataFrame(by_column).select(pl.coalesce(pl.all())).to_series()
        tables = [_Column(column, values, on_y, transcripts=transcripts, genes=genes) for column in ids.get_columns()]
        named = [_first_of_all(self._candidates, *table.by(gene_keys, self._wanted)) for table in tables]
        best = max(named, key=_found)
        numbered = [
            _first_of_all(self._candidate_numbers, *table.by(_number_keys, self._wanted_numbers))
            for table in tables
            if self._numbers[table.name].are_genes
        ]
        by_number = max(numbered, key=_found, default=best)
        if _found(by_number) > NAMES_BEFORE_NUMBERS * _found(best):
            best = by_number
        return self._of_samples(best, values.shape[1])

    def _of_samples(self, found: Sequence[_Factor], samples: int) -> list[FactorTPM]:
        tpm = np.stack([np.zeros(samples) if one.tpm is None else one.tpm for one in found], axis=1)
        names = tuple(one.name for one in found)
        renamed = tuple(factor for factor, one in zip(self.factors, found, strict=True) if one.is_alias)
        several = {factor: one.rows for factor, one in zip(self.factors, found, strict=True) if one.rows > 1}
        return [FactorTPM(self.factors, sample, names, renamed, several) for sample in tpm]


@dataclass(frozen=True)
class _Factor:
    """A factor's values as found by one id column.

    Attributes:
        name: The id under which it is found; None if it is missing.
        tpm: float64, (samples,); None if it is missing.
        is_alias: Whether the id is not one of the factor's own.
        rows: How many rows were combined, apart from copies on Y.
    """

    name: str | None = None
    tpm: NDArray[np.float64] | None = None
    is_alias: bool = False
    rows: int = 0


class _Column:
    """One id column and the values of its rows.

    Args:
        ids: The id of each row.
        values: float64, (rows, samples).
        on_y: Which rows are loci on Y.
        transcripts: Whether rows are transcripts.
        genes: Ensembl ids of rows that are loci, from whatever column; None if rows are not loci.
    """

    def __init__(
        self,
        ids: pl.Series,
        values: NDArray[np.float64],
        on_y: pl.Series,
        *,
        transcripts: bool,
        genes: pl.Series | None,
    ) -> None:
        self.name, self._genes = ids.name, genes
        self._ids, self._values, self._on_y = ids, values, on_y
        if transcripts:
            genes, places = _numbered(ids)
            sums = np.zeros((len(genes), values.shape[1]))
            np.add.at(sums, places, values)
            self._ids, self._values = genes, sums
            self._on_y = pl.repeat(value=False, n=len(genes), eager=True)

    def by(
        self, keys: Callable[[pl.Series], pl.DataFrame], wanted: pl.Series
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, int]]:
        """Return for each wanted id its values, (samples,), and how many rows it has apart from those on Y."""
        of_rows = keys(self._ids)
        copies = self._ids.str.contains(COPY_ON_Y).fill_null(value=False) | self._on_y
        if "symbol" in of_rows.columns:
            copies |= are_further_places(self._ids, of_rows["symbol"])
        of_rows = of_rows.with_row_index(ROW).with_columns(copies.alias(COPY))
        names = [name for name in of_rows.columns if name not in {ROW, COPY}]
        long = pl.concat([of_rows.select(ROW, COPY, id=column) for column in names])
        rows = long.filter(pl.col("id").is_in(wanted.implode())).unique(maintain_order=True)
        values: dict[str, NDArray[np.float64]] = {}
        several: dict[str, int] = {}
        grouped = rows.group_by("id", maintain_order=True).agg(
            pl.col(ROW).filter(~pl.col(COPY)).alias("own"), pl.col(ROW).filter(pl.col(COPY)).alias("copies")
        )
        for name, own, on_y in grouped.iter_rows():
            if self._are_loci(own):
                values[name] = np.mean([self._values[rows].sum(axis=0) for rows in (own, on_y) if rows], axis=0)
                several[name] = 1
            else:
                values[name] = self._values[own + on_y].mean(axis=0)
                several[name] = len(own)
        return values, several

    def _are_loci(self, rows: list[int]) -> bool:
        """Whether the rows of one id, apart from those on Y, are loci of one gene."""
        return self._genes is not None and self._genes[rows].drop_nulls().n_unique() <= 1


@lru_cache(maxsize=2)
def _vocabularies(factors: tuple[str, ...]) -> tuple[tuple[list[Tiers], pl.Series], ...]:
    """Return the names by factor and all names together, then the same for numbers; both hold for a whole run."""
    return tuple(
        (
            candidates,
            pl.Series(sorted({name for tiers in candidates for tier in tiers for name in tier}), dtype=pl.String),
        )
        for candidates in (candidate_ids(factors), candidate_numbers(factors))
    )


def _number_keys(ids: pl.Series) -> pl.DataFrame:
    return gene_numbers(ids).alias("number").to_frame()


def _found(factors: Sequence[_Factor]) -> int:
    return sum(factor.name is not None for factor in factors)


def _numbered(names: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """Return the distinct names, and for each row the index of its name."""
    different = names.unique(maintain_order=True)
    numbers = names.replace_strict(different, pl.int_range(len(different), eager=True), return_dtype=pl.Int64)
    return different, numbers.to_numpy().astype(np.int64)  # without names, the numbers have no integer type


def _first_of_all(
    candidates: Sequence[Tiers], values: Mapping[str, NDArray[np.float64]], rows: Mapping[str, int]
) -> list[_Factor]:
    return [_first_found(tiers, values, rows) for tiers in candidates]


def _first_found(tiers: Tiers, values: Mapping[str, NDArray[np.float64]], rows: Mapping[str, int]) -> _Factor:
    """Return the values of a factor's first tier with an id in the table; the ids of one tier are averaged."""
    for number, tier in enumerate(tiers):
        present = [name for name in tier if name in values]
        if present:
            mean = np.mean([values[name] for name in present], axis=0)
            return _Factor("+".join(present), mean, number >= OWN_TIERS, max(rows[name] for name in present))
    return _Factor()


def mean_of(replicates: Sequence[FactorTPM]) -> FactorTPM:
    """Return the mean of replicates, for each factor over those that have it, under the id in the first of them."""
    found = np.array([[name is not None for name in one.found_as] for one in replicates])
    total = np.sum([one.by_factor for one in replicates], axis=0)
    factors = replicates[0].factors
    first = found.argmax(axis=0)
    renamed = [frozenset(one.renamed) for one in replicates]
    return FactorTPM(
        factors,
        total / np.maximum(found.sum(axis=0), 1),
        found_as=tuple(replicates[place].found_as[number] for number, place in enumerate(first)),
        renamed=tuple(f for f, place in zip(factors, first, strict=True) if f in renamed[place]),
        several={f: n for f in factors if (n := max(one.several.get(f, 0) for one in replicates))},
    )
