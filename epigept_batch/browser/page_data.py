"""What the page shows of a run, as one document that JSON can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.browser.allowed import AllowedFiles
from epigept_batch.browser.gene_features import TRACK
from epigept_batch.browser.measured import spaces_note
from epigept_batch.browser.reference import make_reference
from epigept_batch.browser.start import first_view, locus, predicted_regions
from epigept_batch.browser.summary import run_facts, sample_notes, statistics_rows
from epigept_batch.browser.tracks import Measured, TrackList
from epigept_batch.results.peaks import stale_peaks
from epigept_batch.sequence.genes import read_genes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from epigept_batch.browser.reference import Reference
    from epigept_batch.results.folder import RunFolder
    from epigept_batch.sequence.genes import Genes

SAMPLES_SHOWN = 4
PEAKS_NAMED = 3
"""How many samples the page shows at first; the others can be switched on."""
REGIONS_LISTED = 500


@dataclass(frozen=True)
class Page:
    """All that the server has of a run.

    Attributes:
        data: What the page reads first.
        small_files: Files that are made here, by URL.
        files: The files that may be read.
        genes: Gene models; None without.
        notes: Sentences for the user at the terminal.
    """

    data: dict[str, Any]
    small_files: Mapping[str, bytes]
    files: AllowedFiles
    genes: Genes | None
    notes: tuple[str, ...]


def make_page(
    folder: RunFolder,
    *,
    fasta: Path | None = None,
    genes: Path | None = None,
    measured: Measured | None = None,
    live: bool = False,
) -> Page:
    """Return what the page shows of a run.

    Args:
        folder: The run.
        fasta: The genome, if it is not where the run read it.
        genes: GTF, BED or gene table of UCSC to show above the tracks.
        measured: Measured tracks to show beside the predictions.
        live: Whether the server answers what-if questions.

    Raises:
        InputError: The FASTA, the genes or a measured track cannot be used.
    """
    allowed = AllowedFiles()
    reference = make_reference(folder, fasta, allowed)
    models = None if genes is None else read_genes(genes, reference.contigs)
    tracks = TrackList(folder, measured, allowed)
    notes = tuple(filter(None, (reference.note, _measured_note(folder, tracks, measured), _stale_note(folder))))
    data = {
        "title": folder.path.resolve().name,
        "reference": reference.config,
        "genes": None if models is None else TRACK,
        "live": live,
        **_places(folder, reference),
        "samples": [
            {"name": sample.name, "shown": number < SAMPLES_SHOWN, "notes": sample_notes(sample)}
            for number, sample in enumerate(folder.samples)
        ],
        "marks": [
            {"name": name, "colour": tracks.colours[name], "high": tracks.scales.get(name, (0.0, None))[1]}
            for name in folder.tracks
        ],
        "tracks": [asdict(track) for track in tracks.tracks()],
        "facts": run_facts(folder),
        "statistics": statistics_rows(folder),
        "notes": [*notes, *_first_samples(folder)],
    }
    return Page(data, reference.small_files(), allowed, models, notes)


def _places(folder: RunFolder, reference: Reference) -> dict[str, Any]:
    regions = predicted_regions(folder, reference.contigs)
    # igv.js cannot go to contigs with a colon in their names, such as those of HLA genes.
    start = next((region for region in regions if ":" not in region.contig), regions[0])
    return {
        "locus": locus(first_view(folder, start)),
        "regions": [locus(region) for region in regions[:REGIONS_LISTED]],
        "regions_left_out": max(0, len(regions) - REGIONS_LISTED),
    }


def _stale_note(folder: RunFolder) -> str:
    """Return a sentence on peaks that are not shown because their tracks were predicted again; empty without any."""
    stale = stale_peaks(folder)
    names = ", ".join(path.name for path in stale[:PEAKS_NAMED]) + (", …" if len(stale) > PEAKS_NAMED else "")
    return f"peaks of an earlier prediction are not shown; call peaks again: {names}" if stale else ""


def _measured_note(folder: RunFolder, tracks: TrackList, measured: Measured | None) -> str:
    if measured is None:
        return ""
    return spaces_note(tracks.measured_paths, predicted=folder.space, measured=measured.space)


def _first_samples(folder: RunFolder) -> list[str]:
    number = len(folder.samples)
    if number <= SAMPLES_SHOWN:
        return []
    return [f"The first {SAMPLES_SHOWN} of {number} samples are shown. Choose others under Samples."]
