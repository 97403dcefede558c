"""The rows of a matrix: intervals of BED files in their order, or bins of one size along contigs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

import numpy as np

from epigept_batch.tiling import select_bins

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig, Region


@dataclass(frozen=True, eq=False)
class ContigRows:
    """The rows that lie on a contig, by their start.

    Attributes:
        contig: The contig.
        numbers: The number of each row in the matrix: int64, (rows,), or a slice.
        starts: int64, (rows,): first bp of each, 0-based, ascending.
        ends: int64, (rows,): end of each, exclusive.
    """

    contig: Contig
    numbers: NDArray[np.int64] | slice
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Places:
    """Where successive rows lie.

    Attributes:
        contigs: Names of all contigs of the genome.
        contig: int64, (rows,): the number of each row's contig.
        starts: int64, (rows,): first bp, 0-based.
        ends: int64, (rows,): end, exclusive.
        names: Name of each row, `.` without one; None for bins, which have no names.
    """

    contigs: Sequence[str]
    contig: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    names: Sequence[str] | None

    @property
    def chroms(self) -> NDArray[np.object_]:
        """The name of each row's contig, (rows,)."""
        return np.array(self.contigs, dtype=object)[self.contig]


class MatrixRows(Protocol):
    """The rows of a matrix."""

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def contigs(self) -> Sequence[Contig]:
        """All contigs of the genome."""

    @property
    def named(self) -> bool:
        """Whether rows may have names."""

    def by_contig(self) -> Iterator[ContigRows]:
        """Yield the rows of each contig that has any, in genome order."""

    def places(self, first: int, last: int) -> Places:
        """Return where the rows [first, last) lie."""


class RegionRows:
    """Regions as rows, in the order given; they may overlap and repeat.

    Attributes:
        names: Their names, `.` without one.

    Args:
        regions: The regions, within their contigs.
        contigs: All contigs of the genome.
    """

    named = True

    def __init__(self, regions: Sequence[Region], contigs: Sequence[Contig]) -> None:
        numbers = {contig.name: number for number, contig in enumerate(contigs)}
        self.contigs = contigs
        self._contig = np.array([numbers[region.contig] for region in regions], dtype=np.int64)
        self._starts = np.array([region.start for region in regions], dtype=np.int64)
        self._ends = np.array([region.end for region in regions], dtype=np.int64)
        self.names = [region.name or "." for region in regions]

    def __len__(self) -> int:
        return len(self._starts)

    def by_contig(self) -> Iterator[ContigRows]:
        """Yield the rows of each contig that has any, in genome order."""
        yield from self._by_contig

    @cached_property
    def _by_contig(self) -> list[ContigRows]:
        order = np.lexsort((self._starts, self._contig))
        edges = np.searchsorted(self._contig[order], np.arange(len(self.contigs) + 1))
        found = []
        for contig, first, last in zip(self.contigs, edges[:-1], edges[1:], strict=True):
            if first < last:
                rows = order[first:last]
                found.append(ContigRows(contig, rows, self._starts[rows], self._ends[rows]))
        return found

    def places(self, first: int, last: int) -> Places:
        """Return where the rows [first, last) lie."""
        part = slice(first, last)
        names = [contig.name for contig in self.contigs]
        return Places(names, self._contig[part], self._starts[part], self._ends[part], self.names[part])


class BinRows:
    """Bins as rows, in genome order. They lie on a grid from position 0 of each contig; the last one ends with it.

    Args:
        bin_bp: Base pairs per bin.
        regions: The bins are those that overlap any of these, whole.
        contigs: All contigs of the genome.
    """

    named = False

    def __init__(self, bin_bp: int, regions: Sequence[Region], contigs: Sequence[Contig]) -> None:
        self.contigs = contigs
        self._bin_bp = bin_bp
        selected = select_bins(regions, bin_bp)
        self._spans = [
            (number, first, last)
            for number, contig in enumerate(contigs)
            for first, last in selected.get(contig.name, ())
        ]
        self._edges = [0, *accumulate(last - first for _, first, last in self._spans)]

    def __len__(self) -> int:
        return self._edges[-1]

    def by_contig(self) -> Iterator[ContigRows]:
        """Yield the rows of each contig that has any, in genome order; they are made as needed."""
        for number, contig in enumerate(self.contigs):
            mine = [at for at, span in enumerate(self._spans) if span[0] == number]
            if mine:
                rows = slice(self._edges[mine[0]], self._edges[mine[-1] + 1])
                places = self.places(rows.start, rows.stop)
                yield ContigRows(contig, rows, places.starts, places.ends)

    def places(self, first: int, last: int) -> Places:
        """Return where the rows [first, last) lie."""
        rows = np.arange(first, last, dtype=np.int64)
        span = np.searchsorted(self._edges, rows, side="right") - 1
        firsts = np.array([begin - edge for (_, begin, _), edge in zip(self._spans, self._edges, strict=False)])
        of_span = np.array([number for number, _, _ in self._spans], dtype=np.int64)
        contig, starts = of_span[span], (rows + firsts[span]) * self._bin_bp
        lengths = np.array([contig.length for contig in self.contigs], dtype=np.int64)
        ends = np.minimum(starts + self._bin_bp, lengths[contig])
        return Places([contig.name for contig in self.contigs], contig, starts, ends, None)
