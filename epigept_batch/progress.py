"""Who is told how far a run is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a run says while it goes."""

    def say(self, sentence: str) -> None:
        """A sentence for the user."""

    def start(self, total: int | None, *, done: int = 0) -> None:
        """So many windows are to be computed, or bytes to come, if that is known; of which some are there."""

    def advance(self, by: int = 1) -> None:
        """One window more is done, or so many bytes have come."""

    def finish(self, sentence: str) -> None:
        """What came of it; after the last window."""
