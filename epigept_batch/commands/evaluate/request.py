"""The options of `epigept-batch evaluate`, for tracks and for contacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ComparisonRequest:
    """What a user asks for, of tracks or contacts.

    Attributes:
        predicted: Output folder of `genome` or `contacts`, or one of its files.
        excludes: BED files of regions to leave out.
        regions: Regions in samtools notation.
        chromosomes: Names of whole contigs.
        beds: Files of intervals.
        predicted_space: `log1p` or `linear`, for predicted tracks; None for what `run.json` says, else `log1p`.
        measured_space: `log1p` or `linear`, for measured and training tracks.
        zero_fill: Whether bases without data have a measured signal of 0.
        bin_bp: Base pairs per bin; None for those of what is compared.
        write: File for a table of all figures.
    """

    predicted: Path
    excludes: tuple[Path, ...] = ()
    regions: tuple[str, ...] = ()
    chromosomes: tuple[str, ...] = ()
    beds: tuple[Path, ...] = ()
    predicted_space: str | None = None
    measured_space: str = "linear"
    zero_fill: bool = False
    bin_bp: int | None = None
    write: Path | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(ComparisonRequest):
    """What a user asks for, of tracks.

    Attributes:
        measured: A bigWig, or a path with {sample} and {track}.
        training: Tracks of training cells: a path with {cell} and {track}, or one track of their mean; None for none.
        nearest: The training cell that counts as nearest; None for the one in `run.json`.
        peaks: A BED file of peaks, or a path with {sample} and {track}; None for none.
        scale: Factor for the measured and the training signals; `match` for the factors that give each of them the
            mean of the predicted signal.
        model: The model file, for the windows and cells it was trained on; None for the one in `run.json`.
        figures: Folder for plots.
    """

    measured: str
    training: str | None = None
    nearest: str | None = None
    peaks: str | None = None
    scale: float | str = 1.0
    model: Path | None = None
    figures: Path | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluateContactsRequest(ComparisonRequest):
    """What a user asks for, of contacts.

    Attributes:
        contacts: A map (.cool, .mcool, .hic), loops (BEDPE) or tested pairs (TSV); or a path with {sample}.
        accessibility: A bigWig of measured accessibility, or a path with {sample}; None for none.
        predicted_accessibility: Likewise of predicted; None for SAMPLE.DNase.bw beside the map, if it is there.
    """

    contacts: str
    accessibility: str | None = None
    predicted_accessibility: str | None = None
