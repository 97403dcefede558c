"""What a user asks `epigept-batch peaks` for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PeaksRequest:
    """What a user asks for.

    Attributes:
        folder: Output folder of `genome`.
        samples: Names of samples; empty for all.
        tracks: Names of tracks, ignoring case; empty for all.
        calibration: A file of `calibrate`; None for none.
        precision: Precision of the bins above the threshold, with a calibration; None for the highest F1.
        any_model: Accept a calibration of another model file.
        thresholds: Thresholds, ln(1 + signal): `X` for all tracks, or `TRACK=X`.
        top: Number of peaks that are kept of each track; None for all.
        narrow: Names of tracks with narrow peaks.
        broad: Names of tracks with broad peaks.
        low: Share of the threshold that all edges of a peak reach; None for the format's default.
        max_gap: Most base pairs below that inside a peak; None for the format's default.
        min_length: Least base pairs of a peak; None for the format's default.
        prominence: Share of a summit's height by which a valley beside it must be lower to split a narrow peak.
        bigbed: Also write bigBed.
        out: Output folder; None for `folder`.
        force: Replace files that were made in another way, or by another program.
    """

    folder: Path
    samples: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    calibration: Path | None = None
    precision: float | None = None
    any_model: bool = False
    thresholds: tuple[str, ...] = ()
    top: int | None = None
    narrow: tuple[str, ...] = ()
    broad: tuple[str, ...] = ()
    low: float | None = None
    max_gap: int | None = None
    min_length: int | None = None
    prominence: float = 0.3
    bigbed: bool = False
    out: Path | None = None
    force: bool = False

    @property
    def output_folder(self) -> Path:
        """Where files are written."""
        return self.out or self.folder
