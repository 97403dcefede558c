"""What the figures of a comparison of contacts allow to say: the first line of the report, and its conclusion."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from epigept_batch.evaluation.contacts.scores import (
    ATTENTION,
    ATTENTION_BY_DISTANCE,
    BASELINES,
    DISTANCE,
    MEASURED_DNASE,
    PREDICTED_DNASE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

FEWEST_POSITIVES = 20
"""Fewer positives, or fewer negatives, give no verdict."""
NAMES = {
    ATTENTION: "attention",
    ATTENTION_BY_DISTANCE: "attention, observed/expected × 1/distance",
    DISTANCE: "distance alone",
    PREDICTED_DNASE: "distance × predicted accessibility",
    MEASURED_DNASE: "distance × measured accessibility",
}
METRICS = {"auroc": "AUROC", "auprc": "AUPRC", "pearson": "Pearson's r", "spearman": "Spearman's r"}
NATURE = (
    "Attention is what the network uses to predict signal, not a measurement of contacts; only a network trained with "
    "contacts learns them directly."
)


def headline(document: Mapping[str, Any]) -> str:
    """Return the first line of a report: whether attention beats each baseline in each metric.

    It does if the bootstrap interval of the difference lies above 0.

    Args:
        document: The figures; see `commands/evaluate/contacts.py`.
    """
    if (few := _too_few(document)) is not None:
        return few
    lost = [words for name in BASELINES if (words := _lost_to(document, name)) is not None]
    if lost:
        return f"attention does not beat {', nor '.join(lost)}"
    beaten = [name for name in BASELINES if name in document["predictors"]]
    said = f"attention beats {_listed([NAMES[name] for name in beaten])}: {_figures(document, ATTENTION)}"
    if beaten == [DISTANCE]:
        return f"{said}; not compared with accessibility, which may explain it"
    return said


def conclusion(document: Mapping[str, Any]) -> str:
    """Return one or two sentences on what a reader may conclude."""
    if _too_few(document) is not None:
        return f"No conclusion can be drawn from these data. {NATURE}"
    if any(_lost_to(document, name) is not None for name in BASELINES):
        return f"On these data, attention is not shown to tell more about contacts than the baselines. {NATURE}"
    if not {PREDICTED_DNASE, MEASURED_DNASE} & set(document["predictors"]):
        return f"On these data, attention tells more than distance; accessibility may explain all of it. {NATURE}"
    return f"On these data, attention tells more than distance and accessibility. {NATURE}"


def _too_few(document: Mapping[str, Any]) -> str | None:
    """Return why there can be no verdict; None if there can."""
    if document["against"] == "map":
        attention = document["predictors"][ATTENTION]["spearman"]
        if attention["value"] is not None and attention["low"] is None:
            return "too little of the genome is compared to judge: intervals need data in 10 stretches of 1 Mb"
        return None
    positives, negatives = document["positives"], document["negatives"]
    what = "loop" if document["against"] == "loops" else "regulated pair"
    if positives < FEWEST_POSITIVES:
        several = "" if positives == 1 else "s"
        return (
            f"too few positives to judge: {positives} {what}{several} within the map; a verdict requires "
            f"{FEWEST_POSITIVES}"
        )
    if negatives < FEWEST_POSITIVES:
        return f"too few negatives to judge: {negatives} within the map; a verdict requires {FEWEST_POSITIVES}"
    return None


def _lost_to(document: Mapping[str, Any], name: str) -> str | None:
    """Return the baseline and the metrics in which attention does not beat it; None if it beats it or has none."""
    figures = document["predictors"].get(name)
    if figures is None:
        return None
    metrics = [metric for metric in METRICS if metric in figures]
    lost = [metric for metric in metrics if not (figures[metric]["behind"]["low"] or -math.inf) > 0]
    if not lost:
        return None
    return f"{NAMES[name]} ({'; '.join(_against(document, name, metric) for metric in lost)})"


def _against(document: Mapping[str, Any], name: str, metric: str) -> str:
    """Return a metric of attention and of a baseline, with the interval of the difference."""
    ours, theirs = (document["predictors"][one][metric] for one in (ATTENTION, name))
    behind = theirs["behind"]
    interval = "" if behind["low"] is None else f", difference {behind['low']:+.3f} to {behind['high']:+.3f}"
    return f"{METRICS[metric]} {number(ours['value'])} against {number(theirs['value'])}{interval}"


def _figures(document: Mapping[str, Any], name: str) -> str:
    figures = document["predictors"][name]
    shown = (f"{words} {number(figures[metric]['value'])}" for metric, words in METRICS.items() if metric in figures)
    return ", ".join(shown)


def number(value: float | None) -> str:
    """Return a figure in words; a dash if it is not defined."""
    return "-" if value is None else f"{value:.3f}"


def _listed(names: list[str]) -> str:
    return names[0] if not names[1:] else f"{', '.join(names[:-1])} and {names[-1]}"
