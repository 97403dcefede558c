"""The file of a calibration: what thresholds found in held-out cells, and where the prediction beat the mean."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.bounds import read_whole
from epigept_batch.calibration.curves import Curve, Reliability, Threshold
from epigept_batch.errors import InputError, reason
from epigept_batch.files import replacing
from epigept_batch.names import some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = "epigept-batch calibration"
VERSION = 1
MOST_COUNT = 2**62
MOST_NUMBER = 1e300
HEAD = 4096
"""Bytes in which the name of the format stands."""
NAMES_SHOWN = 8
RULE = (
    "a bin is called if its predicted ln(1 + signal) is at least the threshold; it is in a peak if peaks cover at "
    "least half of it"
)


@dataclass(frozen=True, eq=False)
class Series:
    """What the values of one series say about peaks.

    Attributes:
        curve: Called bins by threshold.
        reliability: Share of bins in peaks by value.
        average_precision: Area under the precision-recall curve, summed in steps.
    """

    curve: Curve
    reliability: Reliability
    average_precision: float


@dataclass(frozen=True, eq=False)
class Levels:
    """How the prediction compares with the mean of the training cells, by the level of that mean.

    Attributes:
        lower: float64, (levels,), ascending from 0: the lowest value of each level, ln(1 + signal) of the mean. A level
            ends where the next begins, and the last has no end.
        bins: int64, (levels,): compared bins.
        in_peaks: int64, (levels,): those of them that lie in peaks.
        brier_prediction: float64, (levels,): Brier score of the calibrated prediction; NaN without bins.
        brier_mean: float64, (levels,): Brier score of the calibrated mean; NaN without bins.
        margin: float64, (levels,): by how much the scores must differ; NaN where there are too few blocks to tell.
    """

    lower: NDArray[np.float64]
    bins: NDArray[np.int64]
    in_peaks: NDArray[np.int64]
    brier_prediction: NDArray[np.float64]
    brier_mean: NDArray[np.float64]
    margin: NDArray[np.float64]

    @property
    def beats(self) -> NDArray[np.bool_]:
        """Where the score of the prediction is better by more than the margin, bool, (levels,)."""
        with np.errstate(invalid="ignore"):
            better: NDArray[np.bool_] = self.brier_mean - self.brier_prediction > self.margin
        return better


@dataclass(frozen=True, eq=False)
class TrackCalibration:
    """The calibration of one track.

    Attributes:
        prediction: What the predicted values say.
        mean: What the mean of the training cells says; None if it was not given.
        levels: Where the prediction beat that mean; None if it was not given.
        samples: By sample, its called bins at the thresholds of the prediction.
    """

    prediction: Series
    mean: Series | None
    levels: Levels | None
    samples: Mapping[str, Curve]

    @property
    def bins(self) -> int:
        """Compared bins of all samples."""
        return int(self.prediction.curve.called[0])

    @property
    def in_peaks(self) -> int:
        """Compared bins that lie in peaks."""
        return int(self.prediction.curve.true[0])

    def precision_by_sample(self, threshold: float) -> dict[str, float]:
        """Return the precision in each sample at a threshold of the curve; NaN for a sample without called bins."""
        number = int(np.searchsorted(self.prediction.curve.thresholds, threshold))
        return {sample: float(curve.precision[number]) for sample, curve in self.samples.items()}


@dataclass(frozen=True, eq=False)
class Calibration:
    """The content of a calibration file.

    Attributes:
        path: The file.
        sha256: Its digest, in hexadecimal.
        model: SHA-256 of the model file that made the predictions.
        samples: Names of the held-out cells.
        contigs: Names of the contigs with compared bins.
        bin_bp: Base pairs per bin.
        tracks: The calibration of each track, by name.
        account: All other fields: inputs, counts of bins, notes, versions, date.
    """

    path: Path
    sha256: str
    model: str
    samples: tuple[str, ...]
    contigs: tuple[str, ...]
    bin_bp: int
    tracks: Mapping[str, TrackCalibration]
    account: Mapping[str, Any]

    def track(self, name: str) -> TrackCalibration:
        """Return the calibration of a track.

        Raises:
            InputError: The file does not have it.
        """
        if name not in self.tracks:
            has = some(self.tracks, most=NAMES_SHOWN)
            raise InputError(f"no calibration of track '{name}'; it has {has}, so choose with --tracks", self.path)
        return self.tracks[name]

    def cells_of(self, track: str) -> str:
        """Return which cells a track was measured in, in words, and whether the network was trained on any of them.

        Raises:
            InputError: The file does not have the track.
        """
        names = list(self.track(track).samples or self.samples)
        cells = self.account.get("cells")
        known = cells if isinstance(cells, dict) else {}
        trained = [
            name for name in names if isinstance(known.get(name), dict) and known[name].get("trained_on") is True
        ]
        held_out = [name for name in names if name not in trained]
        return " and ".join(
            f"{kind} ({some(of_kind, most=NAMES_SHOWN)})"
            for kind, of_kind in (("held-out cells", held_out), ("cells that the network was trained on", trained))
            if of_kind
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user was told when it was made, such as that figures are optimistic."""
        notes = self.account.get("notes")
        return tuple(map(str, notes)) if isinstance(notes, list) else ()

    def threshold(self, track: str, precision: float | None = None) -> Threshold:
        """Return a threshold of a track.

        Args:
            track: Name of the track.
            precision: The lowest threshold with at least this precision is returned, which has the highest recall; None
                for the threshold with the highest F1.

        Raises:
            InputError: The file does not have the track, or no threshold has that precision.
        """
        curve = self.track(track).prediction.curve
        if precision is None:
            return curve.best()
        if not 0 < precision <= 1:
            raise InputError(f"precision {precision:g}: must be above 0 and at most 1")
        if (found := curve.reaching(precision)) is None:
            most = curve.most_precise()
            raise InputError(
                f"no threshold for {track} has a precision of {precision:g}; the highest is {_floor(most.precision)}, "
                f"at {most.value:.4g}, so ask for at most that",
                self.path,
            )
        return found

    def beats_mean(self, track: str, mean: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Return whether the prediction beat the mean of the training cells among bins of the same level of that mean.

        Args:
            track: Name of the track.
            mean: The mean of the training cells, ln(1 + signal), (bins,); NaN without data.

        Returns:
            bool, (bins,): false too where it is not known, and without data.

        Raises:
            InputError: The file does not have the track, or was made without the training cells.
        """
        levels = self.track(track).levels
        if levels is None:
            raise InputError(
                "made without the training cells, so it does not know where the prediction beats their mean; make it "
                "again with calibrate --training",
                self.path,
            )
        number = np.searchsorted(levels.lower, mean, side="right") - 1
        beaten: NDArray[np.bool_] = levels.beats[np.maximum(number, 0)] & ~np.isnan(mean)
        return beaten

    def check_fits(self, model: str, *, bin_bp: int) -> None:
        """Check that a prediction may use these thresholds.

        Args:
            model: SHA-256 of the model file that made the prediction, as `run.json` records it.
            bin_bp: Its base pairs per bin.

        Raises:
            InputError: It was made by another model, or has other bins.
        """
        if model != self.model:
            raise InputError(
                f"made with another model file (sha256 {self.model[:12]}… instead of {model[:12]}…), whose values "
                "differ; calibrate the model of this run",
                self.path,
            )
        if bin_bp != self.bin_bp:
            raise InputError(
                f"has bins of {self.bin_bp} bp, but the tracks of {bin_bp}; calibrate such tracks", self.path
            )


def is_calibration(path: Path) -> bool:
    """Whether a file begins as a calibration does."""
    try:
        with path.open("rb") as stream:
            return json.dumps(FORMAT).encode() in stream.read(HEAD)
    except OSError:
        return False


def write_calibration(
    path: Path,
    tracks: Mapping[str, TrackCalibration],
    *,
    model: str,
    samples: Sequence[str],
    contigs: Sequence[str],
    bin_bp: int,
    account: Mapping[str, Any],
) -> None:
    """Write a calibration; an existing file is replaced. The arguments are those of `Calibration`."""
    document = {
        "format": FORMAT,
        "format_version": VERSION,
        "model": model,
        "samples": list(samples),
        "contigs": list(contigs),
        "bin_bp": bin_bp,
        "rule": RULE,
        **account,
        "tracks": {name: _track_document(track) for name, track in tracks.items()},
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_calibration(path: Path) -> Calibration:
    """Read a calibration, and check its form.

    Raises:
        InputError: It cannot be read, is not a calibration or one of a later version, or is damaged.
    """
    try:
        content = read_whole(path)
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}; pass a file of epigept-batch calibrate", path) from error
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON, or truncated; pass a file of epigept-batch calibrate", path) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError("not a calibration; pass a file of epigept-batch calibrate", path)
    if document.get("format_version") != VERSION:
        raise InputError(
            f"has format version {document.get('format_version')!r}, but this program reads {VERSION}; make it again "
            "with epigept-batch calibrate, or update the program",
            path,
        )
    try:
        return _calibration(document, path, hashlib.sha256(content).hexdigest())
    except _FormError as error:
        where, wanted = error.args
        raise InputError(
            f"'{where}' is not {wanted}, so the file is damaged or was edited; make it again with epigept-batch "
            "calibrate",
            path,
        ) from None


class _FormError(Exception):
    """A value has another form. The arguments are where it is, and what belongs there."""


KEYS = ("format", "format_version", "model", "samples", "contigs", "bin_bp", "tracks")
"""Fields that `Calibration` has as attributes, or that identify the file."""


def _calibration(document: Mapping[str, Any], path: Path, sha256: str) -> Calibration:
    tracks = _object(document, "tracks", "")
    if not tracks:
        raise _FormError("tracks", "an object with a track")
    samples = _texts(document, "samples")
    return Calibration(
        path=path,
        sha256=sha256,
        model=_text(document, "model"),
        samples=samples,
        contigs=_texts(document, "contigs"),
        bin_bp=_count(document, "bin_bp"),
        tracks={name: _track(tracks, name) for name in tracks},
        account={key: value for key, value in document.items() if key not in KEYS},
    )


def _track_document(track: TrackCalibration) -> dict[str, Any]:
    levels = track.levels
    return {
        "bins": track.bins,
        "bins_in_peaks": track.in_peaks,
        "prediction": _series_document(track.prediction),
        "mean_of_training_cells": None if track.mean is None else _series_document(track.mean),
        "levels_of_the_mean": None
        if levels is None
        else {
            "from": _list(levels.lower),
            "bins": _list(levels.bins),
            "bins_in_peaks": _list(levels.in_peaks),
            "brier_prediction": _list(levels.brier_prediction),
            "brier_mean": _list(levels.brier_mean),
            "margin": _list(levels.margin),
            "beats": levels.beats.tolist(),
        },
        "samples": {name: _counts_document(curve) for name, curve in track.samples.items()},
    }


def _series_document(series: Series) -> dict[str, Any]:
    curve, reliability = series.curve, series.reliability
    low, high = reliability.interval
    return {
        "average_precision": series.average_precision,
        "thresholds": {
            "threshold": _list(curve.thresholds),
            **_counts_document(curve),
            "precision": _list(curve.precision),
            "recall": _list(curve.recall),
            "f1": _list(curve.f1),
        },
        "reliability": {
            "from": _list(reliability.lower),
            "bins": _list(reliability.bins),
            "bins_in_peaks": _list(reliability.in_peaks),
            "share": _list(reliability.share),
            "low": _list(low),
            "high": _list(high),
        },
    }


def _counts_document(curve: Curve) -> dict[str, Any]:
    return {"called": _list(curve.called), "in_peaks": _list(curve.true)}


def _list(values: NDArray[Any]) -> list[Any]:
    """Return values for JSON, in which a figure that is not defined is null."""
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values.tolist()]


def _track(tracks: Mapping[str, Any], name: str) -> TrackCalibration:
    where = f"tracks.{name}"
    track = _object(tracks, name, "tracks")
    prediction = _series(_object(track, "prediction", where), f"{where}.prediction")
    mean = levels = None
    if track.get("mean_of_training_cells") is not None:
        inside = f"{where}.mean_of_training_cells"
        mean = _series(_object(track, "mean_of_training_cells", where), inside)
        levels = _levels(_object(track, "levels_of_the_mean", where), f"{where}.levels_of_the_mean")
    samples = _object(track, "samples", where)
    curves = {
        sample: _curve(_object(samples, sample, f"{where}.samples"), f"{where}.samples.{sample}", prediction.curve)
        for sample in samples
    }
    return TrackCalibration(prediction, mean, levels, curves)


def _series(series: Mapping[str, Any], where: str) -> Series:
    average = _numbers([series.get("average_precision")], f"{where}.average_precision", most=1.0)
    reliability = _object(series, "reliability", where)
    inside = f"{where}.reliability"
    lower = _ascending(reliability, "from", inside)
    bins, in_peaks = _shares(reliability, ("bins", "bins_in_peaks"), inside, len(lower))
    return Series(
        _curve(_object(series, "thresholds", where), f"{where}.thresholds"),
        Reliability(lower, bins, in_peaks),
        float(average[0]),
    )


def _curve(counts: Mapping[str, Any], where: str, of: Curve | None = None) -> Curve:
    """Read called bins, at thresholds of their own or at those of another curve."""
    thresholds = _ascending(counts, "threshold", where) if of is None else of.thresholds
    called, true = _shares(counts, ("called", "in_peaks"), where, len(thresholds))
    for name, values in (("called", called), ("in_peaks", true)):
        if (np.diff(values) > 0).any():
            raise _FormError(f"{where}.{name}", "a list that never rises")
    return Curve(thresholds, called, true)


def _levels(levels: Mapping[str, Any], where: str) -> Levels:
    lower = _ascending(levels, "from", where)
    bins, in_peaks = _shares(levels, ("bins", "bins_in_peaks"), where, len(lower))
    scores = (
        _numbers(_sized(levels, key, where, len(lower)), f"{where}.{key}", null=True)
        for key in ("brier_prediction", "brier_mean", "margin")
    )
    return Levels(lower, bins, in_peaks, *scores)


def _object(values: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = values.get(key)
    if not isinstance(value, dict):
        raise _FormError(f"{where}.{key}" if where else key, "an object")
    return value


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise _FormError(key, "a text")
    return value


def _texts(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = document.get(key)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _FormError(key, "a list of texts")
    return tuple(value)


def _count(document: Mapping[str, Any], key: str) -> int:
    value = document.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MOST_COUNT:
        raise _FormError(key, "a whole number above 0")
    return value


def _sized(values: Mapping[str, Any], key: str, where: str, size: int) -> list[Any]:
    found = values.get(key)
    if not isinstance(found, list) or len(found) != size:
        raise _FormError(f"{where}.{key}", f"a list of {size} values")
    return found


def _shares(
    values: Mapping[str, Any], keys: tuple[str, str], where: str, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read numbers of bins, and of those among them that lie in peaks."""
    whole, part = (_sized(values, key, where, size) for key in keys)
    for key, counts in zip(keys, (whole, part), strict=True):
        if not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= MOST_COUNT for one in counts):
            raise _FormError(f"{where}.{key}", "a list of whole numbers of at least 0")
    if any(few > all_of for few, all_of in zip(part, whole, strict=True)):
        raise _FormError(f"{where}.{keys[1]}", f"at most '{keys[0]}'")
    return np.array(whole, dtype=np.int64), np.array(part, dtype=np.int64)


def _ascending(values: Mapping[str, Any], key: str, where: str) -> NDArray[np.float64]:
    """Read the lower ends of intervals, which begin at 0."""
    place = f"{where}.{key}"
    found = values.get(key)
    if not isinstance(found, list) or not found:
        raise _FormError(place, "a list of numbers")
    numbers = _numbers(found, place)
    if numbers[0] != 0 or (np.diff(numbers) <= 0).any():
        raise _FormError(place, "a list of rising numbers from 0")
    return numbers


def _numbers(values: list[Any], where: str, *, most: float = MOST_NUMBER, null: bool = False) -> NDArray[np.float64]:
    """Read numbers of at least 0; null is NaN where it is allowed."""
    if not all(
        (null and one is None) or (isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= most)
        for one in values
    ):
        bounds = "of at least 0" if most == MOST_NUMBER else f"from 0 to {most:g}"
        raise _FormError(where, f"a number {bounds}" if len(values) == 1 else f"a list of numbers {bounds}")
    return np.array([math.nan if one is None else one for one in values], dtype=np.float64)


def _floor(share: float) -> str:
    """Return a share with three decimals, rounded down, so that it can be asked for."""
    return f"{math.floor(share * 1000) / 1000:.3f}"
