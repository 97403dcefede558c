"""Successive bins of a contig with all of the sequence that they depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.tiling import Contig, Geometry


@dataclass(frozen=True, eq=False)
class Stretch:
    """Bins and their sequence.

    Attributes:
        contig: Where they lie.
        first: The first bin, counted from the contig's start.
        bins: How many.
        reach: uint8, (before + bins × bin_bp + after,): A 0, C 1, G 2, T 3, any other 4, and beyond the contig 4.
        geometry: Which says what lies before and after.
    """

    contig: Contig
    first: int
    bins: int
    reach: NDArray[np.uint8]
    geometry: Geometry

    @property
    def tokens(self) -> NDArray[np.uint8]:
        """Those of the bins themselves, uint8, (bins × bin_bp,)."""
        before = self.geometry.before
        return self.reach[before : before + self.bins * self.geometry.bin_bp]


def read_stretch(genome: Genome, contig: Contig, first: int, bins: int, *, geometry: Geometry) -> Stretch:
    """Read successive bins of a contig.

    Args:
        genome: The sequence.
        contig: One of its contigs.
        first: The first bin; they may reach beyond the contig's end.
        bins: How many.
        geometry: Of the network that reads them.
    """
    return Stretch(contig, first, bins, genome.tokens(contig, *geometry.reach(first, bins)), geometry)
