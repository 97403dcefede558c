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


class Series(Protocol):
    """A track that is read bin by bin."""

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float32]:
        """Successive bins, float32, (bins,), NaN without data."""


@dataclass(frozen=True)
class Counts:
    """What became of the bins that were asked for.

    Attributes:
        asked: In the regions, and not excluded.
        excluded: In the regions, but excluded.
        without_prediction: Of those asked for.
        without_measurement: Of the others.
        without_training: Of the others: no training track has data.
        compared: The rest.
    """

    asked: int
    excluded: int
    without_prediction: int
    without_measurement: int
    without_training: int
    compared: int


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
        scale: By which the measured signal was multiplied.
        ratio: Mean of the predicted over the mean of the measured signal, before that.
    """

    contigs: Mapping[str, slice]
    measured: NDArray[np.float32]
    predictors: Mapping[str, NDArray[np.float32]]
    peaks: NDArray[np.bool_] | None
    seen: NDArray[np.bool_] | None
    counts: Counts
    scale: float
    ratio: float


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
        measured: The signal itself, not its logarithm.
        predictors: ln(1 + signal), by name; the first is the prediction, the others what it is compared with.
        bin_bp: Base pairs a bin.
    """

    def __init__(self, measured: Series, predictors: Mapping[str, Series], *, bin_bp: int) -> None:
        self._series = {"measured": measured, **predictors}
        self._predictors = tuple(predictors)
        self._bin_bp = bin_bp
        self._parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*self._series, "peaks", "seen")}
        self._lengths: dict[str, int] = {}
        self._counts = np.zeros(6, dtype=np.int64)

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
        for names in ((prediction,), ("measured",), others):
            before = int(left.sum())
            for name in names if before else ():
                values[name] = self._series[name].read(contig, part.start, part.stop - part.start)
                left = left & ~np.isnan(values[name])
            counts.append(before - int(left.sum()))
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
            scale: By which the measured signal is multiplied; `match` for what gives it the mean of the predicted.

        Raises:
            InputError: There is no bin to compare, or nothing measured above 0 to match.
        """
        counts = Counts(*map(int, self._counts))
        if not counts.compared:
            raise InputError(_nothing(counts))
        measured = self._take("measured")
        predictors = {name: self._take(name) for name in self._predictors}
        mean = float(measured.mean(dtype=np.float64))
        ratio = float(np.expm1(predictors[self._predictors[0]]).mean(dtype=np.float64)) / mean if mean else np.inf
        factor = ratio if isinstance(scale, str) else scale
        if not np.isfinite(factor) or factor <= 0:
            raise InputError("the predicted or the measured signal is 0 everywhere: there is no --scale that matches")
        np.log1p(np.multiply(measured, np.float32(factor), out=measured), out=measured)
        return ComparedBins(
            contigs=dict(self._slices()),
            measured=measured,
            predictors=predictors,
            peaks=self._take("peaks") if self._parts["peaks"] else None,
            seen=self._take("seen") if self._parts["seen"] else None,
            counts=counts,
            scale=factor,
            ratio=ratio,
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


def _nothing(counts: Counts) -> str:
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
    return f"there is no bin to compare: of {asked}, {', '.join(said)}"


class MeanOf:
    """The mean of several tracks over those that have data in a bin."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = series

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float32]:
        """Successive bins, float32, (bins,), NaN where none has data."""
        total, number = np.zeros(bins), np.zeros(bins)
        for series in self._series:
            values = series.read(contig, first, bins)
            has = ~np.isnan(values)
            total[has] += values[has]
            number += has
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float32] = (total / number).astype(np.float32)
        return mean
