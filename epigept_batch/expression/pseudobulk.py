"""Sum single-cell counts in AnnData's .h5ad to the factors' TPM in each group of cells."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from epigept_batch.errors import REMEDIES, DeviceError, EpiGePTError, InputError, reason
from epigept_batch.expression.factor_tpm import FactorRows
from epigept_batch.expression.gene_ids import why_not_found
from epigept_batch.expression.notes import Note
from epigept_batch.expression.plausibility import MILLION, Verdict
from epigept_batch.expression.quantification import GENES, Quantified

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.expression.transcripts import TranscriptMap

COUNTS = (("layers/counts", "var"), ("raw/X", "raw/var"), ("X", "var"))
"""Where raw counts may be, in order of preference, and the genes that belong to them."""
CELLS_AT_ONCE, VALUES_AT_ONCE = 4096, 1 << 26
MOST_DECLARED, MOST_RATIO = 1 << 31, 250
"""Limits on what the parts that are read whole may declare: bytes, and a multiple of the file size. The larger limit
applies."""
READ_WHOLE = ("/obs", "/var", "/raw/var")
MOST_GROUPS = 10_000
NAMES_SHOWN = 10


class Pseudobulk:
    """An .h5ad whose groups of cells are its samples.

    Attributes:
        path: The file.
        names: Names of the groups; a single None if the file is one sample.
    """

    def __init__(self, path: Path, group_by: str | None) -> None:
        """Read which cell belongs to which group.

        Args:
            path: The file.
            group_by: A column of `obs`; None for all cells together.

        Raises:
            InputError: The file is not an .h5ad, or has no such column.
            DeviceError: AnnData is not installed.
        """
        self.path = path
        with self._reading() as file:
            self._cells, groups = _groups(path, file, group_by)
        self.names: tuple[str | None, ...] = groups

    def read(
        self,
        chosen: Sequence[int],
        factors: Sequence[str],
        transcript_map: TranscriptMap | None,  # noqa: ARG002 - part of the protocol
    ) -> list[Quantified]:
        """Sum the counts of these groups and scale them to a million; see `Quantification.read`.

        Raises:
            InputError: There are no raw counts.
        """
        with self._reading() as file:
            place, genes = self._counts(file)
            ids = _ids(file[genes])
            sums = np.zeros((len(self.names), len(ids)))
            for cells, counts in _blocks(file[place]):
                if not _are_counts(counts):
                    raise InputError(f"values in {place} are not counts; store raw counts in layers/counts", self.path)
                members = self._cells[cells, None] == np.arange(len(self.names))
                sums += np.asarray(members.T.astype(np.float64) @ counts)
        totals = sums.sum(axis=1)
        scaled = sums.T * (MILLION / np.where(totals > 0, totals, 1))
        rows = FactorRows(factors)
        rows.add(ids, scaled[:, list(chosen)])
        return [
            Quantified(
                format=f"AnnData, {place}",
                level=GENES,
                rows=len(ids),
                total=float(totals[number]),
                verdict=Verdict("raw counts", self._note(number)),
                tpm=tpm,
                notes=self._notes(),
            )
            for number, tpm in zip(chosen, rows.factor_tpm(), strict=True)
        ]

    def why_not_found(self, factors: Sequence[str]) -> str | None:
        """Return what the ids are, if they are not those of human genes."""
        with self._reading() as file:
            return why_not_found(_ids(file[self._counts(file)[1]]), factors)

    def _notes(self) -> tuple[str, ...]:
        left_out = int((self._cells < 0).sum())
        return (f"{left_out:,} cells without a group are left out",) if left_out else ()

    def _note(self, group: int) -> str:
        return Note(
            "counts of {} cells, scaled to a million without dividing by gene length, which is correct if reads come "
            "from 3' or 5' ends",
            int((self._cells == group).sum()),
        )

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """Open the file; report every error that its bytes cause as an error of the input."""
        with self._opened() as file:
            try:
                self._check_groups(file)
                _check_declared(file, self.path)
                yield file
            except (EpiGePTError, MemoryError):
                raise
            except Exception as error:  # damaged bytes make h5py and anndata raise any exception
                if isinstance(error, OSError) and error.errno in REMEDIES:
                    raise InputError(f"cannot be read: {reason(error)}", self.path) from error
                raise InputError(
                    f"a damaged .h5ad, or a form that anndata cannot read ({type(error).__name__})", self.path
                ) from error

    def _check_groups(self, file: Any) -> None:  # noqa: ANN401
        if not {"obs", "var"} <= set(file):
            raise InputError(
                "an HDF5 file, but not an .h5ad; for kallisto use abundance.tsv, for other programs a text table",
                self.path,
            )

    def _opened(self) -> Any:  # noqa: ANN401 - h5py has no types
        try:
            import anndata  # noqa: F401 - reads what h5py opens
            import h5py
        except ImportError as error:
            raise DeviceError(
                f"{self.path}: .h5ad requires AnnData; install epigept-batch with its [h5ad] extra"
            ) from error
        try:
            file = h5py.File(self.path, "r")
        except OSError as error:
            raise InputError("a damaged HDF5 file", self.path) from error
        return file

    def _counts(self, file: Any) -> tuple[str, str]:  # noqa: ANN401
        """Return where the raw counts and their genes are."""
        there = [(place, genes) for place, genes in COUNTS if place in file and genes in file]
        for place, genes in there:
            if all(_are_counts(counts) for _, counts in [next(_blocks(file[place]))]):
                return place, genes
        looked = ", ".join(place for place, _ in there) or "X"
        raise InputError(f"no raw counts (looked in {looked}); store them in layers/counts", self.path)


def _check_declared(file: Any, path: Path) -> None:  # noqa: ANN401
    """Check that the parts that are read whole have plausible sizes and lie in the file itself.

    Raises:
        InputError: The file declares sizes that would fill the memory, or refers to other files.
    """
    import h5py

    declared, groups, waiting = 0, 0, [file]
    while waiting:
        group, groups = waiting.pop(), groups + 1
        if groups > MOST_GROUPS:  # for example because a group contains itself
            raise InputError(f"more than {MOST_GROUPS:,} HDF5 groups, which no .h5ad has", path)
        for name in group:
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink | h5py.SoftLink):
                raise InputError(
                    f"{name!r} is stored outside the file or is a link; provide a self-contained file", path
                )
            part = group[name]
            if isinstance(part, h5py.Group):
                waiting.append(part)
            elif part.external or part.is_virtual:
                raise InputError(
                    f"{name!r} is stored outside the file or is a link; provide a self-contained file", path
                )
            elif part.ndim <= 1 or part.name.startswith(READ_WHOLE):
                declared += part.size * part.dtype.itemsize
    if declared > max(MOST_DECLARED, MOST_RATIO * path.stat().st_size):
        raise InputError("declares more values than a file of its size can hold; it is damaged or malicious", path)


def _groups(path: Path, file: Any, group_by: str | None) -> tuple[NDArray[np.int64], tuple[str | None, ...]]:  # noqa: ANN401
    """Return the number of each cell's group, -1 for none, and the groups' names."""
    from anndata.io import read_elem

    obs = read_elem(file["obs"])
    if group_by is None:
        return np.zeros(len(obs), dtype=np.int64), (None,)
    if group_by not in obs:
        have = ", ".join(map(str, obs.columns[:NAMES_SHOWN]))
        raise InputError(f"no column {group_by!r} in obs to group cells by (obs has {have or 'none'})", path)
    categories = obs[group_by].astype("category").cat
    if len(categories.categories) == len(obs) > 1:
        raise InputError(
            f"as many values of {group_by!r} as cells; choose a column that groups cells, such as cell types", path
        )
    used = [number for number in range(len(categories.categories)) if (categories.codes == number).any()]
    numbers = np.full(len(categories.categories) + 1, -1)
    numbers[used] = np.arange(len(used))
    return numbers[categories.codes.to_numpy()], tuple(str(categories.categories[number]) for number in used)


def _ids(genes: Any) -> pl.DataFrame:  # noqa: ANN401
    """Return the text columns that describe the genes, their index first."""
    from anndata.io import read_elem

    var = read_elem(genes)
    text = {"0": var.index.astype(str).tolist()}
    for number, column in enumerate(var.columns, 1):
        if var[column].dtype.name in ("category", "object", "string", "str"):
            text[str(number)] = var[column].astype(str).tolist()
    return pl.DataFrame(text, schema=dict.fromkeys(text, pl.String))


def _blocks(matrix: Any) -> Iterator[tuple[slice, Any]]:  # noqa: ANN401
    """Yield blocks of cells × genes, a few thousand cells at a time, sparse or dense."""
    import h5py
    from anndata.io import sparse_dataset

    stored = matrix if isinstance(matrix, h5py.Dataset) else sparse_dataset(matrix)
    if getattr(stored, "format", None) == "csc":
        stored = stored.to_memory().tocsr()
    step = max(1, min(CELLS_AT_ONCE, VALUES_AT_ONCE // max(1, stored.shape[1])))
    for first in range(0, stored.shape[0], step):
        cells = slice(first, min(first + step, stored.shape[0]))
        yield cells, stored[cells]


def _are_counts(block: Any) -> bool:  # noqa: ANN401
    """Whether all values are whole numbers of 0 or more."""
    values = block if isinstance(block, np.ndarray) else block.data
    return bool((values >= 0).all() and (values % 1 == 0).all())
