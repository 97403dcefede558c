"""Write a matrix as a table: tab-separated, Parquet, or bedGraph for a single column."""

from __future__ import annotations

import gzip
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from epigept_batch.matrix.values import Matrix

NO_DATA = "nan"
"""What the cells of a text table contain without data, as in the tables of deepTools."""


def frames(matrix: Matrix) -> Iterator[pl.DataFrame]:
    """Yield successive rows: `chrom`, `start`, `end`, `name` if rows have names, and the columns; null without data."""
    for places, values in matrix.blocks():
        columns: dict[str, Any] = {
            "chrom": pl.Series(places.contigs)[places.contig],
            "start": places.starts,
            "end": places.ends,
        }
        if places.names is not None:
            columns["name"] = pl.Series(places.names, dtype=pl.String)
        for label, column in zip(matrix.labels, values.T, strict=True):
            columns[label] = pl.Series(column, dtype=pl.Float32).fill_nan(None)
        yield pl.DataFrame(columns)


def write_tsv(matrix: Matrix, path: Path, *, packed: bool = False) -> None:
    """Write tab-separated values with one header line; cells without data contain `nan`.

    Args:
        matrix: The matrix.
        path: The file.
        packed: Compress it with gzip.
    """
    with ExitStack() as stack:
        file = stack.enter_context(path.open("wb"))
        write: Callable[[bytes], object] = file.write
        if packed:
            write = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)).write
        for number, frame in enumerate(frames(matrix)):
            write(frame.write_csv(separator="\t", include_header=not number, null_value=NO_DATA).encode())


def write_bedgraph(matrix: Matrix, path: Path) -> None:
    """Write bins of a matrix of one column as bedGraph, without those that have no data."""
    (label,) = matrix.labels
    with path.open("wb") as file:
        for frame in frames(matrix):
            found = frame.select("chrom", "start", "end", label).drop_nulls(label)
            file.write(found.write_csv(separator="\t", include_header=False).encode())


def write_parquet(matrix: Matrix, path: Path) -> None:
    """Write Parquet, block by block, so that memory does not grow with the number of rows; null without data."""
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as folder:
        parts = []
        try:
            for number, frame in enumerate(frames(matrix)):
                parts.append(Path(folder) / f"{number}.parquet")
                frame.write_parquet(parts[-1])
            pl.scan_parquet(parts).sink_parquet(path)
        except pl.exceptions.PolarsError as error:  # polars' own error for a full disk
            raise OSError(str(error)) from error
