"""What a person at a terminal sees of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Never, Self

import click
from tqdm import tqdm

if TYPE_CHECKING:
    from types import TracebackType


BYTES = "B"


class ProgressBar:
    """Windows, rate and time left, on standard error.

    Args:
        unit: What is counted, where not windows.
    """

    def __init__(self, unit: str = "window") -> None:
        self._unit = unit
        self._bar: tqdm[Never] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        if self._bar is None:
            click.echo(f"epigept-batch: {sentence}", err=True)
        else:
            self._bar.write(f"epigept-batch: {sentence}", file=sys.stderr)

    def start(self, total: int | None, *, done: int = 0) -> None:
        """Show a bar of so many windows, in place of one before; in a log file a line now and then."""
        if self._bar is not None:
            self._bar.close()
        self._bar = tqdm(
            total=total,
            initial=done,
            unit=self._unit,
            unit_scale=self._unit == BYTES,
            mininterval=0.2 if sys.stderr.isatty() else 10,
            dynamic_ncols=True,
        )

    def advance(self, by: int = 1) -> None:
        """One window more, or so many bytes."""
        if self._bar is not None:
            self._bar.update(by)

    def finish(self, sentence: str) -> None:
        """Close the bar and say what came of it."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.say(sentence)
