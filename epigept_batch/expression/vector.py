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


class TrainingCells:
    """The cells of a reference, ranked once, among which many samples are looked for."""

    def __init__(self, reference: ExpressionReference) -> None:
        ranks = np.stack([_ranks(column) for column in reference.matrix.T])
        varied = ranks.std(axis=1) > 0
        self._cells = [cell for cell, varies in zip(reference.cells, varied, strict=True) if varies]
        self._standard = _standardised(ranks[varied])

    def nearest(self, tpm: NDArray[np.float64]) -> NearestCell | None:
        """The cell most like a sample; None where either has the same value for every factor.

        Args:
            tpm: float64, (factors,).
        """
        ranks = _ranks(tpm)
        if not self._cells or not ranks.std() > 0:
            return None
        r = self._standard @ _standardised(ranks)
        best = int(r.argmax())
        return NearestCell(self._cells[best], float(r[best]), float(np.median(r)))


def nearest_cell(tpm: NDArray[np.float64], reference: ExpressionReference) -> NearestCell | None:
    """The training cell most like one sample, as `TrainingCells.nearest` has it.

    Args:
        tpm: float64, (factors,).
        reference: The training cells.
    """
    return TrainingCells(reference).nearest(tpm)


def _standardised(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks, (…, factors), less their mean and of length 1, so that products are correlations."""
    centred = ranks - ranks.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=-1, keepdims=True))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ties sharing their mean."""
    return pl.Series(values).rank("average").to_numpy()
