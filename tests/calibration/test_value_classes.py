"""Classes of values, against a search among their ends."""

import numpy as np
import pytest

from epigept_batch.calibration.value_classes import HIGHEST, LOWEST, ValueClasses, at_quantiles

ODD = [0, -0.0, 1e-45, LOWEST, LOWEST * 0.999, HIGHEST, HIGHEST * 0.999, 500, 80, 1, np.nextafter(np.float32(1), 0)]


@pytest.mark.parametrize("bits", [3, 11])
def test_a_value_lies_in_the_class_with_the_highest_end_below_it(bits):
    classes = ValueClasses(bits)
    values = np.random.default_rng(0).gamma(0.3, 2, 50_000).astype(np.float32)
    values = np.concatenate([values, np.array(ODD, dtype=np.float32), classes.lower.astype(np.float32)])
    expected = np.searchsorted(classes.lower, values.astype(np.float64), side="right") - 1
    np.testing.assert_array_equal(classes.of(values), expected)
    assert classes.of(values).max() < classes.count


@pytest.mark.parametrize("bits", [3, 11])
def test_ends_are_values_of_float32_with_equal_relative_steps(bits):
    lower = ValueClasses(bits).lower
    np.testing.assert_array_equal(lower, lower.astype(np.float32))
    assert (lower[0], lower[1], lower[-1]) == (0, LOWEST, HIGHEST)
    steps = lower[2:] / lower[1:-1] - 1
    assert steps.max() == pytest.approx(2.0**-bits)
    assert steps.min() > 2.0 ** -(bits + 1)


def test_quantiles_cut_where_the_weight_from_a_class_on_reaches_each_share():
    weights = np.random.default_rng(1).random(1000) ** 8
    found = at_quantiles(weights, 20)
    from_on = np.array([weights[number:].sum() for number in range(1000)]) / weights.sum()
    expected = {0} | {max(n for n in range(1000) if from_on[n] >= share) for share in np.arange(1, 20) / 20}
    assert found.tolist() == sorted(expected)


def test_classes_too_heavy_to_cut_are_cut_once():
    assert at_quantiles(np.array([90.0, 0, 10, 0]), 200).tolist() == [0, 2]
    assert at_quantiles(np.array([5.0]), 10).tolist() == [0]
