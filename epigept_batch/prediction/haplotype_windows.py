"""Read windows of a haplotype, and align what is predicted for them to the reference's coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.inference.ports import MOTIF_SCORES, TOKENS
from epigept_batch.prediction.windows import Window
from epigept_batch.sequence.stretch import Stretch
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import Contig
from epigept_batch.variants.changes import edit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.prediction.windows import Scores
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.tiling import Geometry, Span, Tile
    from epigept_batch.timing import StageClock
    from epigept_batch.variants.changes import Alignment
    from epigept_batch.variants.haplotype import Haplotype


@dataclass(frozen=True, eq=False)
class HaplotypeTile:
    """A tile of one or more haplotypes with the same sequence there.

    Attributes:
        tile: The window of the reference.
        haplotypes: The haplotypes.
        changes: Numbers of the changes that the window depends on, in the first of them.
    """

    tile: Tile
    haplotypes: tuple[Haplotype, ...]
    changes: Span


def haplotype_tiles(tile: Tile, haplotypes: Sequence[Haplotype], geometry: Geometry) -> list[HaplotypeTile]:
    """Return the different sequences that haplotypes have in a window, each once.

    Args:
        tile: The window.
        haplotypes: The haplotypes.
        geometry: The network's window.
    """
    found: list[HaplotypeTile] = []
    for haplotype in haplotypes:
        changes = haplotype.on(tile.contig.name)
        span = changes.around(tile.start, length=geometry.window_bp, before=geometry.before, after=geometry.after)
        for number, other in enumerate(found):
            if changes.equal(span, other.haplotypes[0].on(tile.contig.name), other.changes):
                found[number] = replace(other, haplotypes=(*other.haplotypes, haplotype))
                break
        else:
            found.append(HaplotypeTile(tile, (haplotype,), span))
    return found


class HaplotypeReader:
    """Reads windows of haplotypes; thread-safe.

    A window without changes is that of the reference. Any other is edited, and all of its motif scores are scanned.

    Args:
        genome: The reference.
        unchanged: Reads windows of the reference.
        scores: Scores edited sequence; None for a network that takes no scores.
        geometry: The network's window.
        clock: Measures the stages `sequence` and `scan`.
    """

    def __init__(
        self,
        genome: Genome,
        unchanged: Callable[[Tile], Window],
        scores: Scores | None,
        *,
        geometry: Geometry,
        clock: StageClock,
    ) -> None:
        self._genome = genome
        self._unchanged = unchanged
        self._scores = scores
        self._geometry = geometry
        self._clock = clock
        self._alignments: dict[HaplotypeTile, tuple[Alignment, NDArray[np.bool_]]] = {}

    def __call__(self, item: HaplotypeTile) -> Window:
        """Read the window of a tile; `has_bases` is the reference's."""
        if item.changes[0] == item.changes[1]:
            return self._unchanged(item.tile)
        geometry, tile = self._geometry, item.tile
        first = tile.start // geometry.bin_bp
        with self._clock.stage("sequence"):
            stretch, has_bases, alignment = self._edited(item)
        if not any(has_bases[begin - first : end - first].any() for begin, end in tile.needed):
            return Window(tile, has_bases, None)
        if not alignment.is_identity:
            self._alignments[item] = alignment, self._bins_with_bases(stretch.tokens)
        inputs: dict[str, NDArray[Any]] = {TOKENS: stretch.tokens}
        if self._scores is not None:
            with self._clock.stage("scan"):
                inputs[MOTIF_SCORES] = self._scores.scores(stretch)
        return Window(tile, has_bases, inputs)

    def _edited(self, item: HaplotypeTile) -> tuple[Stretch, NDArray[np.bool_], Alignment]:
        """Return the edited window, which bins of the reference have bases, and how the two are aligned."""
        geometry, tile = self._geometry, item.tile
        of_contig = item.haplotypes[0].on(tile.contig.name)
        changes = of_contig.between(item.changes)
        # The edited window may reach as far beyond the reference's as bases are deleted.
        reach = sum(change.removed for change in changes)
        begin = tile.start - geometry.before - reach
        block = self._genome.tokens(tile.contig, begin, tile.start + geometry.window_bp + geometry.after + reach)
        edited = edit(
            lambda start, end: block[start - begin : end - begin],
            changes,
            contig_length=tile.contig.length,
            start=tile.start,
            length=geometry.window_bp,
            before=geometry.before,
            after=geometry.after,
        )
        contig = Contig(tile.contig.name, of_contig.edited_length(tile.start, tile.contig.length))
        stretch = Stretch(contig, tile.start // geometry.bin_bp, geometry.bins, edited.reach, geometry)
        reference = block[tile.start - begin : tile.start - begin + geometry.window_bp]
        return stretch, self._bins_with_bases(reference), edited.alignment

    def _bins_with_bases(self, tokens: NDArray[np.uint8]) -> NDArray[np.bool_]:
        bins: NDArray[np.bool_] = (tokens.reshape(self._geometry.bins, self._geometry.bin_bp) != NO_BASE).any(axis=1)
        return bins

    def to_reference(self, item: HaplotypeTile, signal: TileSignal) -> NDArray[np.float32] | None:
        """Return the signal of a window that was read, by bin of the reference; call it once per window.

        Args:
            item: The tile.
            signal: What was predicted for it.

        Returns:
            float32, (samples, bins, tracks); NaN for bins whose bases all moved out of the window. None if nothing was
            predicted.
        """
        aligned = self._alignments.pop(item, None)
        if aligned is None or signal.signal is None:
            return signal.signal
        alignment, has_bases = aligned
        return alignment.to_reference(signal.signal, has_bases, bin_bp=self._geometry.bin_bp).astype(np.float32)
