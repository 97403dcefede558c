"""Check the options of `epigept-batch peaks`, and choose its tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from epigept_batch.commands.peaks.rules import folded
from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.commands.peaks.request import PeaksRequest
    from epigept_batch.results.folder import RunFolder

MOST_BP = 10**9


def choose_tracks(wanted: Sequence[str], folder: RunFolder) -> tuple[str, ...]:
    """Return the names of the tracks whose peaks are called, in the order of the model.

    Args:
        wanted: Names, ignoring case; empty for all.
        folder: The folder.

    Raises:
        InputError: The folder has no tracks, or not those.
    """
    if not folder.tracks:
        raise InputError(
            "contains contact maps only; peaks are called of the tracks of epigept-batch genome", folder.path
        )
    for name in wanted:
        if name.casefold() not in folded(folder.tracks):
            raise InputError(f"--tracks: no track '{name}'; the folder has {', '.join(folder.tracks)}", folder.path)
    return tuple(track for track in folder.tracks if not wanted or track.casefold() in folded(wanted))


def check_options(request: PeaksRequest, tracks: Sequence[str]) -> None:
    """Check options that need no file.

    Args:
        request: What the user asks for.
        tracks: Names of the tracks that are called.

    Raises:
        InputError: Options contradict each other, or one has an impossible value.
    """
    _check_threshold(request)
    _check_numbers(request)
    for option, names in (("--narrow", request.narrow), ("--broad", request.broad)):
        for name in names:
            if name.casefold() not in folded(tracks):
                raise InputError(f"{option} {name}: not a track that is called; these are {', '.join(tracks)}")
    if both := [name for name in request.narrow if name.casefold() in folded(request.broad)]:
        raise InputError(f"--narrow {both[0]}: also named with --broad; remove one of them")


def _check_threshold(request: PeaksRequest) -> None:
    """Check that there is one rule for thresholds."""
    if request.calibration is None:
        for option, given in (("--precision", request.precision is not None), ("--any-model", request.any_model)):
            if given:
                raise InputError(f"{option}: has no effect without --calibration; add that, or remove this option")
        if not request.thresholds and request.top is None:
            raise InputError(
                "no rule for the threshold; pass --calibration FILE (of epigept-batch calibrate), --threshold X or "
                "--top N"
            )
    elif of_all := [text for text in request.thresholds if "=" not in text]:
        raise InputError(
            f"--threshold {of_all[0]}: would replace every threshold of --calibration; remove one of them, or name a "
            "track as in DNase=1.5"
        )


def _check_numbers(request: PeaksRequest) -> None:
    """Check that numbers are possible."""
    if request.precision is not None and not 0 < request.precision <= 1:
        raise InputError(f"--precision {request.precision:g}: must be above 0 and at most 1, such as 0.8")
    for option, share in (("--low", request.low), ("--prominence", request.prominence)):
        if share is not None and not 0 <= share <= 1:
            raise InputError(f"{option} {share:g}: must be a share from 0 to 1")
    for option, bases in (("--max-gap", request.max_gap), ("--min-length", request.min_length)):
        if bases is not None and not 0 <= bases <= MOST_BP:
            raise InputError(f"{option} {bases}: must be 0 to {MOST_BP:,} bp")
    if request.top is not None and request.top < 1:
        raise InputError(f"--top {request.top}: must be a whole number from 1 up")
