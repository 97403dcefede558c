"""Join the maps of windows to the map of a contig: pairs of bins, row by row, in genome order.

A map of `blocks` bins is kept as its upper triangle: `size(blocks)` values, row by row. Rows of a contig are kept as a
band: the value in row r and column d is that of the bins r and r + d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Tile


def size(blocks: int) -> int:
    """Return the number of pairs of a window's bins, each with itself and each other one."""
    return blocks * (blocks + 1) // 2


def upper_triangle(maps: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Symmetrise maps and return their upper triangles.

    Args:
        maps: float32, (samples, blocks, blocks).
        usable: bool, (blocks,): whether pairs with a bin are wanted.

    Returns:
        float32, (samples, `size(blocks)`): the mean of both directions; NaN for pairs that are not wanted.
    """
    first, second = np.triu_indices(maps.shape[1])
    values: NDArray[np.float32] = (maps[:, first, second] + maps[:, second, first]) / np.float32(2)
    values[:, ~(usable[first] & usable[second])] = np.nan
    return values


def usable_blocks(tile: Tile, has_bases: NDArray[np.bool_], *, bin_bp: int, block_bp: int) -> NDArray[np.bool_]:
    """Return which bins of a window's map are selected, lie on the contig and have a base.

    Args:
        tile: The window.
        has_bases: bool, (bins,): whether a bin of the network has a base.
        bin_bp: Base pairs per bin of the network.
        block_bp: Base pairs per bin of the map.
    """
    first = tile.start // bin_bp
    wanted = np.zeros(len(has_bases), dtype=np.bool_)
    for begin, end in tile.paired:
        wanted[begin - first : end - first] = True
    by_block = (-1, block_bp // bin_bp)
    return np.logical_and(wanted.reshape(by_block).any(axis=1), has_bases.reshape(by_block).any(axis=1))


@dataclass(frozen=True, eq=False)
class Rows:
    """Finished rows of a contig.

    Attributes:
        contig: The contig.
        first: The bin of the first row.
        values: float64, (samples, rows, blocks): the value of each pair, by distance in bins; NaN for pairs that no
            window has.
    """

    contig: Contig
    first: int
    values: NDArray[np.float64]


class WindowMean:
    """Averages the maps of overlapping windows, and gives out rows once no later window can have them.

    Args:
        samples: Number of samples.
        blocks: Bins of a window's map.
        block_bp: Base pairs per bin.
    """

    def __init__(self, samples: int, blocks: int, *, block_bp: int) -> None:
        self._blocks, self._block_bp = blocks, block_bp
        self._sums = np.zeros((samples, blocks, blocks))
        self._counts = np.zeros((blocks, blocks), dtype=np.int64)
        rows, columns = np.triu_indices(blocks)
        self._at = rows, columns - rows
        self._contig: Contig | None = None
        self._first = 0

    def add(self, tile: Tile, upper: NDArray[np.float32]) -> Iterator[Rows]:
        """Add a window; yield the rows that are finished by that.

        Args:
            tile: The window, after those added before in genome order.
            upper: float32, (samples, `size(blocks)`), from `upper_triangle`; empty for a window that was not computed.
        """
        first = tile.start // self._block_bp
        if tile.contig != self._contig:
            yield from self.rest()
            self._contig, self._first = tile.contig, first
        yield from self._until(first)
        if upper.size:
            seen = ~np.isnan(upper[0])
            self._sums[:, *self._at] += np.where(seen, upper, 0)
            self._counts[self._at] += seen

    def rest(self) -> Iterator[Rows]:
        """Yield the rows that are left after the last window of a contig."""
        yield from self._until(self._first + self._blocks)

    def _until(self, first: int) -> Iterator[Rows]:
        """Yield the rows before a bin, and forget them."""
        rows = min(first - self._first, self._blocks)
        if self._contig is not None and self._counts[:rows].any():
            counts = self._counts[:rows]
            with np.errstate(invalid="ignore"):
                yield Rows(self._contig, self._first, np.where(counts > 0, self._sums[:, :rows] / counts, np.nan))
        for kept, axis in ((self._sums, 1), (self._counts, 0)):
            shifted = np.moveaxis(kept, axis, 0)
            shifted[: self._blocks - rows] = shifted[rows:].copy()
            shifted[self._blocks - rows :] = 0
        self._first = first
