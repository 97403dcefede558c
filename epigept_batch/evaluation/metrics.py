"""Metrics of agreement between two series of values; they take a few times the memory of one series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Transform = Callable[[NDArray[np.float64]], NDArray[np.float64]]
    Values = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]

CHUNK = 1 << 20
"""Values that are held in float64 at a time."""
NOTHING_LEFT = 1e-9
"""Share of the variance: what a linear fit leaves below it is rounding of float32."""


def pearson(x: Values, y: Values, *, of: Transform | None = None) -> float:
    """Return Pearson's r; NaN for fewer than two values, or if either series is constant.

    Args:
        x: Values.
        y: As many values.
        of: Transformation of both series, applied part by part.
    """
    if len(x) == 0 or not (_varies(x) and _varies(y)):
        return float("nan")
    sums = np.sum([(a.sum(), b.sum()) for a, b in _parts(x, y, of)], axis=0)
    mean_x, mean_y = sums / len(x)
    xx = yy = xy = 0.0
    for a, b in _parts(x, y, of):
        dx, dy = a - mean_x, b - mean_y
        xx, yy, xy = xx + float(dx @ dx), yy + float(dy @ dy), xy + float(dx @ dy)
    return float(np.clip(xy / np.sqrt(xx * yy), -1, 1))


def partial_pearson(x: Values, y: Values, given: Values) -> float:
    """Return Pearson's r of what a linear fit to `given` leaves of x and y; NaN if it leaves nothing of one of them."""
    xy, xz, yz = pearson(x, y), pearson(x, given), pearson(y, given)
    left = (1 - xz**2, 1 - yz**2)
    if not min(left) > NOTHING_LEFT:
        return float("nan")
    return float(np.clip((xy - xz * yz) / np.sqrt(left[0] * left[1]), -1, 1))


def spearman(x: Values, y: Values) -> float:
    """Return Spearman's rank correlation, with ties sharing their mean rank; NaN as in `pearson`."""
    return pearson(doubled_ranks(x), doubled_ranks(y))


def mean_squared_error(x: Values, y: Values, *, of: Transform | None = None) -> float:
    """Return the mean of the squared differences; NaN without values. `of` as in `pearson`."""
    if len(x) == 0:
        return float("nan")
    return sum(float((a - b) @ (a - b)) for a, b in _parts(x, y, of)) / len(x)


def doubled_ranks(values: Values) -> NDArray[np.int32]:
    """Return twice the ranks from 1, with ties sharing their mean: integers, int32, for fewer than 2 ** 30 values."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int32)
    order = np.argsort(values)
    starts = _starts_of_ties(values[order])
    ends = np.append(starts[1:], np.int32(len(values)))
    counts = ends - starts
    doubled = np.add(starts, ends, out=ends)
    doubled += 1
    ranks = np.empty(len(values), dtype=np.int32)
    ranks[order] = np.repeat(doubled, counts)
    return ranks


def roc_auc(scores: Values, positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive scores higher than a negative; a tie counts half. NaN without either."""
    found = scores[positive]
    negatives = len(scores) - len(found)
    if not len(found) or not negatives:
        return float("nan")
    ascending = np.sort(scores)
    below = np.searchsorted(ascending, found, side="left").sum(dtype=np.float64)
    up_to = np.searchsorted(ascending, found, side="right").sum(dtype=np.float64)
    among_positives = len(found) ** 2 / 2  # in each pair of positives one is higher, or each counts half
    return float(((below + up_to) / 2 - among_positives) / (len(found) * negatives))


def average_precision(scores: Values, positive: NDArray[np.bool_]) -> float:
    """Return the area under the precision-recall curve, summed in steps, not trapezoids; NaN without positives."""
    if not positive.any():
        return float("nan")
    recall, precision = precision_recall(scores, positive)
    return float(np.diff(recall, prepend=0) @ precision)


def precision_recall(scores: Values, positive: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return recall and precision at each score of a positive, from the highest down; requires a positive."""
    found, counts = np.unique(scores[positive], return_counts=True)
    at_least = len(scores) - np.searchsorted(np.sort(scores), found, side="left")
    true = np.cumsum(counts[::-1])
    return true / true[-1], true / at_least[::-1]


def _starts_of_ties(ascending: Values) -> NDArray[np.int32]:
    """Return the indices at which a new value begins."""
    differs = np.ones(len(ascending), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=differs[1:])
    return np.flatnonzero(differs).astype(np.int32)


def _varies(values: Values) -> bool:
    return bool((values != values[0]).any())


def _parts(x: Values, y: Values, of: Transform | None) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield both series in parts, float64."""
    for start in range(0, len(x), CHUNK):
        a, b = (values[start : start + CHUNK].astype(np.float64) for values in (x, y))
        yield (a, b) if of is None else (of(a), of(b))
