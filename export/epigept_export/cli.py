"""`epigept-export`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

import epigept_batch
from epigept_batch.cli.group import Group
from epigept_batch.errors import DeviceError, InputError
from epigept_batch.spec import ScanWindow
from epigept_export.architectures import ARCHITECTURES, HOMER_200, HOMER_GIVEN

WINDOWS = {"homer-200": HOMER_200, "given": HOMER_GIVEN}


SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "EPIGEPT_EXPORT"}


@click.group(cls=Group, context_settings=SETTINGS)
@click.version_option(epigept_batch.__version__, prog_name="epigept-export")
def cli() -> None:
    """Turn a trained EpiGePT checkpoint into the model file that epigept-batch runs."""


@cli.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--motifs", type=click.Path(path_type=Path), required=True, help="Motifs in HOMER format.")
@click.option(
    "--motif-factors",
    type=click.Path(path_type=Path),
    required=True,
    help="Motif and factor pairs: .mat with Match2, or tab-separated text.",
)
@click.option(
    "--expression-reference",
    type=click.Path(path_type=Path),
    help="TPM of the training cells: factors × cells.",
)
@click.option("--architecture", type=click.Choice(list(ARCHITECTURES)), default="hg38", show_default=True)
@click.option("--precision", type=click.Choice(["fp32"]), default="fp32", show_default=True)
@click.option(
    "--motif-window",
    metavar="homer-200|given|LEFT,RIGHT",
    help="Where a bin's motif hits lie, in bp from its start.  [default: the architecture's]",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Model file to write.")
def convert(
    *,
    checkpoint: Path,
    motifs: Path,
    motif_factors: Path,
    expression_reference: Path | None,
    architecture: str,
    precision: str,
    motif_window: str | None,
    output: Path,
) -> None:
    """Write a model file from CHECKPOINT.

    The checkpoint is read without running anything that is in it.

    \b
    Example:
      epigept-export convert model.ckpt --motifs all_motif_rmdup --motif-factors MotifMatch_human_rmdup.mat \\
        --expression-reference reference_TPM_tf_expr.csv --output model.onnx
    """
    _check_libraries()
    # Loaded here so that --help need not wait for torch.
    from epigept_export.convert import ConvertRequest, outlying_cells
    from epigept_export.convert import convert as write

    chosen = ARCHITECTURES[architecture]
    window = parse_motif_window(motif_window) if motif_window else chosen.scan_window
    spec = write(ConvertRequest(checkpoint, chosen, motifs, motif_factors, expression_reference, window, output))
    for cell, mean, usual in outlying_cells(spec.reference) if spec.reference else ():
        click.echo(
            f"reference column {cell}: mean TPM {mean:.3g} where {usual:.3g} is usual; used as it is",
            err=True,
        )
    click.echo(
        f"{output}: {architecture}, {precision}, {output.stat().st_size / 1e6:.0f} MB, {len(spec.tracks)} tracks, "
        f"{len(spec.factors)} factors, {len(spec.motif_set.motifs)} motifs in {window.left},{window.right}",
        err=True,
    )


def parse_motif_window(text: str) -> ScanWindow:
    """Read `homer-200`, `given` or `LEFT,RIGHT`.

    Raises:
        InputError: Anything else, or an empty window.
    """
    if text in WINDOWS:
        return WINDOWS[text]
    left, _, right = text.partition(",")
    try:
        window = ScanWindow(int(left), int(right))
    except ValueError:
        window = ScanWindow(0, 0)
    if window.left >= window.right:
        raise InputError(f"--motif-window {text}: must be homer-200, given or LEFT,RIGHT with LEFT < RIGHT")
    return window


def _check_libraries() -> None:
    """Say what to install where the extra is missing.

    Raises:
        DeviceError: There is no torch or no onnxscript.
    """
    missing = [name for name in ("torch", "onnxscript") if find_spec(name) is None]
    if missing:
        raise DeviceError(f"{' and '.join(missing)} not installed; install epigept-batch with its [export] extra")


def main() -> None:
    """Entry point of the `epigept-export` script."""
    cli(prog_name="epigept-export")
