"""What a person at a terminal, and who reads a log file, sees of a run."""

from __future__ import annotations

import sys
import time
from typing import Never, Protocol, Self

import click
from tqdm import tqdm

from epigept_batch.files import in_words

BYTES = "B"
LINE_EVERY_S = 30
MINUTE_S, HOUR_S = 60, 3600
QUIET = "epigept_batch.quiet"

quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    is_eager=True,  # other options have something to say
    expose_value=False,
    callback=lambda context, _option, value: context.meta.__setitem__(QUIET, value),
    help="Print errors only.",
)


def is_quiet() -> bool:
    """Whether the command under way was asked to print errors only."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(QUIET))


def say(sentence: str) -> None:
    """Print a sentence on standard error, under the program's name, unless the command is to be quiet."""
    if not is_quiet():
        click.echo(f"{_program()}: {sentence}", err=True)


def _program() -> str:
    context = click.get_current_context(silent=True)
    return (context and context.find_root().info_name) or "epigept-batch"


class _Meter(Protocol):
    """Shows how far a run is."""

    def start(self, total: int | None, *, done: int) -> None: ...
    def advance(self, by: int) -> None: ...
    def say(self, sentence: str) -> None: ...
    def stop(self) -> None: ...


class ProgressBar:
    """How far a run is, on standard error: a bar on a terminal, lines in a log file, nothing where it is to be quiet.

    Args:
        unit: What is counted, where not windows.
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
        """Count so many windows, in place of those before."""
        if self._meter is not None:
            self._meter.start(total, done=done)

    def advance(self, by: int = 1) -> None:
        """One window more, or so many bytes."""
        if self._meter is not None:
            self._meter.advance(by)

    def finish(self, sentence: str) -> None:
        """Show no more of the windows, and say what came of them."""
        if self._meter is not None:
            self._meter.stop()
        self.say(sentence)


class _Bar:
    """For a terminal: a bar that is drawn again and again."""

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
    """For a log file: a plain line with the first window, and then at most every 30 s.

    None before: what cannot be read at all is an error of one line.
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
        """Nothing is left on the screen that would have to go."""

    def _print_if_due(self) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + LINE_EVERY_S
            self.say(", ".join(self._parts()))

    def _parts(self) -> list[str]:
        """How many of how many, how many a second, and how long that leaves."""
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
    """Two digits or more."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"  # noqa: PLR2004


def _duration(seconds: float) -> str:
    """Seconds in words, as exact as a guess is."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    hours, rest = divmod(seconds, HOUR_S)
    return f"{hours:,.0f} h {rest // MINUTE_S:.0f} min"
