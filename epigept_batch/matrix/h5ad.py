"""Write a matrix as AnnData's .h5ad: samples as observations, regions as variables, a layer per track."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from epigept_batch.matrix.values import Matrix

CHUNK = 1 << 16
"""Regions per chunk of the file: a chunk has values of one sample."""


def check_library() -> None:
    """Check that AnnData is installed.

    Raises:
        DeviceError: It is not.
    """
    try:
        import anndata  # noqa: F401
        import h5py  # noqa: F401
    except ImportError as error:
        raise DeviceError(".h5ad requires AnnData; install epigept-batch with its [h5ad] extra") from error


def write_h5ad(
    matrix: Matrix, path: Path, about: Mapping[str, Any], of_samples: Mapping[str, Mapping[str, str]]
) -> None:
    """Write a file whose layers are float32, (samples, regions), NaN without data; memory is that of one row.

    If there is one track, X holds it instead of a layer.

    Args:
        matrix: The matrix.
        path: The file.
        about: What `uns["epigept_batch"]` says, as a JSON text.
        of_samples: Further columns of `obs`, by sample.
    """
    import anndata
    import h5py
    import pandas as pd

    samples = list(dict.fromkeys(track.sample for track in matrix.columns))
    names = dict.fromkeys(name for sample in samples for name in of_samples.get(sample, {}))
    further = {name: [of_samples.get(sample, {}).get(name, "") for sample in samples] for name in names}
    places = matrix.rows.places(0, len(matrix.rows))
    var = pd.DataFrame(
        {"chrom": places.chroms.astype(str), "start": places.starts, "end": places.ends},
        index=list(_unique(f"{c}:{s}-{e}" for c, s, e in zip(places.chroms, places.starts, places.ends, strict=True))),
    )
    if places.names is not None:
        var["name"] = list(places.names)
    obs = pd.DataFrame(further, index=samples)
    anndata.AnnData(obs=obs, var=var, uns={"epigept_batch": json.dumps(about)}).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        _write_layers(file, matrix, samples)


def _write_layers(file: Any, matrix: Matrix, samples: Sequence[str]) -> None:  # noqa: ANN401 - h5py has no types
    """Add the values, a row at a time, in the form of anndata's specification of dense arrays, version 0.2.0."""
    labels = list(dict.fromkeys(track.label for track in matrix.columns))
    shape = (len(samples), len(matrix.rows))
    for label in labels:
        name = "X" if len(labels) == 1 else f"layers/{label}"
        if name in file:
            del file[name]
        chunks = (1, min(CHUNK, shape[1]))
        layer = file.create_dataset(name, shape, np.float32, chunks=chunks, fillvalue=np.nan)
        layer.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for number, track in enumerate(matrix.columns):
            if track.label == label:
                layer[samples.index(track.sample)] = matrix.store.column(number)


def _unique(names: Iterator[str]) -> Iterator[str]:
    """Yield names; those that came before get a number, as `AnnData.var_names_make_unique` does."""
    seen: Counter[str] = Counter()
    for name in names:
        yield f"{name}-{seen[name]}" if seen[name] else name
        seen[name] += 1
