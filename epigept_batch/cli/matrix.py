"""`epigept-batch matrix`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epigept_batch.cli.options import json_option, out_option, split_names, threads_option
from epigept_batch.cli.progress import ProgressBar, quiet_option
from epigept_batch.names import SPACES


@click.command(short_help="Write the values of regions or bins as a table, for all samples and tracks.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@out_option("The matrix: .tsv, .tsv.gz, .parquet, .npz, .h5ad or .bedgraph.", metavar="FILE", required=True)
@click.option("--bed", type=click.Path(path_type=Path), multiple=True, help="BED file of regions; repeatable.")
@click.option(
    "--bins", "bin_bp", type=click.IntRange(min=1), metavar="BP", help="Use bins of this size instead of regions."
)
@click.option(
    "--region",
    multiple=True,
    metavar="CHR[:START[-END]]",
    help="Region whose bins are wanted, 1-based inclusive; repeatable.  [default: all that was predicted]",
)
@click.option("--chromosome", multiple=True, metavar="NAME", help="Contig whose bins are wanted; repeatable.")
@click.option("--sample", multiple=True, metavar="NAME", help="Sample to include; repeatable.  [default: all]")
@click.option("--tracks", metavar="A,B", help="Tracks to include.  [default: all except differences]")
@click.option(
    "--statistic",
    type=click.Choice(("mean", "max", "coverage")),
    default="mean",
    show_default=True,
    help="Mean or maximum of the bases with data, or the share of bases with data.",
)
@click.option(
    "--space",
    type=click.Choice(SPACES),
    help="Values that are averaged: ln(1 + signal), or the signal.  [default: what the tracks hold]",
)
@click.option("--force", is_flag=True, help="Replace a file that was made of other inputs, or by another program.")
@threads_option
@json_option("the run record")
@quiet_option
def matrix(
    *,
    region: tuple[str, ...],
    chromosome: tuple[str, ...],
    bed: tuple[Path, ...],
    sample: tuple[str, ...],
    tracks: str | None,
    as_json: bool,
    **others: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Write the mean of each track in each region, a row per region and a column per sample and track.

    DIR is an output folder of genome. Rows are in the order of the BED files. Bases without data do not count, and a
    region without any has no value.

    \b
    Example:
      epigept-batch matrix tracks --bed regions.bed --out regions.tsv
    """
    from epigept_batch.commands.matrix.request import MatrixRequest
    from epigept_batch.commands.matrix.run import run_matrix

    request = MatrixRequest(
        regions=region,
        chromosomes=chromosome,
        beds=bed,
        samples=sample,
        tracks=() if tracks is None else split_names([tracks]),
        **others,
    )
    with ProgressBar("track") as progress:
        files = run_matrix(request, progress)
    if as_json:
        click.echo(files.record.read_text(), nl=False)
