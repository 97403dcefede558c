"""The mean signal of regions and its changes, from the sums of their windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.screen.windows import HEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.screen.areas import Areas
    from epigept_batch.screen.inputs import FactorInputs
    from epigept_batch.screen.windows import Layout
    from epigept_batch.tiling import Region, Tile

    Read = Callable[[Tile, int], NDArray[np.float64]]
    """Returns the values of a part of a window."""


@dataclass(frozen=True, eq=False)
class Changes:
    """Mean signals of regions in samples, and how each factor's change changes them.

    Attributes:
        samples: The samples, which share their screened factors.
        regions: The regions.
        first: Number of the first region, from 0, among all regions of the screen.
        tracks: Names of the tracks.
        bins: int64, (regions,): bins that have bases.
        hits: float64, (factors, regions): bins, of these, with a motif hit of the factor; NaN if the network takes no
            motif scores.
        unperturbed: float32, (samples, regions, tracks): mean of ln(1 + signal) over these bins; NaN without any.
        change: float32, (samples, factors, regions, tracks): mean after the change minus `unperturbed`.
    """

    samples: tuple[FactorInputs, ...]
    regions: tuple[Region, ...]
    first: int
    tracks: tuple[str, ...]
    bins: NDArray[np.int64]
    hits: NDArray[np.float64]
    unperturbed: NDArray[np.float32]
    change: NDArray[np.float32]

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the screened factors."""
        return self.samples[0].factors


def gather(
    read: Read,
    areas: Areas,
    layout: Layout,
    samples: Sequence[tuple[int, FactorInputs]],
    *,
    regions: range,
    tracks: Sequence[str],
) -> Changes:
    """Add the windows of some regions up.

    Args:
        read: Returns parts of windows.
        areas: All regions and their windows.
        layout: How windows are cut into parts.
        samples: Samples, each with its number among all samples.
        regions: Numbers of the regions.
        tracks: Names of the tracks.
    """
    factors, number_of_tracks = layout.factors, len(tracks)
    bins, hits = np.zeros(len(regions), np.int64), np.zeros((factors, len(regions)))
    base = np.zeros((len(samples), len(regions), number_of_tracks))
    change = np.zeros((len(samples), factors, len(regions), number_of_tracks))
    for tile in areas.tiles_of(regions):
        wanted = [(place, share.region) for place, share in enumerate(areas.shares(tile)) if share.region in regions]
        places, numbers = np.array(wanted, dtype=np.int64).T
        rows = numbers - regions.start
        head = read(tile, HEAD)
        if not head[0].any():
            continue
        bins[rows] += head[0, places].astype(np.int64)
        hits[:, rows] += head[1:, places]
        for own, (number, _) in enumerate(samples):
            sums = np.concatenate([read(tile, part) for part in layout.parts_of(number)])
            sums = sums.reshape(1 + factors, -1, number_of_tracks)[:, places]
            base[own, rows] += sums[0]
            change[own][:, rows] += np.where(np.isnan(sums[1:]), 0, sums[1:] - sums[0])
    count = np.where(bins, bins, np.nan)[:, None]
    return Changes(
        tuple(sample for _, sample in samples),
        areas.regions[regions.start : regions.stop],
        regions.start,
        tuple(tracks),
        bins,
        hits,
        unperturbed=(base / count).astype(np.float32),
        change=(change / count).astype(np.float32),
    )


def rank_among_factors(change: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rank of each factor by |change|, 1 for the largest; equal ones share the better rank.

    Args:
        change: (…, factors).
    """
    size = np.abs(change)
    order = np.argsort(-size, axis=-1, kind="stable")
    ordered = np.take_along_axis(size, order, axis=-1)
    places = np.broadcast_to(np.arange(1, size.shape[-1] + 1), size.shape)
    is_new = np.ones(size.shape, dtype=np.bool_)
    is_new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    ranks = np.empty(size.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.maximum.accumulate(np.where(is_new, places, 0), axis=-1), axis=-1)
    return ranks
