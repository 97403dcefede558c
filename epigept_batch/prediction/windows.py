"""Read the network's inputs of one window, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from epigept_batch.inference.ports import BINS_INSIDE, MOTIF_SCORES, REACH, TOKENS
from epigept_batch.sequence.stretch import read_stretch
from epigept_batch.spec import NO_BASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.sequence.stretch import Stretch
    from epigept_batch.tiling import Geometry, Tile
    from epigept_batch.timing import StageClock


class Scores(Protocol):
    """A source of motif scores: a scan of the sequence, or a store."""

    def scores(self, stretch: Stretch) -> NDArray[np.float16]:
        """Return the scores of a stretch's bins, float16, (factors, bins); 0 beyond the contig's end."""


@dataclass(frozen=True, eq=False)
class Window:
    """A tile with the network's inputs for it.

    Attributes:
        tile: The window and the bins that are taken from it.
        has_bases: bool, (bins,): whether a bin of the window contains A, C, G or T.
        inputs: One row of every input that has one row per window, by name, whether or not the network takes it; None
            if no bin that is needed has a base, so that there is nothing to compute.
    """

    tile: Tile
    has_bases: NDArray[np.bool_]
    inputs: Mapping[str, NDArray[Any]] | None


class WindowReader:
    """Reads windows; thread-safe.

    Args:
        genome: The sequence.
        scores: Motif scores of that genome; None for a network that takes none.
        geometry: The network's window.
        clock: Measures the stages `sequence` and `scan`.
    """

    def __init__(self, genome: Genome, scores: Scores | None, *, geometry: Geometry, clock: StageClock) -> None:
        self._genome = genome
        self._scores = scores
        self._geometry = geometry
        self._clock = clock

    def __call__(self, tile: Tile) -> Window:
        """Read the window of a tile."""
        geometry = self._geometry
        first = tile.start // geometry.bin_bp
        with self._clock.stage("sequence"):
            stretch = read_stretch(self._genome, tile.contig, first, geometry.bins, geometry=geometry)
            has_bases = (stretch.tokens.reshape(geometry.bins, geometry.bin_bp) != NO_BASE).any(axis=1)
        if not any(has_bases[begin - first : end - first].any() for begin, end in tile.needed):
            return Window(tile, has_bases, None)
        inputs: dict[str, Any] = {TOKENS: stretch.tokens, REACH: stretch.reach, BINS_INSIDE: stretch.bins_inside}
        if self._scores is not None:
            with self._clock.stage("scan"):
                inputs[MOTIF_SCORES] = self._scores.scores(stretch)
        return Window(tile, has_bases, inputs)
