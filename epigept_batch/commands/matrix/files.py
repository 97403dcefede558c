"""The file of a matrix and its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from epigept_batch.provenance.output_file import OutputFile

if TYPE_CHECKING:
    from pathlib import Path

TSV, PARQUET, NPZ, H5AD, BEDGRAPH = "tsv", "parquet", "npz", "h5ad", "bedgraph"


@dataclass(frozen=True)
class MatrixFiles(OutputFile):
    """The file of a matrix. The case of its suffix does not matter. There is no journal, because runs are short."""

    FORMATS: ClassVar = {
        ".tsv": TSV,
        ".tsv.gz": TSV,
        ".parquet": PARQUET,
        ".npz": NPZ,
        ".h5ad": H5AD,
        ".bedgraph": BEDGRAPH,
    }
    what: str = "values"

    @staticmethod
    def _folded(name: str) -> str:
        return name.lower()


def is_matrix(path: Path) -> bool:
    """Whether a path has the ending of a matrix, and not of a folder."""
    name = path.name.lower()
    return not path.is_dir() and any(name.endswith(ending) for ending in MatrixFiles.FORMATS)
