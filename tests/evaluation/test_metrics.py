"""Each figure against scipy and scikit-learn."""

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics as reference

from epigept_batch.evaluation import metrics

CASES = {
    "continuous": lambda rng: (rng.normal(size=5000), rng.normal(size=5000)),
    "correlated": lambda rng: (x := rng.normal(size=5000), x + rng.normal(size=5000)),
    "many ties": lambda rng: (rng.integers(0, 4, 3000).astype(float), rng.integers(0, 9, 3000).astype(float)),
    "mostly zero": lambda rng: (rng.gamma(1, 1, 3000) * (rng.random(3000) < 0.05), rng.gamma(1, 1, 3000)),
    "three": lambda _: (np.array([1.0, 2, 4]), np.array([1.0, 3, 2])),
    "far from 0": lambda rng: (1e4 + rng.normal(size=999), 1e4 + rng.normal(size=999)),
}


@pytest.fixture(params=CASES)
def series(request):
    x, y = CASES[request.param](np.random.default_rng(3))
    return x.astype(np.float32), y.astype(np.float32)


@pytest.fixture(params=[7, 1 << 20])
def _chunk(request, monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
def test_correlations_are_those_of_scipy(series):
    x, y = series
    exact = x.astype(np.float64), y.astype(np.float64)
    assert metrics.pearson(x, y) == pytest.approx(scipy.stats.pearsonr(*exact).statistic, abs=1e-12)
    assert metrics.spearman(x, y) == pytest.approx(scipy.stats.spearmanr(*exact).statistic, abs=1e-12)
    np.testing.assert_array_equal(metrics.doubled_ranks(x), 2 * scipy.stats.rankdata(x))


@pytest.mark.usefixtures("_chunk")
def test_the_partial_correlation_is_that_of_what_a_linear_fit_leaves(series):
    x, y = (values.astype(float) for values in series)
    given = (x + 0.5 * y + np.random.default_rng(3).normal(size=len(x)) * (1 + x.std())).astype(np.float32)
    design = np.stack([np.ones(len(x)), given.astype(float)], axis=1)
    left = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (x, y)]
    expected = scipy.stats.pearsonr(*left).statistic
    assert metrics.partial_pearson(*series, given) == pytest.approx(expected, abs=1e-9)


def test_the_partial_correlation_of_noise_is_about_0_where_differences_are_not():
    rng = np.random.default_rng(5)
    mean = rng.gamma(1, 1, 20_000).astype(np.float32)
    measured = (mean + 0.1 * rng.normal(size=len(mean))).astype(np.float32)
    noise = rng.normal(size=len(mean)).astype(np.float32)
    assert abs(metrics.partial_pearson(noise, measured, mean)) < 0.03
    assert metrics.pearson(noise - 2 * mean, measured - 2 * mean) > 0.8
    informed = (2 * mean + 5 * (measured - mean) + 0.1 * noise).astype(np.float32)
    assert metrics.partial_pearson(informed, measured, mean) > 0.9


@pytest.mark.parametrize("factor", [1, 0.3, -7])
def test_a_prediction_that_is_the_mean_has_no_partial_correlation(factor):
    rng = np.random.default_rng(6)
    mean, measured = rng.gamma(1, 1, (2, 5000)).astype(np.float32)
    assert np.isnan(metrics.partial_pearson(np.float32(factor) * mean, measured, mean))
    assert np.isnan(metrics.partial_pearson(measured, np.float32(factor) * mean, mean))


def test_squared_error_is_that_of_sklearn(series):
    x, y = series
    expected = reference.mean_squared_error(x.astype(np.float64), y.astype(np.float64))
    assert metrics.mean_squared_error(x, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.99])
def test_areas_at_peaks_are_those_of_sklearn(series, share):
    scores, other = series
    positive = other > np.quantile(other, 1 - share)
    if not positive.any() or positive.all():
        positive = np.arange(len(scores)) == 1
    assert metrics.roc_auc(scores, positive) == pytest.approx(reference.roc_auc_score(positive, scores), abs=1e-12)
    expected = reference.average_precision_score(positive, scores)
    assert metrics.average_precision(scores, positive) == pytest.approx(expected, abs=1e-12)


def test_the_curve_is_that_of_sklearn():
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 50, 2000).astype(np.float32)
    positive = rng.random(2000) < 0.1
    recall, precision = metrics.precision_recall(scores, positive)
    expected_precision, expected_recall, thresholds = reference.precision_recall_curve(positive, scores)
    with_positive = np.isin(thresholds, scores[positive])
    np.testing.assert_allclose(recall[::-1], expected_recall[:-1][with_positive], atol=1e-12)
    np.testing.assert_allclose(precision[::-1], expected_precision[:-1][with_positive], atol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, 3e7])
def test_what_is_not_defined_is_nan(constant):
    same, other = np.full(10, constant, np.float32), np.arange(10, dtype=np.float32)
    none = np.zeros(0, np.float32)
    for figure in (metrics.pearson, metrics.spearman):
        assert np.isnan(figure(same, other))
        assert np.isnan(figure(other, same))
        assert np.isnan(figure(none, none))
    assert np.isnan(metrics.mean_squared_error(none, none))
    for labels in (np.zeros(10, bool), np.ones(10, bool)):
        assert np.isnan(metrics.roc_auc(other, labels))
    assert np.isnan(metrics.average_precision(other, np.zeros(10, bool)))
    assert metrics.average_precision(other, np.ones(10, bool)) == 1
