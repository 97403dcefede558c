"""Check what a user asks of `epigept-batch matrix`, and work out rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.commands.matrix.files import BEDGRAPH, H5AD, NPZ, MatrixFiles
from epigept_batch.errors import InputError
from epigept_batch.files import check_is_no_input
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.matrix import h5ad, npz
from epigept_batch.matrix.columns import FolderColumns, check_space, choose_columns
from epigept_batch.matrix.regions import BinRows, RegionRows
from epigept_batch.matrix.source import label_of
from epigept_batch.results.folder import read_run_folder
from epigept_batch.sequence.regions import read_bed, select_regions

if TYPE_CHECKING:
    from collections.abc import Callable

    from epigept_batch.commands.matrix.request import MatrixRequest
    from epigept_batch.matrix.regions import MatrixRows
    from epigept_batch.matrix.source import MatrixSource


@dataclass(frozen=True, eq=False)
class MatrixPlan:
    """What a run makes.

    Attributes:
        request: What the user asks for.
        source: Where the values come from.
        rows: The rows.
        space: The space of the values.
        files: The files that are written.
        inputs: What the values depend on, JSON-compatible.
    """

    request: MatrixRequest
    source: MatrixSource
    rows: MatrixRows
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


def make_matrix_plan(request: MatrixRequest, open_source: Callable[[MatrixRequest], MatrixSource]) -> MatrixPlan:
    """Read where the values come from, and the regions, and check that they fit the request.

    Args:
        request: What the user asks for.
        open_source: Opens where the values come from, with the space that is wanted of them.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    files = MatrixFiles(request.out)
    kind = files.format
    _check_options(request, kind)
    if kind == H5AD:
        h5ad.check_library()
    source = open_source(request)
    if kind == BEDGRAPH and len(source.columns) > 1:
        raise InputError(
            f"--out {request.out}: bedGraph holds one column, not {len(source.columns)}; choose one with --sample and "
            "--tracks"
        )
    rows = _rows(request, source)
    if kind == NPZ and isinstance(rows, RegionRows):
        npz.check_names(rows.names)
    space = request.space or source.space
    return MatrixPlan(request, source, rows, space, files, _inputs(request, source, space))


def open_folder(request: MatrixRequest) -> MatrixSource:
    """Open an output folder of `genome`.

    Raises:
        InputError: It cannot be read, has no such track, or values cannot be brought to the space that is wanted.
    """
    folder = read_run_folder(request.folder, request.samples)
    columns = choose_columns(folder, request.tracks)
    check_space(columns, space=folder.space, wanted=request.space or folder.space)
    return FolderColumns(folder, columns)


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


def _rows(request: MatrixRequest, source: MatrixSource) -> MatrixRows:
    """Return the rows.

    Raises:
        InputError: A region cannot be used, or nothing is recorded as predicted.
    """
    contigs = source.contigs
    if request.bin_bp is None:
        by_name = {contig.name: contig for contig in contigs}
        return RegionRows([region for bed in request.beds for region in read_bed(bed, by_name)], contigs)
    if request.regions or request.chromosomes:
        chosen = select_regions(contigs, regions=request.regions, chromosomes=request.chromosomes)
    else:
        chosen = source.predicted()
    return BinRows(request.bin_bp, chosen, contigs)


def _inputs(request: MatrixRequest, source: MatrixSource, space: str) -> dict[str, Any]:
    """Return what the values depend on."""
    return {
        "columns": [label_of(column) for column in source.columns],
        "statistic": request.statistic,
        "space": space,
        "BED file": [file_sha256(bed) for bed in request.beds],
        "bin size": request.bin_bp,
        "selection of bins": [*request.regions, *request.chromosomes],
        "prediction": dict(source.made_from()),
    }


def _in_words(statistic: str, space: str) -> str:
    """Return what the values are, as a phrase."""
    if statistic == "coverage":
        return "share of the bases of each region that have data"
    values = "ln(1 + signal)" if space == "log1p" else "signal"
    return f"{statistic} of {values} over the bases of each region that have data"
