"""Take each window's bins and split them into runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Tile


@dataclass(frozen=True, eq=False)
class TileSignal:
    """The predicted signal of a window.

    Attributes:
        tile: The window.
        signal: float32, (samples, bins, tracks), of the whole window, NaN for bins of which a sample has no value; None
            if no needed bin has a base, or if the network was not asked for it.
        has_bases: bool, (bins,): whether a bin of the window contains A, C, G or T.
        others: The network's other outputs by name, each float32, (samples, …); empty if no needed bin has a base.
    """

    tile: Tile
    signal: NDArray[np.float32] | None
    has_bases: NDArray[np.bool_]
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def taken(self, *, bin_bp: int) -> NDArray[np.float32]:
        """Return the bins that are taken from the window, (samples, bins, tracks); NaN without a base or value.

        This is all that the outputs need. For a window without any base, the array is empty in every dimension.
        """
        if self.signal is None:
            return np.zeros((0, 0, 0), dtype=np.float32)
        window_first = self.tile.start // bin_bp
        masked = np.where(self.has_bases[:, None], self.signal, np.float32(np.nan))
        if not self.tile.spans:
            return masked[:, :0]
        parts = [masked[:, first - window_first : last - window_first] for first, last in self.tile.spans]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True, eq=False)
class Run:
    """Values of successive bins.

    Attributes:
        contig: The contig that they lie on.
        first_bin: The first bin, counted from the contig's start.
        values: float32, (samples, bins, tracks); NaN for bins of which only other samples have a value.
    """

    contig: Contig
    first_bin: int
    values: NDArray[np.float32]


def runs(tile: Tile, taken: NDArray[np.float32]) -> Iterator[Run]:
    """Yield the bins that are taken from a window, split at bins of which no sample has a value.

    Args:
        tile: The window.
        taken: The result of `TileSignal.taken`.
    """
    if not taken.size:
        return
    begin = 0
    for first, last in tile.spans:
        part = taken[:, begin : begin + last - first]
        edges = np.flatnonzero(np.diff(~np.isnan(part).all(axis=(0, 2)), prepend=False, append=False))
        for start, end in edges.reshape(-1, 2):
            yield Run(tile.contig, first + int(start), part[:, start:end])
        begin += last - first
