"""Read windows of a sequence with one change in it, and windows of the reference beside them.

Only what a change touches is computed again: the motif scores of the bins whose hits may include a changed or moved
base. The others come from the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from epigept_batch.inference.ports import MOTIF_SCORES, TOKENS
from epigept_batch.prediction.windows import Window
from epigept_batch.sequence.stretch import Stretch
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import Contig, Tile, ceil_div
from epigept_batch.variants.changes import edit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from epigept_batch.motifs.scan import MotifScanner
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import ScanWindow
    from epigept_batch.tiling import Geometry, Span
    from epigept_batch.timing import StageClock
    from epigept_batch.variants.changes import Change

BLOCK = 250
"""Bins that are scanned at once; windows around neighbouring variants share most of them."""
BLOCKS_KEPT = 64


@dataclass(frozen=True)
class EditedTile(Tile):
    """A window with a change in it, or of the reference.

    `start` may be negative, for a window that begins before its contig.

    Attributes:
        change: The change; None for the reference.
        reverse: Whether the network reads the reverse complement.
    """

    change: Change | None = None
    reverse: bool = False


class GenomeScores(Protocol):
    """A source of the reference's motif scores: a scan of the genome, or a store."""

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float16]:
        """Return scores of successive bins of a contig, float16, (factors, bins); 0 beyond the contig's end."""


class ScanInBlocks:
    """Motif scores of a genome, scanned in blocks; the latest blocks are kept. Thread-safe.

    Args:
        read: Scores successive bins of a contig.
    """

    def __init__(self, read: Callable[[Contig, int, int], NDArray[np.float16]]) -> None:
        self._block = lru_cache(BLOCKS_KEPT)(lambda contig, block: read(contig, block * BLOCK, BLOCK))

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float16]:
        """Return scores of successive bins, float16, (factors, bins); 0 beyond the contig's end."""
        last = first + bins
        parts = [
            self._block(contig, block)[:, max(first - block * BLOCK, 0) : last - block * BLOCK]
            for block in range(first // BLOCK, ceil_div(last, BLOCK))
        ]
        return np.concatenate(parts, axis=1)


class EditedScores:
    """Motif scores of windows with a change in them; thread-safe.

    Args:
        reference: Scores of the reference.
        scanner: Scans what a change touches.
        geometry: The network's window.
    """

    def __init__(self, reference: GenomeScores, scanner: MotifScanner, geometry: Geometry) -> None:
        self._reference, self._scanner, self._geometry = reference, scanner, geometry

    def scores(self, tile: EditedTile, reach: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Return the scores of a window's bins, as from a scan of the whole edited contig; 0 beyond the contig's ends.

        Args:
            tile: The window.
            reach: Its tokens and those around it, on the strand that the network reads.

        Returns:
            float16, (factors, bins), in the order of that strand.
        """
        geometry, scanner = self._geometry, self._scanner
        length = tile.contig.length + (0 if tile.change is None else tile.change.shift)
        begin = tile.start // geometry.bin_bp
        inside = slice(max(-begin, 0), max(min(geometry.bins_of(length) - begin, geometry.bins), 0))
        scores = np.zeros((len(scanner.factors), geometry.bins), dtype=np.float16)
        if tile.reverse:
            scores[:, inside] = scanner.scan(reach, offset=geometry.before, bins=geometry.bins)[:, ::-1][:, inside]
            return np.ascontiguousarray(scores[:, ::-1])
        scores[:, inside.start :] = self._reference.read(
            tile.contig, begin + inside.start, geometry.bins - inside.start
        )
        if tile.change is not None:
            first, last = touched_bins(tile.change, tile.start, geometry, scanner.window)
            first = max(first, inside.start)
            if first < last:
                part = reach[first * geometry.bin_bp : geometry.before + last * geometry.bin_bp + geometry.after]
                stretch = Stretch(Contig(tile.contig.name, length), begin + first, last - first, part, geometry)
                scores[:, first:last] = scanner.scores(stretch)
        return scores


class EditedWindowReader:
    """Reads the windows of `EditedTile`s; thread-safe.

    Args:
        genome: The reference.
        scores: Motif scores; None for a network that takes none.
        geometry: The network's window.
        clock: Measures the stages `sequence` and `scan`.
    """

    def __init__(self, genome: Genome, scores: EditedScores | None, *, geometry: Geometry, clock: StageClock) -> None:
        self._genome, self._scores = genome, scores
        self._geometry, self._clock = geometry, clock

    def __call__(self, tile: EditedTile) -> Window:
        """Read the window of a tile; of a reversed one, bins and bases are in the order of the reverse strand."""
        geometry = self._geometry
        with self._clock.stage("sequence"):
            reach = self._reach(tile)
            tokens = reach[geometry.before : geometry.before + geometry.window_bp]
            has_bases = (tokens.reshape(geometry.bins, geometry.bin_bp) != NO_BASE).any(axis=1)
        if not has_bases.any():
            return Window(tile, has_bases, None)
        inputs: dict[str, NDArray[Any]] = {TOKENS: tokens}
        if self._scores is not None:
            with self._clock.stage("scan"):
                inputs[MOTIF_SCORES] = self._scores.scores(tile, reach)
        return Window(tile, has_bases, inputs)

    def _reach(self, tile: EditedTile) -> NDArray[np.uint8]:
        """Return the tokens of a window and around it, on the strand that the network reads."""
        geometry = self._geometry
        before, after = geometry.before, geometry.after
        if tile.reverse:
            before, after = after, before
        window = edit(
            partial(self._genome.tokens, tile.contig),
            () if tile.change is None else (tile.change,),
            contig_length=tile.contig.length,
            start=tile.start,
            length=geometry.window_bp,
            before=before,
            after=after,
        )
        return reverse_complement(window.reach) if tile.reverse else window.reach


def touched_bins(change: Change, start: int, geometry: Geometry, window: ScanWindow) -> Span:
    """Return the bins [first, last) of a window whose motif hits may differ once a change is made.

    Args:
        change: The change.
        start: First base of the window.
        geometry: The network's window.
        window: Where a bin's motif hits lie.
    """
    here, bin_bp = change.start - start, geometry.bin_bp
    if here >= 0:
        first = (here - window.right) // bin_bp + 1
        end = here + len(change.inserted)
        last = geometry.bins if change.shift else ceil_div(end - window.left, bin_bp)
    else:
        first, end = 0, change.end - start
        last = geometry.bins if change.shift and end > 0 else ceil_div(end - window.left, bin_bp)
    return max(first, 0), max(min(last, geometry.bins), 0)


def reverse_complement(tokens: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the other strand of a sequence of tokens, uint8."""
    flipped = tokens[::-1]
    return np.where(flipped == NO_BASE, flipped, np.uint8(NO_BASE - 1) - flipped)
