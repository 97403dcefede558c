"""The options of `epigept-batch genome`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.commands.run.request import RunRequest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class GenomeRequest(RunRequest):
    """What a user asks for.

    Attributes:
        tracks: Names of the tracks to write; empty for all.
        space: `log1p` or `linear`.
        overlap: Base pairs shared by neighbouring windows.
        differences: Also write the difference of each perturbed copy from its sample.
        vcf: Variants with the genotypes of a sample whose two haplotypes are predicted; None to predict the FASTA.
        vcf_sample: Name of that sample; None if the file has only one.
        unphased: What both haplotypes get at heterozygous sites without phase, `reference` or `alternative`; None to
            refuse such sites.
        report: Also write a report on the samples of the run.
    """

    tracks: tuple[str, ...] = ()
    space: str = "log1p"
    overlap: int = 0
    differences: bool = False
    vcf: Path | None = None
    vcf_sample: str | None = None
    unphased: str | None = None
    report: bool = False
