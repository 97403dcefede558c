"""`epigept-batch doctor`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epigept_batch.cli.options import (
    INSTALLED,
    any_genome_option,
    device_option,
    folder_option,
    json_option,
    threads_option,
)
from epigept_batch.cli.samples import SampleCommand, optional_sample_options
from epigept_batch.home import default_fasta, default_model

if TYPE_CHECKING:
    from epigept_batch.expression.request import SampleRequest

SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


@click.command(cls=SampleCommand, short_help="Check the installation and the inputs before a run.")
@optional_sample_options
@click.option("--model", type=click.Path(path_type=Path), help=f"Model file from epigept-export.  {INSTALLED}")
@click.option("--fasta", type=click.Path(path_type=Path), help=f"Genome FASTA, plain or bgzip.  {INSTALLED}")
@any_genome_option
@folder_option
@device_option("auto", "the network")
@threads_option
@json_option("the findings")
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
    """Check everything that a run needs, and say how to fix each problem.

    Checks ONNX Runtime, the NVIDIA driver and libraries, and the device. Runs the network there and compares it with
    the original's output. Checks the FASTA, its index and assembly, the tables and the free disk space. Without a
    model, it runs the small built-in network. Exits with 1 if a run would fail, for example because there is no genome.

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
