"""`epigept-batch demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import out_option, threads_option
from epigept_batch.cli.progress import ProgressBar, quiet_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLUMNS = {"model": "network", "mean_of_training_cells": "mean of training cells", "linear": "linear"}


@click.command(short_help="Run the whole workflow on built-in data, in a minute.")
@out_option("Folder to create.", default=Path("epigept-demo"), show_default="epigept-demo")
@threads_option
@quiet_option
def demo(*, out: Path, threads: int) -> None:
    """Predict tracks of two samples over a small synthetic genome, and compare them with the truth.

    Needs no data: a small trained network comes with the program. It was trained on a genome with the same grammar, but
    not on this contig or these samples.

    \b
    Example:
      epigept-batch demo
    """
    from epigept_batch.commands.demo import DemoRequest, run_demo

    with ProgressBar() as progress:
        evaluation = run_demo(DemoRequest(out, threads=threads), progress)
    for line in _report(out, evaluation):
        click.echo(line)


def _report(out: Path, evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was made, how close it is to the truth, and what to do next."""
    tables = ", ".join(f"{sample}.tsv" for sample in evaluation["samples"])
    yield ""
    yield f"Created {out}/ for two samples and a contig that the network was not trained on:"
    yield "  genome.fa, model.onnx    the contig, and the network"
    yield f"  {tables:23}  their TPM"
    yield "  tracks/                  predictions: one bigWig per sample and track"
    yield "  measured/, training/     the truth, for these samples and for the training cells"
    yield ""
    yield "Pearson r of ln(1 + signal) with the known truth, mean of both samples:"
    yield ""
    yield "          " + "  ".join(COLUMNS.values())
    for track in evaluation["tracks"]:
        figures = "  ".join(f"{track[key]:{len(title)}.3f}" for key, title in COLUMNS.items())
        yield f"{track['name']:8}  {figures}"
    yield ""
    yield "Next: look at the predictions beside the truth, in a browser (needs the [view] extra):"
    yield f"  epigept-batch view {out}/tracks --measured '{out}/measured/{{sample}}.{{track}}.bw'"
    yield "or compare in more detail:"
    yield f"  epigept-batch evaluate --predicted {out}/tracks --measured '{out}/measured/{{sample}}.{{track}}.bw' \\"
    yield f"    --training '{out}/training/{{cell}}.{{track}}.bw'"
    yield "or predict your own sample (setup downloads genome and weights once, and needs the [export] extra):"
    yield "  epigept-batch setup && epigept-batch genome --tpm sample.tsv --out tracks"
