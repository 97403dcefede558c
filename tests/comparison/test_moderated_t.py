"""The moderated t-test against limma's Python port (InMoose 0.9.1, golden values), scipy, and limits that are known."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import scipy.stats

from epigept_batch.comparison.moderated_t import (
    Prior,
    fit_prior,
    group_means,
    inverse_trigamma,
    moderated_t,
    residual_variances,
    shrunk,
    why_not,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "data/limma/ebayes.json").read_text())


def columns(*sizes):
    ends = np.cumsum([0, *sizes])
    return [np.arange(first, last) for first, last in itertools.pairwise(ends)]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
def test_as_limma(golden):
    groups = columns(*golden["sizes"])
    found = moderated_t(np.array(golden["values"]), groups, minuend=0, subtrahend=len(groups) - 1)
    assert found.tested == len(golden["values"])
    assert found.prior.df == pytest.approx(float(str(golden["prior_df"]).replace("infinite", "inf")))
    assert found.prior.variance == pytest.approx(golden["prior_variance"])
    assert found.df_residual == sum(golden["sizes"]) - len(groups)
    np.testing.assert_allclose(found.t, golden["t"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.p, golden["p"], rtol=1e-9)


@pytest.mark.parametrize("constant", [2, 200])
def test_regions_without_variance_count_nowhere(constant):
    golden = GOLDEN[0]
    values = np.array(golden["values"])
    among = np.arange(len(values)) + np.arange(len(values)) // 20 * 5  # some of the constant ones before and between
    every = np.repeat(np.random.default_rng(6).random((len(values) + constant, 1)), 6, axis=1)
    every[: len(every) // 2, :3] += 1  # also where groups differ
    among = np.minimum(among, len(every) - len(values) + np.arange(len(values)))
    every[among] = values
    found = moderated_t(every, columns(3, 3), minuend=0, subtrahend=1)
    alone = moderated_t(values, columns(3, 3), minuend=0, subtrahend=1)
    assert found.prior == alone.prior
    assert found.tested == len(values)
    for figures, expected in ((found.t, alone.t), (found.p, alone.p), (found.fdr, alone.fdr)):
        np.testing.assert_array_equal(figures[among], expected)
        assert np.isnan(np.delete(figures, among)).all()


def test_an_infinite_prior_pools_only_regions_with_variance():
    golden = next(one for one in GOLDEN if one["prior_df"] == "infinite")
    values = np.concatenate([golden["values"], np.ones((500, 6))])
    found = moderated_t(values, columns(*golden["sizes"]), minuend=0, subtrahend=1)
    np.testing.assert_allclose(found.p[:50], golden["p"], rtol=1e-9)


def test_the_fdr_is_that_of_benjamini_and_hochberg():
    golden = GOLDEN[0]
    found = moderated_t(np.array(golden["values"]), columns(3, 3), minuend=0, subtrahend=1)
    order = np.argsort(golden["p"])
    expected = np.empty(len(order))
    least = 1.0
    for rank in range(len(order), 0, -1):
        least = min(least, golden["p"][order[rank - 1]] * len(order) / rank)
        expected[order[rank - 1]] = least
    np.testing.assert_allclose(found.fdr, expected)


def test_a_single_region_gets_the_t_test_of_student():
    values = np.random.default_rng(1).normal(size=(1, 7))
    found = moderated_t(values, columns(3, 4), minuend=0, subtrahend=1)
    expected = scipy.stats.ttest_ind(values[0, :3], values[0, 3:])
    assert (found.t[0], found.p[0]) == pytest.approx((expected.statistic, expected.pvalue))


def test_shrinkage_runs_from_none_to_all():
    variances = np.array([1.0, 4.0, 9.0])
    np.testing.assert_allclose(shrunk(variances, 4, Prior(2.0, 0.0)), variances)
    np.testing.assert_allclose(shrunk(variances, 4, Prior(2.0, 4.0)), [1.5, 3.0, 5.5])
    np.testing.assert_allclose(shrunk(variances, 4, Prior(2.0, float("inf"))), [2.0, 2.0, 2.0])


def test_the_prior_that_variances_were_drawn_from_is_found():
    rng = np.random.default_rng(2)
    of_regions = 0.3 * 6 / rng.chisquare(6, 50_000)
    variances = of_regions * rng.chisquare(4, 50_000) / 4
    found = fit_prior(variances, 4)
    assert (found.variance, found.df) == pytest.approx((0.3, 6), rel=0.05)


@pytest.mark.parametrize("value", [1e-8, 1e-5, 0.02, 1.0, 30.0, 1e5, 1e8])
def test_the_inverse_of_the_trigamma_function(value):
    assert scipy.special.polygamma(1, inverse_trigamma(value)) == pytest.approx(value, rel=1e-3)
    if 1e-6 <= value <= 1e7:
        assert scipy.special.polygamma(1, inverse_trigamma(value)) == pytest.approx(value, rel=1e-7)


def test_the_residual_variance_is_that_within_groups():
    values = np.random.default_rng(3).normal(size=(20, 6))
    groups = columns(1, 2, 3)
    variances, df = residual_variances(values, groups)
    expected = (values[:, 1:3].var(axis=1, ddof=1) + 2 * values[:, 3:].var(axis=1, ddof=1)) / 3
    assert df == 3
    np.testing.assert_allclose(variances, expected)
    np.testing.assert_allclose(group_means(values, groups)[:, 2], values[:, 3:].mean(axis=1))


def test_under_the_null_p_values_are_uniform():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(20_000, 5)) * np.sqrt(5 / rng.chisquare(5, (20_000, 1)))
    found = moderated_t(values, columns(3, 2), minuend=0, subtrahend=1)
    assert scipy.stats.kstest(found.p, "uniform").pvalue > 0.01


def test_equal_replicates_are_not_tested():
    values = np.repeat(np.random.default_rng(5).normal(size=(9, 1)), 4, axis=1)
    values[:, :2] += 1
    variances, _ = residual_variances(values, columns(2, 2))
    assert "copies of one sample" in why_not(variances)
    assert "no region" in why_not(variances[:0])
    assert "fewer than 2 regions" in why_not(np.array([0.0, 0.0, 2.0]))
    assert why_not(np.array([0.0, 0.0, 0.0, 1.0, 2.0])) is None
    assert why_not(np.array([1.0])) is None
    assert "fewer than 2 regions" in why_not(np.array([0.0]))


def test_differences_by_rounding_are_not_variance():
    values = np.float32([[1.2345678, 1.2345679, 3.0, 3.0000002]]).astype(np.float64)
    assert residual_variances(values, columns(2, 2))[0] == 0
