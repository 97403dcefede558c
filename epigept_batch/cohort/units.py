"""The units of a cohort: which samples and bins belong to which, counted in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from epigept_batch.tiling import Geometry, ceil_div, clip_spans, make_tiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from epigept_batch.cohort.plan import CohortPlan
    from epigept_batch.tiling import Contig, Span, Tile


@dataclass(frozen=True)
class Unit:
    """A part of a cube that is computed at once: one shard of each track.

    Attributes:
        number: Its number among all units.
        contig: The contig.
        block: Number of its block of bins, from the contig's start.
        group: Number of its group of samples.
        bins: Its bins [first, last) of the contig; the last block ends with the contig.
        samples: Its samples [first, last).
    """

    number: int
    contig: Contig
    block: int
    group: int
    bins: Span
    samples: Span

    def __str__(self) -> str:
        return f"unit {self.number + 1:,}"


class Units(Sequence[Unit]):
    """All units of a plan: blocks of bins in genome order, and all groups of samples within each.

    A block without a selected bin has no unit. Successive units share their windows.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: CohortPlan) -> None:
        self._plan = plan
        self.groups = ceil_div(plan.samples, plan.shape.samples)
        self._blocks = [(contig, block) for contig in plan.contigs for block in _blocks(plan, contig)]

    def __len__(self) -> int:
        return len(self._blocks) * self.groups

    @overload
    def __getitem__(self, number: int) -> Unit: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Unit]: ...
    def __getitem__(self, number: int | slice) -> Unit | Sequence[Unit]:
        """Return a unit by its number, from 0."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        plan, shape = self._plan, self._plan.shape
        contig, block = self._blocks[number // self.groups]
        group = number % self.groups
        begin, first = block * shape.bins, group * shape.samples
        end = min(begin + shape.bins, plan.bins_of(contig))
        return Unit(number, contig, block, group, (begin, end), (first, min(first + shape.samples, plan.samples)))

    def share(self, part: int, parts: int) -> range:
        """Return the numbers of the units of a partition, evenly spread over the genome.

        Args:
            part: Which partition, from 1.
            parts: Number of partitions.
        """
        return range(part - 1, len(self), parts)


def _blocks(plan: CohortPlan, contig: Contig) -> Iterator[int]:
    """Yield the numbers of the blocks of a contig that have a selected bin."""
    previous = -1
    for first, last in plan.selection.get(contig.name, ()):
        for block in range(first // plan.shape.bins, ceil_div(last, plan.shape.bins)):
            if block > previous:
                yield block
                previous = block


def tiles_of(plan: CohortPlan, unit: Unit, geometry: Geometry) -> list[Tile]:
    """Return the windows of a unit, with the bins that it takes from each.

    Args:
        plan: The plan.
        unit: One of its units.
        geometry: The network's window.
    """
    selected = clip_spans(plan.selection[unit.contig.name], *unit.bins)
    return make_tiles([unit.contig], {unit.contig.name: selected}, geometry=geometry, overlap=plan.overlap)


def default_unit(samples: int, *, on_gpu: bool) -> tuple[int, int]:
    """Return windows and samples of a unit, so that one takes seconds on a GPU and minutes on a core.

    Args:
        samples: Number of samples of the cohort.
        on_gpu: Whether a GPU computes it.
    """
    windows, most, step = (256, 64, 16) if on_gpu else (16, 16, 16)
    few = min(samples, most)
    return windows, few if few < step else ceil_div(few, step) * step
