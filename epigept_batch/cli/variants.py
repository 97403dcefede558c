"""`epigept-batch variants`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from epigept_batch.cli.options import (
    any_genome_option,
    fasta_option,
    json_option,
    model_option,
    out_option,
    split_names,
)
from epigept_batch.cli.progress import ProgressBar, quiet_option
from epigept_batch.cli.samples import SampleCommand, sample_options
from epigept_batch.cli.windows import fields_of, print_records, run_options, set_option
from epigept_batch.errors import InputError
from epigept_batch.names import AVERAGES


@click.command(cls=SampleCommand, short_help="Score variants in a sample: what each changes in its tracks.")
@click.argument("variants", type=click.Path(path_type=Path), metavar="VARIANTS")
@sample_options
@set_option
@fasta_option
@model_option
@out_option("File of scores: .tsv, .tsv.gz, .parquet, .vcf or .vcf.gz.", required=True, metavar="FILE")
@click.option("--tracks", metavar="A,B", multiple=True, help="Tracks to score.  [default: all tracks of the model]")
@click.option(
    "--grid",
    is_flag=True,
    help="Score in the windows of `genome`, so that a difference is that of two `genome` runs.  [default: a window "
    "around each variant]",
)
@click.option(
    "--average",
    metavar=",".join(AVERAGES),
    help="Average over both strands, over shifted windows, or over both, and give the standard deviation.",
)
@click.option(
    "--background",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Also score N random variants of each kind, and give the percentile of each absolute difference among them.",
)
@click.option(
    "--background-bed",
    "features",
    type=click.Path(path_type=Path),
    metavar="BED",
    help="Features such as peaks or TSS: random variants have similar distances to them.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the random variants.")
@click.option("--allow-ref-mismatch", "allow_mismatch", is_flag=True, help="Score a file even if many REF differ.")
@click.option("--shard", metavar="I/N", help="Score the I-th of N equal parts of the file, such as 1/4.")
@any_genome_option
@run_options
@json_option("the run record")
@quiet_option
def variants(
    *,
    variants: Path,
    tracks: tuple[str, ...],
    average: str | None,
    shard: str | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Score variants in a sample: what each allele changes in its predicted tracks.

    VARIANTS is a VCF, BCF, or a table with columns chrom, pos, ref and alt. Writes one row per variant, alternative
    allele, sample and track, or an INFO field EPIGEPT to a copy of the VCF. Interrupted runs resume when you rerun the
    same command.

    \b
    Example:
      epigept-batch variants variants.vcf.gz --tpm sample.tsv --fasta hg38.fa --model model.onnx --out scores.tsv
    """
    # Imported here so that --help does not wait for the compiler and the table library.
    from epigept_batch.commands.variants.request import VariantsRequest
    from epigept_batch.commands.variants.run import run_variants

    request = VariantsRequest(
        **fields_of(options),
        variants=variants,
        tracks=split_names(tracks),
        average=() if average is None else parse_average(average),
        shard=(1, 1) if shard is None else parse_shard(shard),
    )
    with ProgressBar(unit="variant") as progress:
        files = run_variants(request, progress)
    if as_json:
        print_records([files])


def parse_average(text: str) -> tuple[str, ...]:
    """Read names of `AVERAGES`, separated by commas.

    Raises:
        InputError: A name is unknown.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in AVERAGES:
            raise InputError(f"--average {text}: '{name}' is unknown; use {', '.join(AVERAGES)}, or one of them")
    return tuple(name for name in AVERAGES if name in names)


def parse_shard(text: str) -> tuple[int, int]:
    """Read `I/N`, with I from 1 to N.

    Raises:
        InputError: It cannot be read.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError(f"--shard {text}: use I/N with I from 1 to N, such as 1/4")
    return int(found[1]), int(found[2])
