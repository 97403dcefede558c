"""What the network reads of one window, sequence and motif scores together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from epigept_batch.spec import NO_BASE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.tiling import Contig, Geometry, Tile
    from epigept_batch.timing import StageClock


class Scores(Protocol):
    """Where motif scores come from."""

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float16]:
        """Those of successive bins, float16, (factors, bins); 0 beyond the contig's end."""


@dataclass(frozen=True, eq=False)
class Window:
    """A tile with what the network reads of it.

    Attributes:
        tile: The window and the bins that are taken from it.
        has_bases: bool, (bins,): whether a bin of the window has a base that is ACGT.
        tokens: uint8, (window_bp,): A 0, C 1, G 2, T 3, any other 4; None where no bin that is taken has a base, so
            that there is nothing to compute.
        motif_scores: float16, (factors, bins); None likewise.
    """

    tile: Tile
    has_bases: NDArray[np.bool_]
    tokens: NDArray[np.uint8] | None
    motif_scores: NDArray[np.float16] | None


class WindowReader:
    """Reads windows; by several threads if they like.

    Args:
        genome: The sequence.
        scores: Of that genome.
        geometry: The network's window.
        clock: Told of the stages `sequence` and `scan`.
    """

    def __init__(self, genome: Genome, scores: Scores, *, geometry: Geometry, clock: StageClock) -> None:
        self._genome = genome
        self._scores = scores
        self._geometry = geometry
        self._clock = clock

    def __call__(self, tile: Tile) -> Window:
        """The window of a tile."""
        geometry = self._geometry
        with self._clock.stage("sequence"):
            tokens = self._genome.tokens(tile.contig, tile.start, tile.start + geometry.window_bp)
            has_bases = (tokens.reshape(geometry.bins, geometry.bin_bp) != NO_BASE).any(axis=1)
        first = tile.start // geometry.bin_bp
        if not any(has_bases[begin - first : end - first].any() for begin, end in tile.spans):
            return Window(tile, has_bases, None, None)
        with self._clock.stage("scan"):
            return Window(tile, has_bases, tokens, self._scores.read(tile.contig, first, geometry.bins))
