"""`epigept-export`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

import epigept_batch
from epigept_batch.cli.completion import completion_command
from epigept_batch.cli.group import Group
from epigept_batch.cli.options import device_option, out_option, threads_option
from epigept_batch.cli.progress import quiet_option, say
from epigept_batch.cli.streams import secure_streams
from epigept_batch.errors import DeviceError, InputError
from epigept_batch.names import PRECISIONS
from epigept_batch.spec import ScanWindow
from epigept_export.architectures import ARCHITECTURES, homer_200, homer_given

if TYPE_CHECKING:
    from collections.abc import Callable

    from epigept_batch.tiling import Geometry
    from epigept_export.contacts import ContactRequest

LIBRARIES = ("torch", "onnxscript", "safetensors")
INSTALL = "run pip install 'epigept-batch[export]'"
WINDOWS = {"homer-200": homer_200, "given": homer_given}


SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "EPIGEPT_EXPORT"}


@click.group(cls=Group, context_settings=SETTINGS)
@click.version_option(epigept_batch.__version__, prog_name="epigept-export")
def cli() -> None:
    """Convert EpiGePT checkpoints to model files for epigept-batch, and train networks.

    \b
    Example:
      epigept-export convert model.ckpt --motifs all_motif_rmdup --motif-factors MotifMatch_human_rmdup.mat \\
        --expression-reference reference_TPM_tf_expr.csv --out model.onnx
    """


@cli.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--motifs", type=click.Path(path_type=Path), required=True, help="Motifs in HOMER, MEME or JASPAR format."
)
@click.option(
    "--motif-factors",
    type=click.Path(path_type=Path),
    required=True,
    help="Pairs of motif and factor: .mat with Match2, or tab-separated text.",
)
@click.option(
    "--expression-reference",
    type=click.Path(path_type=Path),
    help="TPM of the training cells, factors × cells. Without it, `genome` needs --normalised tables.",
)
@click.option(
    "--architecture",
    type=click.Choice(["auto", *ARCHITECTURES]),
    default="auto",
    show_default=True,
    help="Published network. auto recognises it by the names and shapes of its weights.",
)
@click.option(
    "--factors",
    type=click.IntRange(min=1),
    help="Number of factors, for your own network if its shapes also fit the published 711.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp16",
    show_default=True,
    help="Precision of the transformer. fp16 suits GPUs and CPUs; int8 is fastest on CPUs.",
)
@click.option(
    "--attention",
    type=click.Choice(["fused", "plain"]),
    default="fused",
    show_default=True,
    help="Fused operators; or plain ONNX operators only, for runtimes such as TensorRT.",
)
@click.option(
    "--motif-window",
    metavar="homer-200|given|LEFT,RIGHT",
    help="Where motif hits count for a bin, in bp from its start.  [default: as the architecture]",
)
@click.option(
    "--p-value",
    type=float,
    default=1e-4,
    show_default=True,
    help="P-value of a hit in random sequence. Sets thresholds of MEME and JASPAR motifs, which have none.",
)
@click.option("--contacts", is_flag=True, help="Add an output `contacts`: the attention between bins, for maps.")
@click.option(
    "--layers",
    multiple=True,
    metavar="all|last|N,N",
    help="Layers whose attention is averaged, from 0; repeatable, for several outputs.  [default: all]",
)
@click.option(
    "--contact-bin",
    "contact_bins",
    type=int,
    multiple=True,
    metavar="BP",
    help="Bin size of the contacts; repeatable, for several outputs.  [default: 1280]",
)
@click.option("--no-verify", is_flag=True, help="Skip the comparison with the original network.")
@threads_option
@out_option("Model file to write.", name="output", aliases=("--output",), required=True)
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
    contacts: bool,
    layers: tuple[str, ...],
    contact_bins: tuple[int, ...],
    no_verify: bool,
    threads: int,
    output: Path,
) -> None:
    """Convert a checkpoint to a model file and verify it.

    CHECKPOINT is a pytorch-lightning checkpoint, a state dict or a safetensors file. No code in it is run. The model
    file appears only after its output matches the original network's, within the limits of its precision.

    \b
    Example:
      epigept-export convert model.ckpt --motifs all_motif_rmdup --motif-factors MotifMatch_human_rmdup.mat \\
        --expression-reference reference_TPM_tf_expr.csv --out model.onnx
    """
    _check_libraries(verifies=not no_verify)
    # Imported here so that --help does not wait for torch.
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
        contacts=_contacts(layers, contact_bins, wanted=contacts),
        verify=not no_verify,
        threads=threads,
    )
    spec, verification = write(request, say=say)
    for cell, mean, usual in outlying_cells(spec.reference) if spec.reference else ():
        say(f"reference column {cell}: mean TPM {mean:.3g}, while {usual:.3g} is typical; used unchanged")
    if verification is not None:
        click.echo(verification.table())
    say(
        f"{output}: {spec.architecture}, {precision}, {output.stat().st_size / 1e6:.3g} MB, "
        f"{len(spec.tracks)} track{'s' if len(spec.tracks) > 1 else ''}, {len(spec.factors)} factors, "
        f"{len(spec.motif_set.motifs)} motifs in {spec.motif_set.window}; {'not verified' if no_verify else 'verified'}"
    )


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--checkpoint", type=click.Path(path_type=Path), required=True, help="Checkpoint of the model file.")
@device_option("cpu", "the model file")
@threads_option
@quiet_option
def verify(*, model: Path, checkpoint: Path, device: str, threads: int) -> None:
    """Compare a model file with the original network.

    The original is the published network in PyTorch, in fp32 and unfused. The four windows are hard: one like real
    windows, one with a run of N, one of N only, and one with the highest possible motif scores. The two samples have
    typical and the highest possible expression. Prints the largest error of ln(1 + signal) and the lowest Pearson r of
    each track. Exits with 1 if a track exceeds the limits of the file's precision.

    \b
    Example:
      epigept-export verify model.onnx --checkpoint model.ckpt
    """
    _check_libraries(verifies=True)
    from epigept_batch.inference.device import parse_device
    from epigept_export.verify import verify as run

    verification = run(model, checkpoint, parse_device(device), threads=threads, say=say)
    click.echo(verification.table())
    verification.check(model, advice="use the checkpoint that it was made from, or convert this one")


@cli.command()
def check() -> None:
    """Check the libraries that `convert` needs, and print their versions.

    \b
    Example:
      epigept-export check
    """
    _check_libraries(verifies=True)
    for name in (*LIBRARIES, "onnxruntime"):
        try:
            module = import_module(name)
        except Exception as error:  # a library that does not fit the system may raise anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DeviceError(f"{name} cannot be loaded ({reason}); {INSTALL} again") from error
        click.echo(f"{name} {module.__version__}")


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@out_option("Folder for checkpoints and logs.", required=True)
@click.option(
    "--size",
    type=click.Choice(["published", "small"]),
    help="Size of the network.  [default: as in CONFIG, else published]",
)
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint in --out.")
@threads_option
@quiet_option
def train(*, config: Path, out: Path, size: str | None, resume: bool, threads: int) -> None:
    """Train a network on your own genome, cells and tracks.

    CONFIG is a TOML file. It names the FASTA, motifs, expression and bigWigs, the held-out cells and contigs, the size
    of the network and the settings of training. It may name contacts, which the attention then learns to resemble. The
    best checkpoint becomes OUT/model.ckpt, an input of `convert`.

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


def _contacts(layers: tuple[str, ...], bins_bp: tuple[int, ...], *, wanted: bool) -> ContactRequest | None:
    """Return the contact outputs that are asked for; None without --contacts.

    Raises:
        InputError: An option of contacts without --contacts.
    """
    from epigept_export.contacts import ContactRequest

    if not wanted:
        for option, value in (("--layers", layers), ("--contact-bin", bins_bp)):
            if value:
                raise InputError(f"{option} {value[0]}: add --contacts, which it is a part of")
        return None
    default = ContactRequest()
    return ContactRequest(layers or default.layers, bins_bp or default.bins_bp)


def parse_motif_window(text: str) -> Callable[[Geometry], ScanWindow]:
    """Read `homer-200`, `given` or `LEFT,RIGHT` as a function of a network's bins.

    Raises:
        InputError: The text is none of these, or the window is empty.
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
    """Check before any work that the libraries are installed.

    Raises:
        DeviceError: One of `LIBRARIES` is missing, or ONNX Runtime, which verification needs.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise DeviceError(f"{', '.join(missing)} not installed; {INSTALL}")
    if verifies and find_spec("onnxruntime") is None:
        raise DeviceError(
            "verification needs ONNX Runtime, which is not installed; install epigept-batch with its [cpu] or [gpu] "
            "extra, or add --no-verify"
        )


cli.add_command(completion_command("epigept-export"))


def main() -> None:
    """Entry point of the `epigept-export` script."""
    secure_streams()
    cli(prog_name="epigept-export")
