"""The run of `epigept-batch report`: reads a finished run, and writes one HTML file and its figures for MultiQC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from epigept_batch.errors import OutputError
from epigept_batch.files import check_is_no_input, make_folder, replacing
from epigept_batch.report import drawing, multiqc, page
from epigept_batch.report.calibration import read_fitting
from epigept_batch.report.contents import make_sections, title_of
from epigept_batch.report.evaluation import read_evaluation
from epigept_batch.report.loci import check_predicted, parse_regions, read_locus, variable_loci
from epigept_batch.report.parts import moment
from epigept_batch.report.survey import survey_folder
from epigept_batch.results.bins import bin_bp_of
from epigept_batch.results.folder import read_run_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from epigept_batch.progress import Progress
    from epigept_batch.report.loci import Locus
    from epigept_batch.report.survey import Survey
    from epigept_batch.results.folder import RunFolder
    from epigept_batch.tiling import Region

NAME = "report.html"
PRIVATE = "It contains no genotype, and no expression values of genes."


@dataclass(frozen=True)
class ReportRequest:
    """What a user asks for.

    Attributes:
        folder: Output folder of `genome` or `contacts`.
        samples: Names of the samples, in order; empty for all.
        regions: Regions to show, in samtools notation.
        evaluation: A file of `evaluate`; None for none.
        out: The HTML file; None for `report.html` in the folder.
        force: Replace files that are not reports.
        calibration: A file of `calibrate`; None for none.
    """

    folder: Path
    samples: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    evaluation: Path | None = None
    out: Path | None = None
    force: bool = False
    calibration: Path | None = None

    @property
    def page(self) -> Path:
        """The HTML file."""
        return self.out or self.folder / NAME

    @property
    def figures(self) -> Path:
        """The file for MultiQC."""
        return self.page.with_name(multiqc.NAME)


def check_report(request: ReportRequest) -> None:
    """Check that a report can be made and written, as far as that is known before the run.

    Raises:
        DeviceError: A library is missing.
        OutputError: A file is there that is not a report, or the folder cannot be written.
    """
    drawing.check_library()
    page.check_library()
    read = [path for path in (request.evaluation, request.calibration) if path is not None]
    for path in (request.page, request.figures):
        check_is_no_input(path, read)
    for path, is_ours in ((request.page, page.is_ours), (request.figures, multiqc.is_ours)):
        if path.is_dir():
            raise OutputError("is a folder; choose another file with --out", path)
        if path.exists() and not request.force and not is_ours(path):
            raise OutputError(
                "exists and is not a report of epigept-batch; move it away, choose another --out, or replace it with "
                "--force",
                path,
            )


def run_report(request: ReportRequest, progress: Progress) -> Path:
    """Write a report on a finished run, and `run_mqc.json` beside it.

    Args:
        request: What to do.
        progress: Receives an update per bigWig.

    Returns:
        The HTML file.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    folder = read_run_folder(request.folder, request.samples)
    check_report(request)
    regions = parse_regions(request.regions, folder)
    evaluation = None if request.evaluation is None else read_evaluation(request.evaluation, folder)
    calibration = (
        None if request.calibration is None else read_fitting(request.calibration, folder, bin_bp=bin_bp_of(folder))
    )
    make_folder(request.page.parent)
    survey, loci = _survey(folder, regions, progress)
    now = moment(datetime.now(UTC).isoformat())
    text = page.make_page(
        title_of(folder),
        f"Report on {folder.path.resolve()}, made on {now}",
        make_sections(folder, survey, loci, evaluation, calibration),
        tracks=folder.tracks,
        footer=f"{PRIVATE} Details of each sample are in its run.json.",
    )
    for path, content in ((request.page, text), (request.figures, multiqc.multiqc_text(folder))):
        with replacing(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    progress.finish(f"{request.page}: {len(text.encode()) / 1e3:,.0f} kB")
    return request.page


def _survey(folder: RunFolder, regions: Sequence[Region], progress: Progress) -> tuple[Survey | None, list[Locus]]:
    """Read the tracks; None if there are none."""
    if not folder.tracks:
        return None, []
    bin_bp = bin_bp_of(folder)
    check_predicted(regions, folder, bin_bp)
    survey = survey_folder(folder, progress, bin_bp=bin_bp)
    variable = variable_loci(survey, regions)
    return survey, [
        *(read_locus(region, folder, bin_bp=bin_bp) for region in regions),
        *(read_locus(region, folder, bin_bp=bin_bp, variation=found) for region, found in variable),
    ]
