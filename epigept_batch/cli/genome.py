"""`epigept-batch genome`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from epigept_batch.cli.options import (
    all_contigs_option,
    any_genome_option,
    batch_size_option,
    device_option,
    fasta_option,
    folder_option,
    json_option,
    model_option,
    region_options,
    run_options,
    threads_option,
)
from epigept_batch.cli.progress import ProgressBar, quiet_option
from epigept_batch.cli.samples import SampleCommand, sample_options
from epigept_batch.names import SPACES

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.expression.request import SampleRequest


@click.command(cls=SampleCommand, short_help="Predict genome-wide tracks from a sample's TPM.")
@sample_options
@fasta_option
@model_option
@folder_option
@region_options
@all_contigs_option
@any_genome_option
@click.option("--tracks", metavar="A,B", multiple=True, help="Tracks to write.  [default: all tracks of the model]")
@click.option(
    "--space",
    type=click.Choice(SPACES),
    default="log1p",
    show_default=True,
    help="Write ln(1 + signal), which is what the network predicts, or the signal.",
)
@click.option(
    "--overlap",
    type=int,
    default=0,
    show_default=True,
    metavar="BP",
    help="Overlap of neighbouring windows, a multiple of the bin size. Each bin comes from the window whose centre is "
    "nearest.",
)
@device_option("auto", "the network")
@batch_size_option
@threads_option
@run_options
@json_option("each sample's run record")
@quiet_option
def genome(
    *,
    samples: SampleRequest,
    fasta: Path,
    model: Path,
    out: Path,
    region: tuple[str, ...],
    chromosome: tuple[str, ...],
    bed: tuple[Path, ...],
    all_contigs: bool,
    any_genome: bool,
    tracks: tuple[str, ...],
    space: str,
    overlap: int,
    device: str,
    batch_size: int | None,
    threads: int,
    scores: Path | None,
    force: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Predict DNase, CTCF and histone tracks over a genome from a sample's TPM.

    Writes SAMPLE.TRACK.bw for each track, and SAMPLE.run.json. Interrupted runs resume when you rerun the same command.
    Finished outputs are not computed again. Every option can also be set by an environment variable, such as
    EPIGEPT_BATCH_GENOME_FASTA.

    \b
    Example:
      epigept-batch genome --tpm sample.tsv --fasta hg38.fa --model model.onnx --region chr2:1,000,001-2,000,000
    """
    # Imported here so that --help does not wait for the compiler and the table library.
    from epigept_batch.commands.genome.request import GenomeRequest
    from epigept_batch.commands.genome.run import run_genome
    from epigept_batch.inference.device import parse_device

    request = GenomeRequest(
        samples=samples,
        fasta=fasta,
        model=model,
        out=out,
        regions=region,
        chromosomes=chromosome,
        beds=bed,
        all_contigs=all_contigs,
        any_genome=any_genome,
        tracks=tuple(name.strip() for value in tracks for name in value.split(",")),
        space=space,
        overlap=overlap,
        device=parse_device(device),
        batch_size=batch_size,
        threads=threads,
        scores=scores,
        force=force,
        fresh=fresh,
    )
    with ProgressBar() as progress:
        files = run_genome(request, progress)
    if as_json:
        click.echo(json.dumps([json.loads(sample.record.read_text()) for sample in files.values()], indent=2))
