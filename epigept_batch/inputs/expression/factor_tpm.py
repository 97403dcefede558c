"""Rows of genes to the TPM of the factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from epigept_batch.inputs.expression.gene_ids import OWN_TIERS, Tiers, candidate_ids, gene_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ROW = "row"


@dataclass(frozen=True, eq=False)
class FactorTPM:
    """TPM of the factors in one sample.

    Attributes:
        factors: Names, in the network's order.
        tpm: float64, (factors,); 0 where missing.
        found_as: The id or symbol under which each was found; None where it was not.
        renamed: Those found under an alias: another symbol or id than their first.
    """

    factors: tuple[str, ...]
    tpm: NDArray[np.float64]
    found_as: tuple[str | None, ...]
    renamed: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Factors that the table does not have."""
        return tuple(name for name, found in zip(self.factors, self.found_as, strict=True) if found is None)


class FactorRows:
    """Gathers the rows of a table that may be a factor's; the others are let go."""

    def __init__(self, factors: Sequence[str]) -> None:
        self.factors = tuple(factors)
        self._candidates = candidate_ids(factors)
        wanted = {name for tiers in self._candidates for tier in tiers for name in tier} - {""}
        self._wanted = pl.Series(sorted(wanted), dtype=pl.String)
        self._ids: list[pl.DataFrame] = []
        self._values: list[NDArray[np.float64]] = []

    def add(self, ids: pl.DataFrame, values: NDArray[np.float64]) -> None:
        """Take rows of a table.

        Args:
            ids: Columns of text that may hold ids of genes, the same at every call.
            values: float64, (rows, samples).
        """
        marks = (self._is_wanted(column) for column in ids.get_columns())
        rows = np.flatnonzero(np.logical_or.reduce([mark.to_numpy() for mark in marks]))
        self._ids.append(ids[rows])
        self._values.append(values[rows])

    def add_transcripts(self, genes: pl.Series, values: NDArray[np.float64]) -> None:
        """Take rows of transcripts, to be summed by their gene as it is written.

        Args:
            genes: The gene of each; null for none.
            values: float64, (rows, samples).
        """
        wanted = self._is_wanted(genes).arg_true().to_numpy()
        numbers, places = _numbered(genes[wanted])
        sums = np.zeros((len(numbers), values.shape[1]))
        np.add.at(sums, places, values[wanted])
        self._ids.append(numbers.to_frame("0"))
        self._values.append(sums)

    def _is_wanted(self, ids: pl.Series) -> pl.Series:
        keys = gene_keys(ids)
        wanted = self._wanted.implode()
        return keys.select(pl.any_horizontal(pl.all().is_in(wanted).fill_null(value=False))).to_series()

    def factor_tpm(self, *, transcripts: bool = False) -> list[FactorTPM]:
        """What each sample has of the factors.

        The column of ids is the one in which most factors are found. Rows of one gene are averaged, as published: its
        copies on X and Y, and a gene that is listed twice. Rows of transcripts are summed to genes first.
        """
        ids, values = pl.concat(self._ids), np.concatenate(self._values)
        if transcripts:
            genes, places = _numbered(ids[:, 0])
            sums = np.zeros((len(genes), values.shape[1]))
            np.add.at(sums, places, values)
            ids, values = genes.to_frame("0"), sums
        means = [self._means(column, values) for column in ids.get_columns()]
        found = [[_first_found(tiers, of_column) for tiers in self._candidates] for of_column in means]
        best = max(range(len(found)), key=lambda number: sum(name is not None for name, _, _ in found[number]))
        names, tpm, renamed = zip(*found[best], strict=True)
        samples = np.stack([np.zeros(values.shape[1]) if v is None else v for v in tpm], axis=1)
        later = tuple(factor for factor, is_later in zip(self.factors, renamed, strict=True) if is_later)
        return [FactorTPM(self.factors, sample, names, later) for sample in samples]

    def _means(self, ids: pl.Series, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Mean values, (samples,), by each id that is wanted."""
        keys = gene_keys(ids).with_row_index(ROW)
        long = pl.concat([keys.select(ROW, id=column) for column in ("ensembl", "symbol")])
        rows = long.filter(pl.col("id").is_in(self._wanted.implode())).group_by("id").agg(pl.col(ROW))
        return {name: values[numbers].mean(axis=0) for name, numbers in rows.iter_rows()}


def _numbered(names: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """The different names, and the number of each row's."""
    different = names.unique(maintain_order=True)
    numbers = names.replace_strict(different, pl.int_range(len(different), eager=True), return_dtype=pl.Int64)
    return different, numbers.to_numpy()


def _first_found(
    tiers: Tiers, rows: Mapping[str, NDArray[np.float64]]
) -> tuple[str | None, NDArray[np.float64] | None, bool]:
    """The id under which a factor is found, its TPM in each sample, and whether that is an alias of it."""
    for number, tier in enumerate(tiers):
        present = [name for name in tier if name in rows]
        if present:
            return "+".join(present), np.mean([rows[name] for name in present], axis=0), number >= OWN_TIERS
    return None, None, False


def mean_of(replicates: Sequence[FactorTPM]) -> FactorTPM:
    """The mean of replicates; a factor that some lack is that of the others."""
    found = np.array([[name is not None for name in one.found_as] for one in replicates])
    total = np.sum([one.tpm for one in replicates], axis=0)
    names = tuple(
        next(filter(None, of_factor), None) for of_factor in zip(*(r.found_as for r in replicates), strict=True)
    )
    renamed = {factor for one in replicates for factor in one.renamed}
    factors = replicates[0].factors
    return FactorTPM(
        factors, total / np.maximum(found.sum(axis=0), 1), names, tuple(f for f in factors if f in renamed)
    )
