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
    """Successive bins and their sequence.

    Attributes:
        contig: The contig that they lie on.
        first: The first bin, counted from the contig's start.
        bins: Number of bins.
        reach: uint8, (before + bins × bin_bp + after,): A 0, C 1, G 2, T 3; any other base, or beyond the contig, 4.
        geometry: The geometry that defines `before` and `after`.
    """

    contig: Contig
    first: int
    bins: int
    reach: NDArray[np.uint8]
    geometry: Geometry

    @property
    def tokens(self) -> NDArray[np.uint8]:
        """The tokens of the bins themselves, uint8, (bins × bin_bp,)."""
        before = self.geometry.before
        return self.reach[before : before + self.bins * self.geometry.bin_bp]

    @property
    def bins_inside(self) -> int:
        """Number of bins that begin before the contig's end; they come first."""
        return min(max(self.geometry.bins_of(self.contig.length) - self.first, 0), self.bins)


def read_stretch(genome: Genome, contig: Contig, first: int, bins: int, *, geometry: Geometry) -> Stretch:
    """Read successive bins of a contig.

    Args:
        genome: The sequence.
        contig: One of its contigs.
        first: The first bin; they may reach beyond the contig's end.
        bins: Number of bins.
        geometry: The geometry of the network that reads them.
    """
    return Stretch(contig, first, bins, genome.tokens(contig, *geometry.reach(first, bins)), geometry)
