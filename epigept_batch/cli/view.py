"""`epigept-batch view`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import device_option, space_option, threads_option
from epigept_batch.cli.progress import quiet_option, say
from epigept_batch.cli.samples import SampleCommand, optional_table_options

if TYPE_CHECKING:
    from epigept_batch.commands.view.run import Address

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Variables without which Python would open a browser in the terminal."""


@click.command(cls=SampleCommand, short_help="Look at a run's tracks in a browser on this machine.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--sample", multiple=True, metavar="NAME", help="Sample to show; repeatable.  [default: all]")
@click.option(
    "--fasta",
    type=click.Path(path_type=Path),
    help="Genome FASTA, plain or bgzip.  [default: the file that the run read]",
)
@click.option(
    "--genes",
    type=click.Path(path_type=Path),
    help="Genes to show and to search: GTF, BED, or a gene table of UCSC; gzip or not.",
)
@click.option(
    "--measured",
    metavar="PATH",
    help="Measured bigWigs to show beside the predictions; {sample} and {track} are placeholders.",
)
@space_option()
@click.option(
    "--port", type=click.IntRange(1, 65_535), metavar="N", help="Port on 127.0.0.1.  [default: a random free one]"
)
@click.option("--no-open", is_flag=True, help="Only print the address; open no browser.")
@click.option(
    "--live",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Answer what-if questions in the page with this model file: other TPM of factors, or a variant. The next "
    "options name the samples' expression and the device for it.",
)
@optional_table_options
@device_option("auto", "the network")
@threads_option
@quiet_option
def view(*, no_open: bool, device: str, **options: Any) -> None:  # noqa: ANN401 - of the request's own names and types
    """Show the tracks of DIR, an output folder of `genome` or `contacts`, in a browser.

    Serves a page with igv.js on 127.0.0.1, and prints its address. Nothing is uploaded, and the page needs no internet.
    The address contains a token, so pass it on to nobody who may not read the folder. Ctrl-C ends the command.

    \b
    Example:
      epigept-batch view tracks
      epigept-batch view tracks --live model.onnx --tpm sample.tsv
    """
    from epigept_batch.commands.view.run import ViewRequest, run_view
    from epigept_batch.inference.device import parse_device

    request = ViewRequest(**options, device=parse_device(device))
    try:
        run_view(request, lambda address: _announce(address, opens=not no_open), say)
    except KeyboardInterrupt:
        say("ended")  # as intended, so the exit code is 0


def _announce(address: Address, *, opens: bool) -> None:
    """Print where the page is, and open it."""
    for note in address.notes:
        say(note)
    click.echo(address.url)
    forward = f"ssh -N -L {address.port}:127.0.0.1:{address.port} HOST"
    say(f"from another machine, type there: {forward}; then open the address there")
    say("Ctrl-C ends it")
    if opens and any(os.environ.get(name) for name in SCREENS):
        import webbrowser

        webbrowser.open(address.once)
