"""One bounded pass over the tracks of a folder: distributions, means per contig, correlations, and variable windows."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.results.bins import predicted_spans, read_bins
from epigept_batch.results.scales import common_scales
from epigept_batch.tiling import merge_spans
from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.progress import Progress
    from epigept_batch.results.folder import ResultTrack, RunFolder
    from epigept_batch.tiling import Contig

WINDOW_BINS = 160
"""Bins of a window, 20,480 bp at 128 bp per bin."""
MOST_BINS = 400_000
"""Bins that are read of a track at most. All of chromosome 22 are 397,020 bins of 128 bp, which take 0.3 s."""
MOST_VALUES = 20_000_000
"""Bins that are read at most, of all tracks of all samples."""
ROUNDING = 1e-12
"""Share of the mean square: a smaller variance is a rounding error."""
MOST_AT_ONCE = 64
"""Windows that are read at once, because values are read per base."""
STEPS = 60
"""Bars of a histogram."""


@dataclass(frozen=True)
class Window:
    """Bins [first, last) of a contig."""

    contig: Contig
    first: int
    last: int

    @property
    def bins(self) -> int:
        """Number of bins."""
        return self.last - self.first


@dataclass(frozen=True, eq=False)
class TrackSurvey:
    """What was read of one track, in all samples that have it, as ln(1 + signal).

    Attributes:
        name: Name of the track.
        samples: Names of the samples.
        edges: float64, (STEPS + 1,): edges of the histogram's bars, from 0 to the highest value of any sample.
        histogram: int64, (samples, STEPS): number of bins per bar.
        bins: int64, (samples, contigs): number of bins with data.
        means: float64, (samples, contigs): mean of the bins with data; NaN without any.
        correlation: float64, (samples, samples): Pearson r over the bins where both samples have data; NaN where it is
            not defined.
    """

    name: str
    samples: tuple[str, ...]
    edges: NDArray[np.float64]
    histogram: NDArray[np.int64]
    bins: NDArray[np.int64]
    means: NDArray[np.float64]
    correlation: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Survey:
    """What was read of a folder.

    Attributes:
        bin_bp: Base pairs per bin.
        windows: The windows that were read, in genome order.
        windows_in_all: Number of windows of the predicted part of the genome.
        bins_in_all: Number of its bins.
        contigs: The contigs of the windows, in genome order.
        tracks: The tracks, in the order of the model; no differences.
        variation: float64, (windows,): variance between samples, summed over tracks. Each track's is the mean over the
            bins with data in at least two samples, divided by the square of the track's common scale.
    """

    bin_bp: int
    windows: tuple[Window, ...]
    windows_in_all: int
    bins_in_all: int
    contigs: tuple[Contig, ...]
    tracks: tuple[TrackSurvey, ...]
    variation: NDArray[np.float64]

    @property
    def bins(self) -> int:
        """Number of bins that were read, per track."""
        return sum(window.bins for window in self.windows)

    @property
    def is_complete(self) -> bool:
        """Whether every predicted bin was read."""
        return len(self.windows) == self.windows_in_all


def survey_folder(folder: RunFolder, progress: Progress, *, bin_bp: int) -> Survey:
    """Read the tracks of a folder, all bins or evenly spread windows.

    Memory: the values of one track, at most 4 bytes × MOST_VALUES, and a few arrays of that size.

    Args:
        folder: A folder with at least one track.
        progress: Receives an update per bigWig.
        bin_bp: Base pairs per bin.

    Raises:
        InputError: A track cannot be read, or no predicted bins are recorded.
    """
    every = windows_of(folder)
    if not every:
        raise InputError("run.json names no predicted bins; rerun the prediction", folder.path)
    files = sum(not track.is_difference for track in folder.all_tracks())
    windows = spread(every, files)
    contigs = tuple(dict.fromkeys(window.contig for window in windows))
    scales = common_scales(folder)
    progress.start(files)
    tracks, variation = [], np.zeros(len(windows))
    for name in folder.tracks:
        found = {track.sample: track for track in folder.all_tracks() if track.name == name and not track.is_difference}
        values = np.empty((len(found), sum(window.bins for window in windows)), dtype=np.float32)
        for row, track in zip(values, found.values(), strict=True):
            _read(track, windows, row, bin_bp=bin_bp, space=folder.space)
            progress.advance()
        scale = _log1p(scales[name][1], folder.space)
        top = max(_log1p(_highest(track), folder.space) for track in found.values())
        tracks.append(_track_survey(name, tuple(found), values, windows, contigs, top))
        variation += window_variances(values, _starts(windows)) / scale**2
    return Survey(bin_bp, windows, len(every), sum(window.bins for window in every), contigs, tuple(tracks), variation)


def windows_of(folder: RunFolder) -> list[Window]:
    """Return all windows of the bins that were predicted for any sample, in genome order."""
    found = []
    for contig in folder.contigs:
        spans = (span for sample in folder.samples for span in predicted_spans(sample, contig))
        for first, last in merge_spans(spans):
            found += [Window(contig, at, min(at + WINDOW_BINS, last)) for at in range(first, last, WINDOW_BINS)]
    return found


def spread(windows: Sequence[Window], files: int) -> tuple[Window, ...]:
    """Return the windows that are read of each of so many files: all, or evenly spread ones, at least one."""
    most_bins = min(MOST_BINS, MOST_VALUES // files)
    if sum(window.bins for window in windows) <= most_bins:
        return tuple(windows)
    wanted = min(len(windows), max(1, most_bins // WINDOW_BINS))
    return tuple(windows[(2 * number + 1) * len(windows) // (2 * wanted)] for number in range(wanted))


def correlations(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return Pearson r of all pairs of rows, each over the columns where both are not NaN.

    Args:
        values: float32, (rows, columns).

    Returns:
        float64, (rows, rows): NaN where r is not defined.
    """
    there = ~np.isnan(values)
    filled = np.where(there, values, 0).astype(np.float64)
    mask = there.astype(np.float64)
    number = mask @ mask.T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (filled @ mask.T) / number  # of the row's values where the other row has data
        variance = (filled**2 @ mask.T) / number - mean**2
        covariance = (filled @ filled.T) / number - mean * mean.T
        varies = variance > ROUNDING * (variance + mean**2)
        found: NDArray[np.float64] = covariance / np.sqrt(variance * variance.T)
    found[~(varies & varies.T)] = np.nan
    return np.clip(found, -1, 1)


def window_variances(values: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean variance between rows in each window.

    Args:
        values: float32, (rows, columns).
        starts: int64, (windows,): first column of each window, ascending from 0.

    Returns:
        float64, (windows,): means over the columns where at least two rows are not NaN; 0 without such columns.
    """
    there = ~np.isnan(values)
    number = there.sum(axis=0)
    shared = number > 1
    divisor = np.maximum(number, 1)
    mean = np.where(there, values, 0).sum(axis=0, dtype=np.float64) / divisor
    squares = np.zeros(values.shape[1])
    for row, known in zip(values, there, strict=True):
        squares += np.where(known, (row - mean) ** 2, 0)
    variance = np.where(shared, squares / divisor, 0)
    sums, counts = np.add.reduceat(variance, starts), np.add.reduceat(shared, starts, dtype=np.int64)
    return np.asarray(sums / np.maximum(counts, 1), dtype=np.float64)


def _track_survey(
    name: str,
    samples: tuple[str, ...],
    values: NDArray[np.float32],
    windows: Sequence[Window],
    contigs: Sequence[Contig],
    top: float,
) -> TrackSurvey:
    edges = np.linspace(0, top or 1.0, STEPS + 1)
    histogram = np.stack([np.histogram(np.clip(row[~np.isnan(row)], 0, edges[-1]), edges)[0] for row in values])
    starts = _starts(windows)
    first = [next(at for at, window in zip(starts, windows, strict=True) if window.contig == one) for one in contigs]
    there = ~np.isnan(values)
    bins = np.add.reduceat(there, first, axis=1, dtype=np.int64)
    sums = np.add.reduceat(np.where(there, values, 0), first, axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        means = sums / bins
    return TrackSurvey(name, samples, edges, histogram, bins, means, correlations(values))


def _read(track: ResultTrack, windows: Sequence[Window], row: NDArray[np.float32], *, bin_bp: int, space: str) -> None:
    with closing(SignalTrack(track.path)) as file:
        at = 0
        for first, last in _stretches(windows):
            contig, start = windows[first].contig, windows[first].first
            bins = windows[last - 1].last - start
            row[at : at + bins] = read_bins(file, contig, start, bins, bin_bp=bin_bp, space=space)
            at += bins


def _stretches(windows: Sequence[Window]) -> Iterator[tuple[int, int]]:
    """Yield [first, last) of windows that follow each other without a gap, at most a few, to read them at once."""
    first = 0
    for number in range(1, len(windows) + 1):
        if (
            number == len(windows)
            or number - first == MOST_AT_ONCE
            or (windows[number].contig, windows[number].first) != (windows[number - 1].contig, windows[number - 1].last)
        ):
            yield first, number
            first = number


def _starts(windows: Sequence[Window]) -> NDArray[np.int64]:
    """Return the first column of each window, int64, (windows,)."""
    return np.concatenate([[0], np.cumsum([window.bins for window in windows])[:-1]]).astype(np.int64)


def _highest(track: ResultTrack) -> float:
    """Return the highest value of a track."""
    if track.statistics is not None:
        return float(track.statistics["max"] or 0)
    with closing(SignalTrack(track.path)) as file:
        return file.extremes()[1]


def _log1p(value: float, space: str) -> float:
    return math.log1p(value) if space == "linear" else value
