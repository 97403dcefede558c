"""The columns of a matrix: which tracks of a folder, and the values of one track in all rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.matrix.statistic import merged, statistic_of
from epigept_batch.tracks.records import TrackRecords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.matrix.regions import MatrixRows
    from epigept_batch.results.folder import ResultTrack, RunFolder
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


def label_of(track: ResultTrack) -> str:
    """Return the name of a column: SAMPLE.TRACK, as the file is named."""
    return f"{track.sample}.{track.label}"


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


def read_column(
    track: ResultTrack, rows: MatrixRows, *, statistic: str, space: str, wanted: str
) -> NDArray[np.float32]:
    """Return the values of a track in all rows, float32, (rows,): NaN without data.

    Args:
        track: The track.
        rows: The rows.
        statistic: One of `statistic.STATISTICS`.
        space: What the track holds, `log1p` or `linear`.
        wanted: The space whose values are averaged.

    Raises:
        InputError: The file is damaged, or its values are impossible.
    """
    column = np.full(len(rows), np.nan, dtype=np.float32)
    with TrackRecords(track.path) as file:
        for there in rows.by_contig():
            records = file.read(there.contig, *merged(there.starts, there.ends))
            parts = (_brought(part, track, space=space, wanted=wanted) for part in records)
            with np.errstate(over="ignore"):
                column[there.numbers] = statistic_of(parts, there, statistic)
    if np.isinf(column).any():
        raise InputError(
            "holds infinite values, or such that overflow, so it is not a track of epigept-batch genome; rerun the "
            "prediction",
            track.path,
        )
    return column


def _brought(records: Records, track: ResultTrack, *, space: str, wanted: str) -> Records:
    """Return records with values in another space, float64."""
    if space == wanted:
        return records
    values = records.values.astype(np.float64)
    if (values < 0).any():
        raise InputError("holds a signal below 0, so it is not a track of epigept-batch genome", track.path)
    with np.errstate(over="ignore"):
        return replace(records, values=np.log1p(values) if wanted == "log1p" else np.expm1(values))
