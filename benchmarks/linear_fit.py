"""Fit the demo's linear baseline; `epigept_batch/demo/linear.py` is its runtime half."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.demo.linear import LinearModel, features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RIDGE = 1e-3


class LinearFit:
    """Least squares, one contig and one cell at a time.

    Args:
        tracks: Names of the tracks.
        factors: Names of the factors.
    """

    def __init__(self, tracks: Sequence[str], factors: Sequence[str]) -> None:
        self._tracks, self._factors = tuple(tracks), tuple(factors)
        self._squares = np.zeros((len(factors) + 1, len(factors) + 1))
        self._products = np.zeros((len(factors) + 1, len(tracks)))

    def add(self, scores: NDArray[np.float32], expression: NDArray[np.float32], signal: NDArray[np.floating]) -> None:
        """Add the bins of a contig in a cell; `signal` is ln(1 + signal), (bins, tracks)."""
        x = features(scores, expression)
        self._squares += x.T @ x
        self._products += x.T @ signal

    def model(self) -> LinearModel:
        """Return the model that fits best."""
        ridge = RIDGE * np.eye(len(self._squares))
        weights = np.linalg.solve(self._squares + ridge, self._products).astype(np.float64)
        return LinearModel(self._tracks, self._factors, weights)


def to_json(model: LinearModel) -> str:
    """Return JSON that `LinearModel.from_json` reads."""
    document = {"tracks": model.tracks, "factors": model.factors, "weights": model.weights.round(6).tolist()}
    return json.dumps(document, indent=1) + "\n"
