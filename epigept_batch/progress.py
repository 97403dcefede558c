"""How a run reports its progress."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a run."""

    def say(self, sentence: str) -> None:
        """Show the user a sentence."""

    def start(self, total: int | None, *, done: int = 0) -> None:
        """Begin with a total of windows or bytes, if it is known, of which some are already done."""

    def advance(self, by: int = 1) -> None:
        """Report that one more window is done, or that so many bytes have arrived."""

    def finish(self, sentence: str) -> None:
        """Show a summary after the last window."""
