"""What the page says of the run, from its records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from epigept_batch.results.folder import RunFolder, SampleResults

MISSING_SHOWN = 12
"""How many missing factors are listed."""


def run_facts(folder: RunFolder) -> list[tuple[str, str]]:
    """Return facts on the run: what, then its value."""
    record = folder.samples[0].any_record
    space = "ln(1 + signal)" if folder.space == "log1p" else "signal"
    facts = [
        ("Samples", f"{len(folder.samples):,}"),
        ("Assembly", folder.assembly or "not recognised"),
        ("Values", space if folder.contigs else ""),
        ("Model", _one([Path(str(_path(sample, "model"))).name for sample in folder.samples])),
        ("Predicted", f"{record['bins']:,} bins" if record.get("bins") else ""),
        ("Finished", str(record.get("finished", ""))[:10]),
        ("Program", f"epigept-batch {record.get('versions', {}).get('epigept-batch', '')}".strip()),
    ]
    if folder.unfinished:
        facts.append(("Interrupted", f"{', '.join(folder.unfinished)}: not shown"))
    return [fact for fact in facts if fact[1]]


def _path(sample: SampleResults, kind: str) -> str:
    return str(sample.any_record.get("paths", {}).get(kind, ""))


def _one(values: list[str]) -> str:
    """Return the value of all samples, or each that there is."""
    return ", ".join(dict.fromkeys(filter(None, values)))


def sample_notes(sample: SampleResults) -> list[str]:
    """Return what a reader of a sample's tracks should know."""
    record = sample.any_record
    return [*_about_factors(record), *map(str, (record.get("expression") or {}).get("notes") or ())]


def _about_factors(record: Mapping[str, Any]) -> Iterator[str]:
    factors = record.get("factors") or {}
    if (perturbation := record.get("perturbation")) is not None:
        yield f"Copy of {perturbation['of']} with {perturbation['set']}."
    missing = list(factors.get("missing") or ())
    if factors.get("found") is not None:
        yield f"{factors['found']:,} factors found, {len(missing):,} missing."
    if missing:
        more = len(missing) - MISSING_SHOWN
        yield f"Missing: {', '.join(missing[:MISSING_SHOWN])}" + (f" and {more:,} more." if more > 0 else ".")


def statistics_rows(folder: RunFolder) -> list[dict[str, Any]]:
    """Return a row per sample and track with its mean and 99th percentile, where the record has them."""
    return [
        {
            "sample": track.sample,
            "track": track.label,
            "mean": track.statistics["mean"],
            "high": (track.statistics.get("quantiles") or {}).get("0.99"),
        }
        for track in folder.all_tracks()
        if track.statistics is not None
    ]
