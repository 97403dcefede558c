"""The figures of a comparison of contacts as a table: a row per sample, part and predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from epigept_batch.evaluation import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

KEYS = ("sample", "against", "contacts", "part", "pairs", "positives", "predictor")
METRICS = ("auroc", "auprc", "pearson", "spearman")


def check_table_path(path: Path) -> None:
    """Check that a table may be written here.

    Raises:
        OutputError: The folder cannot be written, or the file exists and is not such a table.
    """
    table.check_table_path(path, KEYS)


def write_table(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    """Write all figures, tab-separated; a figure that is not defined is empty.

    Args:
        path: The file; an existing table is replaced.
        documents: Documents from `run_evaluate_contacts`.
    """
    table.write_rows(path, [row for document in documents for row in _rows(document)])


def _rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    negatives, positives = document["negatives"], document["positives"]
    pairs = document["counts"]["compared"] if negatives is None else negatives + positives
    for name, figures in document["predictors"].items():
        yield {**_keys(document, "all distances", pairs, name), **_figures(figures)}
    for stratum in document.get("strata", ()):
        for name, values in stratum["predictors"].items():
            keys = _keys(document, part_of(stratum), stratum["pairs"], name)
            yield {**keys, **_figures({metric: {"value": value} for metric, value in values.items()})}


def part_of(stratum: Mapping[str, Any]) -> str:
    """Return a stratum of distances in words."""
    low, high = stratum["from_bp"], stratum["to_bp"]
    if high is None:
        return f"{low:,} bp or more"
    return f"{low:,} to {high - 1:,} bp" if low else f"under {high:,} bp"


def _keys(document: Mapping[str, Any], part: str, pairs: int, predictor: str) -> dict[str, Any]:
    values = (
        document["sample"],
        document["against"],
        document["contacts"],
        part,
        pairs,
        document["positives"],
        predictor,
    )
    return dict(zip(KEYS, values, strict=True))


def _figures(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return each metric with its interval, and attention's minus it with its interval."""
    row: dict[str, Any] = {}
    for metric in METRICS:
        found = figures.get(metric, {})
        row |= {metric: found.get("value"), f"{metric}_low": found.get("low"), f"{metric}_high": found.get("high")}
        behind = found.get("behind", {})
        row |= {f"attention_minus_{metric}{end}": behind.get(key) for end, key in ENDS.items()}
    return row


ENDS = {"": "value", "_low": "low", "_high": "high"}
