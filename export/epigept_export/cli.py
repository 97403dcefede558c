"""`epigept-export`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

import epigept_batch
from epigept_batch.cli.group import Group
from epigept_batch.cli.options import device_option, threads_option
from epigept_batch.cli.progress import quiet_option, say
from epigept_batch.cli.streams import secure_streams
from epigept_batch.errors import DeviceError, InputError
from epigept_batch.names import PRECISIONS
from epigept_batch.spec import ScanWindow
from epigept_export.architectures import ARCHITECTURES, homer_200, homer_given

if TYPE_CHECKING:
    from collections.abc import Callable

    from epigept_batch.tiling import Geometry

LIBRARIES = ("torch", "onnxscript", "safetensors")
INSTALL = "run pip install 'epigept-batch[export]'"
WINDOWS = {"homer-200": homer_200, "given": homer_given}


SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "EPIGEPT_EXPORT"}


@click.group(cls=Group, context_settings=SETTINGS)
@click.version_option(epigept_batch.__version__, prog_name="epigept-export")
def cli() -> None:
    """Turn a trained EpiGePT checkpoint into the model file that epigept-batch runs."""


@cli.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--motifs", type=click.Path(path_type=Path), required=True, help="Motifs in HOMER, MEME or JASPAR format."
)
@click.option(
    "--motif-factors",
    type=click.Path(path_type=Path),
    required=True,
    help="Motif and factor pairs: .mat with Match2, or tab-separated text.",
)
@click.option(
    "--expression-reference",
    type=click.Path(path_type=Path),
    help="TPM of the training cells: factors × cells. Without it, tables for `genome` must be --normalised.",
)
@click.option(
    "--architecture",
    type=click.Choice(["auto", *ARCHITECTURES]),
    default="auto",
    show_default=True,
    help="The published network; by default the one whose names and shapes the checkpoint has.",
)
@click.option(
    "--factors",
    type=click.IntRange(min=1),
    help="Of a network that you trained on another motif set, where its shapes fit the published 711 too.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp16",
    show_default=True,
    help="Arithmetic of the transformer. fp16 serves GPUs and CPUs, int8 is the fastest on CPUs.",
)
@click.option(
    "--attention",
    type=click.Choice(["fused", "plain"]),
    default="fused",
    show_default=True,
    help="Fused operators, or standard ones only, for runtimes such as TensorRT that know no others.",
)
@click.option(
    "--motif-window",
    metavar="homer-200|given|LEFT,RIGHT",
    help="Where a bin's motif hits lie, in bp from its start.  [default: the architecture's]",
)
@click.option(
    "--p-value",
    type=float,
    default=1e-4,
    show_default=True,
    help="Of a hit in random sequence, for motifs in MEME and JASPAR format, which have no thresholds.",
)
@click.option("--no-verify", is_flag=True, help="Do not run the file beside the original network.")
@threads_option
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Model file to write.")
@quiet_option
def convert(
    *,
    checkpoint: Path,
    motifs: Path,
    motif_factors: Path,
    expression_reference: Path | None,
    architecture: str,
    precision: str,
    attention: str,
    motif_window: str | None,
    factors: int | None,
    p_value: float,
    no_verify: bool,
    threads: int,
    output: Path,
) -> None:
    """Write a model file from CHECKPOINT and verify it.

    CHECKPOINT is of pytorch-lightning, a bare state dict, or safetensors, and is read without running anything that is
    in it. The file gets its name when it has given what the original network gives, within the limits of its precision.

    \b
    Example:
      epigept-export convert model.ckpt --motifs all_motif_rmdup --motif-factors MotifMatch_human_rmdup.mat \\
        --expression-reference reference_TPM_tf_expr.csv --output model.onnx
    """
    _check_libraries(verifies=not no_verify)
    # Loaded here so that --help need not wait for torch.
    from epigept_export.convert import ConvertRequest, outlying_cells
    from epigept_export.convert import convert as write

    request = ConvertRequest(
        checkpoint=checkpoint,
        motifs=motifs,
        motif_factors=motif_factors,
        output=output,
        architecture=ARCHITECTURES.get(architecture),
        expression_reference=expression_reference,
        precision=precision,
        attention=attention,
        motif_window=None if motif_window is None else parse_motif_window(motif_window),
        p_value=p_value,
        factors=factors,
        verify=not no_verify,
        threads=threads,
    )
    spec, verification = write(request, say=say)
    for cell, mean, usual in outlying_cells(spec.reference) if spec.reference else ():
        say(f"reference column {cell}: mean TPM {mean:.3g} where {usual:.3g} is usual; used as it is")
    if verification is not None:
        click.echo(verification.table())
    say(
        f"{output}: {spec.architecture}, {precision}, {output.stat().st_size / 1e6:.3g} MB, "
        f"{len(spec.tracks)} track{'s' if len(spec.tracks) > 1 else ''}, {len(spec.factors)} factors, "
        f"{len(spec.motif_set.motifs)} motifs in {spec.motif_set.window}; {'not verified' if no_verify else 'verified'}"
    )


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--checkpoint", type=click.Path(path_type=Path), required=True, help="What the model file was made from.")
@device_option("cpu", "the model file")
@threads_option
@quiet_option
def verify(*, model: Path, checkpoint: Path, device: str, threads: int) -> None:
    """Run MODEL and the network of its checkpoint on the same inputs and compare.

    The original is the published network in torch, in fp32 and without anything fused. The inputs are hard ones: a
    window like real ones, one with a run of N, one of N alone, one with the highest scores that the motifs allow; each
    for a sample like real ones and for one with the highest expression. Prints each track's largest error of
    ln(1 + signal) and its least Pearson r, and exits with 1 where one is beyond the limit of the file's precision.

    \b
    Example:
      epigept-export verify model.onnx --checkpoint model.ckpt
    """
    _check_libraries(verifies=True)
    from epigept_batch.inference.device import parse_device
    from epigept_export.verify import verify as run

    verification = run(model, checkpoint, parse_device(device), threads=threads, say=say)
    click.echo(verification.table())
    verification.check(model, advice="give the checkpoint that it was made from, or convert this one")


@cli.command()
def check() -> None:
    """Load all that `convert` needs and print the versions, or say what is to be installed.

    \b
    Example:
      epigept-export check
    """
    _check_libraries(verifies=True)
    for name in (*LIBRARIES, "onnxruntime"):
        try:
            module = import_module(name)
        except Exception as error:  # a library that does not fit this system raises whatever its loading leads to
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DeviceError(f"{name} cannot be loaded ({reason}); {INSTALL} again") from error
        click.echo(f"{name} {module.__version__}")


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of checkpoints and log.")
@click.option(
    "--size",
    type=click.Choice(["published", "small"]),
    help="Of the network.  [default: as CONFIG says, else published]",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@threads_option
@quiet_option
def train(*, config: Path, out: Path, size: str | None, resume: bool, threads: int) -> None:
    """Train a network on your own genome, cells and tracks, as CONFIG says.

    CONFIG is TOML: where FASTA, motifs, expression and bigWigs are, which cells and contigs are held out, the sizes of
    the network, and how it is trained. The best checkpoint becomes OUT/model.ckpt, which `convert` takes.

    \b
    Example:
      epigept-export train train.toml --out trained
    """
    missing = [name for name in ("torch", "lightning", "tensorboard") if find_spec(name) is None]
    if missing:
        raise DeviceError(f"{', '.join(missing)} not installed; install epigept-batch with its [train] extra")
    from epigept_export.training.config import read_config
    from epigept_export.training.run import CHECKPOINT, TrainRequest
    from epigept_export.training.run import train as run

    request = TrainRequest(read_config(config, size=size), out, resume=resume, threads=threads)
    figures = run(request, say=say)
    for name, value in sorted(figures.items()):
        click.echo(f"{name}\t{value:.4f}")
    if figures:
        say(f"{out / CHECKPOINT}: done")


def parse_motif_window(text: str) -> Callable[[Geometry], ScanWindow]:
    """Read `homer-200`, `given` or `LEFT,RIGHT`: what it makes of a network's bins.

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
    return lambda _: window


def _check_libraries(*, verifies: bool) -> None:
    """Say what to install where an extra is missing, before any work.

    Raises:
        DeviceError: One of `LIBRARIES` is missing; or there is no ONNX Runtime to verify with.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise DeviceError(f"{', '.join(missing)} not installed; {INSTALL}")
    if verifies and find_spec("onnxruntime") is None:
        raise DeviceError(
            "no ONNX Runtime is installed to verify with; install epigept-batch with its [cpu] or [gpu] extra too, or "
            "convert with --no-verify"
        )


def main() -> None:
    """Entry point of the `epigept-export` script."""
    secure_streams()
    cli(prog_name="epigept-export")
