"""What a user asks of the commands of `epigept-batch cohort`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.commands.genome.request import GenomeRequest


@dataclass(frozen=True, kw_only=True)
class InitRequest:
    """What a user asks of `cohort init`.

    Attributes:
        genome: The samples, model, genome, tracks and regions; its `out` is not used.
        location: Where the cohort will lie.
        unit: Windows and samples of a unit; None to suit the device.
        call: Windows and samples of a call of the network; None to suit the device.
        dtype: Type of the cube's values.
    """

    genome: GenomeRequest
    location: str
    unit: tuple[int, int] | None = None
    call: tuple[int, int] | None = None
    dtype: str = "float16"


@dataclass(frozen=True, kw_only=True)
class ComputeRequest:
    """What a user asks of `cohort partition` and `cohort run`.

    Attributes:
        location: Where the cohort lies.
        model: The model file on this machine; None for where it lay at `init`.
        fasta: The genome on this machine; None for where it lay at `init`.
        scores: The store on this machine; None for where it lay at `init`.
    """

    location: str
    model: Path | None = None
    fasta: Path | None = None
    scores: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ExtractRequest:
    """What a user asks of `cohort extract`.

    Attributes:
        location: Where the cohort lies.
        out: Output folder; or the file of a matrix, whose ending tells the format.
        samples: Names of the samples; empty for all.
        tracks: Names of the tracks; empty for all.
        regions: Regions in samtools notation.
        chromosomes: Names of whole contigs.
        beds: Files of intervals.
        space: `log1p` or `linear`.
        bin_bp: For a matrix, base pairs of the bins that are its rows; None for regions.
        statistic: For a matrix, `mean`, `max` or `coverage`.
        force: Replace outputs that were made from other inputs.
        threads: Number of CPU threads.
    """

    location: str
    out: Path
    samples: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    chromosomes: tuple[str, ...] = ()
    beds: tuple[Path, ...] = ()
    space: str = "log1p"
    bin_bp: int | None = None
    statistic: str = "mean"
    force: bool = False
    threads: int = 1
