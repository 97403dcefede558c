"""Counts by class, against numpy and scikit-learn on the values themselves, and Brier scores against loops."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_curve

from epigept_batch.calibration.skill import LEAST_BLOCK_BP, MOST_BLOCK_BP, block_bp_for
from epigept_batch.calibration.tally import COARSE, Tally

BLOCKS = 24


@pytest.fixture(scope="module")
def bins():
    """Bins of two samples: prediction and mean of training cells, peaks that both foretell, and blocks."""
    rng = np.random.default_rng(4)
    number = 30_000
    truth = rng.gamma(0.4, 1.5, number)
    shared = np.where(rng.random(number) < 0.5, truth, rng.gamma(0.4, 1.5, number))
    frame = pd.DataFrame(
        {
            "sample": np.where(np.arange(number) % 3, "a", "b"),
            "predicted": np.maximum(0, truth + rng.normal(0, 0.2, number)).astype(np.float32),
            "mean": shared.astype(np.float32),
            "peak": truth + rng.normal(0, 0.3, number) > 1.5,
            "block": np.sort(rng.integers(0, BLOCKS, number)),
        }
    )
    frame.loc[:2000, "predicted"] = np.float32(1.25)  # ties
    return frame


def tally_of(frame, *, parts=3):
    """Count the bins, a part at a time."""
    tally = Tally(("a", "b"), blocks=BLOCKS, with_mean="mean" in frame)
    for part in np.array_split(np.arange(len(frame)), parts):
        for sample, of_sample in frame.iloc[part].groupby("sample"):
            tally.add(
                sample,
                of_sample["predicted"].to_numpy(),
                of_sample["peak"].to_numpy(),
                blocks=of_sample["block"].to_numpy(),
                mean=of_sample["mean"].to_numpy() if "mean" in of_sample else None,
            )
    return tally


@pytest.fixture(scope="module")
def found(bins):
    return tally_of(bins).finish()


@pytest.mark.parametrize(("series", "column"), [("prediction", "predicted"), ("mean", "mean")])
def test_counts_at_each_threshold_are_exact(found, bins, series, column):
    curve = getattr(found, series).curve
    assert 100 < len(curve.thresholds) <= 200
    for threshold, called, true in zip(curve.thresholds, curve.called, curve.true, strict=True):
        above = bins[column].astype(float) >= threshold
        assert (called, true) == (above.sum(), (above & bins["peak"]).sum())


def test_precision_and_recall_are_those_of_scikit_learn(found, bins):
    precision, recall, thresholds = precision_recall_curve(bins["peak"], bins["predicted"].astype(float))
    curve = found.prediction.curve
    places = np.searchsorted(thresholds, curve.thresholds)
    np.testing.assert_allclose(curve.precision, precision[places])
    np.testing.assert_allclose(curve.recall, recall[places])
    assert np.abs(np.diff(curve.recall)).max() < 0.02 + (bins["predicted"] == np.float32(1.25)).mean()


@pytest.mark.parametrize(("series", "column"), [("prediction", "predicted"), ("mean", "mean")])
def test_average_precision_is_that_of_scikit_learn(found, bins, series, column):
    expected = average_precision_score(bins["peak"], bins[column])
    assert getattr(found, series).average_precision == pytest.approx(expected, abs=2e-4)


def test_the_reliability_curve_is_that_of_pandas(found, bins):
    curve = found.prediction.reliability
    assert 15 < len(curve.lower) <= 25
    classes = pd.cut(bins["predicted"].astype(float), [*curve.lower, np.inf], right=False, labels=False)
    grouped = bins.groupby(classes)["peak"].agg(["size", "sum", "mean"])
    np.testing.assert_array_equal(curve.bins, grouped["size"])
    np.testing.assert_array_equal(curve.in_peaks, grouped["sum"])
    np.testing.assert_allclose(curve.share, grouped["mean"])


def test_each_sample_has_its_own_counts(found, bins):
    assert list(found.samples) == ["a", "b"]
    for sample, of_sample in bins.groupby("sample"):
        curve = found.samples[sample]
        number = 60
        above = of_sample["predicted"].astype(float) >= curve.thresholds[number]
        assert (curve.called[number], curve.true[number]) == (above.sum(), (above & of_sample["peak"]).sum())
        by_sample = found.precision_by_sample(curve.thresholds[number])
        assert by_sample[sample] == (above & of_sample["peak"]).sum() / above.sum()
    np.testing.assert_array_equal(found.samples["a"].called + found.samples["b"].called, found.prediction.curve.called)


def naive_levels(frame, lower):
    """Brier scores and margins by level of the mean, with a loop over bins of each half and block."""
    frame = frame.assign(
        half=frame["block"] % 2,
        by_prediction=COARSE.of(frame["predicted"].to_numpy()),
        by_mean=COARSE.of(frame["mean"].to_numpy()),
        level=np.searchsorted(lower, frame["mean"].astype(float), side="right") - 1,
    )
    for name in ("prediction", "mean"):
        probability = np.zeros(len(frame))
        for half in (0, 1):
            other = frame[frame["half"] != half]
            overall = other["peak"].mean()
            grouped = other.groupby(f"by_{name}")["peak"].agg(["sum", "size"])
            share = (grouped["sum"] + overall) / (grouped["size"] + 1)
            mine = frame["half"] == half
            probability[mine] = frame.loc[mine, f"by_{name}"].map(share).fillna(overall)
        frame[f"p_{name}"] = probability
        frame[f"squared_{name}"] = (probability - frame["peak"]) ** 2
    return frame


def test_brier_scores_and_margins_are_those_of_loops(found, bins):
    levels = found.levels
    assert 5 < len(levels.lower) <= 12
    frame = naive_levels(bins, levels.lower)
    for number, of_level in frame.groupby("level"):
        assert levels.bins[number] == len(of_level)
        assert levels.in_peaks[number] == of_level["peak"].sum()
        for name, scores in (("prediction", levels.brier_prediction), ("mean", levels.brier_mean)):
            expected = brier_score_loss(of_level["peak"], of_level[f"p_{name}"])
            assert scores[number] == pytest.approx(expected, rel=1e-9)
        difference = levels.brier_mean[number] - levels.brier_prediction[number]
        of_blocks = of_level.groupby("block")
        left = (of_blocks["squared_mean"].sum() - of_blocks["squared_prediction"].sum()) - difference * of_blocks.size()
        error = np.sqrt(len(left) / (len(left) - 1) * (left**2).sum()) / len(of_level)
        assert levels.margin[number] == pytest.approx(1.96 * error, rel=1e-9)
        assert levels.beats[number] == (difference > 1.96 * error)


def test_the_margin_is_about_what_a_bootstrap_of_blocks_gives(found, bins):
    frame = naive_levels(bins, found.levels.lower)
    of_level = frame[frame["level"] == 4]
    sums = of_level.assign(gain=of_level["squared_mean"] - of_level["squared_prediction"]).groupby("block")["gain"]
    sums = sums.agg(["sum", "size"]).to_numpy()
    drawn = np.random.default_rng(2).integers(0, len(sums), (4000, len(sums)))
    gains = sums[drawn, 0].sum(axis=1) / sums[drawn, 1].sum(axis=1)
    assert found.levels.margin[4] == pytest.approx(1.96 * gains.std(), rel=0.15)


def test_a_better_prediction_beats_the_mean_and_others_do_not(found, bins):
    assert found.levels.beats.sum() >= len(found.levels.beats) - 2
    rng = np.random.default_rng(5)
    chance = tally_of(bins.assign(predicted=rng.permutation(bins["predicted"]))).finish()
    assert not chance.levels.beats.any()
    same = tally_of(bins.assign(predicted=bins["mean"])).finish()
    assert not same.levels.beats.any()
    np.testing.assert_array_equal(same.levels.brier_mean, same.levels.brier_prediction)


def test_chance_rarely_beats_the_mean():
    rng = np.random.default_rng(6)
    beaten = levels = 0
    for _ in range(40):
        number = 4000
        tally = Tally(("a",), blocks=BLOCKS, with_mean=True)
        tally.add(
            "a",
            rng.choice(np.array([1, 2], dtype=np.float32), number),  # two classes that tell nothing
            rng.random(number) < 0.3,
            blocks=np.sort(rng.integers(0, BLOCKS, number)),
            mean=np.full(number, 0.5, dtype=np.float32),
        )
        found = tally.finish().levels.beats
        beaten, levels = beaten + found.sum(), levels + len(found)
    assert beaten / levels <= 0.05


def test_too_few_blocks_tell_nothing(bins):
    few = bins.assign(block=bins["block"] % 6)
    levels = tally_of(few).finish().levels
    assert np.isnan(levels.margin).all()
    assert not levels.beats.any()


def test_without_a_mean_there_are_no_levels(bins):
    found = tally_of(bins.drop(columns="mean")).finish()
    assert (found.mean, found.levels) == (None, None)
    assert (found.bins, found.in_peaks) == (len(bins), bins["peak"].sum())


@pytest.mark.parametrize(
    ("total", "block"), [(1000, LEAST_BLOCK_BP), (200 * 5_000_000, 5_000_000), (3_100_000_000, MOST_BLOCK_BP)]
)
def test_the_size_of_blocks_follows_that_of_the_selection(total, block):
    assert block_bp_for(total) == block
