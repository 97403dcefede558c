"""`epigept-batch scan`."""

from __future__ import annotations

from pathlib import Path

import click

from epigept_batch.cli.options import fasta_option, model_option, threads_option
from epigept_batch.cli.progress import ProgressBar, quiet_option


@click.command(short_help="Keep a genome's motif scores for many samples.")
@fasta_option
@model_option
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="STORE", help="Folder of the store.")
@click.option(
    "--chromosome", multiple=True, metavar="NAME", help="A whole contig; repeatable.  [default: chr1-22, X, Y]"
)
@click.option("--all-contigs", is_flag=True, help="Every contig of the FASTA, not chr1-22, X and Y alone.")
@threads_option
@quiet_option
def scan(*, fasta: Path, model: Path, out: Path, chromosome: tuple[str, ...], all_contigs: bool, threads: int) -> None:
    """Scan a genome for the motifs of a model, once, and keep the scores.

    `epigept-batch genome --scores STORE` then reads them instead of scanning, with the same result. Any model of the
    same motifs can, whatever its precision. Run again after an interruption, it goes on where it was; with other
    chromosomes, it adds them.

    \b
    Example:
      epigept-batch scan --fasta hg38.fa --model model.onnx --out hg38.scores
    """
    # Loaded here so that --help need not wait for the compiler.
    from epigept_batch.commands.scan import ScanRequest, run_scan

    request = ScanRequest(fasta, model, out, chromosomes=chromosome, all_contigs=all_contigs, threads=threads)
    with ProgressBar() as progress:
        run_scan(request, progress)
