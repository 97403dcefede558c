"""Shares and their intervals, against scipy."""

import numpy as np
import pytest
import scipy.stats

from epigept_batch.calibration.curves import LEAST_CALLED, Curve, wilson


@pytest.mark.parametrize(("positive", "number"), [(0, 5), (5, 5), (1, 1), (13, 100), (900, 100_000)])
def test_the_interval_is_that_of_scipy(positive, number):
    low, high = wilson(np.array([positive]), np.array([number]))
    expected = scipy.stats.binomtest(positive, number).proportion_ci(0.95, method="wilson")
    assert (low[0], high[0]) == (pytest.approx(expected.low, abs=2e-5), pytest.approx(expected.high, abs=2e-5))


def test_without_trials_nothing_is_known():
    low, high = wilson(np.array([0]), np.array([0]))
    assert (low[0], high[0]) == (0, 1)


def test_a_threshold_with_few_called_bins_is_not_offered():
    few = LEAST_CALLED - 1
    curve = Curve(np.array([0.0, 1, 2]), np.array([100, LEAST_CALLED, few]), np.array([30, 18, few]))
    assert curve.most_precise().value == 1
    assert curve.reaching(0.95) is None
    assert curve.reaching(0.9).value == 1
    assert curve.best().value == 1


def test_with_few_bins_in_all_the_first_threshold_is_still_offered():
    curve = Curve(np.array([0.0, 1]), np.array([6, 3]), np.array([3, 3]))
    assert curve.best() == (0, 0.5, 1, pytest.approx(2 / 3))


def test_the_lowest_threshold_of_a_precision_counts_though_higher_ones_fall_below_it():
    curve = Curve(np.array([0.0, 1, 2, 3]), np.array([400, 200, 120, 50]), np.array([150, 120, 60, 45]))
    assert curve.reaching(0.6).value == 1  # precision 0.6; 0.5 at threshold 2, and 0.9 at 3
    assert curve.reaching(0.61).value == 3
