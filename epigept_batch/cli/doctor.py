"""`epigept-batch doctor`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epigept_batch.cli.options import any_genome_option, device_option, threads_option
from epigept_batch.cli.samples import SampleCommand, optional_sample_options
from epigept_batch.home import default_fasta, default_model

if TYPE_CHECKING:
    from epigept_batch.expression.request import SampleRequest

SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


@click.command(cls=SampleCommand, short_help="Check the installation and the inputs before a run.")
@optional_sample_options
@click.option(
    "--model", type=click.Path(path_type=Path), help="Model file.  [default: model.onnx in EPIGEPT_BATCH_HOME]"
)
@click.option("--fasta", type=click.Path(path_type=Path), help="Genome.  [default: genome.fa in EPIGEPT_BATCH_HOME]")
@any_genome_option
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), show_default="current folder", help="Folder of outputs."
)
@device_option("auto", "the network")
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(
    context: click.Context,
    *,
    samples: SampleRequest | None,
    model: Path | None,
    fasta: Path | None,
    any_genome: bool,
    out: Path,
    device: str,
    threads: int,
    as_json: bool,
) -> None:
    """Check everything that a run takes, and say what to do where something is not in order.

    Looks at the packages of ONNX Runtime, the NVIDIA driver and libraries, the device that is really obtained, whether
    the network gives there what the original gave, the FASTA and its index, its assembly and
    sequence, the tables, the disk. Without
    a model, the small network that comes with the program is run. Exits with 1 where a run would fail, also for want of
    a model or a genome.

    \b
    Example:
      epigept-batch doctor --model model.onnx --fasta hg38.fa --tpm sample.tsv
    """
    from epigept_batch.commands.doctor import DoctorRequest, run_doctor
    from epigept_batch.inference.device import parse_device

    request = DoctorRequest(
        model=model or (default_model() if default_model().exists() else None),
        fasta=fasta or (default_fasta() if default_fasta().exists() else None),
        samples=samples,
        out=out,
        device=parse_device(device),
        threads=threads,
        any_genome=any_genome,
    )
    findings = []
    for finding in run_doctor(request):
        findings.append(finding)
        if not as_json:
            advice = f"; {finding.advice}" if finding.advice else ""
            click.echo(f"{SIGNS[finding.state]}  {finding.check}: {finding.said}{advice}")
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    if any(finding.failed for finding in findings):
        context.exit(1)
