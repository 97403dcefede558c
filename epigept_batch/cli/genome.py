"""`epigept-batch genome`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.options import json_option, split_names
from epigept_batch.cli.progress import ProgressBar, quiet_option, show
from epigept_batch.cli.samples import SampleCommand
from epigept_batch.cli.windows import fields_of, input_options, overlap_option, print_records, run_options, set_option
from epigept_batch.names import SPACES, UNPHASED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from epigept_batch.commands.genome.request import GenomeRequest
    from epigept_batch.provenance.run_record import OutputFiles


@click.command(cls=SampleCommand, short_help="Predict genome-wide tracks from a sample's TPM.")
@input_options
@click.option("--tracks", metavar="A,B", multiple=True, help="Tracks to write.  [default: all tracks of the model]")
@click.option(
    "--space",
    type=click.Choice(SPACES),
    default="log1p",
    show_default=True,
    help="Write ln(1 + signal), which is what the network predicts, or the signal.",
)
@overlap_option
@set_option
@click.option(
    "--differences",
    is_flag=True,
    help="With --set, also write SAMPLE+FACTOR-TPM.TRACK.difference.bw: the copy minus the sample.",
)
@click.option(
    "--vcf",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Predict a personal genome: both haplotypes of a sample of this phased VCF or BCF.",
)
@click.option("--vcf-sample", metavar="NAME", help="Sample of the VCF.  [default: the only one]")
@click.option(
    "--unphased",
    type=click.Choice(UNPHASED),
    help="Allele of both haplotypes at heterozygous sites without phase.  [default: refuse such sites]",
)
@click.option("--report", is_flag=True, help="Also write OUT/report.html; needs the [report] extra.")
@click.option(
    "--cube",
    is_flag=True,
    help="Write one Zarr cube of all samples into OUT instead of bigWigs, as `epigept-batch cohort` does. For hundreds "
    "of samples.",
)
@run_options
@json_option("each sample's run record")
@quiet_option
def genome(
    *,
    tracks: tuple[str, ...],
    cube: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Predict DNase, CTCF and histone tracks over a genome from a sample's TPM.

    Writes SAMPLE.TRACK.bw for each track, and SAMPLE.run.json. Interrupted runs resume when you rerun the same command.
    Finished outputs are not computed again. --set also predicts each sample with another TPM of a factor. --vcf
    predicts SAMPLE.h1 and SAMPLE.h2, in the reference's coordinates. Every option can also be set by an environment
    variable, such as EPIGEPT_BATCH_GENOME_FASTA.

    \b
    Example:
      epigept-batch genome --tpm sample.tsv --fasta hg38.fa --model model.onnx --region chr2:1,000,001-2,000,000
    """
    # Imported here so that --help does not wait for the compiler and the table library.
    from epigept_batch.commands.genome.request import GenomeRequest
    from epigept_batch.commands.genome.run import run_genome

    names = split_names(tracks)
    request = GenomeRequest(**fields_of(options), tracks=names)
    if cube:
        _write_cube(request, as_json=as_json)
        return
    with ProgressBar() as progress:
        files = run_genome(request, progress)
    show(_ending(request.out, files.values(), has_report=request.report))
    if as_json:
        print_records(files.values())


def _write_cube(request: GenomeRequest, *, as_json: bool) -> None:
    """Write one cube of all samples."""
    from epigept_batch.commands.cohort.whole import run_whole

    with ProgressBar("unit") as progress:
        record = run_whole(request, progress)
    out = shlex.quote(str(request.out))
    show(
        ["", "Next, write bigWigs of some samples:", f"  epigept-batch cohort extract {out} --sample NAME --out tracks"]
    )
    if as_json:
        click.echo(json.dumps(record, indent=2))


def _ending(out: Path, files: Iterable[OutputFiles], *, has_report: bool) -> Iterator[str]:
    """Yield a table of the tracks, and what to do next."""
    from epigept_batch.results.summary import summary_table

    yield ""
    yield from summary_table(json.loads(of_sample.record.read_text()) for of_sample in files)
    yield ""
    yield "Next, look at the tracks" + (":" if has_report else ", or summarise the run in one page:")
    yield f"  epigept-batch view {shlex.quote(str(out))}"
    if not has_report:
        yield f"  epigept-batch report {shlex.quote(str(out))}"
