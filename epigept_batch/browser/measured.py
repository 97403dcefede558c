"""Find the measured track of each predicted one, and on which scale it is drawn beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.tracks.signal import SignalTrack
from epigept_batch.tracks.track_files import TrackFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from epigept_batch.results.folder import RunFolder


@dataclass(frozen=True)
class Drawn:
    """How a measured track is drawn so that its heights compare with the predicted ones.

    Attributes:
        high: Upper limit of the axis, in the space of the file.
        log_scale: Whether igv.js draws log(1 + value), which has the heights of ln(1 + value) up to a factor.
        words: What the axis shows.
    """

    high: float
    log_scale: bool
    words: str


def find_measured(pattern: str, folder: RunFolder) -> dict[tuple[str, str], Path]:
    """Return the existing measured bigWigs by sample and track.

    Raises:
        InputError: None exists, one file stands for several predicted tracks, or one is not a bigWig of this genome.
    """
    files = TrackFiles(pattern)
    wanted = {(track.sample, track.name): track for track in folder.all_tracks() if not track.is_difference}
    if lacking := files.lacking_places(wanted):
        raise InputError(
            f"--measured {pattern}: one file for {len(wanted)} predicted tracks; put {lacking} into the "
            "path in place of the names, and link files of other names, such as with ln -s K562.bw K562.DNase.bw"
        )
    paths = {(sample, track): files.path(sample=sample, track=track) for sample, track in wanted}
    found = {key: path for key, path in paths.items() if path.is_file()}
    if not found:
        raise InputError(
            f"--measured {pattern}: no bigWig for any sample and track, such as {next(iter(paths.values()))}"
        )
    for path in found.values():
        track = SignalTrack(path)
        track.check_genome(folder.contigs)
        track.close()
    return found


def drawn_as(high: float, *, predicted: str, measured: str) -> Drawn:
    """Return how a measured track is drawn beside predictions.

    Args:
        high: Upper limit of the predictions' axis, in their space.
        predicted: Space of the predictions, `log1p` or `linear`.
        measured: Space of the measured track.
    """
    if predicted == measured:
        return Drawn(high, log_scale=False, words="")
    if predicted == "log1p":
        return Drawn(math.expm1(high), log_scale=True, words="log scale")
    return Drawn(math.log1p(high), log_scale=False, words="ln(1 + signal), another scale")


def spaces_note(by_key: Mapping[tuple[str, str], Path], *, predicted: str, measured: str) -> str:
    """Return what the page says of the scale of measured tracks."""
    number = f"{len(by_key)} measured track{'' if len(by_key) == 1 else 's'}"
    if predicted == measured:
        return f"{number}, on the scale of the predictions."
    if predicted == "log1p":
        return (
            f"{number}, drawn as log(1 + signal) up to the limit of the predictions, so heights compare. Their axes "
            "show signal. Zoomed out, a pixel shows the highest value in it."
        )
    return f"{number}. They hold ln(1 + signal) and the predictions signal, so heights do not compare."
