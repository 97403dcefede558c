"""The bins of one predicted track beside what they are compared with, as arrays over the genome."""

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
"""Base pairs that are read at once."""
MATCH = "match"
MEASURED = "measured"
CHUNK = 1 << 20
"""Values that are scaled at once."""


class Series(Protocol):
    """A track that is read bin by bin."""

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float32]:
        """Successive bins of ln(1 + signal), float32, (bins,), NaN without data, infinite where the signal is."""


@dataclass(frozen=True)
class Counts:
    """What became of the bins that were asked for.

    Attributes:
        asked: In the regions, and not excluded.
        excluded: In the regions, but excluded.
        without_prediction: Of those asked for.
        without_measurement: Of the others: no data, or infinite.
        without_training: Of the others: no training track has data that is finite.
        compared: The rest.
    """

    asked: int
    excluded: int
    without_prediction: int
    without_measurement: int
    without_training: int
    compared: int


@dataclass(frozen=True)
class Infinite:
    """Bins in which a track is infinite, as a ratio to nothing is; there it counts as without data.

    Attributes:
        measured: Of those that have a prediction.
        training: Of those that have a measurement, too: some training track is.
    """

    measured: int
    training: int


@dataclass(frozen=True, eq=False)
class ComparedBins:
    """The bins that all of the series have, in genome order.

    Attributes:
        contigs: Each contig with some, and its bins' slice.
        measured: float32, (bins,): ln(1 + signal).
        predictors: By name, float32, (bins,): ln(1 + signal).
        peaks: bool, (bins,), None where no peaks were given.
        seen: bool, (bins,): whether a training window holds the bin; None where that is not known.
        counts: What was left out.
        infinite: Why some of it was.
        scales: By which the measured signal and those that share its space were multiplied, by name.
        ratios: Mean of the predicted over the mean of each of those signals, before that; infinite where that is 0.
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
    """What is known of a contig's bins, each bool, (bins,)."""

    wanted: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    peaks: NDArray[np.bool_] | None
    seen: NDArray[np.bool_] | None


class Comparison:
    """Gathers the bins of one track, a contig at a time.

    Args:
        measured: The measured track.
        predictors: By name, the mean of one or more tracks; the first is the prediction, the others, which have the
            space of the measured track, are what it is compared with.
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
                values[name], odd = _mean_of(self._series[name], contig, part)
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
        """What was gathered.

        Args:
            scale: By which the measured signal and all that shares its space are multiplied; `match` for what gives
                each of them the mean of the predicted.

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
        """The parts as one array; they themselves are given up."""
        parts, self._parts[name] = self._parts[name], []
        return np.concatenate(parts)

    def _slices(self) -> Iterator[tuple[str, slice]]:
        start = 0
        for name, length in self._lengths.items():
            if length:
                yield name, slice(start, start + length)
            start += length


def _nothing(counts: Counts, infinite: Infinite) -> str:
    """Why no bin is left."""
    if not counts.asked:
        return "every bin asked for is excluded" if counts.excluded else "no bin is asked for"
    reasons = {
        "no prediction": counts.without_prediction,
        "no measurement": counts.without_measurement,
        "no training track with data": counts.without_training,
    }
    said = (f"{number:,} {'has' if number == 1 else 'have'} {what}" for what, number in reasons.items() if number)
    asked = "1 bin" if counts.asked == 1 else f"{counts.asked:,} bins"
    odd = {"measured": infinite.measured, "training": infinite.training}
    why = "".join(f"; the {what} signal is infinite in {number:,}" for what, number in odd.items() if number)
    return f"there is no bin to compare: of {asked}, {', '.join(said)}{why}"


def _mean_of(series: Sequence[Series], contig: Contig, part: slice) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The mean of tracks over those that have data in a bin, NaN where none has; and where any of them is infinite.

    Returns:
        float32, (bins,), and bool, (bins,).
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
    """Mean signal of the first series over that of each other; infinite where that is 0."""
    first, *others = (float(np.expm1(values).mean(dtype=np.float64)) for values in series.values())
    return {name: first / mean if mean else np.inf for name, mean in zip(list(series)[1:], others, strict=True)}


def _matching(ratios: Mapping[str, float]) -> dict[str, float]:
    """What gives each signal the mean of the predicted; 1 for a training track that is 0 everywhere.

    Raises:
        InputError: The predicted or the measured signal is 0 everywhere, so that no factor does.
    """
    if not 0 < ratios[MEASURED] < np.inf:
        raise InputError("the predicted or the measured signal is 0 everywhere: there is no --scale that matches")
    return {name: ratio if np.isfinite(ratio) else 1.0 for name, ratio in ratios.items()}


def _multiply(values: NDArray[np.float32], factor: float) -> None:
    """Multiply a signal of which these are ln(1 + signal), in place."""
    if factor == 1:
        return
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        part[:] = np.log1p(factor * np.expm1(part.astype(np.float64)))
