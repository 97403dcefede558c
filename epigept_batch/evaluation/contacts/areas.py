"""AUROC and AUPRC of positive pairs, with bootstrap intervals, for pairs matched by distance and for labelled pairs.

Matched by distance: a loop is compared with all other pairs of bins of its contig at its distance. AUROC is the mean,
over the loops, of the share of those that it outranks; a tie counts half. This is the conditional AUROC, in which
distance alone has 0.5 by construction, and no sampling of negatives adds noise.

AUPRC depends on the number of negatives, so that number is set: each loop stands against ten negatives, which weigh
evenly on all pairs of its distance. A threshold is the share of those that pass. Precision at share f with a fraction R
of the loops is R / (R + 10 f). Without any information, AUPRC is therefore 1/11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

NEGATIVES_PER_LOOP = 10
REPLICATES = 2000
"""Bootstrap replicates."""
SEED = 20
LEVEL = 95
VALUES_AT_ONCE = 1 << 22
BOTH = ("auroc", "auprc")


@dataclass(frozen=True)
class Estimate:
    """A value and its bootstrap interval; NaN where not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Areas:
    """The areas of one predictor.

    Attributes:
        auroc: AUROC.
        auprc: AUPRC.
        auroc_behind: AUROC of attention minus this one, with the interval of the difference.
        auprc_behind: AUPRC likewise.
    """

    auroc: Estimate
    auprc: Estimate
    auroc_behind: Estimate
    auprc_behind: Estimate


@dataclass(frozen=True, eq=False)
class Ranks:
    """Where positives stand among the negatives of their contig and distance.

    Attributes:
        outranked: float64, (positives,): share of the negatives that score lower; ties count half.
        passing: float64, (positives,): share of the negatives that score as high or higher.
    """

    outranked: NDArray[np.float64]
    passing: NDArray[np.float64]


def ranks(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> Ranks:
    """Rank positives among negatives; there must be a negative.

    Args:
        positives: Scores, (positives,).
        negatives: Scores, (negatives,).
    """
    ascending = np.sort(negatives)
    below = np.searchsorted(ascending, positives, side="left")
    up_to = np.searchsorted(ascending, positives, side="right")
    number = len(negatives)
    return Ranks((below + up_to) / (2 * number), (number - below) / number)


def matched_areas(found: Mapping[str, Ranks], *, attention: str) -> dict[str, Areas]:
    """Return the areas of predictors for positives that are matched by distance; the loops are resampled.

    Args:
        found: By predictor, the ranks of the same positives.
        attention: The predictor that the others are compared with.
    """
    number = len(found[attention].outranked)
    draws = np.random.default_rng(SEED).integers(0, number, (REPLICATES, number)) if number else None
    series = {name: _matched_series(one, draws) for name, one in found.items()}
    return _compared(series, attention)


def labelled_areas(
    scores: Mapping[str, NDArray[np.float64]], positive: NDArray[np.bool_], *, attention: str
) -> dict[str, Areas]:
    """Return the areas of predictors for labelled pairs; the pairs are resampled.

    Args:
        scores: By predictor, float64, (pairs,).
        positive: bool, (pairs,).
        attention: The predictor that the others are compared with.
    """
    series = {name: _labelled_series(values, positive) for name, values in scores.items()}
    return _compared(series, attention)


def _compared(series: Mapping[str, NDArray[np.float64]], attention: str) -> dict[str, Areas]:
    """Return estimates from areas, (1 + replicates, 2), of all positives and of each replicate."""
    return {
        name: Areas(
            *(estimate(values[:, column]) for column in (0, 1)),
            *(estimate((series[attention] - values)[:, column]) for column in (0, 1)),
        )
        for name, values in series.items()
    }


def estimate(values: NDArray[np.float64]) -> Estimate:
    """Return the first value with the interval of the others that are defined."""
    replicates = values[1:][np.isfinite(values[1:])]
    if not len(replicates) or np.isnan(values[0]):
        return Estimate(float(values[0]), float("nan"), float("nan"))
    beyond = (100 - LEVEL) / 2
    low, high = np.percentile(replicates, [beyond, 100 - beyond])
    return Estimate(float(values[0]), float(low), float(high))


def _matched_series(found: Ranks, draws: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return AUROC and AUPRC of all positives, then of each draw of them, float64, (1 + draws, 2)."""
    if draws is None:
        return np.full((1, 2), np.nan)
    own = np.arange(len(found.outranked))[None]
    parts = [
        np.column_stack([found.outranked[part].mean(axis=1), _matched_precision(found.passing[part])])
        for part in (own, *_in_parts(draws))
    ]
    return np.concatenate(parts)


def _matched_precision(passing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return AUPRC of each row of shares of negatives that pass with a positive, (rows, positives) to (rows,)."""
    ascending = np.sort(passing, axis=1)
    number = ascending.shape[1]
    at_most = np.broadcast_to(np.arange(1, number + 1), ascending.shape)
    is_last = np.append(np.diff(ascending, axis=1) > 0, np.ones((len(ascending), 1), dtype=np.bool_), axis=1)
    # Of tied positives, each has the precision of the last.
    recalls = np.where(is_last, at_most, number + 1)
    recall = np.minimum.accumulate(recalls[:, ::-1], axis=1)[:, ::-1] / number
    mean: NDArray[np.float64] = (recall / (recall + NEGATIVES_PER_LOOP * ascending)).mean(axis=1)
    return mean


def _labelled_series(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return AUROC and AUPRC of all pairs, then of each resampling of them, float64, (1 + replicates, 2)."""
    number = len(scores)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order]) != 0), number - 1)
    rng = np.random.default_rng(SEED)
    rows = max(1, VALUES_AT_ONCE // number)
    parts = [_weighted_areas(np.ones((1, number)), positive, order=order, ends=ends)]
    for first in range(0, REPLICATES, rows):
        times = rng.multinomial(number, np.full(number, 1 / number), size=min(rows, REPLICATES - first))
        parts.append(_weighted_areas(times.astype(np.float64), positive, order=order, ends=ends))
    return np.concatenate(parts)


def _weighted_areas(
    times: NDArray[np.float64], positive: NDArray[np.bool_], *, order: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return AUROC and AUPRC where pair p occurs `times[:, p]` times, float64, (rows, 2); NaN without either label.

    Args:
        times: (rows, pairs).
        positive: (pairs,).
        order: Pairs by descending score.
        ends: Positions in that order at which a score ends.
    """
    sorted_times, label = times[:, order], positive[order]
    true = np.cumsum(sorted_times * label, axis=1)[:, ends]
    false = np.cumsum(sorted_times * ~label, axis=1)[:, ends]
    new_true, new_false = (np.diff(counts, axis=1, prepend=0) for counts in (true, false))
    positives, negatives = true[:, -1], false[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        lower = negatives[:, None] - false + new_false / 2
        auroc = (new_true * lower).sum(axis=1) / (positives * negatives)
        precision = np.nan_to_num(true / (true + false))
        auprc = (new_true * precision).sum(axis=1) / positives
    auprc[negatives == 0] = np.nan
    return np.column_stack([auroc, auprc])


def _in_parts(draws: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    rows = max(1, VALUES_AT_ONCE // draws.shape[1])
    for first in range(0, len(draws), rows):
        yield draws[first : first + rows]


def joined(parts: Sequence[Ranks]) -> Ranks:
    """Join the ranks of several groups of positives."""
    empty = np.zeros(0)
    return Ranks(
        np.concatenate([empty, *(part.outranked for part in parts)]),
        np.concatenate([empty, *(part.passing for part in parts)]),
    )
