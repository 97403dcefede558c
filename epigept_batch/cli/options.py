"""Options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from epigept_batch.cli.progress import say
from epigept_batch.home import default_fasta, default_model, installed
from epigept_batch.machine.environment import limit_pools
from epigept_batch.machine.processors import usable_processors

if TYPE_CHECKING:
    from collections.abc import Callable

Decorated = TypeVar("Decorated", bound="Callable[..., Any] | click.Command")


def _threads(_context: click.Context, _option: click.Parameter, value: int | None) -> int:
    """As many as were asked for, or as there are processors; no library is to take more."""
    usable = usable_processors()
    threads = value or usable
    if threads > usable:
        cores = f"{usable} core{'s' if usable > 1 else ''}"
        say(f"--threads {threads}: this process may use {cores} (affinity and CPU quota); more threads make it slower")
    limit_pools(threads)
    return threads


threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    callback=_threads,
    help="CPU threads.  [default: all cores that the process may use]",
)


def _batch_size(_context: click.Context, _option: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isascii() or not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither auto nor a whole number from 1 up.")
    return int(value)


batch_size_option = click.option(
    "--batch-size",
    default="auto",
    show_default=True,
    metavar="auto|N",
    callback=_batch_size,
    help="Pairs of a window and a sample that the network computes at once.",
)


def device_option(default: str, what: str) -> Callable[[Decorated], Decorated]:
    """`--device`, for what runs there."""
    return click.option(
        "--device",
        default=default,
        show_default=True,
        metavar="auto|cpu|cuda|cuda:N,M|openvino|openvino:bf16",
        help=f"Where {what} runs.",
    )


def installed_model(_context: click.Context, option: click.Parameter, value: Path | None) -> Path:
    """The model file that is given, or that was installed."""
    return value or installed(default_model(), option.opts[0] if isinstance(option, click.Option) else "MODEL")


REGIONS = (
    click.option("--region", multiple=True, metavar="CHR[:START[-END]]", help="1-based, inclusive; repeatable."),
    click.option("--chromosome", multiple=True, metavar="NAME", help="A whole contig; repeatable."),
    click.option(
        "--bed", type=click.Path(path_type=Path), multiple=True, help="Intervals, 0-based, half-open; repeatable."
    ),
)


def region_options(command: Decorated) -> Decorated:
    """`--region`, `--chromosome` and `--bed`, which together say what part of the genome is meant."""
    for option in reversed(REGIONS):
        command = option(command)
    return command


fasta_option = click.option(
    "--fasta",
    type=click.Path(path_type=Path),
    callback=lambda _context, _option, value: value or installed(default_fasta(), "--fasta"),
    help="Genome, plain or bgzip.  [default: what `epigept-batch setup` installed]",
)

any_genome_option = click.option(
    "--any-genome", is_flag=True, help="Run a genome that is another assembly than the network's, or RNA, all the same."
)

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    callback=installed_model,
    help="Model file of epigept-export.  [default: what `epigept-batch setup` installed]",
)
