"""Check what a user asks of `epigept-batch matrix`, and work out rows and columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.commands.matrix.files import BEDGRAPH, H5AD, NPZ, MatrixFiles
from epigept_batch.errors import InputError
from epigept_batch.files import check_is_no_input
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.matrix import h5ad, npz
from epigept_batch.matrix.columns import check_space, choose_columns, label_of
from epigept_batch.matrix.regions import BinRows, RegionRows
from epigept_batch.results.bins import bin_bp_of, predicted_spans
from epigept_batch.results.folder import read_run_folder
from epigept_batch.sequence.regions import read_bed, select_regions
from epigept_batch.tiling import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.commands.matrix.request import MatrixRequest
    from epigept_batch.matrix.regions import MatrixRows
    from epigept_batch.results.folder import ResultTrack, RunFolder


@dataclass(frozen=True, eq=False)
class MatrixPlan:
    """What a run makes.

    Attributes:
        request: What the user asks for.
        folder: What the run left.
        rows: The rows.
        columns: The track of each column.
        space: The space of the values.
        files: The files that are written.
        inputs: What the values depend on, JSON-compatible.
    """

    request: MatrixRequest
    folder: RunFolder
    rows: MatrixRows
    columns: tuple[ResultTrack, ...]
    space: str
    files: MatrixFiles
    inputs: dict[str, Any]

    @property
    def unit(self) -> str:
        """What a row is, in the singular."""
        return "region" if self.request.bin_bp is None else "bin"

    @property
    def about(self) -> dict[str, Any]:
        """What the values are, JSON-compatible."""
        return {
            "statistic": self.request.statistic,
            "space": self.space,
            "values": _in_words(self.request.statistic, self.space),
            "bin_bp": self.request.bin_bp,
        }


def make_matrix_plan(request: MatrixRequest) -> MatrixPlan:
    """Read the folder's records and the regions, and check that they fit the request.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    files = MatrixFiles(request.out)
    kind = files.format
    _check_options(request, kind)
    if kind == H5AD:
        h5ad.check_library()
    folder = read_run_folder(request.folder, request.samples)
    columns = choose_columns(folder, request.tracks)
    space = request.space or folder.space
    check_space(columns, space=folder.space, wanted=space)
    if kind == BEDGRAPH and len(columns) > 1:
        raise InputError(
            f"--out {request.out}: bedGraph holds one column, not {len(columns)}; choose one with --sample and --tracks"
        )
    rows = _rows(request, folder)
    if kind == NPZ and isinstance(rows, RegionRows):
        npz.check_names(rows.names)
    return MatrixPlan(request, folder, rows, columns, space, files, _inputs(request, folder, columns, space))


def _check_options(request: MatrixRequest, kind: str) -> None:
    """Check that options fit each other, and that no input would be replaced.

    Raises:
        InputError: They do not.
        OutputError: An input would be replaced.
    """
    if request.out.is_dir():
        raise InputError("is a folder; name a file", request.out)
    check_is_no_input(request.out, request.beds)
    if not request.beds and request.bin_bp is None:
        raise InputError("no rows; pass regions with --bed, or choose bins with --bins 10000")
    if request.beds and request.bin_bp is not None:
        raise InputError("--bed and --bins exclude each other; use one of them")
    if request.beds and (request.regions or request.chromosomes):
        raise InputError("--region and --chromosome choose bins; use them with --bins, not with --bed")
    if kind == BEDGRAPH and request.bin_bp is None:
        raise InputError(f"--out {request.out}: bedGraph requires bins, since regions may overlap; use --bins or .tsv")


def _rows(request: MatrixRequest, folder: RunFolder) -> MatrixRows:
    """Return the rows.

    Raises:
        InputError: A region cannot be used, or nothing is recorded as predicted.
    """
    contigs = folder.contigs
    if request.bin_bp is None:
        by_name = {contig.name: contig for contig in contigs}
        return RegionRows([region for bed in request.beds for region in read_bed(bed, by_name)], contigs)
    if request.regions or request.chromosomes:
        chosen = select_regions(contigs, regions=request.regions, chromosomes=request.chromosomes)
    else:
        chosen = _predicted(folder)
    return BinRows(request.bin_bp, chosen, contigs)


def _predicted(folder: RunFolder) -> list[Region]:
    """Return what was predicted for any sample.

    Raises:
        InputError: No record says it.
    """
    bin_bp = bin_bp_of(folder)
    found = [
        Region(contig.name, first * bin_bp, min(last * bin_bp, contig.length))
        for contig in folder.contigs
        for sample in folder.samples
        for first, last in predicted_spans(sample, contig)
    ]
    if not found:
        raise InputError(
            "run.json names no predicted bins; choose some with --region or --chromosome, or rerun the prediction",
            folder.path,
        )
    return found


def _inputs(request: MatrixRequest, folder: RunFolder, columns: Sequence[ResultTrack], space: str) -> dict[str, Any]:
    """Return what the values depend on. A run record has the digests of all that its tracks were made from."""
    return {
        "columns": [label_of(track) for track in columns],
        "statistic": request.statistic,
        "space": space,
        "BED file": [file_sha256(bed) for bed in request.beds],
        "bin size": request.bin_bp,
        "selection of bins": [*request.regions, *request.chromosomes],
        "prediction": {
            sample.name: hashlib.sha256((folder.path / f"{sample.name}.run.json").read_bytes()).hexdigest()
            for sample in folder.samples
            if sample.tracks
        },
    }


def _in_words(statistic: str, space: str) -> str:
    """Return what the values are, as a phrase."""
    if statistic == "coverage":
        return "share of the bases of each region that have data"
    values = "ln(1 + signal)" if space == "log1p" else "signal"
    return f"{statistic} of {values} over the bases of each region that have data"
