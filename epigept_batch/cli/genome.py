"""`epigept-batch genome`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Never, Self

import click
from tqdm import tqdm

from epigept_batch.cli.options import device_option, threads_option
from epigept_batch.errors import InputError
from epigept_batch.home import default_fasta, default_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

KNOWN_ENDINGS = (".tsv", ".csv", ".txt", ".tab", ".sf", ".gct", ".results", ".genes", ".gz")
CONVERT = "epigept-export convert model.ckpt --motifs FILE --motif-factors FILE --expression-reference FILE --output"


@click.command(short_help="Predict the tracks of a genome.")
@click.option(
    "--tpm",
    required=True,
    multiple=True,
    metavar="[NAME=]FILE",
    help="Gene-level quantification with a TPM column, plain or gzip; repeat for more samples.",
)
@click.option(
    "--fasta",
    type=click.Path(path_type=Path),
    help="Genome, plain or bgzip.  [default: genome.fa in EPIGEPT_BATCH_HOME]",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model file of epigept-export.  [default: model.onnx in EPIGEPT_BATCH_HOME]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="current folder",
    help="Output folder.",
)
@click.option("--region", multiple=True, metavar="CHR[:START[-END]]", help="1-based, inclusive; repeatable.")
@click.option("--chromosome", multiple=True, metavar="NAME", help="A whole contig; repeatable.")
@click.option(
    "--bed", type=click.Path(path_type=Path), multiple=True, help="Intervals, 0-based, half-open; repeatable."
)
@click.option("--all-contigs", is_flag=True, help="Every contig of the FASTA, not chr1-22, X and Y alone.")
@click.option("--tracks", metavar="A,B", multiple=True, help="Tracks to write.  [default: all of the model's]")
@click.option(
    "--space",
    type=click.Choice(["log1p", "linear"]),
    default="log1p",
    show_default=True,
    help="Write ln(1 + signal), as the network gives it, or the signal.",
)
@click.option(
    "--overlap",
    type=int,
    default=0,
    show_default=True,
    metavar="BP",
    help="Let windows overlap, by a multiple of the bin, and take each bin from the window in whose centre it lies "
    "nearest.",
)
@device_option("auto", "the network")
@threads_option
@click.option("--normalised", is_flag=True, help="The tables hold quantile-normalised TPM.")
@click.option("--force", is_flag=True, help="Replace outputs that were made from other inputs.")
@click.option("--json", "as_json", is_flag=True, help="Print the samples' run.json to standard output.")
def genome(
    *,
    tpm: tuple[str, ...],
    fasta: Path | None,
    model: Path | None,
    out: Path,
    region: tuple[str, ...],
    chromosome: tuple[str, ...],
    bed: tuple[Path, ...],
    all_contigs: bool,
    tracks: tuple[str, ...],
    space: str,
    overlap: int,
    device: str,
    threads: int,
    normalised: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Predict DNase, CTCF and histone tracks over a genome from a sample's TPM.

    Writes SAMPLE.TRACK.bw for each track and SAMPLE.run.json. Run again on finished outputs, it says that they are up
    to date. Options also come from variables: EPIGEPT_BATCH_GENOME_TPM, EPIGEPT_BATCH_GENOME_FASTA, …

    \b
    Example:
      epigept-batch genome --tpm sample.tsv --fasta hg38.fa --model model.onnx --region chr2:1,000,001-2,000,000
    """
    # Loaded here so that --help need not wait for the compiler and the table library.
    from epigept_batch.inference.session import parse_device
    from epigept_batch.pipeline import GenomeRequest, run_genome

    request = GenomeRequest(
        samples=parse_samples(tpm),
        fasta=fasta or _installed(default_fasta(), "--fasta", "give --fasta FILE, or put the genome there"),
        model=model or _installed(default_model(), "--model", f"make it with: {CONVERT} {default_model()}"),
        out=out,
        regions=region,
        chromosomes=chromosome,
        beds=bed,
        all_contigs=all_contigs,
        tracks=tuple(name.strip() for value in tracks for name in value.split(",")),
        space=space,
        overlap=overlap,
        device=parse_device(device),
        threads=threads,
        normalised=normalised,
        force=force,
    )
    with ProgressBar() as progress:
        files = run_genome(request, progress)
    if as_json:
        click.echo(json.dumps([json.loads(sample.record.read_text()) for sample in files.values()], indent=2))


def parse_samples(values: Sequence[str]) -> dict[str, Path]:
    """Sample names and tables from `FILE` or `NAME=FILE`.

    Raises:
        InputError: Two samples of one name, or a name that cannot be a file's.
    """
    samples: dict[str, Path] = {}
    for value in values:
        name, equals, file = value.partition("=")
        path = Path(value) if not equals or Path(value).exists() else Path(file)
        name = name if equals and path != Path(value) else sample_name(path)
        if equals and not file:
            raise InputError(f"--tpm {value}: names no file; give --tpm NAME=FILE")
        if not name or name.startswith(".") or "/" in name or "\0" in name:
            raise InputError(f"--tpm {value}: '{name}' cannot be a sample's name; give --tpm NAME=FILE")
        if name in samples:
            raise InputError(f"--tpm {value}: there are two samples '{name}'; name one by --tpm NAME=FILE")
        samples[name] = path
    return samples


def sample_name(path: Path) -> str:
    """A table's name without its folder and its known endings."""
    name = path.name
    while ending := next((e for e in KNOWN_ENDINGS if name.lower().endswith(e)), None):
        name = name[: -len(ending)]
    return name


def _installed(path: Path, option: str, advice: str) -> Path:
    if not path.exists():
        raise InputError(f"no {option} is given and there is no {path}; {advice}")
    return path


class ProgressBar:
    """Windows, rate and time left, on standard error."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        click.echo(f"epigept-batch: {sentence}", err=True)

    def start(self, windows: int) -> None:
        """Show a bar of so many windows; in a log file a line now and then."""
        self._bar = tqdm(
            total=windows, unit="window", mininterval=0.2 if sys.stderr.isatty() else 10, dynamic_ncols=True
        )

    def advance(self) -> None:
        """One window more."""
        if self._bar is not None:
            self._bar.update()

    def finish(self, sentence: str) -> None:
        """Close the bar and say what came of it."""
        if self._bar is not None:
            self._bar.close()
        self.say(sentence)
