"""The file of a matrix, its format, and the files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

TSV, PARQUET, NPZ, H5AD, BEDGRAPH = "tsv", "parquet", "npz", "h5ad", "bedgraph"
FORMATS = {".tsv": TSV, ".tsv.gz": TSV, ".parquet": PARQUET, ".npz": NPZ, ".h5ad": H5AD, ".bedgraph": BEDGRAPH}
"""The format of each suffix, in lower case."""


@dataclass(frozen=True)
class MatrixFiles:
    """The file of a matrix; see `provenance.run_record.OutputFiles`. There is no journal, because runs are short."""

    out: Path
    what: str = "values"

    @property
    def format(self) -> str:
        """One of the values of `FORMATS`.

        Raises:
            InputError: The name has no suffix of `FORMATS`, ignoring case.
        """
        name = self.out.name.lower()
        for suffix, kind in FORMATS.items():
            if name.endswith(suffix) and name != suffix:
                return kind
        raise InputError(f"--out {self.out}: unknown format; use a name that ends in {', '.join(FORMATS)}")

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed with gzip."""
        return self.out.suffix.lower() == ".gz"

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
        """The file."""
        return (self.out,)

    @property
    def record(self) -> Path:
        """NAME.run.json."""
        return self.folder / f"{self.out.name}.run.json"

    @property
    def journal(self) -> Path:
        """.NAME.journal, which is never written."""
        return self.folder / f".{self.out.name}.journal"

    @property
    def changing(self) -> Path:
        """.NAME.changing."""
        return self.folder / f".{self.out.name}.changing"

    def could_be_outputs(self) -> list[Path]:
        """Return the file, if it is there."""
        return [self.out] if self.out.exists() else []
