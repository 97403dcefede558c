"""The first line of a report, and its conclusion, for figures that are written out."""

import pytest

from epigept_batch.evaluation.contacts.scores import ATTENTION, DISTANCE, MEASURED_DNASE, PREDICTED_DNASE
from epigept_batch.evaluation.contacts.verdict import conclusion, headline


def figure(value, behind=None):
    found = {"value": value, "low": value - 0.1, "high": value + 0.1}
    if behind is not None:
        low, high = behind
        found["behind"] = {"value": (low + high) / 2, "low": low, "high": high}
    return found


def document(*, positives=30, negatives=200, against="loops", **baselines):
    metrics = ("pearson", "spearman") if against == "map" else ("auroc", "auprc")
    predictors = {ATTENTION: dict(zip(metrics, (figure(0.8), figure(0.6)), strict=True))}
    for name, behind in baselines.items():
        predictors[name] = {metric: figure(0.5, one) for metric, one in zip(metrics, behind, strict=True)}
    return {"against": against, "positives": positives, "negatives": negatives, "predictors": predictors}


ABOVE, ACROSS, BELOW = (0.05, 0.2), (-0.01, 0.2), (-0.3, -0.1)


ROC, PRC = "AUROC 0.800 against 0.500, difference", "AUPRC 0.600 against 0.500, difference"
BEATS, ALONE = "attention beats distance alone", "attention does not beat distance alone"
MEASURED = "distance × measured accessibility"
LINES = [
    (
        {DISTANCE: (ABOVE, ABOVE), PREDICTED_DNASE: (ABOVE, ABOVE)},
        f"{BEATS} and distance × predicted accessibility: AUROC 0.800, AUPRC 0.600",
    ),
    (
        {DISTANCE: (ABOVE, ABOVE)},
        f"{BEATS}: AUROC 0.800, AUPRC 0.600; not compared with accessibility, which may explain it",
    ),
    (
        {DISTANCE: (ABOVE, ABOVE), MEASURED_DNASE: (ABOVE, ACROSS)},
        f"attention does not beat {MEASURED} ({PRC} -0.010 to +0.200)",
    ),
    (
        {DISTANCE: (ACROSS, ABOVE), MEASURED_DNASE: (BELOW, BELOW)},
        f"{ALONE} ({ROC} -0.010 to +0.200), nor {MEASURED} ({ROC} -0.300 to -0.100; {PRC} -0.300 to -0.100)",
    ),
    ({DISTANCE: ((0.0, 0.1), ABOVE)}, f"{ALONE} ({ROC} +0.000 to +0.100)"),
]


@pytest.mark.parametrize(("baselines", "line"), LINES)
def test_attention_must_beat_every_baseline_in_both_metrics(baselines, line):
    assert headline(document(**baselines)) == line
    told = "tells more" if line.startswith("attention beats") else "is not shown to tell more"
    assert f"attention {told}" in conclusion(document(**baselines))
    assert "not a measurement of contacts" in conclusion(document(**baselines))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"positives": 19}, "too few positives to judge: 19 loops within the map; a verdict requires 20"),
        ({"positives": 1}, "too few positives to judge: 1 loop within the map; a verdict requires 20"),
        (
            {"positives": 0, "against": "pairs"},
            "too few positives to judge: 0 regulated pairs within the map; a verdict requires 20",
        ),
        ({"negatives": 19}, "too few negatives to judge: 19 within the map; a verdict requires 20"),
    ],
)
def test_too_few_give_no_verdict_even_if_attention_beats_all(options, line):
    few = document(**options, **{DISTANCE: (ABOVE, ABOVE)})
    assert headline(few) == line
    assert conclusion(few).startswith("No conclusion can be drawn")


def test_a_map_without_intervals_gives_no_verdict():
    few = document(against="map", positives=None, negatives=None, **{DISTANCE: (ABOVE, ABOVE)})
    assert headline(few).startswith("attention beats distance alone: Pearson's r 0.800, Spearman's r 0.600")
    few["predictors"][ATTENTION]["spearman"]["low"] = None
    assert headline(few).startswith("too little of the genome is compared to judge")
