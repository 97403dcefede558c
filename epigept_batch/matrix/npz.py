"""Write a matrix as NumPy's .npz, with the arrays `matrix` and `labels` that deepTools' plotPCA reads."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.matrix.values import Matrix

LONGEST_NAME = 1000
"""Most characters of a name: an array of texts has the width of the longest one."""


def check_names(names: Iterable[str]) -> None:
    """Check that names of regions fit into an array.

    Raises:
        InputError: One is too long.
    """
    for name in names:
        if len(name) > LONGEST_NAME:
            raise InputError(
                f"--bed: the name {name[:20]}… has {len(name):,} characters; .npz allows {LONGEST_NAME:,}, so shorten "
                "it or use another format"
            )


def write_npz(matrix: Matrix, path: Path, about: Mapping[str, Any]) -> None:
    """Write arrays block by block, so that memory does not grow with the number of rows.

    The arrays are `matrix`, float32, (rows, columns), NaN without data; `labels`, the names of its columns; `chrom`,
    `start`, `end` and, if rows have names, `name`, each (rows,); and `metadata`, a JSON text.

    Args:
        matrix: The matrix.
        path: The file.
        about: What `metadata` says.
    """
    rows = len(matrix.rows)
    with zipfile.ZipFile(path, "w") as archive:
        values = (block for _, block in matrix.blocks())
        _write(archive, "matrix", (rows, len(matrix.columns)), np.dtype("<f4"), values)
        _write_whole(archive, "labels", np.array(matrix.labels))
        contigs = np.array([contig.name for contig in matrix.rows.contigs])
        _write(archive, "chrom", (rows,), contigs.dtype, (contigs[places.contig] for places in matrix.places()))
        _write(archive, "start", (rows,), np.dtype("<i8"), (places.starts for places in matrix.places()))
        _write(archive, "end", (rows,), np.dtype("<i8"), (places.ends for places in matrix.places()))
        if matrix.rows.named:
            longest = max(len(name) for places in matrix.places() for name in places.names or ())
            names = (np.array(places.names) for places in matrix.places())
            _write(archive, "name", (rows,), np.dtype(f"<U{longest}"), names)
        _write_whole(archive, "metadata", np.array(json.dumps(about)))


def _write_whole(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    _write(archive, name, array.shape, array.dtype, [array])


def _write(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    parts: Iterable[NDArray[Any]],
) -> None:
    """Write an array from successive parts along its first axis."""
    entry = zipfile.ZipInfo(f"{name}.npy")  # with a fixed date, so that the same matrix has the same bytes
    # Compressing values would take longer than all else and save little, because their last bits are noise.
    entry.compress_type = zipfile.ZIP_STORED if dtype.kind == "f" else zipfile.ZIP_DEFLATED
    with archive.open(entry, "w", force_zip64=True) as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype=dtype).tobytes())
