"""`epigept-batch mean`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epigept_batch.cli.completion import completes_files
from epigept_batch.cli.options import json_option, out_option, space_option, split_names, zero_fill_option
from epigept_batch.cli.progress import ProgressBar, quiet_option


@click.command(short_help="Average the tracks of training cells, once for all comparisons.")
@click.option(
    "--training",
    required=True,
    metavar="FILE",
    shell_complete=completes_files,
    help="Tracks of the training cells: a path with {cell} and {track} as placeholders.",
)
@out_option("Output folder.", metavar="DIR", required=True)
@click.option("--tracks", metavar="A,B", help="Tracks to average.  [default: all]")
@click.option("--cell", "cells", multiple=True, metavar="NAME", help="Cell to average; repeatable.  [default: all]")
@click.option("--exclude-cell", "exclude_cells", multiple=True, metavar="NAME", help="Cell to leave out; repeatable.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model file, to average only the cells that it was trained on.  [default: all cells]",
)
@space_option("training")
@zero_fill_option()
@click.option(
    "--bin",
    "bin_bp",
    type=click.IntRange(min=1),
    metavar="BP",
    help="Bin size, that of the predicted tracks.  [default: that of the model, else 128]",
)
@click.option("--force", is_flag=True, help="Replace means of other inputs, and files of other programs.")
@json_option("the content of mean.json")
@quiet_option
def mean(*, tracks: str | None, as_json: bool, **others: Any) -> None:  # noqa: ANN401 - of the request's own names and types
    """Average the tracks of training cells: mean.TRACK.bw holds the mean of ln(1 + signal) of all cells in each bin.

    This is the baseline that `evaluate --training` computes of the same tracks. Pass the files to it, or to `compare
    --mean`, so that the cells' tracks are not read again for each sample. mean.json says which cells they contain.

    \b
    Example:
      epigept-batch mean --training 'training/{cell}.{track}.bw' --out mean
    """
    from epigept_batch.commands.mean import MeanRequest, run_mean

    request = MeanRequest(
        tracks=() if tracks is None else split_names([tracks]),
        **others,
    )
    with ProgressBar("contig") as progress:
        files = run_mean(request, progress)
    if as_json:
        click.echo(files.record.read_text(), nl=False)
