"""Where the values of a matrix come from: the interface between the matrix and what holds tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.matrix.regions import MatrixRows
    from epigept_batch.tiling import Contig, Region


class Column(Protocol):
    """A track of a sample."""

    @property
    def sample(self) -> str:
        """Name of the sample."""

    @property
    def label(self) -> str:
        """Name of the track."""


class MatrixSource(Protocol):
    """Tracks of samples over one genome."""

    @property
    def where(self) -> str:
        """Where it lies, for messages."""

    @property
    def location(self) -> str:
        """Where it lies, from the root on."""

    @property
    def contigs(self) -> Sequence[Contig]:
        """All contigs of the genome."""

    @property
    def columns(self) -> Sequence[Column]:
        """The tracks that become columns."""

    @property
    def space(self) -> str:
        """What the tracks hold, `log1p` or `linear`."""

    @property
    def regions(self) -> Sequence[str]:
        """What was predicted, as regions in samtools notation; empty if that is not recorded."""

    def predicted(self) -> list[Region]:
        """Return what was predicted for any sample.

        Raises:
            InputError: That is not recorded.
        """

    def read(self, number: int, rows: MatrixRows, *, statistic: str, wanted: str) -> NDArray[np.float32]:
        """Return the values of a column in all rows, float32, (rows,): NaN without data.

        Args:
            number: Number of the column.
            rows: The rows.
            statistic: One of `statistic.STATISTICS`.
            wanted: The space whose values are averaged.

        Raises:
            InputError: A file is damaged, or its values are impossible.
        """

    def sheet_columns(self) -> Mapping[str, Mapping[str, str]]:
        """Return the further columns of the sample sheet, by sample; replicates that were merged have none."""

    def made_from(self) -> Mapping[str, Any]:
        """Return what identifies the values, JSON-compatible."""


def label_of(column: Column) -> str:
    """Return the name of a column: SAMPLE.TRACK, as the file is named."""
    return f"{column.sample}.{column.label}"
