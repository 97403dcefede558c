"""Pages that describe a hub and its tracks: what the values are, and from what they were made."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from epigept_batch.browser.hub import ABOUT_FILE, DIFFERENCES, PREDICTIONS, value_name
from epigept_batch.sequence.regions import with_separators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from epigept_batch.results.folder import RunFolder, SampleResults

PREDICTED = (
    "The tracks were predicted from the RNA-seq of each sample with EpiGePT, a network that reads DNA together with "
    "the expression of transcription factors. They are not measurements."
)
CHANGES = (
    "Each track is the prediction for a sample with changed expression, minus that for the same sample without the "
    "change. Increases and decreases have different colours."
)
BLANK = "Bins without bases, and parts of the genome that were not predicted, have no value."
REGIONS_SHOWN = 5


def hub_pages(folder: RunFolder, label: str) -> dict[str, str]:
    """Return the HTML pages of a hub by file name. They contain no path, no expression and no genotype.

    Args:
        folder: What the run left.
        label: Name of the hub.
    """
    values = f"<p>Values are {value_name(folder)}, one per bin. {BLANK}</p>"
    about = _samples(folder)
    pages = {
        ABOUT_FILE: _page(label, f"<p>{PREDICTED}</p>{values}{about}"),
        f"{PREDICTIONS}.html": _page("Predicted tracks", f"<p>{PREDICTED}</p>{values}{about}"),
    }
    if any(track.is_difference for track in folder.all_tracks()):
        pages[f"{DIFFERENCES}.html"] = _page("Changes", f"<p>{CHANGES}</p>{values}{about}")
    return pages


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f"<title>{escape(title)}</title></head>\n<body>\n<h2>{escape(title)}</h2>\n{body}\n</body>\n</html>\n"
    )


def _samples(folder: RunFolder) -> str:
    """Return what is known of each sample, as tables."""
    return "\n".join(_sample(sample) for sample in folder.samples if sample.tracks)


def _sample(sample: SampleResults) -> str:
    rows = "\n".join(
        f'<tr><th scope="row" align="left">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in _facts(sample.record)
    )
    return f"<h3>{escape(sample.name)}</h3>\n<table>\n{rows}\n</table>"


def _facts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a record says that does not depend on the machine of the run."""
    versions = record.get("versions") or {}
    yield "program", f"epigept-batch {versions.get('epigept-batch', '')}".strip()
    yield "runtime", str(versions.get("runtime", "not recorded"))
    yield "arithmetic", str(record.get("arithmetic", "not recorded"))
    yield "finished", str(record.get("finished", "not recorded"))
    yield "architecture", str(record.get("architecture", "not recorded"))
    yield "SHA-256 of the model file", str((record.get("sha256") or {}).get("model", "not recorded"))
    yield "SHA-256 of the checkpoint", str(record.get("checkpoint_sha256", "not recorded"))
    factors = record.get("factors") or {}
    missing = factors.get("missing") or []
    yield "transcription factors", f"{factors.get('found', 0)} found, {len(missing)} missing in the table"
    if record.get("perturbation"):
        yield "perturbed", "yes: expression of factors was changed"
    if record.get("personal_genome"):
        yield "genome", "a personal genome"
    regions = record.get("regions") or []
    more = f" and {len(regions) - REGIONS_SHOWN:,} more" if len(regions) > REGIONS_SHOWN else ""
    yield "regions", ", ".join(map(with_separators, regions[:REGIONS_SHOWN])) + more
