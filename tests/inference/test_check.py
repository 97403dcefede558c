import math
from dataclasses import replace

import numpy as np
import pytest

from epigept_batch.inference.check import (
    ALL_N,
    EXTREME,
    LIMITS,
    N_RUN,
    ORDINARY,
    Limit,
    TrackFigures,
    check_bins,
    check_inputs,
    compare_tracks,
)
from epigept_batch.inference.model_file import read_spec
from epigept_batch.tiling import Geometry


@pytest.fixture(scope="module")
def spec(small_model):
    return read_spec(small_model)


@pytest.fixture(scope="module")
def inputs(spec):
    return check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=711)


def test_a_seed_stands_for_the_same_inputs_everywhere(inputs):
    """Written down once; the numbers come from PCG64's raw bits, which numpy promises not to change."""
    assert inputs.tokens[ORDINARY, :12].tolist() == [2, 1, 3, 3, 0, 0, 1, 2, 2, 0, 0, 0]
    assert inputs.motif_scores[ORDINARY, 3, :8].tolist() == [0, 27.875, 0, 0, 0, 0, 0, 25.734375]
    assert inputs.expression[0, :4].tolist() == pytest.approx([3.3293, 0.1976, 4.0025, 1.0996], abs=5e-5)


def test_the_inputs_are_what_a_session_takes(inputs):
    assert inputs.tokens.dtype == np.uint8
    assert inputs.tokens.shape == (4, 2560)
    assert inputs.motif_scores.dtype == np.float16
    assert inputs.motif_scores.shape == (4, 15, 20)
    assert inputs.expression.dtype == np.float32
    assert inputs.expression.shape == (2, 15)


def test_the_inputs_are_hard_ones(spec, inputs):
    hits = inputs.motif_scores[ORDINARY] > 0
    assert 0.15 < hits.mean() < 0.55
    assert set(np.unique(inputs.tokens[ORDINARY])) == {0, 1, 2, 3}
    assert 0.3 < (inputs.tokens[N_RUN] == 4).mean() < 0.4
    within = (inputs.tokens[N_RUN].reshape(20, 128) == 4).all(axis=1)
    assert not inputs.motif_scores[N_RUN][:, within].any()
    assert (inputs.tokens[ALL_N] == 4).all()
    assert not inputs.motif_scores[ALL_N].any()
    for number, factor in enumerate(spec.factors):
        scores = [motif.best_score for motif in spec.motif_set.motifs if factor in motif.factors]
        assert inputs.motif_scores[EXTREME, number] == pytest.approx(max(scores), rel=1e-3)
        assert inputs.motif_scores[:, number].max() <= max(scores) * 1.001
    np.testing.assert_allclose(inputs.expression[1], np.log1p(spec.reference.distribution[-1]), rtol=1e-6)
    np.testing.assert_allclose(np.sort(inputs.expression[0]), np.log1p(spec.reference.distribution), rtol=1e-6)


def test_without_a_reference_the_highest_expression_is_all_of_a_sample(spec):
    inputs = check_inputs(spec.geometry, spec.motif_set, None, seed=711)
    np.testing.assert_allclose(inputs.expression[1], math.log(1_000_001), rtol=1e-6)


def test_other_seeds_are_other_inputs(spec, inputs):
    other = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=712)
    assert (other.tokens[ORDINARY] != inputs.tokens[ORDINARY]).mean() > 0.5


@pytest.mark.parametrize("bins", [1000, 50, 16, 3, 1])
def test_the_bins_kept_are_evenly_spaced_from_the_first_to_the_last(bins):
    kept = check_bins(Geometry(bins, 128))
    assert len(kept) == min(bins, 16)
    assert (kept[0], kept[-1]) == (0, bins - 1)
    assert bins < 17 or np.ptp(np.diff(kept)) <= 1


def test_figures_are_the_largest_error_and_the_least_r():
    rng = np.random.default_rng(1)
    expected = rng.random((4, 2, 50, 2)).astype(np.float32)
    found = expected.copy()
    found[ALL_N, 1, 7, 0] += 0.5
    found[N_RUN, 1, :, 1] += rng.normal(0, 0.1, 50).astype(np.float32)
    first, second = compare_tracks(found, expected, ["A", "B"])
    assert (first.track, second.track) == ("A", "B")
    assert first.error == pytest.approx(0.5, abs=1e-6)
    assert first.r == pytest.approx(1)
    assert second.error == pytest.approx(np.abs(found - expected)[..., 1].max())
    assert second.r == pytest.approx(np.corrcoef(found[N_RUN, 1, :, 1], expected[N_RUN, 1, :, 1])[0, 1])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_never_within_a_limit(value):
    expected = np.random.default_rng(1).random((4, 2, 50, 1)).astype(np.float32)
    for window in range(4):
        found = expected.copy()
        found[window, 1, 7, 0] = value
        (figures,) = compare_tracks(found, expected, ["A"])
        assert figures.error == math.inf
        assert not figures.within(Limit(1e9, -1))


def test_a_dead_track_is_compared_by_its_error_alone():
    zeros = np.zeros((4, 2, 50, 1), dtype=np.float32)
    assert compare_tracks(zeros, zeros, ["A"]) == [TrackFigures("A", 0.0, 1.0)]
    alive = np.random.default_rng(1).random((4, 2, 50, 1)).astype(np.float32)
    assert compare_tracks(zeros, alive, ["A"])[0].r == 0


def test_within_the_limit():
    figures = TrackFigures("A", 0.01, 0.9999)
    assert figures.within(LIMITS["fp16"])
    assert not replace(figures, error=0.0101).within(LIMITS["fp16"])
    assert not replace(figures, r=0.99989).within(LIMITS["fp16"])
