"""The linear baseline against numpy's least squares."""

import runpy
from pathlib import Path

import numpy as np

from epigept_batch.demo.linear import LinearModel, features

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/linear_fit.py"))
LinearFit, to_json = SCRIPT["LinearFit"], SCRIPT["to_json"]


def test_the_fit_is_least_squares_over_all_that_was_added():
    rng = np.random.default_rng(1)
    fit = LinearFit(("a", "b"), ("f", "g", "h"))
    parts = []
    for _ in range(4):
        scores, expression = rng.gamma(2, 3, (3, 50)).astype(np.float32), rng.gamma(1, 2, 3).astype(np.float32)
        signal = rng.normal(size=(50, 2))
        fit.add(scores, expression, signal)
        parts.append((features(scores, expression), signal))
    x, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    expected = np.linalg.lstsq(x, y, rcond=None)[0]
    model = fit.model()
    np.testing.assert_allclose(model.weights, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.predict(scores, expression), parts[-1][0] @ model.weights)
    again = LinearModel.from_json(to_json(model))
    np.testing.assert_allclose(again.weights, model.weights, atol=1e-6)
    assert (again.tracks, again.factors) == (("a", "b"), ("f", "g", "h"))


def test_features_are_scores_times_expression_and_one():
    found = features(np.array([[2.0, 0], [3, 4]], np.float32), np.array([10, 100], np.float32))
    np.testing.assert_array_equal(found, [[20, 300, 1], [0, 400, 1]])
