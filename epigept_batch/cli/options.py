"""Options that commands share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Decorated = TypeVar("Decorated", bound="Callable[..., Any] | click.Command")

threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    callback=lambda _context, _option, value: value or len(os.sched_getaffinity(0)),
    help="CPU threads.  [default: all cores available]",
)


def device_option(default: str, what: str) -> Callable[[Decorated], Decorated]:
    """`--device`, for what runs there."""
    return click.option(
        "--device", default=default, show_default=True, metavar="auto|cpu|cuda|cuda:N", help=f"Where {what} runs."
    )
