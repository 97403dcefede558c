"""Statistics of tracks against numpy's, over values of every size."""

import numpy as np
import pytest

from epigept_batch.tracks.statistics import LEAST, MOST, QUANTILES, BinStatistics

RNG = np.random.default_rng(3)
TRACKS = {
    "as predicted": np.log1p(RNG.gamma(0.3, 3, 50_000)),
    "signal": RNG.gamma(0.1, 1000, 50_000),
    "mostly 0": np.where(RNG.random(50_000) < 0.7, 0, RNG.random(50_000)),
    "difference": RNG.normal(0, 1, 50_000) ** 3,
    "below 0": -RNG.gamma(1, 2, 50_000),
    "zeros": np.zeros(1000),
    "one bin": np.array([0.3]),
    "one value": np.full(999, 1.7),
}


def counted(values, *, by=1024):
    found = BinStatistics()
    for start in range(0, len(values), by):
        found.add(values[start : start + by])
    return found.account()


@pytest.mark.parametrize("kind", TRACKS)
def test_numpy_agrees(kind):
    values = TRACKS[kind].astype(np.float32)
    found = counted(values)
    assert found["bins"] == len(values)
    assert found["min"] == values.min()
    assert found["max"] == values.max()
    assert found["mean"] == pytest.approx(values.mean(dtype=np.float64), rel=1e-12)
    for share in QUANTILES:
        exact = np.quantile(values.astype(np.float64), share)
        neighbours = np.quantile(values, [max(share - 2 / len(values), 0), min(share + 2 / len(values), 1)])
        low, high = min(*neighbours, exact), max(*neighbours, exact)
        said = found["quantiles"][str(share)]
        assert low - 0.008 * abs(low) - LEAST <= said <= high + 0.008 * abs(high) + LEAST, share


def test_the_order_and_the_size_of_pieces_do_not_matter():
    values = TRACKS["difference"].astype(np.float32)
    assert counted(values, by=7)["quantiles"] == counted(values[::-1].copy())["quantiles"]


def test_values_beyond_the_limits():
    found = counted(np.array([LEAST / 2, MOST * 4, -MOST * 8, 1.0], np.float32))
    assert (found["min"], found["max"]) == (-MOST * 8, MOST * 4)
    assert found["quantiles"]["0.5"] <= 1.0


def test_no_bins():
    assert BinStatistics().account() == {"bins": 0, "mean": None, "min": None, "max": None, "quantiles": None}


def test_quantiles_are_interpolated_within_a_step():
    found = counted(np.linspace(1, 3, 200_001).astype(np.float32))["quantiles"]
    for share in QUANTILES:
        assert found[str(share)] == pytest.approx(1 + 2 * share, rel=2e-4)


def test_one_value_many_times_is_its_quantiles_to_a_step():
    """Of which the width is at most a 128th of the value; beyond all values there is no quantile."""
    repeated = np.full(100_000, 1, np.float32)
    assert set(counted(repeated)["quantiles"].values()) == {1.0}
    repeated[:2] = 0.001, 1000
    found = counted(repeated)["quantiles"]
    assert all(1 <= found[str(share)] <= 1 + 1 / 128 for share in QUANTILES)


def test_between_two_values_the_lower_one_counts():
    found = counted(np.repeat(np.float32([1, 100]), 500))
    assert 1 <= found["quantiles"]["0.5"] <= 1 + 1 / 128
