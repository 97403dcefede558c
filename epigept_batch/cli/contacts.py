"""`epigept-batch contacts`."""

from __future__ import annotations

import json
from pathlib import Path
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

if TYPE_CHECKING:
    from epigept_batch.expression.request import SampleRequest


@click.command(cls=SampleCommand, short_help="Predict contact maps from a sample's TPM.")
@sample_options
@fasta_option
@model_option
@folder_option
@region_options
@all_contigs_option
@any_genome_option
@click.option(
    "--map",
    "map_name",
    default="contacts",
    show_default=True,
    metavar="NAME",
    help="Contact output of the model, as `epigept-batch info` lists them.",
)
@click.option(
    "--overlap",
    type=int,
    metavar="BP",
    help="Overlap of neighbouring windows. All pairs up to this distance are seen.  [default: half of a window]",
)
@click.option("--raw", is_flag=True, help="Write the attention itself.  [default: observed/expected by distance]")
@click.option(
    "--expected",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="SAMPLE.expected.tsv of another run, for example of the whole genome.  [default: the mean of this run]",
)
@click.option(
    "--strongest",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=0.001,
    show_default=True,
    metavar="SHARE",
    help="Share of the distant pairs to list in .bedpe and .interact.",
)
@click.option(
    "--min-distance",
    type=click.IntRange(min=0),
    metavar="BP",
    help="Least distance of listed pairs.  [default: 20000, or a fifth of a window if that is less]",
)
@click.option("--mcool", is_flag=True, help="Also write SAMPLE.contacts.mcool with coarser levels, for HiGlass.")
@click.option("--with-tracks", is_flag=True, help="Also write the tracks, as `genome` does with the same --overlap.")
@device_option("auto", "the network")
@batch_size_option
@threads_option
@run_options
@json_option("each sample's record")
@quiet_option
def contacts(
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
    map_name: str,
    overlap: int | None,
    raw: bool,
    expected: Path | None,
    strongest: float,
    min_distance: int | None,
    mcool: bool,
    with_tracks: bool,
    device: str,
    batch_size: int | None,
    threads: int,
    scores: Path | None,
    force: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Predict chromatin contacts from a sample's TPM: the network's attention between the bins of a window.

    The model must have been converted with --contacts. Attention is not a measured contact. `evaluate --contacts`
    compares it with measured ones, and with baselines such as distance alone. Writes SAMPLE.contacts.cool,
    SAMPLE.expected.tsv, and the strongest pairs as SAMPLE.contacts.bedpe and SAMPLE.contacts.interact. Interrupted runs
    resume when you rerun the same command.

    \b
    Example:
      epigept-batch contacts --tpm sample.tsv --fasta hg38.fa --model model.onnx --region chr2:1,000,001-2,000,000
    """
    # Imported here so that --help does not wait for the compiler and the table library.
    from epigept_batch.commands.contacts.request import ContactsRequest
    from epigept_batch.commands.contacts.run import default_overlap, run_contacts
    from epigept_batch.inference.device import parse_device

    request = ContactsRequest(
        samples=samples,
        fasta=fasta,
        model=model,
        out=out,
        regions=region,
        chromosomes=chromosome,
        beds=bed,
        all_contigs=all_contigs,
        any_genome=any_genome,
        overlap=default_overlap(model, map_name) if overlap is None else overlap,
        device=parse_device(device),
        batch_size=batch_size,
        threads=threads,
        scores=scores,
        force=force,
        fresh=fresh,
        map=map_name,
        raw=raw,
        expected=expected,
        share=strongest,
        min_distance_bp=min_distance,
        mcool=mcool,
        with_tracks=with_tracks,
    )
    with ProgressBar() as progress:
        files = run_contacts(request, progress)
    if as_json:
        click.echo(json.dumps([json.loads(sample.record.read_text()) for sample in files.values()], indent=2))
