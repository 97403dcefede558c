"""A command group that turns our errors into one line and an exit code; Click keeps its own form for usage errors."""

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
"""In errors of any type, from libraries that are loaded."""
NOT_LOADED = "Could not find/load shared object file"
"""LLVM's loader does not tell why."""
SHORT_OF_THREADS = ("can't start new thread", "Resource temporarily unavailable")
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
            except KeyboardInterrupt:
                # Python's own end gives these signals back to the system, by which one that comes then were a kill.
                atexit.register(_ignore_signals)
                click.echo(f"{ctx.info_name}: interrupted", err=True)
                ctx.exit(INTERRUPTED)
            except BaseException as error:  # a library in Rust panics with none of Python's exceptions
                if not (sentence := _shortage(error)):
                    raise
                click.echo(f"{ctx.info_name}: {sentence}", err=True)
                ctx.exit(FAILED)


def _shortage(error: BaseException) -> str:
    """What the system is short of, and what to do; nothing where it is something else."""
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
            return "out of memory under the limit of ulimit -v; raise it, or run where there is more"
        return "out of memory; close other programs, or run where there is more"
    if not isinstance(error, OSError) and any(sign in said for sign in SHORT_OF_THREADS):
        return "the system gives no more threads; raise the limits of ulimit -u and ulimit -v, or give fewer --threads"
    return ""


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
    with suppress(OSError):  # a full disk, a terminal that is gone
        os.write(sys.stderr.fileno(), b"interrupted again: leaving at once\n")
    os._exit(INTERRUPTED)
