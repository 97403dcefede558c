"""The regions in which predictions are compared with measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from epigept_batch.evaluation.selection import by_contig
from epigept_batch.sequence.regions import read_intervals, select_regions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from epigept_batch.tiling import Contig, Region

    ByContig = Mapping[str, Sequence[Region]]


class Selection(Protocol):
    """Part of the genome that a user selects."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions in samtools notation."""

    @property
    def chromosomes(self) -> tuple[str, ...]:
        """Names of whole contigs."""

    @property
    def beds(self) -> tuple[Path, ...]:
        """Files of intervals."""

    @property
    def excludes(self) -> tuple[Path, ...]:
        """BED files of regions to leave out."""


def find_regions(request: Selection, contigs: Sequence[Contig]) -> tuple[ByContig, ByContig]:
    """Read the regions that are compared, and those that are left out, each by contig.

    Raises:
        InputError: A region or a BED file cannot be used.
    """
    some = bool(request.regions or request.chromosomes or request.beds)
    wanted = select_regions(
        contigs,
        regions=request.regions,
        chromosomes=request.chromosomes,
        beds=request.beds,
        all_contigs=not some,
    )
    excluded = [region for path in request.excludes for region in read_intervals(path, contigs)]
    return by_contig(wanted), by_contig(excluded)
