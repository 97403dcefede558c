"""The values of a matrix on disk, column by column, so that memory does not grow with their number."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from epigept_batch.matrix.source import label_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from epigept_batch.matrix.regions import MatrixRows, Places
    from epigept_batch.matrix.source import Column

VALUES_AT_ONCE = 1 << 22
"""Values that a block of rows has at most, unless a row has more."""
ROWS_AT_ONCE = 1 << 16
VALUE = np.dtype("<f4")


class ColumnFile:
    """Columns of float32 in a temporary file without a name, so that no interruption leaves it behind.

    Args:
        folder: Where the file lies.
        rows: Number of rows.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by the context
        self._rows = rows
        self.columns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, column: NDArray[np.float32]) -> None:
        """Add a column, float32, (rows,)."""
        self._file.seek(self.columns * self._rows * VALUE.itemsize)
        self._file.write(column.astype(VALUE).tobytes())
        self.columns += 1

    def column(self, number: int) -> NDArray[np.float32]:
        """Return a column, float32, (rows,)."""
        return self._part(number, 0, self._rows)

    def rows(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the rows [first, last), float32, (rows, columns)."""
        values = np.empty((self.columns, last - first), dtype=np.float32)
        for number in range(self.columns):
            values[number] = self._part(number, first, last)
        return values.T

    def _part(self, number: int, first: int, last: int) -> NDArray[np.float32]:
        self._file.seek((number * self._rows + first) * VALUE.itemsize)
        return np.frombuffer(self._file.read((last - first) * VALUE.itemsize), dtype=VALUE)


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix that is complete.

    Attributes:
        rows: Its rows.
        columns: The track of each column.
        store: The values.
    """

    rows: MatrixRows
    columns: Sequence[Column]
    store: ColumnFile

    @property
    def labels(self) -> list[str]:
        """Names of the columns."""
        return [label_of(track) for track in self.columns]

    def blocks(self) -> Iterator[tuple[Places, NDArray[np.float32]]]:
        """Yield successive rows: where they lie, and their values, float32, (rows, columns)."""
        for first, last in self._spans():
            yield self.rows.places(first, last), self.store.rows(first, last)

    def places(self) -> Iterator[Places]:
        """Yield where successive rows lie."""
        for first, last in self._spans():
            yield self.rows.places(first, last)

    def _spans(self) -> Iterator[tuple[int, int]]:
        step = max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // len(self.columns)))
        for first in range(0, len(self.rows), step):
            yield first, min(first + step, len(self.rows))
