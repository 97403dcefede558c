"""Results of scoring variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.api.values import make_frame
from epigept_batch.variants.chunks import FIELDS, Chunk
from epigept_batch.variants.score_table import frame_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.variants.score_table import Layout
    from epigept_batch.variants.variant import Placed


@dataclass(frozen=True, eq=False)
class VariantEffects:
    """What variants change in the tracks of samples, in ln(1 + signal).

    Attributes:
        values: float32, (alleles, samples, tracks, `fields`); NaN for alleles that cannot be scored.
        placed: The variants, each with its alleles and their status.
        layout: Samples, tracks and columns.
        notes: Notes on the genome and on alleles that cannot be scored, one sentence each.
    """

    values: NDArray[np.float32]
    placed: tuple[Placed, ...]
    layout: Layout
    notes: tuple[str, ...] = ()

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of the samples."""
        return self.layout.samples

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks."""
        return self.layout.tracks

    @property
    def fields(self) -> tuple[str, ...]:
        """Names along the last dimension of `values`."""
        return FIELDS

    @property
    def difference(self) -> NDArray[np.float32]:
        """Alternative minus reference, float32, (alleles, samples, tracks)."""
        return self.values[..., FIELDS.index("difference")]

    @property
    def status(self) -> tuple[str, ...]:
        """What became of each allele: `scored`, or why not."""
        return tuple(allele.status for placed in self.placed for allele in placed.alleles)

    def to_frame(self, kind: str = "polars") -> Any:  # noqa: ANN401 - of either library
        """Return a table with one row per variant, alternative allele, sample and track, as `variants` writes it.

        Args:
            kind: `polars`, or `pandas` if it is installed.

        Raises:
            InputError: The kind is neither, or pandas is not installed.
        """
        frame = frame_of(Chunk(0, self.placed), self.values, self.layout)
        if kind == "polars":
            return frame
        columns: Mapping[str, NDArray[Any]] = {name: frame[name].to_numpy() for name in frame.columns}
        return make_frame(columns, kind)
