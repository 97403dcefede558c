"""Variants that are scored and kept together, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from epigept_batch.variants.variant import Placed

FIELDS = (
    "reference",
    "alternative",
    "difference",
    "log2_fold_change",
    "max_abs_difference",
    "max_distance",
    "difference_sd",
)
"""What is known of an allele for a sample and a track; NaN where nothing is."""
DIFFERENCE, LARGEST = FIELDS.index("difference"), FIELDS.index("max_abs_difference")
"""The fields before `LARGEST` are averaged over views."""
LONGEST_CHUNK, MOST_WINDOWS = 64, 2048


@dataclass(frozen=True)
class Chunk:
    """Successive variants that are scored and kept together.

    Attributes:
        index: Number of the chunk.
        placed: The variants.
    """

    index: int
    placed: tuple[Placed, ...]

    @property
    def alleles(self) -> int:
        """Number of alleles, scored or not."""
        return sum(len(placed.alleles) for placed in self.placed)


def chunk_size(samples: int, views: int) -> int:
    """Return how many variants make a chunk, so that its windows for all samples fit into memory."""
    return max(1, min(LONGEST_CHUNK, MOST_WINDOWS // (samples * views)))


def in_chunks(placed: Iterable[Placed], size: int, *, first: int = 0) -> Iterator[Chunk]:
    """Group variants into chunks, numbered from `first`; the last may be smaller."""
    waiting: list[Placed] = []
    number = first
    for one in placed:
        waiting.append(one)
        if len(waiting) == size:
            yield Chunk(number, tuple(waiting))
            waiting, number = [], number + 1
    if waiting:
        yield Chunk(number, tuple(waiting))
