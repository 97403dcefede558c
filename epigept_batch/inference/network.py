"""What a loaded graph takes and gives, whatever it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Inputs(NamedTuple):
    """Windows and samples, of which every pair is predicted.

    Attributes:
        tokens: uint8, (windows, window_bp); an array or a list of rows.
        motif_scores: float16, (windows, factors, bins); likewise.
        expression: float32, (samples, factors).
    """

    tokens: Sequence[NDArray[np.uint8]]
    motif_scores: Sequence[NDArray[np.float16]]
    expression: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """Windows and samples."""
        return len(self.tokens), len(self.expression)

    def part(self, windows: slice = slice(None), samples: slice = slice(None)) -> Inputs:
        """Some of the windows for some of the samples."""
        return Inputs(self.tokens[windows], self.motif_scores[windows], self.expression[samples])


class Network(Protocol):
    """A loaded graph."""

    def __call__(self, inputs: Inputs) -> NDArray[np.float32]:
        """One call of it: float32, (windows, samples, bins, tracks)."""
