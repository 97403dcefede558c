"""Areas and their intervals: against scikit-learn, and against a bootstrap written out."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from epigept_batch.evaluation.contacts import areas as areas_module
from epigept_batch.evaluation.contacts.areas import (
    NEGATIVES_PER_LOOP,
    REPLICATES,
    SEED,
    Ranks,
    joined,
    labelled_areas,
    matched_areas,
    ranks,
)


@pytest.fixture(params=["values", "ties"])
def pairs(request):
    rng = np.random.default_rng(3)
    positive = rng.random(60) < 0.4
    scores = {"attention": rng.normal(size=60) + positive, "other": rng.normal(size=60) + 0.5 * positive}
    if request.param == "ties":
        scores = {name: np.round(values) for name, values in scores.items()}
    return scores, positive


def test_areas_of_labelled_pairs_are_scikit_learns(pairs):
    scores, positive = pairs
    for name, found in labelled_areas(scores, positive, attention="attention").items():
        assert found.auroc.value == pytest.approx(roc_auc_score(positive, scores[name]), abs=1e-12)
        assert found.auprc.value == pytest.approx(average_precision_score(positive, scores[name]), abs=1e-12)


def test_intervals_resample_pairs(pairs, monkeypatch):
    monkeypatch.setattr(areas_module, "VALUES_AT_ONCE", 60 * 90)  # 90 replicates at a time
    monkeypatch.setattr(areas_module, "REPLICATES", 200)
    scores, positive = pairs
    rng = np.random.default_rng(SEED)
    draws = [
        np.repeat(np.arange(60), times)
        for size in (90, 90, 20)
        for times in rng.multinomial(60, np.full(60, 1 / 60), size=size)
    ]
    metrics = {"auroc": roc_auc_score, "auprc": average_precision_score}
    series = {
        (name, metric): [of(positive[draw], values[draw]) for draw in draws]
        for name, values in scores.items()
        for metric, of in metrics.items()
    }
    found = labelled_areas(scores, positive, attention="attention")
    for (name, metric), values in series.items():
        estimate = getattr(found[name], metric)
        np.testing.assert_allclose([estimate.low, estimate.high], np.percentile(values, [2.5, 97.5]), rtol=1e-9)
        differences = np.subtract(series["attention", metric], values)
        behind = getattr(found[name], f"{metric}_behind")
        np.testing.assert_allclose(
            [behind.low, behind.high], np.percentile(differences, [2.5, 97.5]), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize(
    ("positive", "auroc", "auprc"),
    [([True, False, False, False], 1.0, 1.0), ([False, False, True, False], 1 / 3, 1 / 3), ([False] * 4, None, None)],
)
def test_one_positive_or_none(positive, auroc, auprc):
    found = labelled_areas({"attention": np.array([4.0, 3, 2, 1])}, np.array(positive), attention="attention")
    if auroc is None:
        assert np.isnan([found["attention"].auroc.value, found["attention"].auprc.value]).all()
        assert np.isnan([found["attention"].auroc.low, found["attention"].auprc.high]).all()
    else:
        assert found["attention"].auroc.value == pytest.approx(auroc)
        assert found["attention"].auprc.value == pytest.approx(auprc)


def test_only_positives_have_no_areas():
    found = labelled_areas({"attention": np.array([4.0, 3])}, np.array([True, True]), attention="attention")
    assert np.isnan([found["attention"].auroc.value, found["attention"].auprc.value]).all()


@pytest.mark.parametrize("decimals", [0, 6])
def test_one_distance_is_scikit_learns_with_weighted_negatives(decimals):
    rng = np.random.default_rng(4)
    positives, negatives = rng.normal(1, 1, 40).round(decimals), rng.normal(0, 1, 700).round(decimals)
    found = matched_areas({"attention": ranks(positives, negatives)}, attention="attention")["attention"]
    labels, scores = np.repeat([1, 0], [40, 700]), np.concatenate([positives, negatives])
    weights = np.repeat([1, NEGATIVES_PER_LOOP * 40 / 700], [40, 700])
    assert found.auroc.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert found.auprc.value == pytest.approx(expected, abs=5e-3)  # positives between the same negatives count as tied
    passing = [-np.mean(negatives >= score) for score in scores]
    expected = average_precision_score(labels, passing, sample_weight=weights)
    assert found.auprc.value == pytest.approx(expected, abs=1e-12)


def test_several_distances_are_ranked_each_in_its_own():
    """The scores rise with distance and so do the positives, which must not help."""
    rng = np.random.default_rng(5)
    groups = [(rng.normal(shift, 1, 50), rng.normal(shift, 1, 4000)) for shift in (0, 100, 200)]
    groups[2] = (groups[2][0][:5], groups[2][1])
    found = joined([ranks(*group) for group in groups])
    area = matched_areas({"attention": found}, attention="attention")["attention"]
    each = [roc_auc_score(np.repeat([1, 0], [len(p), len(n)]), np.concatenate([p, n])) for p, n in groups]
    assert area.auroc.value == pytest.approx(np.average(each, weights=[50, 50, 5]), abs=1e-12)
    # The same ranks as scores, with negatives weighted to ten per positive at each distance.
    labels, scores, weights = [], [], []
    for positives, negatives in groups:
        passing = [(negatives >= one).mean() for one in (*positives, *negatives)]
        labels += [1] * len(positives) + [0] * len(negatives)
        scores += list(-np.array(passing))
        weights += [1.0] * len(positives) + [10 * len(positives) / len(negatives)] * len(negatives)
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert area.auprc.value == pytest.approx(expected, abs=1e-12)
    assert 0.4 < area.auroc.value < 0.6


def test_intervals_resample_loops():
    rng = np.random.default_rng(6)
    found = {name: ranks(rng.normal(shift, 1, 30), rng.normal(0, 1, 500)) for name, shift in (("a", 1), ("b", 0.5))}
    draws = np.random.default_rng(SEED).integers(0, 30, (REPLICATES, 30))
    result = matched_areas(found, attention="a")
    means = {name: one.outranked[draws].mean(axis=1) for name, one in found.items()}
    low, high = np.percentile(means["a"] - means["b"], [2.5, 97.5])
    assert (result["b"].auroc_behind.low, result["b"].auroc_behind.high) == (pytest.approx(low), pytest.approx(high))
    low, high = np.percentile(means["b"], [2.5, 97.5])
    assert (result["b"].auroc.low, result["b"].auroc.high) == (pytest.approx(low), pytest.approx(high))


def test_without_information_the_areas_are_known():
    constant = ranks(np.ones(25), np.ones(300))
    found = matched_areas({"attention": constant}, attention="attention")["attention"]
    assert (found.auroc.value, found.auroc.low, found.auroc.high) == (0.5, 0.5, 0.5)
    assert found.auprc.value == pytest.approx(1 / 11)
    none = matched_areas({"attention": Ranks(np.zeros(0), np.zeros(0))}, attention="attention")["attention"]
    assert np.isnan([none.auroc.value, none.auprc.value, none.auroc.low]).all()
