"""A linear motif × expression model: a baseline that predicts a bin from its own motif hits, without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Predicts ln(1 + signal) of each track from an intercept and a weight for each factor's motif score × expression.

    Attributes:
        tracks: Names.
        factors: Names.
        weights: float64, (factors + 1, tracks); the last row is the intercept.
    """

    tracks: tuple[str, ...]
    factors: tuple[str, ...]
    weights: NDArray[np.float64]

    def predict(self, scores: NDArray[np.float32], expression: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict ln(1 + signal), float64, (bins, tracks).

        Args:
            scores: float32, (factors, bins).
            expression: float32, (factors,): ln(1 + quantile-normalised TPM).
        """
        predicted: NDArray[np.float64] = features(scores, expression) @ self.weights
        return predicted

    @classmethod
    def from_json(cls, text: str) -> LinearModel:
        """Read what `benchmarks/demo_model.py` wrote."""
        document = json.loads(text)
        return cls(tuple(document["tracks"]), tuple(document["factors"]), np.array(document["weights"]))


def features(scores: NDArray[np.float32], expression: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the features that the model is linear in, float64, (bins, factors + 1)."""
    products = (scores * expression[:, None]).T.astype(np.float64)
    return np.concatenate([products, np.ones((len(products), 1))], axis=1)
