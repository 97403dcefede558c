"""`epigept-batch setup`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from epigept_batch.cli.completion import completes_files
from epigept_batch.cli.options import json_option
from epigept_batch.cli.progress import BYTES, ProgressBar, is_quiet, quiet_option
from epigept_batch.names import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from epigept_batch.commands.setup.plan import SetupPlan

GIVEN = {
    "genome": "Genome FASTA. Plain files are linked, gzip and bgzip are unpacked.",
    "checkpoint": "Trained weights.",
    "expression-reference": "TPM of the factors in the training cells.",
    "motifs": "Motifs that the network was trained with.",
    "motif-factors": "Factors of those motifs.",
    "model": "Finished model file; skips the conversion.",
}


def _given_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each file that a user can provide."""
    for name, what in reversed(GIVEN.items()):
        command = click.option(f"--{name}", metavar="FILE|URL", shell_complete=completes_files, help=what)(command)
    return command


@click.command(short_help="Download the genome, weights and motifs, and make the model file.")
@click.argument("catalogue", default="hg38", metavar="[hg38|CATALOGUE.toml]")
@_given_options
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp16",
    show_default=True,
    help="Precision of the model file. fp16 suits GPUs and CPUs; int8 is fastest on CPUs.",
)
@click.option("--dry-run", is_flag=True, help="Show and check what would be done, without doing it.")
@click.option(
    "--force",
    is_flag=True,
    help="Start over: forget files provided earlier, and replace files that setup did not make.",
)
@json_option("the record setup.json")
@quiet_option
def setup(*, catalogue: str, precision: str, dry_run: bool, force: bool, as_json: bool, **given: str | None) -> None:
    """Download the genome, the published weights and the motifs, and make the model file.

    Files go to the folder EPIGEPT_BATCH_HOME (~/.cache/epigept-batch), where `epigept-batch genome` finds them. After
    setup, a run needs only a sample's table. Interrupted downloads resume when you rerun the same command. You can
    provide any file yourself, as a path or a URL; setup remembers it.

    \b
    Example:
      epigept-batch setup hg38
    """
    # Imported here so that --help does not wait for the genome index and the model reader.
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
    """Yield the rows of the plan: file, size, state, licence and source of each; then the targets and the disk."""
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
