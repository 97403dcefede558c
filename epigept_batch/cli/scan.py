"""`epigept-batch scan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from epigept_batch.cli.options import (
    all_contigs_option,
    fasta_option,
    model_option,
    out_option,
    threads_option,
)
from epigept_batch.cli.progress import ProgressBar, quiet_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Compute a genome's motif scores once, for many samples.")
@fasta_option
@model_option
@out_option("Folder of the score store.", metavar="STORE", required=True)
@click.option(
    "--chromosome", multiple=True, metavar="NAME", help="Whole contig; repeatable.  [default: chr1-22, X and Y]"
)
@all_contigs_option
@threads_option
@quiet_option
def scan(*, fasta: Path, model: Path, out: Path, chromosome: tuple[str, ...], all_contigs: bool, threads: int) -> None:
    """Scan a genome for the motifs of a model and keep the scores.

    `epigept-batch genome --scores STORE` reads them instead of scanning, with the same result. One store serves every
    model with the same motifs, in any precision. Interrupted scans resume when you rerun the same command. Further
    chromosomes are added to the store.

    \b
    Example:
      epigept-batch scan --fasta hg38.fa --model model.onnx --out hg38.scores
    """
    # Imported here so that --help does not wait for the compiler.
    from epigept_batch.commands.scan import ScanRequest, run_scan

    request = ScanRequest(fasta, model, out, chromosomes=chromosome, all_contigs=all_contigs, threads=threads)
    with ProgressBar() as progress:
        run_scan(request, progress)
