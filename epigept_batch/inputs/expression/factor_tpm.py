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
COPY_ON_Y = "_PAR_Y"


@dataclass(frozen=True, eq=False)
class FactorTPM:
    """TPM of the factors in one sample.

    Attributes:
        factors: Names, in the network's order.
        tpm: float64, (factors,); 0 where missing.
        found_as: The id or symbol under which each was found; None where it was not.
        renamed: Those found under an alias: another symbol or id than their first.
        several: Those with several rows, which were averaged; copies on Y are not counted.
    """

    factors: tuple[str, ...]
    tpm: NDArray[np.float64]
    found_as: tuple[str | None, ...]
    renamed: tuple[str, ...]
    several: tuple[str, ...] = ()

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
        found = [self._found(column, values, transcripts=transcripts) for column in ids.get_columns()]
        best = max(found, key=lambda column: sum(name is not None for name, _, _, _ in column))
        names, tpm, renamed, rows = zip(*best, strict=True)
        samples = np.stack([np.zeros(values.shape[1]) if v is None else v for v in tpm], axis=1)
        later, several = (
            tuple(factor for factor, marked in zip(self.factors, marks, strict=True) if marked)
            for marks in (renamed, [number > 1 for number in rows])
        )
        return [FactorTPM(self.factors, sample, names, later, several) for sample in samples]

    def _found(
        self, ids: pl.Series, values: NDArray[np.float64], *, transcripts: bool
    ) -> list[tuple[str | None, NDArray[np.float64] | None, bool, int]]:
        """For each factor, by one column of ids: the id, its TPM in each sample, whether that is an alias, its rows."""
        if transcripts:
            genes, places = _numbered(ids)
            sums = np.zeros((len(genes), values.shape[1]))
            np.add.at(sums, places, values)
            ids, values = genes, sums
        means, rows = self._means(ids, values)
        return [_first_found(tiers, means, rows) for tiers in self._candidates]

    def _means(
        self, ids: pl.Series, values: NDArray[np.float64]
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, int]]:
        """Mean values, (samples,), by each id that is wanted, and how many rows there are besides copies on Y."""
        keys = gene_keys(ids).with_row_index(ROW).with_columns(copy=ids.str.ends_with(COPY_ON_Y).fill_null(value=False))
        long = pl.concat([keys.select(ROW, "copy", id=column) for column in ("ensembl", "symbol")])
        wanted = long.filter(pl.col("id").is_in(self._wanted.implode()))
        of_id = wanted.group_by("id").agg(pl.col(ROW), rows=(~pl.col("copy")).sum())
        means = {name: values[numbers].mean(axis=0) for name, numbers, _ in of_id.iter_rows()}
        return means, {name: rows for name, _, rows in of_id.iter_rows()}


def _numbered(names: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """The different names, and the number of each row's."""
    different = names.unique(maintain_order=True)
    numbers = names.replace_strict(different, pl.int_range(len(different), eager=True), return_dtype=pl.Int64)
    return different, numbers.to_numpy().astype(np.int64)  # where there are no names, they are numbers of no kind


def _first_found(
    tiers: Tiers, means: Mapping[str, NDArray[np.float64]], rows: Mapping[str, int]
) -> tuple[str | None, NDArray[np.float64] | None, bool, int]:
    """The id under which a factor is found, its TPM in each sample, whether that is an alias, and its rows."""
    for number, tier in enumerate(tiers):
        present = [name for name in tier if name in means]
        if present:
            mean = np.mean([means[name] for name in present], axis=0)
            return "+".join(present), mean, number >= OWN_TIERS, max(rows[name] for name in present)
    return None, None, False, 0


def mean_of(replicates: Sequence[FactorTPM]) -> FactorTPM:
    """The mean of replicates; a factor that some lack is that of the others, under the id in the first that has it."""
    found = np.array([[name is not None for name in one.found_as] for one in replicates])
    total = np.sum([one.tpm for one in replicates], axis=0)
    factors = replicates[0].factors
    first = found.argmax(axis=0)
    return FactorTPM(
        factors,
        total / np.maximum(found.sum(axis=0), 1),
        found_as=tuple(replicates[place].found_as[number] for number, place in enumerate(first)),
        renamed=tuple(f for f, place in zip(factors, first, strict=True) if f in replicates[place].renamed),
        several=tuple(f for f in factors if any(f in one.several for one in replicates)),
    )
