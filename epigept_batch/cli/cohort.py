"""`epigept-batch cohort` and its commands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.group import OrderedGroup
from epigept_batch.cli.options import (
    device_option,
    json_option,
    out_option,
    region_options,
    split_names,
    threads_option,
)
from epigept_batch.cli.progress import ProgressBar, quiet_option, show
from epigept_batch.cli.samples import SampleCommand
from epigept_batch.cli.windows import (
    fields_of,
    input_options_without_folder,
    overlap_option,
    print_records,
    scores_option,
    set_option,
)
from epigept_batch.names import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from epigept_batch.cohort.opened import Cohort
    from epigept_batch.commands.cohort.request import ComputeRequest

ENGINES = ("local", "ray")
DTYPES = ("float16", "float32")
PAIR = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")

location_argument = click.argument("location", metavar="COHORT")


@click.group(cls=OrderedGroup, short_help="Predict many samples as units of work, into one cube of values.")
def cohort() -> None:
    """Predict many samples into one Zarr cube, in units that any machine can compute.

    COHORT is a folder that all machines see, or a place in an object store.

    \b
    Example:
      epigept-batch cohort init COHORT --samples sheet.tsv --fasta hg38.fa --model model.onnx
      epigept-batch cohort run COHORT
      epigept-batch cohort extract COHORT --sample liver --out tracks
    """


def _pair(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read WINDOWSxSAMPLES."""
    if value is None:
        return None
    found = PAIR.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not WINDOWSxSAMPLES, such as 16x16.")
    return int(found[1]), int(found[2])


@cohort.command(cls=SampleCommand, short_help="Read and check all inputs, and fix the plan.")
@location_argument
@input_options_without_folder
@click.option("--tracks", metavar="A,B", multiple=True, help="Tracks to predict.  [default: all tracks of the model]")
@overlap_option
@set_option
@click.option(
    "--dtype", type=click.Choice(DTYPES), default=DTYPES[0], show_default=True, help="Type of the values in the cube."
)
@click.option(
    "--unit",
    metavar="WINDOWSxSAMPLES",
    callback=_pair,
    help="Size of a unit of work.  [default: 16x16 on a CPU, 256x64 on a GPU]",
)
@click.option(
    "--call",
    metavar="WINDOWSxSAMPLES",
    callback=_pair,
    help="Windows and samples per call of the network.  [default: to suit the device]",
)
@device_option("auto", "the network")
@threads_option
@scores_option
@json_option("the plan")
@quiet_option
def init(
    *,
    location: str,
    tracks: tuple[str, ...],
    dtype: str,
    unit: tuple[int, int] | None,
    call: tuple[int, int] | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Read and check the samples, the genome and the model, and write the plan of a cohort.

    The plan fixes all that values depend on: also the device, the threads, and the windows and samples per call. So a
    cohort has the same bits however its units are divided among machines with the same kind of processor. COHORT must
    be new or empty. --threads are those of each worker.

    \b
    Example:
      epigept-batch cohort init COHORT --samples sheet.tsv --fasta hg38.fa --model model.onnx --scores hg38.scores
    """
    from epigept_batch.commands.cohort.init import run_init
    from epigept_batch.commands.cohort.request import InitRequest
    from epigept_batch.commands.genome.request import GenomeRequest

    names = split_names(tracks)
    genome = GenomeRequest(**fields_of(options), tracks=names, out=Path())
    request = InitRequest(genome=genome, location=location, unit=unit, call=call, dtype=dtype)
    with ProgressBar() as progress:
        made = run_init(request, progress)
    show(_sizes(made))
    if as_json:
        click.echo(made.plan.to_json(), nl=False)


def _sizes(made: Cohort) -> Iterator[str]:
    """Yield what the plan is, in words."""
    plan, how = made.plan, made.plan.computation
    windows = plan.shape.bins // plan.window_bins
    yield f"{plan.samples:,} samples × {len(plan.tracks)} tracks, {len(made.units):,} units"
    yield f"unit: {windows:,} windows × {plan.shape.samples:,} samples, in {plan.dtype}"
    yield f"call: {how.windows} × {how.samples} in {how.precision} on {how.device}; threads per worker: {how.threads}"


def _compute_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options on where inputs lie on this machine."""
    where = "on this machine.  [default: where it was at init]"
    for option in (
        click.option("--scores", type=click.Path(path_type=Path), metavar="STORE", help=f"The motif scores {where}"),
        click.option("--fasta", type=click.Path(path_type=Path), help=f"The genome {where}"),
        click.option("--model", type=click.Path(path_type=Path), help=f"The model file {where}"),
    ):
        command = option(command)
    return command


def _compute_request(location: str, options: dict[str, Any]) -> ComputeRequest:
    from epigept_batch.commands.cohort.request import ComputeRequest

    return ComputeRequest(location=location, **options)


@cohort.command(short_help="Compute the units of one partition.")
@location_argument
@click.argument("part", metavar="I", type=click.IntRange(min=1))
@click.option("--of", "parts", type=click.IntRange(min=1), required=True, metavar="N", help="Number of partitions.")
@_compute_options
@quiet_option
def partition(*, location: str, part: int, parts: int, **options: Any) -> None:  # noqa: ANN401
    """Compute partition I of N, from 1, in this process; units that are done are skipped.

    Any number of partitions can run at the same time on any machines that see COHORT. A partition that was stopped goes
    on when you rerun it.

    \b
    Example:
      epigept-batch cohort partition COHORT $SLURM_ARRAY_TASK_ID --of 100
    """
    from epigept_batch.commands.cohort.compute import run_partition

    with ProgressBar("unit") as progress:
        run_partition(_compute_request(location, options), part, parts, progress)


@cohort.command(short_help="Compute all units that are not done, and finalise.")
@location_argument
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="What runs the workers: this machine, or a Ray cluster.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of workers.  [default: one per GPU, or as many as the cores allow]",
)
@click.option("--address", metavar="ADDRESS", help="With --engine ray: address of the cluster, or `auto`.")
@_compute_options
@quiet_option
def run(
    *,
    location: str,
    engine: str,
    workers: int | None,
    address: str | None,
    **options: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Compute the units that are not done, with several workers, then check and finalise the cohort.

    A worker that dies is replaced, and its units are computed again. A run that was stopped goes on when you rerun it.

    \b
    Example:
      epigept-batch cohort run COHORT --workers 4
    """
    from epigept_batch.commands.cohort.compute import run_locally
    from epigept_batch.commands.cohort.finalise import run_finalise

    if address is not None and engine != "ray":
        raise click.UsageError("--address is that of a Ray cluster; add --engine ray.")
    request = _compute_request(location, options)
    with ProgressBar("unit") as progress:
        if engine == "ray":
            from epigept_batch.commands.cohort.ray import run_on_ray

            run_on_ray(request, workers, address, progress)
        else:
            run_locally(request, workers, progress)
        run_finalise(location, progress)


@cohort.command(short_help="Check that a cohort is complete, and write its statistics.")
@location_argument
@click.option(
    "--no-checksums",
    "checksums",
    flag_value=False,
    default=True,
    help="Compare only sizes of files, instead of reading them all.",
)
@json_option("the record of the cohort")
@quiet_option
def finalise(*, location: str, checksums: bool, as_json: bool) -> None:
    """Check that every unit is there once, whole and of this plan; write statistics.tsv and cohort.json.

    \b
    Example:
      epigept-batch cohort finalise COHORT
    """
    from epigept_batch.commands.cohort.finalise import run_finalise

    with ProgressBar("unit") as progress:
        record = run_finalise(location, progress, checksums=checksums)
    if as_json:
        click.echo(json.dumps(record, indent=2))


@cohort.command(short_help="Show what is done, by whom, and when it will end.")
@location_argument
@json_option("the status")
@quiet_option
def status(*, location: str, as_json: bool) -> None:
    """Show how many units are done, which workers did them, the rate, and when it will end.

    \b
    Example:
      epigept-batch cohort status COHORT
    """
    from epigept_batch.commands.cohort.status import run_status, status_lines

    found = run_status(location)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n".join(status_lines(found)))


@cohort.command(short_help="Write bigWigs of some samples of a cohort.")
@location_argument
@out_option(
    "Output folder for bigWigs; or the file of a matrix: .tsv, .tsv.gz, .parquet, .npz, .h5ad or .bedgraph.",
    default=Path(),
    show_default="current folder",
)
@click.option("--sample", "samples", multiple=True, metavar="NAME", help="Sample to write; repeatable.  [default: all]")
@click.option("--tracks", metavar="A,B", multiple=True, help="Tracks to write.  [default: all tracks of the cohort]")
@region_options
@click.option(
    "--space",
    type=click.Choice(SPACES),
    default="log1p",
    show_default=True,
    help="Write ln(1 + signal), which is what the cube holds, or the signal.",
)
@click.option("--bins", "bin_bp", type=click.IntRange(min=1), metavar="BP", help="For a matrix: rows are such bins.")
@click.option(
    "--statistic",
    type=click.Choice(("mean", "max", "coverage")),
    default="mean",
    show_default=True,
    help="For a matrix: mean or maximum of the bases with data, or their share.",
)
@click.option("--force", is_flag=True, help="Replace outputs that were made from other inputs.")
@threads_option
@json_option("the run records")
@quiet_option
def extract(
    *,
    tracks: tuple[str, ...],
    region: tuple[str, ...],
    chromosome: tuple[str, ...],
    bed: tuple[Path, ...],
    as_json: bool,
    **options: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Write SAMPLE.TRACK.bw and SAMPLE.run.json of a finalised cohort, as genome writes them.

    All commands that read an output folder of genome read this one too, such as peaks, compare, view and report. If OUT
    is a file, it gets a row per region of --bed, or per bin of --bins, as `matrix` writes it.

    \b
    Example:
      epigept-batch cohort extract COHORT --sample liver --tracks DNase,CTCF --chromosome chr2 --out tracks
    """
    from epigept_batch.commands.cohort.extract import run_extract
    from epigept_batch.commands.cohort.request import ExtractRequest
    from epigept_batch.commands.matrix.files import is_matrix

    names = split_names(tracks)
    request = ExtractRequest(tracks=names, regions=region, chromosomes=chromosome, beds=bed, **options)
    if is_matrix(request.out):
        from epigept_batch.commands.cohort.matrix import run_extract_matrix

        with ProgressBar("track") as progress:
            matrix = run_extract_matrix(request, progress)
        if as_json:
            click.echo(matrix.record.read_text(), nl=False)
        return
    with ProgressBar("sample") as progress:
        files = run_extract(request, progress)
    if as_json:
        print_records(files.values())
