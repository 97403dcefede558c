"""Take each window's bins and split them into runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Tile


@dataclass(frozen=True, eq=False)
class TileSignal:
    """The predicted signal of a window.

    Attributes:
        tile: The window.
        signal: float32, (samples, bins, tracks), of the whole window; None if no bin has a base.
        has_bases: bool, (bins,): whether a bin of the window contains A, C, G or T.
    """

    tile: Tile
    signal: NDArray[np.float32] | None
    has_bases: NDArray[np.bool_]

    def taken(self, *, bin_bp: int) -> NDArray[np.float32]:
        """Return the bins that are taken from the window, (samples, bins, tracks); NaN for bins without a base.

        This is all that the outputs need. For a window without any base, the array is empty in every dimension.
        """
        if self.signal is None:
            return np.zeros((0, 0, 0), dtype=np.float32)
        window_first = self.tile.start // bin_bp
        masked = np.where(self.has_bases[:, None], self.signal, np.float32(np.nan))
        parts = [masked[:, first - window_first : last - window_first] for first, last in self.tile.spans]
        return np.concatenate(parts, axis=1)

    @classmethod
    def from_kept(cls, tile: Tile, taken: NDArray[np.float32], *, bins: int, bin_bp: int) -> Self:
        """Rebuild the signal from the result of `taken`; bins that were not taken stay 0.

        Args:
            tile: The window.
            taken: float32, (samples, bins, tracks).
            bins: Number of bins of a window.
            bin_bp: Base pairs per bin.
        """
        has_bases = np.zeros(bins, dtype=np.bool_)
        if not taken.size:
            return cls(tile, None, has_bases)
        window_first, begin = tile.start // bin_bp, 0
        signal = np.zeros((len(taken), bins, taken.shape[2]), dtype=np.float32)
        for first, last in tile.spans:
            part = taken[:, begin : begin + last - first]
            signal[:, first - window_first : last - window_first] = part
            has_bases[first - window_first : last - window_first] = ~np.isnan(part).any(axis=(0, 2))
            begin += last - first
        return cls(tile, signal, has_bases)


@dataclass(frozen=True, eq=False)
class Run:
    """Values of successive bins.

    Attributes:
        contig: The contig that they lie on.
        first_bin: The first bin, counted from the contig's start.
        values: float32, (samples, bins, tracks).
    """

    contig: Contig
    first_bin: int
    values: NDArray[np.float32]


def runs(signal: TileSignal, *, bin_bp: int) -> Iterator[Run]:
    """Yield the bins that are taken from a window, split at bins without bases."""
    if signal.signal is None:
        return
    window_first = signal.tile.start // bin_bp
    for first, last in signal.tile.spans:
        wanted = signal.has_bases[first - window_first : last - window_first]
        edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
        for begin, end in edges.reshape(-1, 2) + first:
            values = signal.signal[:, begin - window_first : end - window_first]
            yield Run(signal.tile.contig, int(begin), values)
