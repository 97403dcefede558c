"""Cut the positions of a scan into segments, of which only the best sums are kept."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.spec import ScanWindow

SEGMENT = 16  # positions; 8 and 32 were no faster


@lru_cache(maxsize=64)  # the same for every window of a genome
def cut_segments(
    widths: tuple[int, ...], window: ScanWindow, bin_bp: int, bins: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut positions into segments, and find the segments of each bin's window.

    Returns:
        Bounds of the segments, int64, ascending; and int64 (widths, bins, 2): first and end segment of a bin's window
        for motifs of each width, which are equal if the motif is wider than the window.
    """
    starts = np.arange(bins) * bin_bp
    ends = [starts + max(window.right - window.left - width + 1, 0) for width in widths]
    grid = np.arange(0, max(int(end[-1]) for end in ends), SEGMENT)
    bounds = np.unique(np.concatenate([grid, starts, *ends]))
    firsts = np.searchsorted(bounds, starts)
    spans = np.stack([np.stack([firsts, np.searchsorted(bounds, end)], axis=1) for end in ends])
    return bounds, spans
