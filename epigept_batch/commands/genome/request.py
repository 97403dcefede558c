"""The options of `epigept-batch genome`."""

from __future__ import annotations

from dataclasses import dataclass

from epigept_batch.commands.run.request import RunRequest


@dataclass(frozen=True, kw_only=True)
class GenomeRequest(RunRequest):
    """What a user asks for.

    Attributes:
        tracks: Names of the tracks to write; empty for all.
        space: `log1p` or `linear`.
        overlap: Base pairs shared by neighbouring windows.
        differences: Also write the difference of each perturbed copy from its sample.
    """

    tracks: tuple[str, ...] = ()
    space: str = "log1p"
    overlap: int = 0
    differences: bool = False
