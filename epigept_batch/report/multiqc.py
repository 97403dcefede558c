"""The figures of a run as custom content for MultiQC: columns of its table of general statistics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from epigept_batch.report.expression import factors_of

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.results.folder import RunFolder, SampleResults

NAME = "run_mqc.json"
"""MultiQC reads every file whose name ends so."""
ID = "epigept_batch"


def multiqc_document(folder: RunFolder) -> dict[str, Any]:
    """Return the document: per sample, factors found, r of the nearest training cell, mean and 99th percentile."""
    columns: list[dict[str, dict[str, Any]]] = [
        _column("factors_found", "Factors", "transcription factors found in the expression table", form="{:,.0f}"),
        _column("nearest_cell_r", "Nearest r", "Spearman's r with the nearest training cell", form="{:,.3f}", most=1),
    ]
    unit = "ln(1 + signal)" if folder.space == "log1p" else "the signal"
    for name in folder.tracks:
        columns += [
            _column(f"{name}_mean", f"{name} mean", f"mean of {unit} of {name}", form="{:,.3f}", shared=f"{name} mean"),
            _column(f"{name}_p99", f"{name} P99", f"99th percentile of {unit} of {name}", form="{:,.3f}", hidden=True),
        ]
    return {
        "id": ID,
        "plot_type": "generalstats",
        "pconfig": columns,
        "data": {sample.name: _figures(sample) for sample in folder.samples},
    }


def multiqc_text(folder: RunFolder) -> str:
    """Return the document as JSON."""
    return json.dumps(multiqc_document(folder), indent=2) + "\n"


def is_ours(path: Path) -> bool:
    """Whether a file has such a document of this program."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("id") == ID


def _column(
    key: str,
    title: str,
    description: str,
    *,
    form: str,
    most: float | None = None,
    shared: str | None = None,
    hidden: bool = False,
) -> dict[str, dict[str, Any]]:
    column: dict[str, Any] = {
        "title": title,
        "description": f"epigept-batch: {description}",
        "namespace": "epigept-batch",
        "min": 0,
        "scale": "Blues",
        "format": form,
    }
    if most is not None:
        column["max"] = most
    if shared is not None:
        column["shared_key"] = shared
    if hidden:
        column["hidden"] = True
    return {key: column}


def _figures(sample: SampleResults) -> dict[str, float]:
    nearest = sample.any_record.get("expression", {}).get("nearest_cell") or {}
    found: dict[str, float | None] = {"factors_found": factors_of(sample)[0], "nearest_cell_r": nearest.get("r")}
    for track in sample.tracks:
        if not track.is_difference:
            statistics = track.statistics or {}
            found[f"{track.name}_mean"] = statistics.get("mean")
            found[f"{track.name}_p99"] = (statistics.get("quantiles") or {}).get("0.99")
    return {key: value for key, value in found.items() if value is not None}
