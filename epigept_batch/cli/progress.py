"""Progress on standard error: a bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Never, Protocol, Self

import click
from tqdm import tqdm

from epigept_batch.files import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable

BYTES = "B"
LINE_EVERY_S = 30
MINUTE_S, HOUR_S = 60, 3600
QUIET = "epigept_batch.quiet"

quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    is_eager=True,  # other options may print notes
    expose_value=False,
    callback=lambda context, _option, value: context.meta.__setitem__(QUIET, value),
    help="Print errors only.",
)


def is_quiet() -> bool:
    """Whether the current command was asked to print errors only."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(QUIET))


def say(sentence: str) -> None:
    """Print a sentence with the program's name on standard error, unless --quiet is set."""
    if not is_quiet():
        click.echo(f"{_program()}: {sentence}", err=True)


def show(lines: Iterable[str]) -> None:
    """Print lines as they are on standard error, unless --quiet is set."""
    if not is_quiet():
        for line in lines:
            click.echo(line, err=True)


def _program() -> str:
    context = click.get_current_context(silent=True)
    return (context and context.find_root().info_name) or "epigept-batch"


class _Meter(Protocol):
    """Shows the progress of a run."""

    def start(self, total: int | None, *, done: int) -> None: ...
    def advance(self, by: int) -> None: ...
    def say(self, sentence: str) -> None: ...
    def stop(self) -> None: ...


class ProgressBar:
    """Progress of a run on standard error: a bar on a terminal, lines in a log file, nothing with --quiet.

    Args:
        unit: What is counted, by default windows.
    """

    def __init__(self, unit: str = "window") -> None:
        # Asked here, for sentences also come from other threads, which have no context.
        self._meter: _Meter | None = None
        if not is_quiet():
            self._meter = _Bar(unit, _program()) if sys.stderr.isatty() else _Lines(unit, _program())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._meter is not None:
            self._meter.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        if self._meter is not None:
            self._meter.say(sentence)

    def start(self, total: int | None, *, done: int = 0) -> None:
        """Start to count a new total."""
        if self._meter is not None:
            self._meter.start(total, done=done)

    def advance(self, by: int = 1) -> None:
        """Count further units."""
        if self._meter is not None:
            self._meter.advance(by)

    def finish(self, sentence: str) -> None:
        """Stop counting, and print a sentence about the result."""
        if self._meter is not None:
            self._meter.stop()
        self.say(sentence)


class _Bar:
    """A bar, for a terminal."""

    def __init__(self, unit: str, program: str) -> None:
        self._unit, self._program = unit, program
        self._bar: tqdm[Never] | None = None

    def start(self, total: int | None, *, done: int) -> None:
        self.stop()
        self._bar = tqdm(
            total=total,
            initial=done,
            unit=self._unit,
            unit_scale=self._unit == BYTES,
            mininterval=0.2,
            dynamic_ncols=True,
        )

    def advance(self, by: int) -> None:
        if self._bar is not None:
            self._bar.update(by)

    def say(self, sentence: str) -> None:
        line = f"{self._program}: {sentence}"
        if self._bar is None:
            click.echo(line, err=True)
        else:
            self._bar.write(line, file=sys.stderr)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Lines:
    """Plain lines for a log file: one with the first window, then at most one every 30 s.

    There is no line before the first window, so that an unreadable input leaves only its error.
    """

    def __init__(self, unit: str, program: str) -> None:
        self._unit, self._program = unit, program
        self._total: int | None = None
        self._due = self._begun = time.monotonic()
        self._before = self._done = 0

    def start(self, total: int | None, *, done: int) -> None:
        self._total, self._begun = total, time.monotonic()
        self._before = self._done = done

    def advance(self, by: int) -> None:
        self._done += by
        self._print_if_due()

    def say(self, sentence: str) -> None:
        click.echo(f"{self._program}: {sentence}", err=True)

    def stop(self) -> None:
        """Do nothing: lines stay."""

    def _print_if_due(self) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + LINE_EVERY_S
            self.say(", ".join(self._parts()))

    def _parts(self) -> list[str]:
        """Return the count, the rate and the time left."""
        parts = [f"{self._count(self._done)} of {self._count(self._total)}" if self._total else self._count(self._done)]
        if self._unit != BYTES:
            parts[0] += f" {self._unit}{'' if self._total == 1 else 's'}"
        seconds, done = time.monotonic() - self._begun, self._done - self._before
        if done > 0 and seconds > 0:
            rate = done / seconds
            parts.append(f"{in_words(rate)}/s" if self._unit == BYTES else f"{_figure(rate)} {self._unit}s/s")
            if self._total:
                parts.append(f"{_duration((self._total - self._done) / rate)} left")
        return parts

    def _count(self, number: int) -> str:
        return in_words(number) if self._unit == BYTES else f"{number:,}"


def _figure(rate: float) -> str:
    """Return a rate with at least two digits."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"  # noqa: PLR2004


def _duration(seconds: float) -> str:
    """Return a duration in words, rounded as an estimate is."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    hours, rest = divmod(seconds, HOUR_S)
    return f"{hours:,.0f} h {rest // MINUTE_S:.0f} min"
