"""Quantification tables to the factor vector that the network reads."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

GZIP_MAGIC = b"\x1f\x8b"
VALUE_COLUMN = "tpm"
DUPLICATED = "_duplicated_0"  # what polars makes of a name that comes twice
FIRST_ROW_LINE = 2  # the header is line 1
LEAST_FOUND = 0.95
NAMES_SHOWN = 5
Tiers = tuple[tuple[str, ...], ...]
"""Ids of one factor, the first to be taken first; ids of one tier name the same gene."""

VERSIONED_ENSEMBL = r"^(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?$"


@dataclass(frozen=True, eq=False)
class FactorTPM:
    """TPM of the factors in one sample.

    Attributes:
        factors: Names, in the network's order.
        tpm: float64, (factors,); 0 where missing.
        found_as: The id or symbol under which each was found; None where it was not.
        renamed: Those found under another id or symbol than their first.
    """

    factors: tuple[str, ...]
    tpm: NDArray[np.float64]
    found_as: tuple[str | None, ...]
    renamed: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Factors that the table does not have."""
        return tuple(name for name, found in zip(self.factors, self.found_as, strict=True) if found is None)


def read_factor_tpm(path: Path, factors: Sequence[str]) -> FactorTPM:
    """Read the factors' TPM from a gene-level table.

    The table is tab- or comma-separated, plain or gzip, with a header that has a column `TPM` (RSEM, ENCODE). The
    column of ids is the one that names most factors, by Ensembl gene id, with or without version, or by symbol.
    Rows of one id, as the X and `_PAR_Y` copies of a gene, are averaged, as published.

    Args:
        path: The table.
        factors: Names, in the network's order.

    Raises:
        InputError: Not such a table; a TPM that is negative or no number; fewer than 95 % of the factors found.
    """
    table = _read_table(path)
    values = _tpm(table, path)
    candidates = _candidate_ids(factors)
    rows = _rows_by_id(table, values, candidates, path)
    found = [_first_found(tiers, rows) for tiers in candidates]
    vector = FactorTPM(
        factors=tuple(factors),
        tpm=np.array([tpm for _, tpm, _ in found]),
        found_as=tuple(name for name, _, _ in found),
        renamed=tuple(factor for factor, (_, _, renamed) in zip(factors, found, strict=True) if renamed),
    )
    if len(vector.missing) > (1 - LEAST_FOUND) * len(factors):
        shown = ", ".join(vector.missing[:NAMES_SHOWN])
        raise InputError(
            f"only {len(factors) - len(vector.missing)} of {len(factors)} factors are found (missing: {shown}, …); "
            f"at least {LEAST_FOUND:.0%} are needed: give a table of all human genes",
            path,
        )
    if not vector.tpm.any():
        raise InputError("has TPM 0 for every factor; give a table of a sequenced sample", path)
    return vector


def quantile_normalise(tpm: NDArray[np.float64], distribution: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace each value by the reference value at its rank, the least rank for ties, as published.

    Args:
        tpm: float64, (factors,).
        distribution: float64, (factors,), ascending: mean over the training cells of the values of equal rank.
    """
    return distribution[np.searchsorted(np.sort(tpm), tpm, side="left")]


def network_expression(tpm: NDArray[np.float64], distribution: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """What the network reads: ln(1 + quantile-normalised TPM), float32, (factors,).

    Args:
        tpm: float64, (factors,).
        distribution: As `quantile_normalise` takes it; None for values that are normalised already.
    """
    normalised = tpm if distribution is None else quantile_normalise(tpm, distribution)
    return np.log1p(normalised).astype(np.float32)


def _read_table(path: Path) -> pl.DataFrame:
    """The table with every column as text, so that a bad value can be shown as it stands."""
    content = _read_bytes(path)
    header = content.split(b"\n", 1)[0]
    if b"\0" in header or not header.strip():
        raise InputError("is not a table of text" if header else "is empty", path)
    separator = "\t" if b"\t" in header else ","
    try:
        return pl.read_csv(io.BytesIO(content), separator=separator, infer_schema=False, quote_char=None)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"is not a table of equal rows ({reason})", path) from error


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"is a damaged or truncated gzip file ({error})", path) from error
    except OSError as error:
        raise InputError(f"TPM table cannot be read: {error.strerror}", path) from error


def _tpm(table: pl.DataFrame, path: Path) -> NDArray[np.float64]:
    """The TPM column, checked; float64, (rows,)."""
    columns = [name for name in table.columns if name.strip().lower().removesuffix(DUPLICATED) == VALUE_COLUMN]
    if len(columns) != 1:
        have = ", ".join(table.columns[:NAMES_SHOWN]) + (", …" if len(table.columns) > NAMES_SHOWN else "")
        said = "has several columns TPM" if columns else f"has no column TPM (columns: {have})"
        raise InputError(f"{said}; give a gene-level table with one", path)
    text = table[columns[0]].str.strip_chars()
    values = text.cast(pl.Float64, strict=False)
    bad = (
        values.is_null() | ~values.is_finite().fill_null(value=False) | (values < 0).fill_null(value=True)
    ).arg_true()
    if len(bad):
        row = int(bad[0])
        raise InputError(f"TPM {text[row] or ''!r} is not a number from 0 up", path, row + FIRST_ROW_LINE)
    if not len(values):
        raise InputError("has a header but no rows", path)
    return values.to_numpy()


def _rows_by_id(
    table: pl.DataFrame, values: NDArray[np.float64], candidates: Sequence[Tiers], path: Path
) -> dict[str, float]:
    """Mean TPM by id of the rows whose id is wanted, from the column in which most factors are found."""
    ids = table.select(pl.all().str.strip_chars().str.replace(VERSIONED_ENSEMBL, "$1"))
    wanted = pl.Series(sorted({name for tiers in candidates for tier in tiers for name in tier})).implode()
    present = {name: set(ids[name].filter(ids[name].is_in(wanted))) for name in ids.columns}
    found = {
        column: sum(any(name in names for tier in tiers for name in tier) for tiers in candidates)
        for column, names in present.items()
    }
    best = max(found, key=lambda column: found[column])
    if not found[best]:
        raise InputError(
            "has no column with human gene ids; give a table of genes, by Ensembl gene id (ENSG…) or symbol", path
        )
    means = (
        pl.DataFrame({"id": ids[best], "tpm": values})
        .filter(pl.col("id").is_in(wanted))
        .group_by("id")
        .agg(pl.col("tpm").mean())
    )
    return dict(means.iter_rows())


def _candidate_ids(factors: Sequence[str]) -> list[Tiers]:
    """For each factor the ids to look for."""
    known = {row["factor"]: row for row in _factor_ids()}
    return [tuple(_tiers(factor, known.get(factor))) for factor in factors]


def _tiers(factor: str, row: Mapping[str, str | None] | None) -> Iterator[tuple[str, ...]]:
    if row is not None:
        yield (str(row["ensembl_id"]),)
    yield (factor,)
    if row is not None:
        yield (str(row["symbol"]),)
        yield tuple(row["other_ensembl_ids"].split(";")) if row["other_ensembl_ids"] else ()


def _factor_ids() -> list[dict[str, str | None]]:
    """The packaged table of the published factors' ids."""
    source = resources.files("epigept_batch.inputs").joinpath("factor_ids.tsv").read_bytes()
    return pl.read_csv(source, separator="\t", infer_schema=False, comment_prefix="#").to_dicts()


def _first_found(tiers: Tiers, rows: Mapping[str, float]) -> tuple[str | None, float, bool]:
    """The id under which a factor is found, its TPM, and whether that is a later name of it."""
    for number, tier in enumerate(tiers):
        present = [name for name in tier if name in rows]
        if present:
            return "+".join(present), float(np.mean([rows[name] for name in present])), number > 1
    return None, 0.0, False
