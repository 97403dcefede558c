"""The options of `epigept-batch variants`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.inference.device import AUTO, Device

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.expression.perturb import Perturbation
    from epigept_batch.expression.request import SampleRequest


@dataclass(frozen=True, kw_only=True)
class VariantsRequest:
    """What a user asks for.

    Attributes:
        variants: The file of variants.
        samples: Which samples of which tables.
        perturbations: The perturbed copies wanted of each sample.
        fasta: The genome.
        model: The model file.
        out: The file of scores.
        tracks: Names of the tracks to score; empty for all.
        grid: Score in the windows of the genome's grid, not in a window around each variant.
        average: What to average over, of `names.AVERAGES`.
        background: Number of random variants to draw for each kind of variant; 0 for none.
        features: BED file of features; random variants are drawn at similar distances to them. None for none.
        seed: Seed of the random variants.
        allow_mismatch: Score a file of which many reference alleles differ from the FASTA.
        shard: Number of the part of the file to score, from 1, and the number of parts.
        any_genome: Accept a genome that the network was not trained for.
        device: Device on which the network runs.
        batch_size: Number of (window, sample) pairs that the network computes at once; None to suit the device.
        threads: Number of CPU threads.
        scores: A store of motif scores; None to scan during the run.
        force: Replace scores that were made from other inputs.
        fresh: Discard the progress of an interrupted run and start over.
    """

    variants: Path
    samples: SampleRequest
    fasta: Path
    model: Path
    out: Path
    perturbations: tuple[Perturbation, ...] = ()
    tracks: tuple[str, ...] = ()
    grid: bool = False
    average: tuple[str, ...] = ()
    background: int = 0
    features: Path | None = None
    seed: int = 1
    allow_mismatch: bool = False
    shard: tuple[int, int] = (1, 1)
    any_genome: bool = False
    device: Device = AUTO
    batch_size: int | None = None
    threads: int = 1
    scores: Path | None = None
    force: bool = False
    fresh: bool = False
