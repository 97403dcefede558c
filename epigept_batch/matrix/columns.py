"""The columns of a matrix: which tracks of a folder, and the values of one track in all rows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.matrix.statistic import merged, statistic_of
from epigept_batch.results.bins import bin_bp_of, predicted_spans
from epigept_batch.tiling import Region
from epigept_batch.tracks.records import TrackRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.matrix.regions import ContigRows, MatrixRows
    from epigept_batch.results.folder import ResultTrack, RunFolder
    from epigept_batch.tiling import Contig
    from epigept_batch.tracks.records import Records


def choose_columns(folder: RunFolder, tracks: Sequence[str]) -> tuple[ResultTrack, ...]:
    """Return the tracks that become columns, by sample and then in the folder's order.

    Args:
        folder: What the run left.
        tracks: Names of tracks, ignoring case, differences with their ending; empty for all that are no differences.

    Raises:
        InputError: The folder does not have a track.
    """
    every = tuple(folder.all_tracks())
    if not every:
        raise InputError("no tracks, only contacts; predict tracks with epigept-batch genome", folder.path)
    labels = {track.label.casefold(): track.label for track in every}
    for name in tracks:
        if name.casefold() not in labels:
            has = ", ".join(dict.fromkeys(track.label for track in every))
            raise InputError(f"--tracks: no track '{name}'; the folder has {has}", folder.path)
    wanted = {name.casefold() for name in tracks}
    chosen = [one for one in every if (one.label.casefold() in wanted if tracks else not one.is_difference)]
    if not chosen:
        raise InputError("only differences; name them with --tracks", folder.path)
    return tuple(chosen)


def check_space(columns: Sequence[ResultTrack], *, space: str, wanted: str) -> None:
    """Check that values can be brought to a space.

    Args:
        columns: The tracks.
        space: What the tracks hold, `log1p` or `linear`.
        wanted: What the matrix is about.

    Raises:
        InputError: A track is a difference of values in another space.
    """
    differences = [track.label for track in columns if track.is_difference]
    if differences and wanted != space:
        raise InputError(
            f"--space {wanted}: {differences[0]} is a difference of {space} values; remove --space, or choose other "
            "tracks with --tracks"
        )


class FolderColumns:
    """Tracks of an output folder of `genome` as columns; see `matrix.source.MatrixSource`.

    Args:
        folder: What the run left.
        columns: The tracks.
    """

    def __init__(self, folder: RunFolder, columns: Sequence[ResultTrack]) -> None:
        self._folder, self.columns = folder, columns

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._folder.path)

    @property
    def location(self) -> str:
        """The folder, from the root on."""
        return str(self._folder.path.resolve())

    @property
    def contigs(self) -> Sequence[Contig]:
        """All contigs of the genome."""
        return self._folder.contigs

    @property
    def space(self) -> str:
        """What the tracks hold."""
        return self._folder.space

    @property
    def regions(self) -> Sequence[str]:
        """What was predicted."""
        return self._folder.regions

    def predicted(self) -> list[Region]:
        """Return what was predicted for any sample.

        Raises:
            InputError: No record says it.
        """
        bin_bp = bin_bp_of(self._folder)
        found = [
            Region(contig.name, first * bin_bp, min(last * bin_bp, contig.length))
            for contig in self._folder.contigs
            for sample in self._folder.samples
            for first, last in predicted_spans(sample, contig)
        ]
        if not found:
            raise InputError(
                "run.json names no predicted bins; choose some with --region or --chromosome, or rerun the prediction",
                self._folder.path,
            )
        return found

    def read(self, number: int, rows: MatrixRows, *, statistic: str, wanted: str) -> NDArray[np.float32]:
        """Return the values of a track in all rows, float32, (rows,): NaN without data.

        Raises:
            InputError: The file is damaged, or its values are impossible.
        """
        path = self.columns[number].path
        with TrackRecords(path) as file:
            return values_in_rows(
                lambda there: file.read(there.contig, *merged(there.starts, there.ends)),
                rows,
                statistic=statistic,
                space=self.space,
                wanted=wanted,
                where=str(path),
            )

    def sheet_columns(self) -> dict[str, dict[str, str]]:
        """Return the further columns of the sample sheet, by sample; replicates that were merged have none."""
        found = {}
        for sample in self._folder.samples:
            columns: object = ((sample.record.get("expression") or {}).get("sheet") or {}).get("columns")
            if isinstance(columns, dict):
                found[sample.name] = {str(name): str(value) for name, value in columns.items()}
        return found

    def made_from(self) -> dict[str, str]:
        """Return the digest of each sample's record, which has those of all that its tracks were made from."""
        return {
            sample.name: hashlib.sha256((self._folder.path / f"{sample.name}.run.json").read_bytes()).hexdigest()
            for sample in self._folder.samples
            if sample.tracks
        }


def values_in_rows(
    read: Callable[[ContigRows], Iterable[Records]],
    rows: MatrixRows,
    *,
    statistic: str,
    space: str,
    wanted: str,
    where: str,
) -> NDArray[np.float32]:
    """Return the values of a track in all rows, float32, (rows,): NaN without data.

    Args:
        read: Returns the records of a contig in order, at least those that overlap its rows.
        rows: The rows.
        statistic: One of `statistic.STATISTICS`.
        space: What the records hold, `log1p` or `linear`.
        wanted: The space whose values are averaged.
        where: Where the track lies, for messages.

    Raises:
        InputError: A value is impossible.
    """
    column = np.full(len(rows), np.nan, dtype=np.float32)
    for there in rows.by_contig():
        parts = (_brought(part, where, space=space, wanted=wanted) for part in read(there))
        with np.errstate(over="ignore"):
            column[there.numbers] = statistic_of(parts, there, statistic)
    if np.isinf(column).any():
        raise InputError(
            "holds infinite values, or such that overflow, so it is not a track of epigept-batch genome; rerun the "
            "prediction",
            where,
        )
    return column


def _brought(records: Records, where: str, *, space: str, wanted: str) -> Records:
    """Return records with values in another space, float64."""
    if space == wanted:
        return records
    values = records.values.astype(np.float64)
    if (values < 0).any():
        raise InputError("holds a signal below 0, so it is not a track of epigept-batch genome", where)
    with np.errstate(over="ignore"):
        return replace(records, values=np.log1p(values) if wanted == "log1p" else np.expm1(values))
