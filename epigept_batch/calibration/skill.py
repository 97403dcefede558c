"""Where the prediction tells more of peaks than the mean of the training cells does: Brier scores by that mean's level.

Both series are turned into probabilities by their own reliability, which is fitted on the other half of the genome. The
Brier score is the mean squared difference between the probability and what is there, 1 in peaks and 0 elsewhere (Brier,
Mon. Weather Rev. 78:1, 1950). Lower is better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.calibration.calibration_file import Levels
from epigept_batch.calibration.curves import Z
from epigept_batch.calibration.value_classes import at_quantiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.calibration.value_classes import ValueClasses

LEVELS = 12
"""Most levels of the mean."""
LEAST_BLOCKS = 8
"""Fewest blocks with bins of a level from which the margin is estimated."""
BLOCKS = 200
"""About as many blocks is a selection cut into."""
LEAST_BLOCK_BP, MOST_BLOCK_BP = 1 << 17, 10_000_000
"""Limits of a block: a window of the network, beyond which predictions of bins do not depend on each other; and what
suffices for a genome."""


def block_bp_for(total_bp: int) -> int:
    """Return the size of the blocks that contigs of a total length are cut into, in bp."""
    return int(np.clip(total_bp // BLOCKS, LEAST_BLOCK_BP, MOST_BLOCK_BP))


def compare_levels(together: NDArray[np.uint32], classes: ValueClasses) -> Levels:
    """Compare the calibrated prediction with the calibrated mean, by the level of the mean.

    The prediction is better by more than the margin where the difference of the Brier scores exceeds 1.96 standard
    errors. These come from the differences between blocks (a ratio estimator), because neighbouring bins depend on each
    other.

    Args:
        together: uint32, (blocks, 2, classes, classes): bins by block, whether they lie in peaks, class of the
            prediction and class of the mean.
        classes: The classes.
    """
    halves = [together[half::2].sum(axis=0, dtype=np.int64) for half in (0, 1)]
    starts = _levels(halves[0] + halves[1])
    parts = [_blocks(together[half::2], _shares(halves[1 - half]), starts) for half in (0, 1)]
    bins, in_peaks, of_prediction, of_mean = (np.concatenate(each) for each in zip(*parts, strict=True))
    number = bins.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        prediction, mean = of_prediction.sum(axis=0) / number, of_mean.sum(axis=0) / number
        left = of_mean - of_prediction - (mean - prediction) * bins
        blocks = (bins > 0).sum(axis=0)
        error = np.sqrt(blocks / (blocks - 1) * (left**2).sum(axis=0)) / number
    margin = np.where(blocks >= LEAST_BLOCKS, Z * error, np.nan)
    counted, found = (each.astype(np.int64) for each in (number, in_peaks.sum(axis=0)))
    return Levels(classes.lower[starts], counted, found, prediction, mean, margin)


def _levels(together: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class at which each level begins; as in the curves, half of the weight is that of bins in peaks."""
    every, true = together.sum(axis=(0, 1)), together[1].sum(axis=0)
    return at_quantiles(every / every.sum() + true / true.sum(), LEVELS)


def _shares(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of bins in peaks by class of the prediction, and by class of the mean, each float64, (classes,).

    Args:
        counts: int64, (2, classes, classes): bins of one half. A class counts one bin more, with the share of all, so
            that classes without bins have a share too.
    """
    overall = counts[1].sum() / max(1, counts.sum())
    by_prediction, by_mean = (
        (counts[1].sum(axis=axis) + overall) / (counts.sum(axis=(0, axis + 1)) + 1) for axis in (1, 0)
    )
    return by_prediction, by_mean


def _blocks(
    together: NDArray[np.uint32],
    shares: tuple[NDArray[np.float64], NDArray[np.float64]],
    starts: NDArray[np.int64],
) -> tuple[NDArray[np.float64], ...]:
    """Return by block and level the bins, those in peaks, and the squared differences of both series, summed."""
    by_prediction, by_mean = shares
    outside, inside = (together[:, peak].astype(np.float64) for peak in (0, 1))
    every = outside + inside
    squares = [
        (outside * share**2 + inside * (1 - share) ** 2).sum(axis=1)
        for share in (by_prediction[:, None], by_mean[None, :])
    ]
    return tuple(np.add.reduceat(one, starts, axis=1) for one in (every.sum(axis=1), inside.sum(axis=1), *squares))
