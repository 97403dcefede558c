"""Count the letters of a sample of a genome, to find masked repeats and RNA."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.tiling import Region

WINDOWS, WINDOW_BP = 256, 1 << 16
"""The sample of a longer sequence: this many windows of this many bp, evenly spaced. On the whole chr22 of hg38 they
take 0.13 s of processor time from a plain FASTA, 0.26 s from bgzip."""
LONG_RUN_BP = 10_000
"""Length from which a run of N counts as an assembly gap; masked repeats are shorter, except for a few satellites."""
BASE, THYMINE, URACIL, NO_BASE = range(4)
_KINDS = bytes(
    {"A": BASE, "C": BASE, "G": BASE, "T": THYMINE, "U": URACIL}.get(chr(byte).upper(), NO_BASE) for byte in range(256)
)


@dataclass(frozen=True)
class Composition:
    """Counts of letters in a sample of a genome.

    Attributes:
        looked_at: All letters.
        judged: Letters outside of two kinds of runs of N or other non-bases: long runs, and runs of unknown length
            at either end of a stretch.
        no_base: Letters among those judged that are not a base.
        thymine: T among all letters.
        uracil: U among all letters.
    """

    looked_at: int = 0
    judged: int = 0
    no_base: int = 0
    thymine: int = 0
    uracil: int = 0

    def __add__(self, other: Composition) -> Composition:
        return Composition(
            self.looked_at + other.looked_at,
            self.judged + other.judged,
            self.no_base + other.no_base,
            self.thymine + other.thymine,
            self.uracil + other.uracil,
        )

    @property
    def bases(self) -> int:
        """Number of A, C, G, T and U. No excluded run contains any, so all of them are counted."""
        return self.judged - self.no_base

    @property
    def masked(self) -> float:
        """Share of N and other non-bases among the letters judged."""
        return self.no_base / self.judged if self.judged else 0.0

    @property
    def rna(self) -> float:
        """Share of U among T and U."""
        return self.uracil / (self.uracil + self.thymine) if self.uracil else 0.0


def composition_of(genome: Genome, regions: Sequence[Region]) -> Composition:
    """Count the letters of regions: of whole regions if they are short, else of windows spread over them."""
    contigs = {contig.name: contig for contig in genome.contigs}
    found = Composition()
    for region in _sample(regions):
        found += count_letters(genome.letters(contigs[region.contig], region.start, region.end))
    return found


def count_letters(letters: bytes) -> Composition:
    """Count the letters of a stretch of sequence, in either case."""
    kinds = np.frombuffer(letters.translate(_KINDS), np.uint8)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kinds == NO_BASE, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    runs = ends - starts
    open_ended = (starts == 0) | (ends == len(kinds))
    left_out = open_ended | (runs >= LONG_RUN_BP)
    return Composition(
        looked_at=len(kinds),
        judged=len(kinds) - int(runs[left_out].sum()),
        no_base=int(runs[~left_out].sum()),
        thymine=int(np.count_nonzero(kinds == THYMINE)),
        uracil=int(np.count_nonzero(kinds == URACIL)),
    )


def _sample(regions: Sequence[Region]) -> Iterator[Region]:
    """Yield the regions themselves, or evenly spaced windows over all of them, laid end to end."""
    ends = list(accumulate(region.end - region.start for region in regions))
    total = ends[-1] if ends else 0
    if total <= WINDOWS * WINDOW_BP:
        yield from regions
        return
    number = 0
    for window in range(WINDOWS):
        centre = (2 * window + 1) * total // (2 * WINDOWS)
        while ends[number] <= centre:
            number += 1
        region = regions[number]
        place = region.end - (ends[number] - centre)
        yield type(region)(
            region.contig, max(region.start, place - WINDOW_BP // 2), min(region.end, place + WINDOW_BP // 2)
        )
