"""A command group that turns errors into one line and an exit code. Usage errors keep Click's form."""

from __future__ import annotations

import atexit
import os
import resource
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from epigept_batch.errors import REMEDIES, EpiGePTError, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED, INTERRUPTED = 1, 130
SHORT_OF_MEMORY = ("failed to map segment", "annot allocate memory")
"""Parts of messages of any type of error, raised while a library loads."""
NOT_LOADED = "Could not find/load shared object file"
"""LLVM's loader gives no reason."""
SHORT_OF_THREADS = ("can't start new thread", "Resource temporarily unavailable")
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class OrderedGroup(click.Group):
    """A group whose help lists commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as Click has it
        """List commands in that order, not by name."""
        return list(self.commands)


class Group(OrderedGroup):
    """The one place where an error becomes an exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as Click has it
        """Run the command and exit: 2 for what the user can fix, 130 when interrupted.

        One line and 1 when the system runs out of files, disk or memory. Unexpected errors keep their traceback.
        """
        with _interruptible():
            try:
                return super().invoke(ctx)
            except EpiGePTError as error:
                click.echo(f"{ctx.info_name}: {error}", err=True)
                ctx.exit(error.exit_code)
            except KeyboardInterrupt:
                # Python restores the default handlers when it ends; a signal that arrives then would kill the process.
                atexit.register(_ignore_signals)
                click.echo(f"{ctx.info_name}: interrupted", err=True)
                ctx.exit(INTERRUPTED)
            except BaseException as error:  # a library in Rust panics with none of Python's exceptions
                if not (sentence := _shortage(error)):
                    raise
                click.echo(f"{ctx.info_name}: {sentence}", err=True)
                ctx.exit(FAILED)


def _shortage(error: BaseException) -> str:
    """What the system lacks, and what to do; an empty string for any other error."""
    if isinstance(error, OSError) and error.errno in REMEDIES:
        return f"{error.filename}: {reason(error)}" if error.filename else reason(error)
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    said = str(error)
    if (
        isinstance(error, MemoryError)
        or any(sign in said for sign in SHORT_OF_MEMORY)
        or (limited and isinstance(error, OSError) and NOT_LOADED in said)
    ):
        if limited:
            return "out of memory: ulimit -v limits this process; raise the limit, or use a machine with more memory"
        return "out of memory; close other programs, or use a machine with more memory"
    if not isinstance(error, OSError) and any(sign in said for sign in SHORT_OF_THREADS):
        return "cannot start more threads; raise the limits ulimit -u and ulimit -v, or use fewer --threads"
    return ""


@contextmanager
def _interruptible() -> Iterator[None]:
    """Stop cleanly on Ctrl-C, SIGTERM and a closed terminal; a second signal stops at once."""
    # nohup ignores SIGHUP, and that must stay so: such a run outlives its terminal.
    heeded = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _interrupt:  # otherwise the process is about to end
                signal.signal(number, handler)


def _interrupt(*_: object) -> NoReturn:
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """Let the process finish ending."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _leave(*_: object) -> NoReturn:
    """End without waiting. Journals hold whole records only, and child processes end with this one."""
    with suppress(OSError):  # a full disk, a terminal that is gone
        os.write(sys.stderr.fileno(), b"interrupted again: stopping now\n")
    os._exit(INTERRUPTED)
