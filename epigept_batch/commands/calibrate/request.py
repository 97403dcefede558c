"""The options of `epigept-batch calibrate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class CalibrateRequest:
    """What a user asks for.

    Attributes:
        folder: Output folder of `genome`, with predictions of held-out cells.
        peaks: A BED file of measured peaks, or a path with {sample} and {track}.
        out: The calibration file.
        training: Tracks of the training cells: a path with {cell} and {track}, or with {track} alone for their mean;
            None for none.
        training_space: `linear` or `log1p`.
        zero_fill: Whether bases without data have a training signal of 0.
        excludes: BED files of regions to leave out.
        regions: Regions in samtools notation.
        chromosomes: Names of whole contigs.
        beds: Files of intervals.
        samples: Names of samples, in order; empty for all.
        tracks: Names of tracks; empty for all.
        model: The model file, for the windows and cells it was trained on; None for the one in `run.json`.
        include_training_cells: Whether samples may be cells that the network was trained on.
        include_training_windows: Whether bins may lie in windows that the network was trained on.
        force: Replace a file that is not a calibration.
    """

    folder: Path
    peaks: str
    out: Path
    training: str | None = None
    training_space: str = "linear"
    zero_fill: bool = False
    excludes: tuple[Path, ...] = ()
    regions: tuple[str, ...] = ()
    chromosomes: tuple[str, ...] = ()
    beds: tuple[Path, ...] = ()
    samples: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    model: Path | None = None
    include_training_cells: bool = False
    include_training_windows: bool = False
    force: bool = False
