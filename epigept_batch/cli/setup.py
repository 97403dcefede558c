"""`epigept-batch setup`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from epigept_batch.cli.progress import BYTES, ProgressBar, is_quiet, quiet_option
from epigept_batch.names import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from epigept_batch.commands.setup.plan import SetupPlan

GIVEN = {
    "genome": "The genome: plain (linked), gzip or bgzip (unpacked).",
    "checkpoint": "The trained weights.",
    "expression-reference": "TPM of the factors in the training cells.",
    "motifs": "The motifs that the network was trained with.",
    "motif-factors": "Their factors.",
    "model": "A model file that is ready: nothing is converted.",
}


def _given_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each file that a user may give."""
    for name, what in reversed(GIVEN.items()):
        command = click.option(f"--{name}", metavar="FILE|URL", help=what)(command)
    return command


@click.command(short_help="Fetch what a real run needs, once.")
@click.argument("catalogue", default="hg38", metavar="[hg38|CATALOGUE.toml]")
@_given_options
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp16",
    show_default=True,
    help="Of the model file. fp16 serves GPUs and CPUs, int8 is the fastest on CPUs.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and check that it can be.")
@click.option(
    "--force", is_flag=True, help="Do it again, without files given before, and replace files that setup did not make."
)
@click.option("--json", "as_json", is_flag=True, help="Print setup.json to standard output.")
@quiet_option
def setup(*, catalogue: str, precision: str, dry_run: bool, force: bool, as_json: bool, **given: str | None) -> None:
    """Fetch the genome, the published weights and what goes with them, and make the model file.

    They go to the folder that EPIGEPT_BATCH_HOME names (~/.cache/epigept-batch), where `epigept-batch genome` looks for
    them: afterwards it needs a sample's table and nothing else. Interrupted, it goes on where it was; run again, it
    does what has changed. Each file can be one of yours, or at another address; it stays so until another is given.

    \b
    Example:
      epigept-batch setup hg38
    """
    # Loaded here so that --help need not wait for the index of genomes and the model's reader.
    from epigept_batch.commands.setup.plan import SetupRequest, plan_setup
    from epigept_batch.commands.setup.run import check_setup, run_setup

    chosen = {name: location for name, location in given.items() if location is not None}
    plan = plan_setup(SetupRequest(catalogue, chosen, precision=precision, force=force))
    if dry_run or not is_quiet():
        for line in _table(plan):
            click.echo(line, err=as_json)
    versions = check_setup(plan)
    if dry_run:
        return
    with ProgressBar(BYTES) as progress:
        record = run_setup(plan, versions, progress)
    if as_json:
        click.echo(json.dumps(record, indent=2))


def _table(plan: SetupPlan) -> Iterator[str]:
    """What is wanted, from where, under which licence, how large, and what is there."""
    rows = [
        (asset.name.replace("_", " "), size, state, asset.licence, asset.location) for asset, size, state in plan.rows()
    ]
    heads = ("what", "download", "state", "licence", "from")
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    for target in plan.targets:
        yield f"{target.path}: {target.state}"
    if plan.needed:
        yield f"disk: {plan.disk}"
