"""TPM of the factors to what the network reads, and where that lies among the cells it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.spec import ExpressionReference


@dataclass(frozen=True)
class NearestCell:
    """The training cell whose expression is most like a sample's.

    Attributes:
        cell: Its name.
        r: Spearman's rank correlation over the factors.
        median_r: The median over all cells.
    """

    cell: str
    r: float
    median_r: float


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


def nearest_cell(tpm: NDArray[np.float64], reference: ExpressionReference) -> NearestCell | None:
    """The training cell most like a sample; None where either has the same value for every factor.

    Args:
        tpm: float64, (factors,).
        reference: The training cells.
    """
    ranks = np.stack([_ranks(column) for column in (tpm, *reference.matrix.T)])
    varied = ranks.std(axis=1) > 0
    if not varied[0] or not varied[1:].any():
        return None
    r = np.full(len(reference.cells), -1.0)
    r[varied[1:]] = np.corrcoef(ranks[varied])[0, 1:]
    best = int(r.argmax())
    return NearestCell(reference.cells[best], float(r[best]), float(np.median(r[varied[1:]])))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ties sharing their mean."""
    return pl.Series(values).rank("average").to_numpy()
