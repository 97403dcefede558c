"""What the commands share that predict windows of a genome for samples: options, their request, their records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import (
    Decorated,
    all_contigs_option,
    any_genome_option,
    batch_size_option,
    device_option,
    fasta_option,
    folder_option,
    model_option,
    region_options,
    threads_option,
)
from epigept_batch.cli.samples import sample_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from epigept_batch.provenance.run_record import OutputFiles

scores_option = click.option(
    "--scores",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="Motif scores from `epigept-batch scan`.  [default: scan during the run]",
)
INPUTS = (
    sample_options,
    fasta_option,
    model_option,
    folder_option,
    region_options,
    all_contigs_option,
    any_genome_option,
)
RUN = (
    device_option("auto", "the network"),
    batch_size_option,
    threads_option,
    scores_option,
    click.option("--force", is_flag=True, help="Replace outputs that were made from other inputs."),
    click.option("--fresh", is_flag=True, help="Discard saved progress and start over."),
)
overlap_option = click.option(
    "--overlap",
    type=int,
    default=0,
    show_default=True,
    metavar="BP",
    help="Overlap of neighbouring windows, a multiple of the bin size. Each bin comes from the window whose centre is "
    "nearest.",
)
"""Option of commands that predict bins, each in one window."""
set_option = click.option(
    "--set",
    multiple=True,
    metavar="FACTOR=TPM",
    help="Also predict a copy of each sample with another TPM of a factor: 'GATA1=0', 'TP53*2' for a multiple, "
    "'SPI1=absent' for a network input of 0. Commas combine changes. Repeatable: one copy each.",
)
"""Option of commands that predict perturbed copies too."""
FIELDS = {"region": "regions", "chromosome": "chromosomes", "bed": "beds"}
"""Names in a request of options that can be repeated."""


def input_options(command: Decorated) -> Decorated:
    """Options on samples, genome, model, output folder and regions."""
    for option in reversed(INPUTS):
        command = option(command)
    return command


def input_options_of_regions(command: Decorated) -> Decorated:
    """The same for a command that is about regions, never about a whole genome."""
    return _without(all_contigs_option, command)


def input_options_without_folder(command: Decorated) -> Decorated:
    """The same for a command whose outputs lie in a place that it names otherwise."""
    return _without(folder_option, command)


def _without(left_out: object, command: Decorated) -> Decorated:
    """Add all options of `input_options` but one."""
    for option in reversed(INPUTS):
        if option is not left_out:
            command = option(command)
    return command


def run_options(command: Decorated) -> Decorated:
    """Options on the device, the score store, and outputs and progress that are there."""
    for option in reversed(RUN):
        command = option(command)
    return command


def fields_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `RunRequest` from the options of `input_options` and `run_options`; others stay.

    Raises:
        InputError: The device is unknown, or a perturbation cannot be read.
    """
    from epigept_batch.expression.perturb import parse_perturbations
    from epigept_batch.inference.device import parse_device

    fields = {FIELDS.get(name, name): value for name, value in options.items() if name != "set"}
    fields["perturbations"] = parse_perturbations(options.get("set", ()))
    return fields | {"device": parse_device(fields["device"])}


def print_records(files: Iterable[OutputFiles]) -> None:
    """Print the records of samples as JSON."""
    click.echo(json.dumps([json.loads(sample.record.read_text()) for sample in files], indent=2))
