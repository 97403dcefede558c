"""The figures of an evaluation as a table: a row per sample, track, part of the genome and predictor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import OutputError
from epigept_batch.files import make_folder, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

KEYS = ("sample", "track", "part", "bins", "bins_in_peaks", "predictor")


def check_table_path(path: Path, keys: Sequence[str] = KEYS) -> None:
    """Check that a table may be written here.

    Args:
        path: The file.
        keys: The first columns of the table.

    Raises:
        OutputError: The folder cannot be written, or the file exists and is not such a table.
    """
    if path.exists() and not _is_table(path, keys):
        raise OutputError("exists and is not an epigept-batch table; move it away or choose another --out", path)
    make_folder(path.parent, option="--out")


def write_table(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    """Write all figures, tab-separated; a figure that is not defined is empty.

    Args:
        path: The file; an existing table is replaced.
        documents: Documents from `run_evaluate`.
    """
    write_rows(path, [row for document in documents for row in rows_of(document)])


def finite_or_none(value: float) -> float | None:
    """Return a figure, or None if it is not defined: JSON has no other numbers."""
    return value if math.isfinite(value) else None


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns, tab-separated; None is empty.

    Args:
        path: The file; an existing table is replaced.
        rows: At least one row, by column.
    """
    lines = ["\t".join(rows[0]), *("\t".join("" if x is None else str(x) for x in row.values()) for row in rows)]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a document from `run_evaluate`, by column."""
    for part in document["parts"]:
        for number, (predictor, metrics) in enumerate(part["predictors"].items()):
            values = (document["sample"], document["track"], part["part"], part["bins"], part["bins_in_peaks"])
            yield {
                **dict(zip(KEYS, (*values, predictor), strict=True)),
                **metrics,
                "partial_pearson": None if number else part["partial_pearson"],
                "pearson_of_differences": None if number else part["pearson_of_differences"],
            }


def _is_table(path: Path, keys: Sequence[str]) -> bool:
    head = "\t".join(keys).encode()
    try:
        with path.open("rb") as stream:
            return stream.read(len(head)) == head
    except OSError:
        return False
