"""`epigept-batch contacts`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epigept_batch.cli.options import json_option
from epigept_batch.cli.progress import ProgressBar, quiet_option
from epigept_batch.cli.samples import SampleCommand
from epigept_batch.cli.windows import fields_of, input_options, print_records, run_options, set_option


@click.command(cls=SampleCommand, short_help="Predict contact maps from a sample's TPM.")
@input_options
@click.option(
    "--map",
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
@set_option
@run_options
@json_option("each sample's record")
@quiet_option
def contacts(
    *,
    strongest: float,
    min_distance: int | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - of the request's own names and types
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
    from epigept_batch.commands.contacts.run import run_contacts

    request = ContactsRequest(**fields_of(options), share=strongest, min_distance_bp=min_distance)
    with ProgressBar() as progress:
        files = run_contacts(request, progress)
    if as_json:
        print_records(files.values())
