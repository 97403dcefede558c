"""The options of `epigept-batch contacts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.commands.run.request import RunRequest
from epigept_batch.inference.ports import CONTACTS

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ContactsRequest(RunRequest):
    """What a user asks for.

    Attributes:
        overlap: Base pairs shared by neighbouring windows; None for half of a window, or the little more with which
            all windows lie on the grid of the map.
        map: Name of the network's contact output.
        raw: Write the attention itself, not observed over expected.
        expected: What another run expected by distance; None for this run's own mean.
        share: Share of the pairs at the least distance or beyond that are listed as the strongest.
        min_distance_bp: The least distance of listed pairs; None for 20 kb, or a fifth of a window if that is less.
        mcool: Also write coarser levels.
        with_tracks: Also write the tracks.
    """

    overlap: int | None = None
    map: str = CONTACTS
    raw: bool = False
    expected: Path | None = None
    share: float = 0.001
    min_distance_bp: int | None = None
    mcool: bool = False
    with_tracks: bool = False
