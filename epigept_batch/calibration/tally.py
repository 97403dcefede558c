"""Counts of the bins of one track over all samples, from which its calibration follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.calibration.calibration_file import Series, TrackCalibration
from epigept_batch.calibration.curves import Curve, Reliability
from epigept_batch.calibration.skill import compare_levels
from epigept_batch.calibration.value_classes import ValueClasses, at_quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FINE, COARSE = ValueClasses(bits=11), ValueClasses(bits=3)
"""Classes among which thresholds are chosen: their ends are within 0.05 % of any value; and classes in which the
prediction and the mean are counted together: within 12 %."""
THRESHOLDS, CLASSES = 200, 25
"""Most thresholds of a curve, and most classes of a reliability curve."""


class Tally:
    """Counts the bins of a track in classes of its values; its memory depends neither on the genome nor on the cells.

    Args:
        samples: Names of the samples.
        blocks: Number of blocks of the genome, between which the comparison with the mean is resampled.
        with_mean: Whether there is a mean of training cells.
    """

    def __init__(self, samples: Sequence[str], *, blocks: int, with_mean: bool) -> None:
        self._of_samples = {sample: _zeros(FINE.count) for sample in samples}
        self._of_mean = _zeros(FINE.count) if with_mean else None
        shape = (blocks, 2, COARSE.count, COARSE.count)
        self._together = np.zeros(shape, dtype=np.uint32) if with_mean else None

    def add(
        self,
        sample: str,
        predicted: NDArray[np.float32],
        peaks: NDArray[np.bool_],
        *,
        blocks: NDArray[np.int64],
        mean: NDArray[np.float32] | None,
    ) -> None:
        """Count bins of a sample.

        Args:
            sample: Its name.
            predicted: float32, (bins,): ln(1 + signal), without NaN.
            peaks: bool, (bins,): which lie in peaks.
            blocks: int64, (bins,): the block of each bin.
            mean: float32, (bins,): the mean of the training cells, ln(1 + signal), without NaN; None if there is none.
        """
        _count(self._of_samples[sample], FINE.of(predicted), peaks)
        if mean is not None and self._of_mean is not None and self._together is not None:
            _count(self._of_mean, FINE.of(mean), peaks)
            classes = COARSE.count
            both = (peaks * classes + COARSE.of(predicted)) * classes + COARSE.of(mean)
            for block in np.unique(blocks):
                counts = np.bincount(both[blocks == block], minlength=2 * classes**2)
                self._together[block] += counts.reshape(2, classes, classes).astype(np.uint32)

    @property
    def bins(self) -> int:
        """Bins that were counted."""
        return int(sum(counts.sum() for counts in self._of_samples.values()))

    @property
    def in_peaks(self) -> int:
        """Those of them that lie in peaks."""
        return int(sum(counts[1].sum() for counts in self._of_samples.values()))

    def finish(self) -> TrackCalibration:
        """Return the calibration; there must be bins in peaks."""
        counts = np.sum(list(self._of_samples.values()), axis=0)
        prediction, chosen = _series(counts)
        mean = None if self._of_mean is None else _series(self._of_mean)[0]
        levels = None if self._together is None else compare_levels(self._together, COARSE)
        samples = {sample: _curve(of_sample, chosen) for sample, of_sample in self._of_samples.items()}
        return TrackCalibration(prediction, mean, levels, samples)


def _zeros(classes: int) -> NDArray[np.int64]:
    """Return counts of bins outside of peaks and in peaks, by class."""
    return np.zeros((2, classes), dtype=np.int64)


def _count(counts: NDArray[np.int64], classes: NDArray[np.int64], peaks: NDArray[np.bool_]) -> None:
    size = counts.shape[1]
    counts += np.bincount(peaks * size + classes, minlength=2 * size).reshape(2, size)


def _series(counts: NDArray[np.int64]) -> tuple[Series, NDArray[np.int64]]:
    """Return what counts by class say, and the classes at which the thresholds lie.

    Thresholds lie at quantiles of two distributions at once: half of the weight is that of all bins, half that of the
    bins in peaks. So steps of the recall are as small as those of the share of called bins.
    """
    every, true = counts.sum(axis=0), counts[1]
    weights = every / every.sum() + true / true.sum()
    chosen = at_quantiles(weights, THRESHOLDS)
    classes = at_quantiles(weights, CLASSES)
    reliability = Reliability(FINE.lower[classes], np.add.reduceat(every, classes), np.add.reduceat(true, classes))
    return Series(_curve(counts, chosen), reliability, _average_precision(every, true)), chosen


def _curve(counts: NDArray[np.int64], chosen: NDArray[np.int64]) -> Curve:
    """Count the bins that lie in a class or above it."""
    called, true = (np.cumsum(of[::-1])[::-1][chosen] for of in (counts.sum(axis=0), counts[1]))
    return Curve(FINE.lower[chosen], called, true)


def _average_precision(every: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    """Return the area under the precision-recall curve, in a step per class; values of a class count as equal."""
    called, found = np.cumsum(every[::-1]), np.cumsum(true[::-1])
    steps = np.diff(found, prepend=0) > 0
    area = float((true[::-1][steps] / found[-1]) @ (found[steps] / called[steps]))
    return min(area, 1.0)  # of a perfect ranking, rounding may leave more
