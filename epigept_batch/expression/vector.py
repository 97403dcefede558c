"""Convert the factors' TPM to the network's input, and find the most similar training cell."""

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
    """The training cell whose expression is most similar to a sample's.

    Attributes:
        cell: Its name.
        r: Spearman's rank correlation over the factors.
        median_r: The median over all cells.
    """

    cell: str
    r: float
    median_r: float


def quantile_normalise(tpm: NDArray[np.float64], distribution: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace each value by the reference value at its rank, the lowest rank for ties, as published.

    Args:
        tpm: float64, (factors,).
        distribution: float64, (factors,), ascending: mean over the training cells of the values of equal rank.
    """
    return distribution[np.searchsorted(np.sort(tpm), tpm, side="left")]


def network_expression(tpm: NDArray[np.float64], distribution: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Return the network's input: ln(1 + quantile-normalised TPM), float32, (factors,).

    Args:
        tpm: float64, (factors,).
        distribution: See `quantile_normalise`; None if the values are normalised already.
    """
    normalised = tpm if distribution is None else quantile_normalise(tpm, distribution)
    return np.log1p(normalised).astype(np.float32)


class TrainingCells:
    """The cells of a reference, ranked once, to find the nearest cell of many samples."""

    def __init__(self, reference: ExpressionReference) -> None:
        ranks = np.stack([_ranks(column) for column in reference.matrix.T])
        varied = ranks.std(axis=1) > 0
        self._cells = [cell for cell, varies in zip(reference.cells, varied, strict=True) if varies]
        self._standard = _standardised(ranks[varied])

    def nearest(self, tpm: NDArray[np.float64]) -> NearestCell | None:
        """Return the cell most similar to a sample; None if the sample or all cells have equal values for all factors.

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
    """Return the training cell most similar to one sample; see `TrainingCells.nearest`.

    Args:
        tpm: float64, (factors,).
        reference: The training cells.
    """
    return TrainingCells(reference).nearest(tpm)


def _standardised(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre ranks, (…, factors), and scale them to length 1, so that dot products are correlations."""
    centred = ranks - ranks.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=-1, keepdims=True))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1; ties get their mean rank."""
    return pl.Series(values).rank("average").to_numpy()
