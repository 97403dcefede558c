"""A command group that turns our errors into one line and an exit code; Click keeps its own form for usage errors."""

from __future__ import annotations

import signal
from typing import Any, NoReturn

import click

from epigept_batch.errors import REMEDIES, EpiGePTError, reason

FAILED, INTERRUPTED = 1, 130


class Group(click.Group):
    """The one place where an error becomes an exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as Click has it
        """Run the command: 2 for what the user can mend, 130 when interrupted; the unexpected keeps its traceback.

        Where the system is short of files, room or memory, it is not the command's fault either: a line and 1.
        """
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Under nohup SIGHUP is ignored and must stay so: such a run outlives its terminal.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
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
            click.echo(f"{ctx.info_name}: out of memory; close other programs, or run where there is more", err=True)
            ctx.exit(FAILED)
        except KeyboardInterrupt:
            click.echo(f"{ctx.info_name}: interrupted", err=True)
            ctx.exit(INTERRUPTED)


def _interrupt(*_: object) -> NoReturn:
    """A batch system's end of time and a closed terminal clean up as Ctrl-C does."""
    raise KeyboardInterrupt
