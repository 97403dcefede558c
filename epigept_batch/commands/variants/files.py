"""The file of scores, its format, and the hidden files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

TSV, PARQUET, VCF = "tsv", "parquet", "vcf"
FORMATS = {".tsv": TSV, ".tsv.gz": TSV, ".parquet": PARQUET, ".vcf": VCF, ".vcf.gz": VCF}
"""The format of each suffix."""


@dataclass(frozen=True)
class ScoreFiles:
    """The file of scores; see `provenance.run_record.OutputFiles`."""

    out: Path
    what: str = "scores"

    @property
    def format(self) -> str:
        """`tsv`, `parquet` or `vcf`.

        Raises:
            InputError: The name ends in none of `FORMATS`.
        """
        for suffix, kind in FORMATS.items():
            if self.out.name.endswith(suffix) and self.out.name != suffix:
                return kind
        raise InputError(f"--out {self.out}: unknown format; use a name that ends in {', '.join(FORMATS)}")

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed with gzip, or bgzip if it is VCF."""
        return self.out.suffix == ".gz"

    @property
    def folder(self) -> Path:
        """The output folder."""
        return self.out.parent

    @property
    def sample(self) -> str:
        """The name of the file, which stands for all samples."""
        return self.out.name

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The file of scores."""
        return (self.out,)

    @property
    def record(self) -> Path:
        """NAME.run.json."""
        return self.folder / f"{self.out.name}.run.json"

    @property
    def journal(self) -> Path:
        """.NAME.journal."""
        return self.folder / f".{self.out.name}.journal"

    @property
    def changing(self) -> Path:
        """.NAME.changing."""
        return self.folder / f".{self.out.name}.changing"

    def could_be_outputs(self) -> list[Path]:
        """Return the file of scores, if it is there."""
        return [self.out] if self.out.exists() else []
