"""The options of `epigept-batch variants`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.commands.run.request import PredictionRequest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class VariantsRequest(PredictionRequest):
    """What a user asks for.

    Attributes:
        variants: The file of variants.
        tracks: Names of the tracks to score; empty for all.
        grid: Score in the windows of the genome's grid, not in a window around each variant.
        average: What to average over, of `names.AVERAGES`.
        background: Number of random variants to draw for each kind of variant; 0 for none.
        features: BED file of features; random variants are drawn at similar distances to them. None for none.
        seed: Seed of the random variants.
        allow_mismatch: Score a file of which many reference alleles differ from the FASTA.
        shard: Number of the part of the file to score, from 1, and the number of parts.
    """

    variants: Path
    tracks: tuple[str, ...] = ()
    grid: bool = False
    average: tuple[str, ...] = ()
    background: int = 0
    features: Path | None = None
    seed: int = 1
    allow_mismatch: bool = False
    shard: tuple[int, int] = (1, 1)
