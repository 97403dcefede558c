"""The bins of one predicted track and of the tracks that it is compared with, as arrays over the genome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.tiling import bins_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

READ_BP = 8 << 20
"""Base pairs that are read at a time."""
MATCH = "match"
MEASURED = "measured"
CHUNK = 1 << 20
"""Values that are scaled at a time."""


class Series(Protocol):
    """A track that is read bin by bin."""

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float32]:
        """Return successive bins of ln(1 + signal), float32, (bins,); NaN without data, infinite if the signal is."""


@dataclass(frozen=True)
class Counts:
    """Numbers of selected bins, by whether they are compared and why not.

    Attributes:
        asked: Bins in the regions that are not excluded.
        excluded: Bins in the regions that are excluded.
        without_prediction: Bins asked for that have no prediction.
        without_measurement: Remaining bins whose measurement has no data or is infinite.
        without_training: Remaining bins in which no training track has finite data.
        compared: The other bins.
    """

    asked: int
    excluded: int
    without_prediction: int
    without_measurement: int
    without_training: int
    compared: int


@dataclass(frozen=True)
class Infinite:
    """Numbers of bins in which a track is infinite, for example as a ratio to 0. It is treated as without data there.

    Attributes:
        measured: Bins with a prediction in which the measured track is infinite.
        training: Bins with a prediction and a measurement in which a training track is infinite.
    """

    measured: int
    training: int


@dataclass(frozen=True, eq=False)
class ComparedBins:
    """The bins that all of the series have, in genome order.

    Attributes:
        contigs: The slice of bins of each contig that has any.
        measured: float32, (bins,): ln(1 + signal).
        predictors: By name, float32, (bins,): ln(1 + signal).
        peaks: bool, (bins,); None if no peaks were given.
        seen: bool, (bins,): whether a training window contains the bin; None if that is not known.
        counts: Numbers of bins that were compared and left out.
        infinite: Numbers of bins that were left out because a track is infinite.
        scales: Factors by which the measured signal and those that share its space were multiplied, by name.
        ratios: Mean predicted signal over the mean of each of those signals before scaling; infinite if that is 0.
    """

    contigs: Mapping[str, slice]
    measured: NDArray[np.float32]
    predictors: Mapping[str, NDArray[np.float32]]
    peaks: NDArray[np.bool_] | None
    seen: NDArray[np.bool_] | None
    counts: Counts
    infinite: Infinite
    scales: Mapping[str, float]
    ratios: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Masks:
    """Which bins of a contig are wanted, excluded, in peaks and seen in training; each bool, (bins,)."""

    wanted: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    peaks: NDArray[np.bool_] | None
    seen: NDArray[np.bool_] | None


class Comparison:
    """Gathers the bins of one track, a contig at a time.

    Args:
        measured: The measured track.
        predictors: By name, one or more tracks whose mean is taken. The first is the prediction. The others are its
            baselines, in the space of the measured track.
        bin_bp: Base pairs per bin.
    """

    def __init__(self, measured: Series, predictors: Mapping[str, Sequence[Series]], *, bin_bp: int) -> None:
        self._series = {MEASURED: (measured,), **predictors}
        self._predictors = tuple(predictors)
        self._bin_bp = bin_bp
        self._parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*self._series, "peaks", "seen")}
        self._lengths: dict[str, int] = {}
        self._counts = np.zeros(6, dtype=np.int64)
        self._infinite = [0, 0]

    def add(self, contig: Contig, masks: Masks) -> None:
        """Read the wanted bins of a contig."""
        bins, step = bins_of(contig.length, self._bin_bp), max(1, READ_BP // self._bin_bp)
        for first in range(0, bins, step):
            part = slice(first, min(first + step, bins))
            if masks.wanted[part].any():
                self._add_part(contig, part, masks)

    def _add_part(self, contig: Contig, part: slice, masks: Masks) -> None:
        wanted, excluded = masks.wanted[part], masks.excluded[part]
        left = wanted & ~excluded
        counts = [int(left.sum()), int((wanted & excluded).sum())]
        values: dict[str, NDArray[np.float32]] = {}
        prediction, *others = self._predictors
        for number, names in enumerate(((prediction,), (MEASURED,), others)):
            before = left
            infinite = np.zeros_like(left)
            for name in names if before.any() else ():
                values[name], odd = mean_of(self._series[name], contig, part)
                infinite |= odd
                left = left & ~np.isnan(values[name])
            counts.append(int(before.sum()) - int(left.sum()))
            if number:
                self._infinite[number - 1] += int((infinite & before).sum())
        compared = int(left.sum())
        self._counts += [*counts, compared]
        for name, found in values.items() if compared else ():
            self._parts[name].append(found[left])
        for name, known in (("peaks", masks.peaks), ("seen", masks.seen)) if compared else ():
            if known is not None:
                self._parts[name].append(known[part][left])
        self._lengths[contig.name] = self._lengths.get(contig.name, 0) + compared

    def finish(self, scale: float | str) -> ComparedBins:
        """Return the gathered bins.

        Args:
            scale: Factor for the measured signal and all that share its space; `match` for the factors that give each
                of them the mean of the predicted signal.

        Raises:
            InputError: There is no bin to compare, or nothing above 0 to match.
        """
        counts, infinite = Counts(*map(int, self._counts)), Infinite(*self._infinite)
        if not counts.compared:
            raise InputError(_nothing(counts, infinite))
        prediction, *others = self._predictors
        series = {name: self._take(name) for name in (prediction, MEASURED, *others)}
        ratios = _ratios(series)
        scales = _matching(ratios) if isinstance(scale, str) else dict.fromkeys(ratios, scale)
        for name, factor in scales.items():
            _multiply(series[name], factor)
        return ComparedBins(
            contigs=dict(self._slices()),
            measured=series.pop(MEASURED),
            predictors=series,
            peaks=self._take("peaks") if self._parts["peaks"] else None,
            seen=self._take("seen") if self._parts["seen"] else None,
            counts=counts,
            infinite=infinite,
            scales=scales,
            ratios=ratios,
        )

    def _take(self, name: str) -> NDArray[Any]:
        """Join the parts to one array, and release them."""
        parts, self._parts[name] = self._parts[name], []
        return np.concatenate(parts)

    def _slices(self) -> Iterator[tuple[str, slice]]:
        start = 0
        for name, length in self._lengths.items():
            if length:
                yield name, slice(start, start + length)
            start += length


def _nothing(counts: Counts, infinite: Infinite) -> str:
    """Explain why no bin is left."""
    if not counts.asked:
        return "every selected bin is excluded" if counts.excluded else "no bin is selected"
    reasons = {
        "no prediction": counts.without_prediction,
        "no measurement": counts.without_measurement,
        "no training track with data": counts.without_training,
    }
    said = (f"{number:,} {'has' if number == 1 else 'have'} {what}" for what, number in reasons.items() if number)
    asked = "1 bin" if counts.asked == 1 else f"{counts.asked:,} bins"
    odd = {"measured": infinite.measured, "training": infinite.training}
    why = "".join(f"; the {what} signal is infinite in {number:,}" for what, number in odd.items() if number)
    return f"no bins to compare: of {asked}, {', '.join(said)}{why}"


def mean_of(series: Sequence[Series], contig: Contig, part: slice) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Average the tracks that have data in a bin.

    Returns:
        The mean, float32, (bins,), NaN if no track has data; and whether any track is infinite, bool, (bins,).
    """
    bins = part.stop - part.start
    total, number, odd = np.zeros(bins), np.zeros(bins), np.zeros(bins, dtype=np.bool_)
    for one in series:
        values = one.read(contig, part.start, bins)
        odd |= np.isinf(values)
        has = np.isfinite(values)
        total[has] += values[has]
        number += has
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float32] = (total / number).astype(np.float32)
    return mean, odd


def _ratios(series: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """Return the mean signal of the first series over that of each other; infinite if that is 0."""
    first, *others = (float(np.expm1(values).mean(dtype=np.float64)) for values in series.values())
    return {name: first / mean if mean else np.inf for name, mean in zip(list(series)[1:], others, strict=True)}


def _matching(ratios: Mapping[str, float]) -> dict[str, float]:
    """Return the factors that give each signal the mean of the predicted; 1 for a training track that is 0 everywhere.

    Raises:
        InputError: The predicted or the measured signal is 0 everywhere, so that there is no such factor.
    """
    if not 0 < ratios[MEASURED] < np.inf:
        raise InputError("the predicted or the measured signal is 0 everywhere, so --scale match is not possible")
    return {name: ratio if np.isfinite(ratio) else 1.0 for name, ratio in ratios.items()}


def _multiply(values: NDArray[np.float32], factor: float) -> None:
    """Multiply a signal by a factor, in place; the values are ln(1 + signal)."""
    if factor == 1:
        return
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        part[:] = np.log1p(factor * np.expm1(part.astype(np.float64)))
