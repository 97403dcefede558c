"""What a user asks of `epigept-batch matrix`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class MatrixRequest:
    """What a user asks for.

    Attributes:
        folder: Output folder of `genome`.
        out: The file; its ending tells the format.
        beds: Files of regions, a row each.
        bin_bp: Base pairs per bin, for bins as rows; None for regions.
        regions: Regions that have the bins, in samtools notation.
        chromosomes: Contigs that have the bins; without both, all that was predicted.
        samples: Names of samples, in order; empty for all.
        tracks: Names of tracks; empty for all that are no differences.
        statistic: `mean`, `max` or `coverage`.
        space: `log1p` or `linear`; None for that of the tracks.
        threads: Number of CPU threads.
        force: Replace a file that was made of other inputs, or by another program.
    """

    folder: Path
    out: Path
    beds: tuple[Path, ...] = ()
    bin_bp: int | None = None
    regions: tuple[str, ...] = ()
    chromosomes: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    statistic: str = "mean"
    space: str | None = None
    threads: int = 1
    force: bool = False
