"""`epigept-batch screen`."""

from __future__ import annotations

from typing import Any

import click

from epigept_batch.cli.options import json_option, split_names
from epigept_batch.cli.progress import ProgressBar, quiet_option
from epigept_batch.cli.samples import SampleCommand
from epigept_batch.cli.windows import fields_of, input_options_of_regions, run_options


@click.command(cls=SampleCommand, short_help="Set each factor to 0 in turn, and see what changes in regions.")
@input_options_of_regions
@click.option(
    "--factors",
    metavar="all|A,B|FILE",
    default="all",
    show_default=True,
    help="Factors to change: names, or a file with a name per line.",
)
@click.option(
    "--set-to",
    metavar="TPM|absent",
    help="TPM that each factor is set to; 'absent' sets the network's input to 0.  [default: 0]",
)
@click.option(
    "--between",
    nargs=2,
    metavar="A B",
    help="Attribute the difference between two samples to factors: each is set to the other sample's value.",
)
@click.option("--tracks", metavar="A,B", multiple=True, help="Tracks to compare.  [default: all tracks of the model]")
@click.option(
    "--strongest",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Length of the list of the strongest pairs of a factor and a region, for each sample and track.",
)
@run_options
@json_option("the run record")
@quiet_option
def screen(
    *,
    tracks: tuple[str, ...],
    as_json: bool,
    **options: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Change one factor at a time, and measure how the predicted signal of regions changes.

    Writes screen.parquet with the mean change of each region by factor, track and sample; strongest.tsv; summary.tsv;
    and screen.run.json. These are changes of a prediction, not measured effects. Interrupted screens resume when you
    rerun the same command.

    \b
    Example:
      epigept-batch screen --tpm sample.tsv --fasta hg38.fa --model model.onnx --bed regions.bed --out screen
    """
    from epigept_batch.commands.screen.request import ScreenRequest
    from epigept_batch.commands.screen.run import run_screen

    names = split_names(tracks)
    request = ScreenRequest(**fields_of(options), tracks=names)
    with ProgressBar("run") as progress:
        files = run_screen(request, progress)
    if as_json:
        click.echo(files.record.read_text(), nl=False)
