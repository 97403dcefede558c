"""The run of `epigept-batch matrix`: reads a finished run, and writes one file with a row per region or bin."""

from __future__ import annotations

import platform
import resource
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.commands.matrix.files import BEDGRAPH, H5AD, NPZ, PARQUET
from epigept_batch.commands.matrix.plan import make_matrix_plan, open_folder
from epigept_batch.errors import InputError, OutputError
from epigept_batch.files import make_folder, publish, temporary_beside
from epigept_batch.matrix.h5ad import write_h5ad
from epigept_batch.matrix.npz import write_npz
from epigept_batch.matrix.tables import write_bedgraph, write_parquet, write_tsv
from epigept_batch.matrix.values import ColumnFile, Matrix
from epigept_batch.prediction.ahead import map_ahead
from epigept_batch.provenance.run_record import is_up_to_date, withdraw, write_record
from epigept_batch.timing import StageClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from epigept_batch.commands.matrix.files import MatrixFiles
    from epigept_batch.commands.matrix.plan import MatrixPlan
    from epigept_batch.commands.matrix.request import MatrixRequest
    from epigept_batch.matrix.source import MatrixSource
    from epigept_batch.progress import Progress


def run_matrix(
    request: MatrixRequest, progress: Progress, open_source: Callable[[MatrixRequest], MatrixSource] = open_folder
) -> MatrixFiles:
    """Write the values of regions or bins, and FILE.run.json beside them.

    Memory: a few arrays with a number per row, and a block of the matrix. The values lie on disk meanwhile, 4
    bytes each.

    Args:
        request: What to do.
        progress: Receives an update per track.
        open_source: Opens where the values come from, by default an output folder of `genome`.

    Returns:
        The files that were written.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    clock = StageClock()
    plan = make_matrix_plan(request, open_source)
    if not request.force and is_up_to_date(plan.files, plan.inputs):
        plan.files.changing.unlink(missing_ok=True)
        progress.say(f"{request.out}: up to date")
        return plan.files
    make_folder(plan.files.folder)
    try:
        with ColumnFile(plan.files.folder, len(plan.rows)) as values:
            without = _read(plan, values, clock, progress)
            _publish(plan, Matrix(plan.rows, plan.source.columns, values), without, clock)
    except OSError as error:
        why = error.strerror or error
        raise OutputError(f"cannot be written: {why}; free some space or choose another --out", request.out) from error
    rows = f"{len(plan.rows):,} {plan.unit}{'' if len(plan.rows) == 1 else 's'}"
    number = len(plan.source.columns)
    columns = f"{number:,} track{'' if number == 1 else 's'}"
    if without:
        progress.say(f"{without:,} of {rows} have no data in any track")
    progress.finish(f"{request.out}: {plan.about['values']}; {rows} × {columns}")
    return plan.files


def _read(plan: MatrixPlan, values: ColumnFile, clock: StageClock, progress: Progress) -> int:
    """Compute the columns; return the number of rows without data in any of them.

    Raises:
        InputError: That is all of them, or a track cannot be read.
    """
    request, known = plan.request, np.zeros(len(plan.rows), dtype=np.bool_)
    read = partial(plan.source.read, rows=plan.rows, statistic=request.statistic, wanted=plan.space)
    numbers = range(len(plan.source.columns))
    workers = 0 if request.threads == 1 else request.threads
    progress.start(len(numbers))
    with clock.stage("read"), closing(map_ahead(read, numbers, workers=workers, ahead=workers)) as columns:
        for column in columns:
            values.append(column)
            known |= (column > 0) if request.statistic == "coverage" else ~np.isnan(column)
            progress.advance()
    if not known.any():
        raise InputError(
            f"no {plan.unit} has data: they lie outside of what was predicted{_some_regions(plan.source)}, or are only "
            "N; choose others",
            plan.source.where,
        )
    return int((~known).sum())


def _some_regions(source: MatrixSource) -> str:
    """Return the first predicted region in words, if it is recorded."""
    more = f" and {len(source.regions) - 1:,} more" if len(source.regions) > 1 else ""
    return f" ({source.regions[0]}{more})" if source.regions else ""


def _publish(plan: MatrixPlan, matrix: Matrix, without: int, clock: StageClock) -> None:
    """Write the file, and its record last."""
    temporary = temporary_beside(plan.request.out)
    try:
        with clock.stage("write"):
            _write(plan, matrix, temporary)
        withdraw(plan.files)
        publish(temporary, plan.request.out)
    finally:
        temporary.unlink(missing_ok=True)
    write_record(plan.files, _record(plan, without, clock))


def _write(plan: MatrixPlan, matrix: Matrix, path: Path) -> None:
    """Write the matrix in the format that the name of the file asks for."""
    kind = plan.files.format
    if kind == PARQUET:
        write_parquet(matrix, path)
    elif kind == NPZ:
        write_npz(matrix, path, plan.about)
    elif kind == H5AD:
        write_h5ad(matrix, path, plan.about, plan.source.sheet_columns())
    elif kind == BEDGRAPH:
        write_bedgraph(matrix, path)
    else:
        write_tsv(matrix, path, packed=plan.files.is_packed)


def _record(plan: MatrixPlan, without: int, clock: StageClock) -> Mapping[str, Any]:
    """Return how the values were made, JSON-compatible."""
    request = plan.request
    return {
        "matrix": {
            **plan.about,
            "rows": len(plan.rows),
            "rows_without_data": without,
            "columns": [
                {"column": label, "sample": track.sample, "track": track.label}
                for label, track in zip(plan.inputs["columns"], plan.source.columns, strict=True)
            ],
        },
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "epigept-batch": epigept_batch.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "paths": {
            "folder": plan.source.location,
            "bed": [str(bed.resolve()) for bed in request.beds],
        },
        "inputs": plan.inputs,
        "threads": request.threads,
        "seconds": {stage: round(seconds, 3) for stage, seconds in clock.seconds().items()},
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
