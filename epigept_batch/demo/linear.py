"""A linear motif × expression model: what a bin's own hits and the factors' expression give without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class LinearModel:
    """ln(1 + signal) of each track as an intercept and a weight for each factor's motif score × expression.

    Attributes:
        tracks: Names.
        factors: Names.
        weights: float64, (factors + 1, tracks); the last row is the intercept.
    """

    tracks: tuple[str, ...]
    factors: tuple[str, ...]
    weights: NDArray[np.float64]

    def predict(self, scores: NDArray[np.float32], expression: NDArray[np.float32]) -> NDArray[np.float64]:
        """ln(1 + signal), float64, (bins, tracks).

        Args:
            scores: float32, (factors, bins).
            expression: float32, (factors,): ln(1 + quantile-normalised TPM).
        """
        predicted: NDArray[np.float64] = features(scores, expression) @ self.weights
        return predicted

    def to_json(self) -> str:
        """As JSON."""
        document = {"tracks": self.tracks, "factors": self.factors, "weights": self.weights.round(6).tolist()}
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LinearModel:
        """Read what `to_json` wrote."""
        document = json.loads(text)
        return cls(tuple(document["tracks"]), tuple(document["factors"]), np.array(document["weights"]))


def features(scores: NDArray[np.float32], expression: NDArray[np.float32]) -> NDArray[np.float64]:
    """What it is linear in, float64, (bins, factors + 1)."""
    products = (scores * expression[:, None]).T.astype(np.float64)
    return np.concatenate([products, np.ones((len(products), 1))], axis=1)


class LinearFit:
    """Least squares, a contig and a cell at a time.

    Args:
        tracks: Names.
        factors: Names.
    """

    def __init__(self, tracks: Sequence[str], factors: Sequence[str]) -> None:
        self._tracks, self._factors = tuple(tracks), tuple(factors)
        self._squares = np.zeros((len(factors) + 1, len(factors) + 1))
        self._products = np.zeros((len(factors) + 1, len(tracks)))

    def add(self, scores: NDArray[np.float32], expression: NDArray[np.float32], signal: NDArray[np.floating]) -> None:
        """Take the bins of a contig in a cell; `signal` is ln(1 + signal), (bins, tracks)."""
        x = features(scores, expression)
        self._squares += x.T @ x
        self._products += x.T @ signal

    def model(self) -> LinearModel:
        """What fits best."""
        ridge = RIDGE * np.eye(len(self._squares))
        weights = np.linalg.solve(self._squares + ridge, self._products).astype(np.float64)
        return LinearModel(self._tracks, self._factors, weights)
