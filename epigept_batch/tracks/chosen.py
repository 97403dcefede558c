"""Select tracks of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def choose_tracks(wanted: Sequence[str], tracks: Sequence[str]) -> tuple[str, ...]:
    """Return the selected tracks in the network's order, ignoring case; all tracks if none is named.

    Args:
        wanted: Names of the tracks wanted.
        tracks: Names of all tracks of the network.

    Raises:
        InputError: The model has no track of a name.
    """
    by_name = {track.casefold(): track for track in tracks}
    for name in wanted:
        if name.casefold() not in by_name:
            raise InputError(f"--tracks: the model has no track '{name}'; its tracks are {', '.join(tracks)}")
    chosen = {by_name[name.casefold()] for name in wanted}
    return tuple(track for track in tracks if not wanted or track in chosen)
