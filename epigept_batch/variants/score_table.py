"""Scores as a table: one row per variant, alternative allele, sample and track."""

from __future__ import annotations

import gzip
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from epigept_batch.variants.chunks import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.variants.background import Background
    from epigept_batch.variants.chunks import Chunk

SD = "difference_sd"
ROWS_PER_GROUP = 1 << 18


PERCENTILE, DRAWN = "percentile", "background_variants"
WHOLE = frozenset({"max_distance", DRAWN})
"""Columns of whole numbers."""


@dataclass(frozen=True)
class Layout:
    """What a file of scores has.

    Attributes:
        samples: Names of the samples.
        tracks: Names of the tracks.
        averaged: Whether there is a standard deviation over views.
        background: The effects of random variants; None for none.
    """

    samples: tuple[str, ...]
    tracks: tuple[str, ...]
    averaged: bool = False
    background: Background | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of numbers."""
        fields = FIELDS if self.averaged else tuple(name for name in FIELDS if name != SD)
        return fields if self.background is None else (*fields, PERCENTILE, DRAWN)

    def numbers(self, chunk: Chunk, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the columns of numbers of a chunk, float32, (alleles, samples, tracks, columns); NaN for none.

        Args:
            chunk: The variants.
            values: float32, (alleles, samples, tracks, `FIELDS`).
        """
        found = {name: values[..., number] for number, name in enumerate(FIELDS)}
        if self.background is not None:
            found[PERCENTILE], drawn = self.background.ranks(chunk.placed, found["difference"])
            counts = np.broadcast_to(drawn[:, None, None].astype(np.float32), found[PERCENTILE].shape)
            found[DRAWN] = np.where(np.isnan(found["difference"]), np.float32(np.nan), counts)
        return np.stack([found[name] for name in self.columns], axis=-1)


def frame_of(chunk: Chunk, values: NDArray[np.float32], layout: Layout) -> pl.DataFrame:
    """Return the rows of a chunk.

    Args:
        chunk: The variants.
        values: float32, (alleles, samples, tracks, `FIELDS`).
        layout: What the file has.
    """
    samples, tracks = layout.samples, layout.tracks
    alleles = [(placed, allele) for placed in chunk.placed for allele in placed.alleles]
    each = len(samples) * len(tracks)
    rows = len(alleles) * each

    def of_alleles(texts: Sequence[Any]) -> pl.Series:
        return pl.Series(texts)[np.repeat(np.arange(len(alleles)), each)]

    columns: dict[str, Any] = {
        "chrom": of_alleles([placed.variant.contig for placed, _ in alleles]),
        "pos": of_alleles([placed.variant.position + 1 for placed, _ in alleles]),
        "id": of_alleles([placed.variant.id for placed, _ in alleles]),
        "ref": of_alleles([placed.variant.ref for placed, _ in alleles]),
        "alt": of_alleles([allele.alt for _, allele in alleles]),
        "sample": pl.Series(samples)[np.tile(np.repeat(np.arange(len(samples)), len(tracks)), len(alleles))],
        "track": pl.Series(tracks)[np.tile(np.arange(len(tracks)), len(alleles) * len(samples))],
    }
    by_row = layout.numbers(chunk, values).reshape(rows, len(layout.columns))
    for number, name in enumerate(layout.columns):
        columns[name] = pl.Series(by_row[:, number]).fill_nan(None).cast(pl.Int64 if name in WHOLE else pl.Float32)
    columns["status"] = of_alleles([allele.status for _, allele in alleles])
    return pl.DataFrame(columns)


def write_tsv(frames: Iterable[pl.DataFrame], path: Path, *, packed: bool) -> None:
    """Write rows as tab-separated values with one header line; missing values are empty.

    Args:
        frames: The rows, in order.
        path: The file.
        packed: Compress it with gzip.
    """
    with ExitStack() as stack:
        file = stack.enter_context(path.open("wb"))
        write: Callable[[bytes], object] = file.write
        if packed:
            write = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)).write
        for number, frame in enumerate(frames):
            write(frame.write_csv(separator="\t", include_header=not number).encode())


def write_parquet(frames: Iterable[pl.DataFrame], path: Path, temporary: Path) -> None:
    """Write rows as Parquet, in bounded memory.

    Args:
        frames: The rows, in order.
        path: The file.
        temporary: A file that holds all rows meanwhile.
    """
    schema: pl.Schema | None = None
    with temporary.open("wb") as stream:
        for frame in frames:
            schema = frame.schema
            stream.write(frame.write_csv(separator="\t", include_header=False).encode())
    if schema is None:
        raise RuntimeError("no rows")
    rows = pl.scan_csv(temporary, separator="\t", has_header=False, schema=schema, null_values=[""])
    rows.sink_parquet(path, row_group_size=ROWS_PER_GROUP)
