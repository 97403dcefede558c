import numpy as np
import pandas as pd
import pytest
import scipy.stats

import reference
from epigept_batch.expression.vector import nearest_cell, network_expression, quantile_normalise
from epigept_batch.spec import ExpressionReference
from tolerances import EXPRESSION


@pytest.mark.parametrize("seed", range(20))
def test_quantile_normalisation_is_the_published_pandas_formula(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.gamma(0.3, 30, (200, 7)).round(int(rng.integers(0, 3)))
    matrix[:, 2] = 4
    tpm = rng.choice([0, 0, 1, 2.5, 7, 1000, 0.01], 200) if seed % 2 else rng.gamma(0.3, 30, 200).round(1)
    if seed == 19:
        tpm[:] = 3
    distribution = ExpressionReference(tuple("abcdefg"), matrix).distribution
    expected = reference.quantile_normalised(pd.Series(tpm), pd.DataFrame(matrix)).to_numpy()
    np.testing.assert_allclose(quantile_normalise(tpm, distribution), expected, rtol=1e-12)
    np.testing.assert_allclose(
        network_expression(tpm, distribution), reference.network_expression(tpm, matrix), rtol=EXPRESSION
    )


def test_normalised_values_only_take_the_logarithm():
    np.testing.assert_allclose(network_expression(np.array([0.0, np.e - 1]), None), [0, 1], rtol=EXPRESSION)


def test_the_nearest_cell_is_the_one_of_the_highest_rank_correlation():
    rng = np.random.default_rng(2)
    matrix = rng.gamma(0.3, 30, (300, 4)).round(1)
    tpm = (matrix[:, 2] * rng.gamma(5, 0.2, 300)).round(1)
    found = nearest_cell(tpm, ExpressionReference(tuple("abcd"), matrix))
    expected = [scipy.stats.spearmanr(tpm, column).statistic for column in matrix.T]
    assert found.cell == "c"
    assert found.r == pytest.approx(expected[2], rel=1e-9)
    assert found.median_r == pytest.approx(np.median(expected), rel=1e-9)


def test_cells_and_samples_without_ranks_have_no_correlation():
    matrix = np.array([[1.0, 4], [2, 4], [3, 4]])
    cells = ExpressionReference(("a", "flat"), matrix)
    assert nearest_cell(np.ones(3), cells) is None
    assert nearest_cell(np.array([3.0, 2, 1]), ExpressionReference(("flat",), matrix[:, 1:])) is None
    found = nearest_cell(np.array([3.0, 2, 1]), cells)
    assert (found.cell, found.r) == ("a", pytest.approx(-1))
