"""Ranks among factors, against a count."""

import numpy as np

from epigept_batch.screen.changes import rank_among_factors


def test_a_rank_is_one_more_than_the_number_of_larger_sizes():
    draw = np.random.default_rng(3)
    change = draw.integers(-4, 5, (3, 2, 17)).astype(np.float32)
    expected = np.array([[[1 + (np.abs(row) > abs(x)).sum() for x in row] for row in rows] for rows in change])
    np.testing.assert_array_equal(rank_among_factors(change), expected)
    np.testing.assert_array_equal(rank_among_factors(np.zeros((2, 1), np.float32)), 1)
