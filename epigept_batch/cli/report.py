"""`epigept-batch report`."""

from __future__ import annotations

from pathlib import Path

import click

from epigept_batch.cli.options import out_option
from epigept_batch.cli.progress import ProgressBar, quiet_option


@click.command(short_help="Write one HTML file about a finished run.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--sample", "samples", multiple=True, metavar="NAME", help="Sample to report on; repeatable.  [default: all]"
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="CHR:START-END",
    help="Region whose tracks are drawn, 1-based inclusive; repeatable.",
)
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Figures to include: the table of `evaluate --out`, or the output of `evaluate --json`.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File of `calibrate`, whose thresholds and reliability are included.",
)
@out_option("The HTML file.  [default: DIR/report.html]", metavar="FILE")
@click.option("--force", is_flag=True, help="Replace files that are not reports.")
@quiet_option
def report(
    *,
    folder: Path,
    samples: tuple[str, ...],
    regions: tuple[str, ...],
    evaluation: Path | None,
    calibration: Path | None,
    out: Path | None,
    force: bool,
) -> None:
    """Write a report on a finished run: one HTML file that needs nothing else.

    DIR is the output folder of `genome`. The report says what ran, on what and from what; which factors were found; how
    the tracks are distributed, by chromosome too; how samples correlate; and it draws the loci where samples differ
    most. It contains no genotype and no expression values. run_mqc.json, which is written beside it, is for MultiQC.
    Needs the [report] extra.

    \b
    Example:
      epigept-batch report tracks --region chr2:1,000,001-1,100,000 --out report.html
    """
    from epigept_batch.commands.report import ReportRequest, run_report

    request = ReportRequest(folder, samples, regions, evaluation, out, force, calibration)
    with ProgressBar("track") as progress:
        run_report(request, progress)
