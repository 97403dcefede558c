"""The options of `epigept-batch evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class EvaluateRequest:
    """What a user asks for.

    Attributes:
        predicted: Output folder of `genome`, or a bigWig.
        measured: A bigWig, or a path with {sample} and {track}.
        training: Tracks of training cells: a path with {cell} and {track}, or one track of their mean; None for none.
        nearest: The training cell that counts as nearest; None for the one in `run.json`.
        peaks: A BED file of peaks, or a path with {sample} and {track}; None for none.
        excludes: BED files of regions to leave out.
        regions: Regions in samtools notation.
        chromosomes: Names of whole contigs.
        beds: Files of intervals.
        predicted_space: `log1p` or `linear`; None for what `run.json` says, else `log1p`.
        measured_space: `log1p` or `linear`, for the measured and the training tracks.
        zero_fill: Whether bases without data have a measured signal of 0.
        scale: Factor for the measured and the training signals; `match` for the factors that give each of them the
            mean of the predicted signal.
        model: The model file, for the windows and cells it was trained on; None for the one in `run.json`.
        bin_bp: Base pairs per bin; None for the predicted track's.
        write: File for a table of all figures.
        figures: Folder for plots.
    """

    predicted: Path
    measured: str
    training: str | None = None
    nearest: str | None = None
    peaks: str | None = None
    excludes: tuple[Path, ...] = ()
    regions: tuple[str, ...] = ()
    chromosomes: tuple[str, ...] = ()
    beds: tuple[Path, ...] = ()
    predicted_space: str | None = None
    measured_space: str = "linear"
    zero_fill: bool = False
    scale: float | str = 1.0
    model: Path | None = None
    bin_bp: int | None = None
    write: Path | None = None
    figures: Path | None = None
