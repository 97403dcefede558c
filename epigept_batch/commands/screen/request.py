"""The options of `epigept-batch screen`."""

from __future__ import annotations

from dataclasses import dataclass

from epigept_batch.commands.run.request import RunRequest
from epigept_batch.screen.choice import ALL

STRONGEST = 100


@dataclass(frozen=True, kw_only=True)
class ScreenRequest(RunRequest):
    """What a user asks for.

    Attributes:
        factors: `all`, names separated by commas, or a file of names.
        set_to: The TPM that each factor is set to, or `absent`; None for 0, or with `between`.
        tracks: Names of the tracks; empty for all.
        between: Two samples whose difference is attributed to factors; None to set factors to a value.
        strongest: Number of (factor, region) pairs of each sample and track in the list of the strongest.
    """

    factors: str = ALL
    set_to: str | None = None
    tracks: tuple[str, ...] = ()
    between: tuple[str, str] | None = None
    strongest: int = STRONGEST
