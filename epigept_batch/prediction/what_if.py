"""Predict a few windows with and without a change of expression or sequence, one question after another."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.prediction.haplotypes import haplotype_signals
from epigept_batch.prediction.scores import scores_for
from epigept_batch.tiling import make_tiles, select_bins
from epigept_batch.timing import StageClock
from epigept_batch.variants.haplotype import ContigChanges, Haplotype

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.inference.session import Session
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region, Tile
    from epigept_batch.variants.changes import Change

REFERENCE = Haplotype(1, {})
"""The genome as it is."""
KEPT_WINDOWS = 64
"""Windows whose unchanged signal is kept, 32 kB each in the published networks."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Bins of a window, without and with the change.

    Attributes:
        first_bin: The first bin, counted from the contig's start.
        values: float32, (2, bins, tracks): ln(1 + signal) as it is, and changed; NaN for bins without a value.
    """

    first_bin: int
    values: NDArray[np.float32]


class WhatIf:
    """Answers what a change does to the tracks of a region; keeps the motif scanner ready. Use it from one thread.

    Args:
        genome: The sequence, open as long as this is used.
        spec: The spec of the model file.
        sessions: Sessions of the network, each for one thread.
        overlap: Base pairs shared by neighbouring windows, as in the run whose tracks are compared.
        threads: Number of CPU threads.
        say: Called with a sentence for the user.
    """

    def __init__(
        self,
        genome: Genome,
        spec: Spec,
        sessions: Sequence[Session],
        *,
        overlap: int,
        threads: int,
        say: Callable[[str], None],
    ) -> None:
        self._genome, self._spec, self._sessions = genome, spec, sessions
        self._overlap, self._threads = overlap, threads
        self._kept: OrderedDict[Hashable, NDArray[np.float32]] = OrderedDict()
        self._stack = ExitStack()
        self._scanner = self._stack.enter_context(scores_for(spec, sessions[0].ports, None, threads=threads, say=say))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the scanner's threads."""
        self._stack.close()

    def tiles(self, region: Region) -> list[Tile]:
        """Return the windows that the bins of a region come from."""
        bins = select_bins([region], self._spec.geometry.bin_bp)
        return make_tiles(self._genome.contigs, bins, geometry=self._spec.geometry, overlap=self._overlap)

    def predict(
        self,
        tiles: Sequence[Tile],
        expression: tuple[NDArray[np.float32], NDArray[np.float32] | None],
        change: tuple[Contig, Change] | None,
    ) -> Generator[Piece, None, None]:
        """Yield the bins of each window; close it to stop after the window that is being computed.

        Args:
            tiles: The windows, from `tiles`.
            expression: What the network reads of the sample as it is and with changed factors, each float32,
                (factors,); None instead of the second if no factor changes.
            change: A change of the sequence and its contig; None if the sequence stays.

        Raises:
            InputError: Nothing changes.
        """
        as_is, changed = expression
        if changed is None and change is None:
            raise InputError("nothing to change; set a factor or type a variant")
        vector = as_is if changed is None else changed
        edited = REFERENCE if change is None else Haplotype(2, {change[0].name: ContigChanges([change[1]])})
        for tile in tiles:
            before = self._unchanged(tile, as_is)
            yield from self._pieces(tile, np.stack([before, self._predicted(tile, vector, edited)]))

    def _unchanged(self, tile: Tile, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the bins of a window as it is. Some are kept, because people ask about one place many times."""
        key = tile.contig.name, tile.start, tile.spans, vector.tobytes()
        if key not in self._kept:
            self._kept[key] = self._predicted(tile, vector, REFERENCE)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_WINDOWS:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _predicted(self, tile: Tile, vector: NDArray[np.float32], haplotype: Haplotype) -> NDArray[np.float32]:
        """Predict a window, one at a time, so that both sides of a comparison are rounded alike: (bins, tracks)."""
        signals = haplotype_signals(
            self._genome,
            [tile],
            vector[None],
            [(haplotype, 0)],
            self._sessions,
            sources=(self._scanner, self._scanner),
            geometry=self._spec.geometry,
            tracks=range(len(self._spec.tracks)),
            threads=self._threads,
            clock=StageClock(),
        )
        with closing(signals):
            (signal,) = signals
        taken = signal.taken(bin_bp=self._spec.geometry.bin_bp)
        if taken.size:
            found: NDArray[np.float32] = taken[0]
            return found
        bins = sum(last - first for first, last in tile.spans)
        return np.full((bins, len(self._spec.tracks)), np.nan, dtype=np.float32)

    @staticmethod
    def _pieces(tile: Tile, values: NDArray[np.float32]) -> Iterator[Piece]:
        begin = 0
        for first, last in tile.spans:
            yield Piece(first, values[:, begin : begin + last - first])
            begin += last - first
