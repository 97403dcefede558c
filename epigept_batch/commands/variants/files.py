"""The file of scores and its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from epigept_batch.provenance.output_file import OutputFile

TSV, PARQUET, VCF = "tsv", "parquet", "vcf"


@dataclass(frozen=True)
class ScoreFiles(OutputFile):
    """The file of scores."""

    FORMATS: ClassVar = {".tsv": TSV, ".tsv.gz": TSV, ".parquet": PARQUET, ".vcf": VCF, ".vcf.gz": VCF}
    what: str = "scores"
