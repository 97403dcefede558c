"""Options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from epigept_batch.cli.completion import completes
from epigept_batch.cli.progress import say
from epigept_batch.home import default_fasta, default_model, installed
from epigept_batch.machine.environment import limit_pools
from epigept_batch.machine.processors import usable_processors
from epigept_batch.names import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Decorated = TypeVar("Decorated", bound="Callable[..., Any] | click.Command")

INSTALLED = "[default: the file that `epigept-batch setup` installed]"
"""What `--model` and `--fasta` default to, in every help text."""


def _threads(_context: click.Context, _option: click.Parameter, value: int | None) -> int:
    """Return the number asked for, or that of the usable processors; limit libraries to it."""
    usable = usable_processors()
    threads = value or usable
    if threads > usable:
        cores = f"{usable} core{'s' if usable > 1 else ''}"
        say(f"--threads {threads}: only {cores} available (CPU affinity and quota); more threads slow the run down")
    limit_pools(threads)
    return threads


threads_option = click.option(
    "-t",
    "--threads",
    type=click.IntRange(min=1),
    callback=_threads,
    help="CPU threads.  [default: all available cores]",
)


def out_option(
    help_text: str,
    *,
    name: str = "out",
    aliases: tuple[str, ...] = (),
    metavar: str | None = None,
    required: bool = False,
    default: Path | None = None,
    show_default: str = "",
) -> Callable[[Decorated], Decorated]:
    """`-o/--out`, with names that it had before as `aliases`; it arrives as the argument `name`.

    Args:
        help_text: What is written there.
        name: The command's argument, which also names the environment variable.
        aliases: Further names.
        metavar: What the help shows for the value, by default `PATH`.
        required: Whether the command needs it.
        default: The value where it is not given.
        show_default: The default in words.
    """
    # Without a default, none is passed on: Click tells an option without one from an option whose default is None.
    defaults: dict[str, Any] = {} if default is None else {"default": default, "show_default": show_default}
    return click.option(
        "-o",
        "--out",
        *aliases,
        name,
        type=click.Path(path_type=Path),
        metavar=metavar,
        required=required,
        help=help_text,
        **defaults,
    )


folder_option = out_option("Output folder.", default=Path(), show_default="current folder")


def json_option(what: str) -> Callable[[Decorated], Decorated]:
    """`--json`, which prints `what` as JSON."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def space_option(tracks: str = "measured", *, name: str = "--measured-space") -> Callable[[Decorated], Decorated]:
    """The space of tracks that another program made."""
    return click.option(
        name,
        type=click.Choice(SPACES),
        default="linear",
        show_default=True,
        help=f"Space of the {tracks} tracks: the signal, or ln(1 + signal).",
    )


def zero_fill_option(
    data: str = "measured", *, otherwise: str = "leave such bins out"
) -> Callable[[Decorated], Decorated]:
    """`--zero-fill`, for tracks that are pileups."""
    return click.option(
        "--zero-fill",
        is_flag=True,
        help=f"Treat bases without {data} data as 0, as in a pileup.  [default: {otherwise}]",
    )


def split_names(values: Iterable[str]) -> tuple[str, ...]:
    """Return the names of values such as `A,B`."""
    return tuple(name.strip() for value in values for name in value.split(","))


def _batch_size(_context: click.Context, _option: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isascii() or not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is not 'auto' or a whole number from 1 up.")
    return int(value)


batch_size_option = click.option(
    "--batch-size",
    default="auto",
    show_default=True,
    metavar="auto|N",
    callback=_batch_size,
    help="Pairs of a window and a sample per call of the network.",
)

DEVICES = ("auto", "cpu", "cuda", "cuda:0", "openvino", "openvino:bf16")


def device_option(default: str, what: str) -> Callable[[Decorated], Decorated]:
    """`--device`, for what runs there."""
    return click.option(
        "--device",
        default=default,
        show_default=True,
        metavar="auto|cpu|cuda|cuda:N,M|openvino|openvino:bf16",
        shell_complete=completes(DEVICES),
        help=f"Device that runs {what}.",
    )


def installed_model(_context: click.Context, option: click.Parameter, value: Path | None) -> Path:
    """Return the model file that is given, or the installed one."""
    return value or installed(default_model(), option.opts[0] if isinstance(option, click.Option) else "MODEL")


all_contigs_option = click.option(
    "--all-contigs", is_flag=True, help="Use every contig of the FASTA, not only chr1-22, X and Y."
)

REGIONS = (
    click.option("--region", multiple=True, metavar="CHR[:START[-END]]", help="Region, 1-based inclusive; repeatable."),
    click.option("--chromosome", multiple=True, metavar="NAME", help="Whole contig; repeatable."),
    click.option("--bed", type=click.Path(path_type=Path), multiple=True, help="BED file of regions; repeatable."),
)


def region_options(command: Decorated) -> Decorated:
    """`--region`, `--chromosome` and `--bed`, whose union is the part of the genome that is used."""
    for option in reversed(REGIONS):
        command = option(command)
    return command


fasta_option = click.option(
    "--fasta",
    type=click.Path(path_type=Path),
    callback=lambda _context, _option, value: value or installed(default_fasta(), "--fasta"),
    help=f"Genome FASTA, plain or bgzip.  {INSTALLED}",
)

any_genome_option = click.option(
    "--any-genome", is_flag=True, help="Accept RNA, or another assembly than the network was trained on."
)

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    callback=installed_model,
    help=f"Model file from epigept-export.  {INSTALLED}",
)
