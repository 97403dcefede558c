"""A command group that turns our errors into one line and an exit code; Click keeps its own form for usage errors."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from epigept_batch.errors import REMEDIES, EpiGePTError, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED, INTERRUPTED = 1, 130
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Group(click.Group):
    """The one place where an error becomes an exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as Click has it
        """Run the command: 2 for what the user can mend, 130 when interrupted; the unexpected keeps its traceback.

        Where the system is short of files, room or memory, it is not the command's fault either: a line and 1.
        """
        with _interruptible():
            try:
                return super().invoke(ctx)
            except EpiGePTError as error:
                click.echo(f"{ctx.info_name}: {error}", err=True)
                ctx.exit(error.exit_code)
            except OSError as error:
                if error.errno not in REMEDIES:
                    raise
                where = f"{error.filename}: " if error.filename else ""
                click.echo(f"{ctx.info_name}: {where}{reason(error)}", err=True)
                ctx.exit(FAILED)
            except MemoryError:
                click.echo(
                    f"{ctx.info_name}: out of memory; close other programs, or run where there is more", err=True
                )
                ctx.exit(FAILED)
            except KeyboardInterrupt:
                # Python's own end gives these signals back to the system, by which one that comes then were a kill.
                atexit.register(_ignore_signals)
                click.echo(f"{ctx.info_name}: interrupted", err=True)
                ctx.exit(INTERRUPTED)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, a batch system's end of time and a closed terminal end what is done in good order; the second at once."""
    # Under nohup SIGHUP is ignored and must stay so: such a run outlives its terminal.
    heeded = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _interrupt:  # else the process is about to end, and still leaves at once
                signal.signal(number, handler)


def _interrupt(*_: object) -> NoReturn:
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """Let the process end that is about to."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _leave(*_: object) -> NoReturn:
    """Not wait for what is under way: journals hold whole records only, and other processes end with this one."""
    os.write(sys.stderr.fileno(), b"interrupted again: leaving at once\n")
    os._exit(INTERRUPTED)
