"""`epigept-batch` and its commands."""

from __future__ import annotations

import click

import epigept_batch
from epigept_batch.cli.bench import bench
from epigept_batch.cli.calibrate import calibrate
from epigept_batch.cli.cohort import cohort
from epigept_batch.cli.compare import compare
from epigept_batch.cli.completion import completion_command
from epigept_batch.cli.contacts import contacts
from epigept_batch.cli.demo import demo
from epigept_batch.cli.doctor import doctor
from epigept_batch.cli.evaluate import evaluate
from epigept_batch.cli.expression import expression
from epigept_batch.cli.genome import genome
from epigept_batch.cli.group import Group
from epigept_batch.cli.hub import hub
from epigept_batch.cli.info import info
from epigept_batch.cli.matrix import matrix
from epigept_batch.cli.mean import mean
from epigept_batch.cli.peaks import peaks
from epigept_batch.cli.plot import plot
from epigept_batch.cli.report import report
from epigept_batch.cli.scan import scan
from epigept_batch.cli.screen import screen
from epigept_batch.cli.setup import setup
from epigept_batch.cli.simulate import simulate
from epigept_batch.cli.streams import secure_streams
from epigept_batch.cli.variants import variants
from epigept_batch.cli.view import view

SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "EPIGEPT_BATCH"}


@click.group(cls=Group, context_settings=SETTINGS)
@click.version_option(epigept_batch.__version__, prog_name="epigept-batch")
def cli() -> None:
    """Predict the epigenome of a sample from its RNA-seq, with EpiGePT.

    To convert a checkpoint or train a network, use epigept-export.

    \b
    Example:
      epigept-batch genome --tpm sample.tsv --fasta hg38.fa --model model.onnx --out tracks
    """


# In the order in which a user meets them; the help lists them so.
cli.add_command(demo)
cli.add_command(setup)
cli.add_command(doctor)
cli.add_command(expression)
cli.add_command(genome)
cli.add_command(cohort)
cli.add_command(contacts)
cli.add_command(variants)
cli.add_command(screen)
cli.add_command(scan)
cli.add_command(evaluate)
cli.add_command(peaks)
cli.add_command(calibrate)
cli.add_command(compare)
cli.add_command(mean)
cli.add_command(matrix)
cli.add_command(view)
cli.add_command(report)
cli.add_command(plot)
cli.add_command(hub)
cli.add_command(info)
cli.add_command(bench)
cli.add_command(simulate)
cli.add_command(completion_command("epigept-batch"))


def main() -> None:
    """Entry point of the `epigept-batch` script."""
    secure_streams()
    cli(prog_name="epigept-batch")
