"""Write the tables of a screen, region by region, in bounded memory.

All rows go into one Parquet file, which any program of tables reads in part: by column, by factor, by region. What a
person reads first goes into tab-separated tables with one header line.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from epigept_batch.files import publish, temporary_beside
from epigept_batch.screen.columns import columns_of_attribution, columns_of_changes, columns_of_remainder
from epigept_batch.screen.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from epigept_batch.screen.attribution import Attribution
    from epigept_batch.screen.changes import Changes
    from epigept_batch.screen.columns import Columns
    from epigept_batch.screen.inputs import FactorInputs
    from epigept_batch.tiling import Region

OF_SAMPLES = ("sample", "sample_a", "sample_b")
"""Columns that name samples, of which a table has some."""


class TableFiles:
    """Files under hidden names, which get their own names together.

    Args:
        stack: Removes in the end what is not published.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._finished: list[tuple[Path, Path]] = []

    def hidden(self, path: Path) -> Path:
        """Return a new hidden file beside a path, which is removed in the end."""
        temporary = temporary_beside(path)
        self._stack.callback(temporary.unlink, missing_ok=True)
        return temporary

    def will_be(self, path: Path) -> Path:
        """Return a new hidden file, which `publish` renames to a path."""
        self._finished.append((self.hidden(path), path))
        return self._finished[-1][0]

    def publish(self) -> None:
        """Give the files their names."""
        for temporary, path in self._finished:
            publish(temporary, path)


class RowFile:
    """A Parquet file of all rows, which are added part by part.

    Args:
        path: The file.
        files: Gives hidden names.
    """

    def __init__(self, path: Path, files: TableFiles) -> None:
        self._path, self._files = path, files
        self._parts: list[Path] = []
        self.rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows behind those added before."""
        self.rows += len(frame)
        self._parts.append(self._files.hidden(self._path))
        with _system_errors():
            frame.write_parquet(self._parts[-1])

    def finish(self) -> None:
        """Join the parts, without reading all of them into memory."""
        with _system_errors():
            pl.scan_parquet(self._parts).sink_parquet(self._files.will_be(self._path))
        for part in self._parts:
            part.unlink()


@contextmanager
def _system_errors() -> Iterator[None]:
    """Raise an OSError where polars has an error of its own for a full disk, which has no other cause here."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise OSError(str(error)) from error


class Strongest:
    """Collects the rows with the largest sizes, by sample and track; of equal ones, those that came first.

    Args:
        value: Name of the column whose size counts.
        number: How many rows of each sample and track.
    """

    def __init__(self, value: str, number: int) -> None:
        self._value, self._number = value, number
        self._kept: dict[tuple[str, ...], pl.DataFrame] = {}
        self._columns: list[str] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows behind those added before; rows of 0 never count."""
        self._columns = [name for name in (*OF_SAMPLES, "track") if name in frame.columns]
        for key, rows in frame.partition_by(self._columns, as_dict=True, maintain_order=True).items():
            found = rows.filter(pl.col(self._value) != 0)
            both = pl.concat([self._kept[key], found]) if key in self._kept else found
            by_size = both.sort(pl.col(self._value).abs(), descending=True, maintain_order=True)
            self._kept[key] = by_size.head(self._number)

    def frame(self) -> pl.DataFrame:
        """Return them with their rank, by sample and track in the order in which these came."""
        ranked = [rows.with_columns(pl.int_range(1, pl.len() + 1).alias("rank")) for rows in self._kept.values()]
        return pl.concat(ranked).select(*self._columns, "rank", pl.exclude(*self._columns, "rank"))


class ScreenTables:
    """What both kinds of screens write: all rows, the strongest ones, and a summary.

    Args:
        paths: Where these go, in this order.
        files: Gives hidden names.
        value: Name of the column whose size ranks rows.
        strongest: Number of strongest rows of each sample and track.
    """

    def __init__(self, paths: Sequence[Path], files: TableFiles, *, value: str, strongest: int) -> None:
        rows, self._strongest_path, self._summary_path = paths
        self._files = files
        self._rows, self._strongest = RowFile(rows, files), Strongest(value, strongest)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._rows.rows

    def add_rows(self, columns: Columns) -> None:
        """Add rows behind those added before."""
        frame = pl.DataFrame(dict(columns))
        self._rows.add(frame)
        self._strongest.add(frame)

    def write(self, summary: pl.DataFrame) -> None:
        """Write all tables under hidden names."""
        self._rows.finish()
        write_tsv(self._files.will_be(self._strongest_path), self._strongest.frame())
        # The number of the region is empty where nothing changes.
        write_tsv(
            self._files.will_be(self._summary_path), summary.with_columns(pl.col("largest_in_region").replace(0, None))
        )


class ChangeTables:
    """The tables of samples of which each factor is set to a value.

    Args:
        paths: Where all rows, the strongest rows and the summary go.
        files: Gives hidden names.
        strongest: Number of strongest rows of each sample and track.
    """

    def __init__(self, paths: Sequence[Path], files: TableFiles, strongest: int) -> None:
        self.tables = ScreenTables(paths, files, value="change", strongest=strongest)
        self._summaries: dict[str, tuple[FactorInputs, Summary]] = {}

    def add(self, changes: Changes) -> None:
        """Add regions of one sample, behind those of the same sample."""
        self.tables.add_rows(columns_of_changes(changes))
        (sample,) = changes.samples
        new = sample, Summary.empty(len(changes.factors), len(changes.tracks))
        _, summary = self._summaries.setdefault(sample.sample, new)
        summary.add(changes.change[0], changes)

    def finish(self, tracks: Sequence[str], regions: Sequence[Region]) -> None:
        """Write all tables under hidden names."""
        frames = [self._summary(*one, tracks, regions) for one in self._summaries.values()]
        self.tables.write(pl.concat(frames))

    @staticmethod
    def _summary(
        sample: FactorInputs, summary: Summary, tracks: Sequence[str], regions: Sequence[Region]
    ) -> pl.DataFrame:
        columns, factor = summary.columns(sample.factors, tracks, regions, "change")
        inputs = {
            "tpm_before": sample.tpm[0][factor],
            "tpm_after": sample.tpm[1][factor],
            "input_before": sample.before[factor],
            "input_after": sample.after[factor],
        }
        return pl.DataFrame({"sample": np.full(len(factor), sample.sample), **columns, **inputs})


class AttributionTables:
    """The tables of a comparison of two samples.

    Args:
        paths: Where all rows, the strongest rows, the summary and the remainders go.
        files: Gives hidden names.
        strongest: Number of strongest rows of each track.
        samples: The two samples.
        tracks: Names of the tracks.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        files: TableFiles,
        strongest: int,
        *,
        samples: Sequence[FactorInputs],
        tracks: Sequence[str],
    ) -> None:
        self.tables = ScreenTables(paths[:3], files, value="effect", strongest=strongest)
        self._remainder_path, self._files = paths[3], files
        self._samples, self._tracks = samples, tracks
        self._summary = Summary.empty(len(samples[0].factors), len(tracks))
        self._remainders: list[pl.DataFrame] = []

    def add(self, found: Attribution) -> None:
        """Add regions behind those added before."""
        self.tables.add_rows(columns_of_attribution(found))
        self._summary.add(found.effect, found.changes)
        self._remainders.append(pl.DataFrame(dict(columns_of_remainder(found))))

    def finish(self, regions: Sequence[Region]) -> list[tuple[str, float, float, float]]:
        """Write all tables under hidden names.

        Returns:
            For each track: its name, and means over the regions of difference, sum of effects and remainder.
        """
        remainder = pl.concat(self._remainders)
        write_tsv(self._files.will_be(self._remainder_path), remainder)
        means = [_means(remainder.filter(pl.col("track") == track)) for track in self._tracks]
        first, second = self._samples
        columns, factor = self._summary.columns(first.factors, self._tracks, regions, "effect")
        of_track = np.repeat(np.array(means), len(first.factors), axis=0)
        names = {"sample_a": np.full(len(factor), first.sample), "sample_b": np.full(len(factor), second.sample)}
        inputs = {
            "tpm_a": first.tpm[0][factor],
            "tpm_b": second.tpm[0][factor],
            "input_a": first.before[factor],
            "input_b": second.before[factor],
            "mean_difference_of_track": of_track[:, 0],
            "mean_sum_of_effects_of_track": of_track[:, 1],
            "mean_remainder_of_track": of_track[:, 2],
        }
        self.tables.write(pl.DataFrame({**names, **columns, **inputs}))
        return [(track, *values) for track, values in zip(self._tracks, means, strict=True)]


def _means(remainder: pl.DataFrame) -> tuple[float, float, float]:
    difference, explained, rest = (
        float(remainder[name].cast(pl.Float64).to_numpy().mean()) if len(remainder) else 0.0
        for name in ("difference", "sum_of_effects", "remainder")
    )
    return difference, explained, rest


def write_tsv(path: Path, frame: pl.DataFrame) -> None:
    """Write a table: one header line, tab-separated, six digits; what is not known is empty."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write("\t".join(frame.columns) + "\n")
        stream.writelines("\t".join(map(_shown, row)) + "\n" for row in frame.iter_rows())


def _shown(value: Any) -> str:  # noqa: ANN401 - a cell
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
