"""The figures of one compared track: over all bins, by chromosome, and separately for bins seen in training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.evaluation.metrics import (
    average_precision,
    mean_squared_error,
    partial_pearson,
    pearson,
    roc_auc,
    spearman,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from epigept_batch.evaluation.compared import ComparedBins

    Part = slice | NDArray[np.bool_]

PREDICTION, MEAN, NEAREST = "prediction", "mean_of_training_cells", "nearest_training_cell"
SEEN, UNSEEN = "training windows", "other windows"
ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""Share of the highest value: smaller differences are rounding errors."""


def figures(bins: ComparedBins) -> Iterator[dict[str, Any]]:
    """Yield the figures of each part of the bins, JSON-compatible; a figure that is not defined is None."""
    for kind, name, part in _parts(bins):
        measured = bins.measured[part]
        if not len(measured):
            continue
        peaks = None if bins.peaks is None else bins.peaks[part]
        predictors = {key: values[part] for key, values in bins.predictors.items()}
        yield {
            "part": name,
            "kind": kind,
            "bins": len(measured),
            "bins_in_peaks": None if peaks is None else int(peaks.sum()),
            "predictors": {key: _agreement(values, measured, peaks) for key, values in predictors.items()},
            **_beyond_the_mean(predictors, measured),
        }


def _parts(bins: ComparedBins) -> Iterator[tuple[str, str, Part]]:
    """Yield kind, name and bins of each part."""
    yield "all", "all", slice(None)
    if bins.seen is not None and bins.seen.any() and not bins.seen.all():
        yield "windows", SEEN, bins.seen
        yield "windows", UNSEEN, ~bins.seen
    for name, part in bins.contigs.items():
        yield "contig", name, part


def _agreement(
    predicted: NDArray[np.float32], measured: NDArray[np.float32], peaks: NDArray[np.bool_] | None
) -> dict[str, float | None]:
    """Return every metric of a series against the measured one, both ln(1 + signal)."""
    values = {
        "pearson_log1p": pearson(predicted, measured),
        "pearson_linear": pearson(predicted, measured, of=np.expm1),
        "spearman": spearman(predicted, measured),
        "mse_log1p": mean_squared_error(predicted, measured),
        "mse_linear": mean_squared_error(predicted, measured, of=np.expm1),
        "auroc": math.nan if peaks is None else roc_auc(predicted, peaks),
        "auprc": math.nan if peaks is None else average_precision(predicted, peaks),
    }
    return {name: _or_null(value) for name, value in values.items()}


def _beyond_the_mean(
    predictors: Mapping[str, NDArray[np.float32]], measured: NDArray[np.float32]
) -> dict[str, float | None]:
    """Return two correlations of prediction and measurement without what the mean of the training cells explains.

    The signal that all cells share correlates by itself. The partial r leaves it out on both sides, so it tells whether
    the sample's own part is predicted: it is 0 for a prediction that has no information beyond the mean. The r of the
    differences from the mean is not 0 for such a prediction, because both differences contain the same mean.
    """
    predicted, mean = predictors[PREDICTION], predictors.get(MEAN)
    if mean is None or not (differs(predicted, mean) and differs(measured, mean)):
        return {"partial_pearson": None, "pearson_of_differences": None}
    return {
        "partial_pearson": _or_null(partial_pearson(predicted, measured, mean)),
        "pearson_of_differences": _or_null(pearson(predicted - mean, measured - mean)),
    }


def differs(values: NDArray[np.float32], mean: NDArray[np.float32]) -> bool:
    """Whether a signal differs from a mean by more than rounding, and by more than a constant."""
    differences = values - mean
    return bool(np.ptp(differences) > ROUNDING * np.abs(values).max(initial=0))


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None
