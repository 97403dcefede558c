"""`epigept-batch demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import threads_option
from epigept_batch.cli.progress import ProgressBar, quiet_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLUMNS = {"model": "network", "mean_of_training_cells": "mean of training cells", "linear": "linear"}


@click.command(short_help="See the main job done on built-in data, in a minute.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("epigept-demo"), show_default=True, help="Folder to make."
)
@threads_option
@quiet_option
def demo(*, out: Path, threads: int) -> None:
    """Predict the tracks of two samples over a small synthetic genome, and compare them with the truth.

    Needs no data and no training: a small network comes with the program. It was trained on a genome of the same
    grammar; the contig and the two samples here it has not seen.

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
    """What was made, how near it comes, and what to do next."""
    samples = " and ".join(evaluation["samples"])
    yield ""
    yield f"Made in {out}/: genome.fa (a contig the network has not seen), the TPM tables of {samples} (nor"
    yield "these), model.onnx, tracks/ with a bigWig for each sample and track; and the truth, in measured/ for them"
    yield "and in training/ for the cells that the network was trained on."
    yield ""
    yield "Pearson r with the known truth, mean of both samples:"
    yield ""
    yield "          " + "  ".join(COLUMNS.values())
    for track in evaluation["tracks"]:
        figures = "  ".join(f"{track[key]:{len(title)}.3f}" for key, title in COLUMNS.items())
        yield f"{track['name']:8}  {figures}"
    yield ""
    yield f"Next: open {out}/tracks/*.bw in IGV with {out}/genome.fa; compare in more ways than this:"
    yield f"  epigept-batch evaluate --predicted {out}/tracks --measured '{out}/measured/{{sample}}.{{track}}.bw' \\"
    yield f"    --training '{out}/training/{{cell}}.{{track}}.bw'"
    yield "or predict your own sample:"
    yield "  epigept-batch setup && epigept-batch genome --tpm sample.tsv --out tracks"
    yield "where setup fetches the genome and the published weights, once, with the extra [export] (see the README)."
