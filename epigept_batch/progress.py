"""Who is told how far a run is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a run says while it goes."""

    def say(self, sentence: str) -> None:
        """A sentence for the user."""

    def start(self, windows: int) -> None:
        """This many windows are to be computed."""

    def advance(self) -> None:
        """One window more is done."""

    def finish(self, sentence: str) -> None:
        """What came of it; after the last window."""
