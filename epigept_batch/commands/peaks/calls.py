"""Call the peaks of one track."""

from __future__ import annotations

import heapq
import math
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.intervals.cutoff import HighestShare
from epigept_batch.intervals.hysteresis import Hysteresis
from epigept_batch.intervals.peaks import NARROW, broad_peak, narrow_peaks
from epigept_batch.results.bins import blocks, predicted_spans, read_bins
from epigept_batch.tiling import merge_spans
from epigept_batch.tracks.signal import LARGEST_LOG1P, SignalTrack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from epigept_batch.commands.peaks.rules import TrackRule
    from epigept_batch.intervals.hysteresis import Interval, Rule
    from epigept_batch.intervals.peaks import Peak
    from epigept_batch.results.folder import ResultTrack, RunFolder
    from epigept_batch.tiling import Contig

    Block = tuple[Contig, int, NDArray[np.float32]]
    """A contig, a first bin, and the ln(1 + signal) of bins from there."""


class TrackReader:
    """Reads a track of a folder in genome order.

    Args:
        folder: The folder.
        track: The track.
        bin_bp: Base pairs per bin.
    """

    def __init__(self, folder: RunFolder, track: ResultTrack, *, bin_bp: int) -> None:
        self._folder, self._track, self._bin_bp = folder, track, bin_bp

    def blocks(self) -> Iterator[Block]:
        """Yield the predicted bins, a few Mb at a time.

        Raises:
            InputError: The file is damaged, or has values that `genome` does not write.
        """
        sample = self._folder.sample(self._track.sample)
        with closing(SignalTrack(self._track.path)) as file:
            for contig in self._folder.contigs:
                for first, last in blocks(merge_spans(predicted_spans(sample, contig)), self._bin_bp):
                    values = read_bins(file, contig, first, last - first, bin_bp=self._bin_bp, space=self._folder.space)
                    if (impossible := np.abs(values) > LARGEST_LOG1P).any():
                        at = (first + int(impossible.argmax())) * self._bin_bp + 1
                        raise InputError(
                            f"has ln(1 + signal) of {values[impossible][0]:.4g} at {contig.name}:{at}, so it is not a "
                            "track of epigept-batch genome; rerun the prediction",
                            self._track.path,
                        )
                    yield contig, first, values

    def highest_signal(self) -> float:
        """Return the highest signal of the file; not its logarithm."""
        with closing(SignalTrack(self._track.path)) as file:
            highest = file.extremes()[1]
        # Reading the bins refuses what is larger.
        return highest if self._folder.space == "linear" else math.expm1(min(highest, LARGEST_LOG1P))


def candidates_cutoff(reader: TrackReader, share: float) -> float:
    """Return the ln(1 + signal) that a share of the bins of a track reach, in a pass of its own."""
    counts = HighestShare()
    for _, _, values in reader.blocks():
        counts.add(values)
    return counts.cutoff(share)


def call_peaks(blocks_of_bins: Iterable[Block], rule: TrackRule, threshold: float) -> Iterator[Peak]:
    """Yield the peaks of a track in genome order, without regard to `rule.top`.

    Memory is that of a block of bins and of the longest interval.

    Args:
        blocks_of_bins: Bins in genome order.
        rule: The rule.
        threshold: Its threshold.
    """
    for contig, interval in _intervals(blocks_of_bins, rule.hysteresis(threshold)):
        if rule.form == NARROW:
            yield from narrow_peaks(contig, interval, prominence=rule.prominence, least=rule.least)
        else:
            yield broad_peak(contig, interval)


def strongest(peaks: Iterable[Peak], number: int) -> tuple[list[Peak], int]:
    """Return the peaks with the highest signal in the given order, and how many there are in all.

    Of peaks with the same signal, the first are kept. Memory is that of so many peaks.

    Args:
        peaks: Peaks in genome order.
        number: How many are kept.
    """
    every = 0

    def counted() -> Iterator[tuple[float, int, Peak]]:
        nonlocal every
        for peak in peaks:
            every += 1
            yield peak.signal, -every, peak

    kept = heapq.nlargest(number, counted(), key=lambda one: one[:2])
    return [peak for _, _, peak in sorted(kept, key=lambda one: -one[1])], every


def _intervals(blocks_of_bins: Iterable[Block], rule: Rule) -> Iterator[tuple[Contig, Interval]]:
    """Yield the intervals of all contigs."""
    finder = Hysteresis(rule)
    current: Contig | None = None
    for contig, first, values in blocks_of_bins:
        if current is not None and contig != current:
            for interval in finder.end():
                yield current, interval
        current = contig
        for interval in finder.add(first, values):
            yield contig, interval
    if current is not None:
        for interval in finder.end():
            yield current, interval
