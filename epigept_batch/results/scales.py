"""One scale per track for all samples, so that heights can be compared."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from epigept_batch.results.folder import ResultTrack, RunFolder

LOW, HIGH = "0.001", "0.999"
"""Quantiles at the ends of a scale: of hg38's 24 million bins, 24,000 are higher."""


def common_scales(folder: RunFolder) -> dict[str, tuple[float, float]]:
    """Return the lower and upper limit of each track, by label, for all samples of a folder.

    The upper limit is the largest 99.9th percentile of any sample, rounded up to two digits. The lower limit is 0. A
    difference gets limits of the same size on both sides of 0.
    """
    tops: dict[str, float] = {}
    for track in folder.all_tracks():
        tops[track.label] = max(tops.get(track.label, 0.0), _top(track))
    differences = {track.label for track in folder.all_tracks() if track.is_difference}
    return {
        label: (-high if label in differences else 0.0, high)
        for label, high in ((label, rounded_up(top)) for label, top in tops.items())
    }


def _top(track: ResultTrack) -> float:
    """Return the size that all but a few bins of a track do not exceed; without statistics, none exceeds it."""
    if track.statistics is None:
        file = SignalTrack(track.path)
        extremes = file.extremes()
        file.close()
        return max(map(abs, extremes))
    quantiles: dict[str, float] = track.statistics["quantiles"] or {LOW: 0.0, HIGH: 0.0}
    return max(abs(quantiles[LOW]) if track.is_difference else 0.0, abs(quantiles[HIGH]))


def rounded_up(value: float) -> float:
    """Return the next number with two digits; 1 instead of 0."""
    if value <= 0:
        return 1.0
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    steps = value / step
    nearest = round(steps)
    return float(f"{(nearest if math.isclose(steps, nearest, rel_tol=1e-9) else math.ceil(steps)) * step:.2g}")
