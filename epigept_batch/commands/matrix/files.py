"""The file of a matrix and its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from epigept_batch.provenance.output_file import OutputFile

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
