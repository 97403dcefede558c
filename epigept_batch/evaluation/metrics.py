"""Figures of agreement between two series of values, in memory that is a few times that of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Values = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]

CHUNK = 1 << 20
"""Values that are held in float64 at once."""


def pearson(x: Values, y: Values) -> float:
    """Pearson's r; NaN of fewer than two values or where either is constant."""
    if len(x) == 0:
        return float("nan")
    mean_x, mean_y = x.mean(dtype=np.float64), y.mean(dtype=np.float64)
    xx = yy = xy = 0.0
    for part in _chunks(len(x)):
        dx, dy = x[part] - mean_x, y[part] - mean_y
        xx, yy, xy = xx + float(dx @ dx), yy + float(dy @ dy), xy + float(dx @ dy)
    if not (_varies(x) and _varies(y)):
        return float("nan")
    return float(np.clip(xy / np.sqrt(xx * yy), -1, 1))


def spearman(x: Values, y: Values) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; NaN as `pearson`."""
    return pearson(doubled_ranks(x), doubled_ranks(y))


def mean_squared_error(x: Values, y: Values) -> float:
    """Mean of the squared differences; NaN of no values."""
    if len(x) == 0:
        return float("nan")
    total = 0.0
    for part in _chunks(len(x)):
        difference = x[part].astype(np.float64) - y[part]
        total += float(difference @ difference)
    return total / len(x)


def doubled_ranks(values: Values) -> NDArray[np.int32]:
    """Twice the ranks from 1, ties sharing their mean: whole numbers, int32, of fewer than 2 ** 30 values."""
    order = np.argsort(values)
    starts = _starts_of_ties(values[order])
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values), dtype=np.int32)
    ranks[order] = np.repeat((starts + ends + 1).astype(np.int32), ends - starts)
    return ranks


def roc_auc(scores: Values, positive: NDArray[np.bool_]) -> float:
    """Probability that a positive has a higher score than a negative, a tie counting half; NaN without either."""
    found = scores[positive]
    negatives = len(scores) - len(found)
    if not len(found) or not negatives:
        return float("nan")
    ascending = np.sort(scores)
    below = np.searchsorted(ascending, found, side="left").sum(dtype=np.float64)
    up_to = np.searchsorted(ascending, found, side="right").sum(dtype=np.float64)
    among_positives = len(found) ** 2 / 2  # of each pair of them one is higher, or each counts half
    return float(((below + up_to) / 2 - among_positives) / (len(found) * negatives))


def average_precision(scores: Values, positive: NDArray[np.bool_]) -> float:
    """Area under the precision-recall curve, as a sum of steps and not of trapezoids; NaN without positives."""
    if not positive.any():
        return float("nan")
    recall, precision = precision_recall(scores, positive)
    return float(np.diff(recall, prepend=0) @ precision)


def precision_recall(scores: Values, positive: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and precision at each score that a positive has, from the highest down; there is at least one."""
    found, counts = np.unique(scores[positive], return_counts=True)
    at_least = len(scores) - np.searchsorted(np.sort(scores), found, side="left")
    true = np.cumsum(counts[::-1])
    return true / true[-1], true / at_least[::-1]


def _starts_of_ties(ascending: Values) -> NDArray[np.intp]:
    """Where each new value begins."""
    differs = np.ones(len(ascending), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=differs[1:])
    return np.flatnonzero(differs)


def _varies(values: Values) -> bool:
    return bool((values != values[0]).any())


def _chunks(length: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, length, CHUNK))
