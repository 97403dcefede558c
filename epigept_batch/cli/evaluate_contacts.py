"""The report of `epigept-batch evaluate --contacts`, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from epigept_batch.cli.figures import aligned
from epigept_batch.evaluation.contacts.table import part_of
from epigept_batch.evaluation.contacts.verdict import METRICS, NAMES, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def reports(documents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of all reports; each begins with what its figures show."""
    for document in documents:
        yield f"{document['sample']}: {document['headline']}"
        yield from (f"  {note}" for note in document["notes"])
        yield from aligned(list(_rows(document)))
        yield f"  {document['conclusion']}"
        yield ""


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a header, then a row per predictor, and for maps a block of them per stratum."""
    metrics = [metric for metric in METRICS if metric in next(iter(document["predictors"].values()))]
    yield ("", *(cell for metric in metrics for cell in (METRICS[metric], "95 % interval")))
    yield (_counted(document), *("" for _ in range(2 * len(metrics))))
    for name, figures in document["predictors"].items():
        cells = (cell for metric in metrics for cell in _cells(figures[metric]))
        yield (f"  {NAMES[name]}", *cells)
    for stratum in document.get("strata", ()):
        if stratum["pairs"]:
            yield (f"{part_of(stratum)}, {stratum['pairs']:,} pairs", *("" for _ in range(2 * len(metrics))))
            for name, values in stratum["predictors"].items():
                cells = (cell for metric in metrics for cell in (number(values[metric]), ""))
                yield (f"  {NAMES[name]}", *cells)


def _counted(document: Mapping[str, Any]) -> str:
    """Return how many pairs the figures are of."""
    if document["against"] == "map":
        return f"all distances, {document['counts']['compared']:,} pairs"
    if document["against"] == "loops":
        return f"{document['positives']:,} loops"
    total = document["positives"] + document["negatives"]
    return f"{total:,} pairs, {document['positives']:,} regulated"


def _cells(figure: Mapping[str, float | None]) -> tuple[str, str]:
    if figure["low"] is None or figure["high"] is None:
        return number(figure["value"]), ""
    return number(figure["value"]), f"{figure['low']:.3f} to {figure['high']:.3f}"
