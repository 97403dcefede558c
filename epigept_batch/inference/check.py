"""Check a network on generated inputs against the original network.

The inputs are deliberately hard. The windows are a realistic one, one with a run of N, one of N only, and one with the
highest scores that the motifs allow. The samples are a realistic one and one with the highest expression everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.inference.ports import SIGNAL, Inputs, joined
from epigept_batch.inference.runtime import CPU_PROVIDER, OPENVINO_PROVIDER
from epigept_batch.spec import CHECK_BINS, NO_BASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.inference.session import Session
    from epigept_batch.spec import ExpressionReference, MotifSet, Spec
    from epigept_batch.tiling import Geometry

WINDOWS = ORDINARY, N_RUN, ALL_N, EXTREME = range(4)
"""The kinds of windows."""
WHOLE_TPM = 1e6
"""The highest possible TPM, for networks without a reference."""


@dataclass(frozen=True)
class Limit:
    """Limits for the difference from the original network: largest absolute error, and least Pearson r of a track."""

    error: float
    r: float


LIMITS = {"fp32": Limit(1e-3, 0.99999), "fp16": Limit(1e-2, 0.9999), "int8": Limit(0.15, 0.99)}
"""Limits by precision of a model file: on windows of a genome, and on the check with ONNX Runtime's own providers."""
OPENVINO_LIMITS = {"fp32": Limit(5e-3, 0.99999), "bf16": Limit(0.1, 0.99)}
"""Limits by arithmetic of OpenVINO on the check, whose inputs are harder than a genome's windows.

In fp32, OpenVINO omits the rounding of features to float16, which matters most at the highest scores and expression.
The measurements are in tests/tolerances.py; `python benchmarks/check.py` repeats them.
"""
MEASURED_PROVIDERS = {CPU_PROVIDER, OPENVINO_PROVIDER}
"""Providers for which the limits were measured; for others they are assumed."""


@dataclass(frozen=True)
class Closeness:
    """How close a track or a contact output is to the original.

    Attributes:
        name: Its name.
        error: Largest absolute error over all inputs, of ln(1 + signal), or relative to the mean of the map; infinite if
            any value is not finite.
        r: Least Pearson r over the windows with ordinary bins and both samples.
    """

    name: str
    error: float
    r: float

    def within(self, limit: Limit) -> bool:
        """Whether it is within a limit."""
        return self.error <= limit.error and self.r >= limit.r


CONTACT_LIMITS = {"fp32": Limit(1e-4, 0.999), "fp16": Limit(1e-2, 0.999), "int8": Limit(0.1, 0.99)}
"""Limits of contact outputs by precision of a model file; the error is relative to the mean of the map."""


def check_bins(geometry: Geometry) -> NDArray[np.int64]:
    """Return the bins of a window whose signal the spec keeps: evenly spaced, including the first and the last."""
    points = min(CHECK_BINS, geometry.bins)
    return np.arange(points) * (geometry.bins - 1) // max(points - 1, 1)


def check_inputs(
    geometry: Geometry, motif_set: MotifSet, reference: ExpressionReference | None, *, seed: int
) -> Inputs:
    """Generate four windows and two samples from a seed, the same on every machine and with every version of numpy.

    Args:
        geometry: The network's window.
        motif_set: Its motifs.
        reference: Its expression reference, from which the samples take their values.
        seed: Any non-negative integer.
    """
    draw = _Uniform(seed)
    tokens = np.floor(4 * draw((len(WINDOWS), geometry.window_bp))).astype(np.uint8)
    run = slice(geometry.window_bp // 3, geometry.window_bp * 2 // 3)
    tokens[N_RUN, run] = NO_BASE
    tokens[ALL_N] = NO_BASE
    best, threshold = _score_bounds(motif_set)
    shape = (len(WINDOWS), len(best), geometry.bins)
    # Real windows have hits in a third of all entries: some factors almost everywhere, others almost nowhere.
    hit = draw(shape) < draw((len(best), 1)) ** 2
    scores = np.where(hit, threshold + (best - threshold) * draw(shape) ** 2, 0)
    scores[N_RUN, :, run.start // geometry.bin_bp : run.stop // geometry.bin_bp] = 0
    scores[ALL_N] = 0
    scores[EXTREME] = best
    expression = _expression(reference, draw, len(best))
    return Inputs.of(tokens=tokens, motif_scores=scores.astype(np.float16), expression=expression)


def compare_contacts(name: str, found: NDArray[np.float32], expected: NDArray[np.float32]) -> Closeness:
    """Compare a contact output for check inputs with the original network's, each (windows, samples, bins, bins)."""
    return Closeness(name, _error(found, expected) / float(expected.mean()), _least_r(found, expected))


def check_limit(precision: str, arithmetic: str, provider: str) -> Limit:
    """Return how far a model file may differ from the original network on check inputs.

    Args:
        precision: The precision of the file.
        arithmetic: The arithmetic of the session.
        provider: The provider that runs it.
    """
    limit = LIMITS[precision]
    if provider != OPENVINO_PROVIDER:
        return limit
    other = OPENVINO_LIMITS[arithmetic]
    return Limit(max(limit.error, other.error), min(limit.r, other.r))


def run_check(session: Session, spec: Spec) -> NDArray[np.float32]:
    """Run the check of a model file; return the signal in the bins that the file keeps.

    Returns:
        float32, (windows, samples, bins, tracks).
    """
    inputs = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=spec.check.seed)
    return run_inputs(session, inputs)[SIGNAL][:, :, check_bins(spec.geometry)]


def run_inputs(session: Session, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
    """Run check inputs with one window per call; return each output by name, float32, (windows, samples, …)."""
    return joined([session.run(inputs.part(slice(n, n + 1))) for n in range(inputs.shape[0])], axis=0)


def compare_tracks(found: NDArray[np.float32], expected: NDArray[np.float32], tracks: Sequence[str]) -> list[Closeness]:
    """Compare a signal for check inputs with the original network's, each float32, (windows, samples, bins, tracks)."""
    return [
        Closeness(track, _error(mine, theirs), _least_r(mine, theirs))
        for track, mine, theirs in zip(tracks, np.moveaxis(found, 3, 0), np.moveaxis(expected, 3, 0), strict=True)
    ]


class _Uniform:
    """Uniform random numbers from 0 to 1 that are stable across numpy versions, unlike those of `Generator`."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def __call__(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        raw = self._bits.random_raw(math.prod(shape))
        uniform: NDArray[np.float64] = ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)
        return uniform


def _score_bounds(motif_set: MotifSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the highest score and the lowest threshold of each factor, each float64, (factors, 1)."""
    best = dict.fromkeys(motif_set.factors, 0.0)
    threshold = dict.fromkeys(motif_set.factors, math.inf)
    for motif in motif_set.motifs:
        for factor in motif.factors:
            best[factor] = max(best[factor], motif.best_score)
            threshold[factor] = min(threshold[factor], motif.threshold)
    columns = np.array([(best[factor], min(threshold[factor], best[factor])) for factor in motif_set.factors])
    return columns[:, :1], columns[:, 1:]


def _expression(reference: ExpressionReference | None, draw: _Uniform, factors: int) -> NDArray[np.float32]:
    """Generate ln(1 + TPM) of an ordinary and an extreme sample, float32, (2, factors)."""
    order = draw((factors,))
    if reference is None:
        ordinary, highest = order**4 * 100, WHOLE_TPM
    else:
        ordinary, highest = reference.distribution[np.argsort(order)], reference.distribution[-1]
    tpm = np.stack([ordinary, np.full(factors, highest)])
    expression: NDArray[np.float32] = np.log1p(tpm).astype(np.float32)
    return expression


def _error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max()) if np.isfinite(found).all() else math.inf


def _least_r(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the least r over windows whose values differ; 1 if the original is constant, as for a dead track."""
    pairs = [
        (found[window, sample].astype(np.float64).ravel(), expected[window, sample].astype(np.float64).ravel())
        for window in (ORDINARY, N_RUN)
        for sample in range(expected.shape[1])
        if np.ptp(expected[window, sample]) > 0
    ]
    return min((_pearson_r(mine, theirs) for mine, theirs in pairs), default=1.0)


def _pearson_r(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Pearson r; 0 if x is constant or not finite."""
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
