"""The options that commands share which predict for samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.inference.device import AUTO, Device

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.expression.perturb import Perturbation
    from epigept_batch.expression.request import SampleRequest


@dataclass(frozen=True, kw_only=True)
class PredictionRequest:
    """What a user asks for of any command that predicts for samples and can resume.

    Attributes:
        samples: Which samples of which tables.
        perturbations: The perturbed copies wanted of each sample.
        fasta: The genome.
        model: The model file.
        out: The output folder, or the output file of a command that makes one.
        any_genome: Accept a genome that the network was not trained for.
        device: Device on which the network runs.
        batch_size: Number of (window, sample) pairs that the network computes at once; None to suit the device.
        threads: Number of CPU threads.
        scores: A store of motif scores; None to scan during the run.
        force: Replace outputs that were made from other inputs.
        fresh: Discard the progress of an interrupted run and start over.
    """

    samples: SampleRequest
    perturbations: tuple[Perturbation, ...] = ()
    fasta: Path
    model: Path
    out: Path
    any_genome: bool = False
    device: Device = AUTO
    batch_size: int | None = None
    threads: int = 1
    scores: Path | None = None
    force: bool = False
    fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class RunRequest(PredictionRequest):
    """What a user asks for of a command that predicts windows of a genome.

    Attributes:
        regions: Regions in samtools notation.
        chromosomes: Names of whole contigs.
        beds: Files of intervals.
        all_contigs: Predict every contig of the FASTA.
        scan_on_gpu: Whether a GPU that predicts also scans.
    """

    regions: tuple[str, ...] = ()
    chromosomes: tuple[str, ...] = ()
    beds: tuple[Path, ...] = ()
    all_contigs: bool = False
    scan_on_gpu: bool = True
