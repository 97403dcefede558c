"""The options of `epigept-batch compare`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """What a user asks for.

    Attributes:
        folder: Output folder of `genome`.
        out: Output folder.
        samples: Names of samples, each a group of its own; with `mean` and without groups, empty for all.
        groups: Groups, as `NAME=SAMPLE,SAMPLE`.
        control: Name of the group that is subtracted; None for the last.
        mean: Kept means of the training cells, which are subtracted instead: a folder of `mean`, or a path with
            {track}; None for none.
        calibration: File that says where the prediction beats that mean; None for none.
        tracks: Names of tracks; empty for all.
        bed: Regions to compare, instead of those that are found; None for none.
        threshold: Mean ln(1 + signal) over all samples from which bins are tested; None for their 99th percentile.
        min_effect: Smallest difference of ln(1 + signal) of an interval; None for ln 2 without a test, and for none
            with a test.
        fdr: False discovery rate of the intervals that are written, with a test.
        force: Replace files that were made from other inputs, or by another program.
    """

    folder: Path
    out: Path
    samples: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    control: str | None = None
    mean: str | None = None
    calibration: Path | None = None
    tracks: tuple[str, ...] = ()
    bed: Path | None = None
    threshold: float | None = None
    min_effect: float | None = None
    fdr: float | None = None
    force: bool = False
