"""Windows in any order to bins in genome order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Tile


@dataclass(frozen=True, eq=False)
class TileSignal:
    """What a window gave.

    Attributes:
        tile: The window.
        signal: float32, (samples, bins, tracks), of the whole window; None where no bin of it has a base.
        has_bases: bool, (bins,): whether a bin of the window has a base that is ACGT.
    """

    tile: Tile
    signal: NDArray[np.float32] | None
    has_bases: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Run:
    """Values of successive bins.

    Attributes:
        contig: Where they lie.
        first_bin: The first, counted from the contig's start.
        values: float32, (samples, bins, tracks).
    """

    contig: Contig
    first_bin: int
    values: NDArray[np.float32]


def in_genome_order(signals: Iterable[TileSignal]) -> Iterator[TileSignal]:
    """The same, by the tile's index, each as soon as all before it have come."""
    waiting: dict[int, TileSignal] = {}
    due = 0
    for signal in signals:
        waiting[signal.tile.index] = signal
        while due in waiting:
            yield waiting.pop(due)
            due += 1
    if waiting:
        raise RuntimeError(f"tile {due} never came, {len(waiting)} after it did")


def runs(signal: TileSignal, *, bin_bp: int) -> Iterator[Run]:
    """The bins that are taken from a window, cut where bins without bases lie between them."""
    if signal.signal is None:
        return
    window_first = signal.tile.start // bin_bp
    for first, last in signal.tile.spans:
        wanted = signal.has_bases[first - window_first : last - window_first]
        edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
        for begin, end in edges.reshape(-1, 2) + first:
            values = signal.signal[:, begin - window_first : end - window_first]
            yield Run(signal.tile.contig, int(begin), values)
