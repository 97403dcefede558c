"""By which rule the peaks of a track are called: its threshold with its source, and the shape of its peaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.intervals.cutoff import SMALLEST
from epigept_batch.intervals.hysteresis import Rule
from epigept_batch.intervals.peaks import BROAD, NARROW
from epigept_batch.tiling import ceil_div
from epigept_batch.tracks.signal import LARGEST_LOG1P

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from epigept_batch.calibration.calibration_file import Calibration
    from epigept_batch.commands.peaks.request import PeaksRequest

NARROW_MARKS = ("DNase", "ATAC", "CTCF", "H3K4me3", "H3K27ac")
BROAD_MARKS = ("H3K36me3", "H3K27me3", "H3K9me3", "H3K4me1")
LOW = {NARROW: 0.75, BROAD: 0.5}
"""Default share of a chosen threshold that the edges of a peak reach, of ln(1 + signal)."""
LOW_OF_CALIBRATED = 1.0
"""The same for a threshold of a calibration, whose precision is that of bins that reach it, not of lower ones."""
MAX_GAP = {NARROW: 0, BROAD: 600}
"""Default gap in bp. SICER bridges gaps of 600 bp in broad marks."""
MIN_LENGTH = {NARROW: 0, BROAD: 500}
"""Default length in bp; a peak has at least one bin."""
CALIBRATION = "calibration"
"""What the record calls thresholds that come from a calibration."""
TOP_SHARE = 0.05
"""With --top alone, a candidate reaches the value that this share of the track's bins reach."""


@dataclass(frozen=True)
class TrackRule:
    """How the peaks of a track are called.

    Attributes:
        form: `narrowPeak` or `broadPeak`.
        threshold: ln(1 + signal) that a bin of each peak reaches; None to take the value that 5 % of the bins reach.
        low: Share of the threshold that the edges of a peak reach.
        gap: Most successive bins below that inside a peak.
        least: Least bins of a peak.
        prominence: Share of the height by which a valley must be lower than the lower summit beside it.
        top: Number of strongest peaks that are kept; None for all.
        source: Where the threshold comes from, for the record.
        meaning: What the threshold means, a sentence.
    """

    form: str
    threshold: float | None
    low: float
    gap: int
    least: int
    prominence: float
    top: int | None
    source: Mapping[str, Any]
    meaning: str

    def hysteresis(self, threshold: float) -> Rule:
        """Return the rule of intervals for a threshold."""
        return Rule(high=threshold, low=max(SMALLEST, self.low * threshold), gap=self.gap, least=self.least)


def form_of(track: str, request: PeaksRequest) -> str:
    """Return the format of the peaks of a track; other marks than the known ones are narrow unless chosen."""
    name = track.casefold()
    if name in folded(request.broad):
        return BROAD
    return BROAD if name in folded(BROAD_MARKS) and name not in folded(request.narrow) else NARROW


def is_known(track: str, request: PeaksRequest) -> bool:
    """Whether the format of a track is chosen by the user, or known for its mark."""
    return track.casefold() in folded((*NARROW_MARKS, *BROAD_MARKS, *request.narrow, *request.broad))


def make_rules(
    request: PeaksRequest, tracks: Sequence[str], *, bin_bp: int, calibration: Calibration | None
) -> dict[str, TrackRule]:
    """Return the rule of each track.

    Args:
        request: What the user asks for; see `options.check_options`.
        tracks: Names of the tracks.
        bin_bp: Base pairs per bin.
        calibration: The file, if there is one.

    Raises:
        InputError: A track has no threshold, or an unusable one.
    """
    of_all, by_track = _thresholds(request.thresholds, tracks)
    rules = {}
    for track in tracks:
        form = form_of(track, request)
        threshold, source, meaning = _threshold(request, track, by_track.get(track, of_all), calibration)
        low = LOW_OF_CALIBRATED if source["rule"] == CALIBRATION else LOW[form]
        low = low if request.low is None else request.low
        gap = MAX_GAP[form] if request.max_gap is None else request.max_gap
        length = MIN_LENGTH[form] if request.min_length is None else request.min_length
        rules[track] = TrackRule(
            form=form,
            threshold=threshold,
            low=low,
            gap=gap // bin_bp,
            least=max(1, ceil_div(length, bin_bp)),
            prominence=request.prominence,
            top=request.top,
            source=source,
            meaning=meaning,
        )
    return rules


def _threshold(
    request: PeaksRequest, track: str, given: float | None, calibration: Calibration | None
) -> tuple[float | None, dict[str, Any], str]:
    """Return the threshold of a track, its source, and what it means."""
    if given is not None:
        meaning = "The user chose this threshold. It does not say how many of the peaks are real."
        return given, {"rule": "threshold"}, meaning
    if calibration is not None:
        return _calibrated(calibration, track, request.precision)
    if request.top is not None and not request.thresholds:
        meaning = (
            f"The candidates are peaks with a bin that reaches the value which {TOP_SHARE:.0%} of the track's bins "
            "reach. The user chose how many of them are kept, so their number does not say how many are real."
        )
        return None, {"rule": "top", "share_of_bins_of_candidates": TOP_SHARE}, meaning
    raise InputError(f"--threshold: no value for {track}; add {track}=X, or choose tracks with --tracks")


def _calibrated(calibration: Calibration, track: str, precision: float | None) -> tuple[float, dict[str, Any], str]:
    found = calibration.threshold(track, precision)
    if not found.value > 0:
        raise InputError(
            f"its threshold for {track} is 0, which every bin reaches; ask for a higher --precision, or add "
            f"--threshold {track}=X",
            calibration.path,
        )
    of_track = calibration.track(track)
    in_peaks = of_track.in_peaks / of_track.bins
    meaning = (
        f"In {calibration.cells_of(track)}, {found.precision:.1%} of the bins that reach this threshold lie in "
        f"measured peaks, and they are {found.recall:.1%} of all bins in peaks. Of all bins, {in_peaks:.1%} lie in "
        "peaks."
    )
    source: dict[str, Any] = {
        "rule": CALIBRATION,
        "chosen_by": "highest F1" if precision is None else f"precision of at least {precision:g}",
        "precision": found.precision,
        "recall": found.recall,
        "f1": found.f1,
        "share_of_bins_in_peaks": in_peaks,
        "precision_of_the_mean_of_training_cells_at_this_recall": None,
    }
    if of_track.mean is None:
        meaning += " How well the mean of the training cells does is not known."
    else:
        curve = of_track.mean.curve
        mean = float(curve.precision[np.flatnonzero(curve.recall >= found.recall)[-1]])
        source["precision_of_the_mean_of_training_cells_at_this_recall"] = mean
        meaning += f" The mean of the training cells has a precision of {mean:.1%} at that recall."
    return found.value, source, meaning


def _thresholds(texts: Sequence[str], tracks: Sequence[str]) -> tuple[float | None, dict[str, float]]:
    """Return the threshold of all tracks, and those of single tracks.

    Raises:
        InputError: One is not a number above 0, names an unknown track, or there are two.
    """
    known = {track.casefold(): track for track in tracks}
    found: dict[str | None, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        track = known.get(name.casefold())
        if equals and track is None:
            raise InputError(
                f"--threshold {text}: '{name}' is not a track that is called; these are {', '.join(tracks)}"
            )
        if track in found:
            raise InputError(f"--threshold {text}: a second value for {track or 'all tracks'}; remove one of them")
        found[track] = _number(text, number)
    of_all = found.get(None)
    return of_all, {track: value for track, value in found.items() if track is not None}


def _number(text: str, number: str) -> float:
    try:
        value = float(number) if "_" not in number else math.nan  # Python would read 1_0 as 10
    except ValueError:
        value = math.nan
    if not 0 < value <= LARGEST_LOG1P:
        raise InputError(
            f"--threshold {text}: must be ln(1 + signal), a number above 0 and at most {LARGEST_LOG1P:g}, such as 1.5"
        )
    return value


def folded(names: Sequence[str]) -> set[str]:
    """Return names without regard to case."""
    return {name.casefold() for name in names}
