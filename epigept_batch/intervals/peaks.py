"""Peaks: intervals of high signal with a summit or a mean, as lines of narrowPeak and broadPeak."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.intervals.valleys import split_at_valleys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from epigept_batch.intervals.hysteresis import Interval
    from epigept_batch.tiling import Contig, Span

NARROW, BROAD = "narrowPeak", "broadPeak"
"""Formats, which are also the endings of their files: UCSC's BED6+4 and BED6+3."""
MOST_SCORE = 1000
NOT_KNOWN = "-1"
"""What both formats have in place of a p-value or q-value that was not computed."""


@dataclass(frozen=True)
class Peak:
    """Bins [first, last) of a contig.

    Attributes:
        contig: The contig.
        first: The first bin.
        last: The bin after the last.
        summit: The bins with the highest value of the peak that follow each other, the first such ones; None in a
            broad peak.
        signal: Signal at the summit, or the mean over the bins of a broad peak; not its logarithm.
    """

    contig: Contig
    first: int
    last: int
    summit: Span | None
    signal: float


def narrow_peaks(contig: Contig, interval: Interval, *, prominence: float, least: int) -> Iterator[Peak]:
    """Yield the peaks of an interval, one per separate summit; see `split_at_valleys`.

    Args:
        contig: The contig.
        interval: Bins with ln(1 + signal).
        prominence: Share of the height of a summit by which the lowest bin beside it must be lower.
        least: Least number of bins of a peak.
    """
    for first, last in split_at_valleys(interval.values, prominence=prominence, least=least):
        values = interval.values[first:last]
        top = int(values.argmax())
        below = np.flatnonzero(values[top:] < values[top])
        behind = top + int(below[0]) if len(below) else len(values)
        at = interval.first + first
        yield Peak(contig, at, interval.first + last, (at + top, at + behind), float(np.expm1(np.float64(values[top]))))


def broad_peak(contig: Contig, interval: Interval) -> Peak:
    """Return an interval as one peak without a summit, with the mean signal of its bins."""
    mean = float(np.expm1(interval.values.astype(np.float64)).mean())
    return Peak(contig, interval.first, interval.last, None, mean)


@dataclass(frozen=True)
class PeakLines:
    """Writes peaks as lines of BED6+4 (narrowPeak) or BED6+3 (broadPeak).

    Attributes:
        name: What the names of peaks begin with.
        bin_bp: Base pairs per bin.
        highest: Signal that has a score of 1000.
    """

    name: str
    bin_bp: int
    highest: float

    def line(self, peak: Peak, number: int) -> str:
        """Return the line of a peak with its number, without a line break.

        The score is 1000 × ln(1 + signal) / ln(1 + highest), rounded down.
        """
        return "\t".join(self.fields(peak, number))

    def fields(self, peak: Peak, number: int) -> list[str]:
        """Return the fields of a line."""
        start, end = peak.first * self.bin_bp, self._end(peak, peak.last)
        score = min(MOST_SCORE, int(MOST_SCORE * math.log1p(peak.signal) / math.log1p(self.highest)))
        fields = [
            *(peak.contig.name, str(start), str(end)),
            *("_".join(f"{self.name}_{number}".split()), str(score), "."),
            *(f"{peak.signal:.6g}", NOT_KNOWN, NOT_KNOWN),
        ]
        if peak.summit is not None:
            first, last = peak.summit
            fields.append(str((first * self.bin_bp + self._end(peak, last)) // 2 - start))
        return fields

    def covered_bp(self, peak: Peak) -> int:
        """Return the number of base pairs of a peak."""
        return self._end(peak, peak.last) - peak.first * self.bin_bp

    def _end(self, peak: Peak, last: int) -> int:
        """Return where a bin ends that is the one before `last`: at the contig's end, if that comes first."""
        return min(last * self.bin_bp, peak.contig.length)


_FIELDS = (
    ("string chrom", "Contig"),
    ("uint chromStart", "Start, 0-based"),
    ("uint chromEnd", "End, exclusive"),
    ("string name", "Sample, track and number of the peak"),
    ("uint score", "1000 x ln(1 + signal) / ln(1 + highest signal of the track)"),
    ("char[1] strand", "Always ."),
)
_SIGNAL = {NARROW: "Predicted signal at the summit", BROAD: "Mean predicted signal of the bins"}
_VALUES = (("float pValue", "Not computed: -1"), ("float qValue", "Not computed: -1"))
_SUMMIT = ("int peak", "Summit, as an offset from chromStart")
_TITLES = {NARROW: "BED6+4: predicted peaks with a summit", BROAD: "BED6+3: predicted broad peaks"}


def autosql(form: str) -> str:
    """Return the autoSql of a bigBed of peaks, with UCSC's names for the table and its fields.

    Args:
        form: `narrowPeak` or `broadPeak`.
    """
    fields = [*_FIELDS, ("float signalValue", _SIGNAL[form]), *_VALUES, *((_SUMMIT,) if form == NARROW else ())]
    lines = "".join(f'    {name}; "{meaning}"\n' for name, meaning in fields)
    return f'table big{form[0].upper()}{form[1:]}\n"{_TITLES[form]}"\n(\n{lines})\n'
