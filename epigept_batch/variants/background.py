"""Draw random variants like those of a file, to say how unusual an effect is.

Variants are compared within a stratum: the same reference and alternative base, or a similar length of an insertion or
deletion; and, if features such as peaks are given, a similar distance to the nearest one.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.sequence.regions import read_bed
from epigept_batch.variants.changes import BASES
from epigept_batch.variants.variant import MISSING, SCORED, Variant, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.sequence.genome import Genome
    from epigept_batch.tiling import Contig, Region, Span
    from epigept_batch.variants.changes import Change
    from epigept_batch.variants.variant import Placed

LEAST = 100
"""A percentile is given only among at least this many variants."""
DISTANCES = (0, 1_000, 5_000, 20_000, 100_000)
"""Upper bounds of the classes of distance to the nearest feature, in bp, but for the last class, which has none."""
TRIES = 2_000
"""Positions that are tried for each variant before a stratum counts as too rare."""
BATCH = 4096


@dataclass(frozen=True, order=True)
class Stratum:
    """A kind of variant.

    Attributes:
        kind: Such as `A>G`, `insertion 3-4`, `deletion 1`, `MNV 2` or `complex 5-8`.
        distance: Index of the class of distance to the nearest feature; -1 without features.
    """

    kind: str
    distance: int = -1

    def __str__(self) -> str:
        if self.distance < 0:
            return self.kind
        bounds = [*(f"{bound // 1000} kb" if bound else "0" for bound in DISTANCES), "more"]
        return f"{self.kind}, distance {'to ' if 0 < self.distance < len(DISTANCES) else ''}{bounds[self.distance]}"


class Features:
    """Intervals of contigs, to which variants have a distance.

    Args:
        regions: The intervals, in any order.
        contigs: The contigs on which variants are drawn.
    """

    def __init__(self, regions: Iterable[Region], contigs: Sequence[Contig]) -> None:
        self._spans: dict[str, NDArray[np.int64]] = {}
        by_contig: dict[str, list[Span]] = {contig.name: [] for contig in contigs}
        for region in regions:
            if region.contig in by_contig:
                by_contig[region.contig].append((region.start, region.end))
        for name, spans in by_contig.items():
            self._spans[name] = np.array(sorted(spans), dtype=np.int64).reshape(-1, 2)

    def distance(self, contig: str, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how far positions lie from the nearest feature, in bp; 0 within one."""
        spans = self._spans[contig]
        if not len(spans):
            return np.full(len(positions), np.iinfo(np.int64).max)
        ends = np.maximum.accumulate(spans[:, 1])
        number = np.searchsorted(spans[:, 0], positions, side="right")
        far = np.iinfo(np.int64).max
        before = np.where(number > 0, positions - ends[number - 1] + 1, far)
        after = np.where(number < len(spans), np.append(spans[:, 0], 0)[number] - positions, far)
        return np.maximum(np.minimum(before, after), 0)

    def classes(self, contig: str, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the class of distance of positions."""
        return np.searchsorted(DISTANCES, self.distance(contig, positions), side="left")


def read_features(path: Path, contigs: Sequence[Contig]) -> Features:
    """Read features from a BED file.

    Raises:
        InputError: The file cannot be read, or names a contig that the genome lacks.
    """
    return Features(read_bed(path, {contig.name: contig for contig in contigs}), contigs)


def stratum_of(change: Change, ref: str) -> str:
    """Return the kind of a change.

    Args:
        change: The change.
        ref: The reference bases that it replaces.
    """
    removed, inserted = change.removed, len(change.inserted)
    if removed == inserted == 1:
        return f"{ref.upper()}>{change.inserted}"
    if removed == inserted:
        return f"MNV {_class(removed)}"
    name = "insertion" if not removed else "deletion" if not inserted else "complex"
    return f"{name} {_class(abs(change.shift))}"


def _class(length: int) -> str:
    """Return the class of a length: 1, 2, 3-4, 5-8, 9-16 and so on."""
    high = 1 << (length - 1).bit_length()
    return str(high) if high <= 2 else f"{high // 2 + 1}-{high}"  # noqa: PLR2004


@dataclass
class Strata:
    """What kinds of variants a file has.

    Attributes:
        features: Features to which variants have a distance; None for none.
        shapes: For each stratum, how often its variants replace and insert how many bases.
        positions: Positions of the variants, by contig.
    """

    features: Features | None
    shapes: dict[Stratum, Counter[tuple[int, int]]] = field(default_factory=dict)
    positions: dict[str, set[int]] = field(default_factory=dict)

    def add(self, placed: Placed) -> None:
        """Count the alleles of a variant."""
        for stratum, change in self.of(placed):
            if stratum is not None and change is not None and placed.contig is not None:
                self.shapes.setdefault(stratum, Counter())[change.removed, len(change.inserted)] += 1
                self.positions.setdefault(placed.contig.name, set()).add(placed.variant.position)

    def of(self, placed: Placed) -> Iterator[tuple[Stratum | None, Change | None]]:
        """Yield the stratum and change of each allele; None for alleles that are not scored."""
        for allele in placed.alleles:
            if allele.status != SCORED or allele.change is None or placed.contig is None:
                yield None, None
                continue
            variant, change = placed.variant, allele.change
            begin = change.start - variant.position
            kind = stratum_of(change, variant.ref[begin : begin + change.removed])
            distance = -1
            if self.features is not None:
                at = np.array([variant.position], dtype=np.int64)
                distance = int(self.features.classes(placed.contig.name, at)[0])
            yield Stratum(kind, distance), change


@dataclass(frozen=True, eq=False)
class Drawing:
    """Draws variants of the strata of a file.

    Attributes:
        genome: The sequence.
        contigs: The contigs to draw from.
        strata: The strata.
        seed: Seed of the random numbers.
    """

    genome: Genome
    contigs: Sequence[Contig]
    strata: Strata
    seed: int

    def draw_all(
        self, number: int, contigs: Mapping[str, Contig], *, longest: int
    ) -> dict[Stratum, tuple[Placed, ...]]:
        """Return `number` variants of each stratum, on the genome.

        Args:
            number: Variants per stratum; 0 for none.
            contigs: See `variants.variant.place`.
            longest: See `variants.variant.place`.
        """
        return {
            stratum: tuple(place(one, contigs, self.genome, longest=longest) for one in self.draw(stratum, number))
            for stratum in (sorted(self.strata.shapes) if number else ())
        }

    def draw(self, stratum: Stratum, number: int) -> list[Variant]:
        """Return variants of a stratum; fewer than `number` if it is too rare on these contigs.

        They lie on bases, and not at the position of a variant of the file. The same arguments give the same variants.
        """
        rng = np.random.default_rng([self.seed, zlib.crc32(str(stratum).encode())])
        shapes = sorted(self.strata.shapes[stratum].items())
        weights = np.array([count for _, count in shapes], dtype=float)
        found: list[Variant] = []
        taken: set[tuple[str, int]] = set()
        for contig, position in self._positions(stratum, number * TRIES, rng):
            removed, inserted = shapes[int(rng.choice(len(shapes), p=weights / weights.sum()))][0]
            variant = self._variant(stratum, contig, position, removed, inserted, rng)
            if variant is not None and (contig.name, position) not in taken:
                taken.add((contig.name, position))
                found.append(variant)
            if len(found) == number:
                break
        return found

    def _positions(self, stratum: Stratum, tries: int, rng: np.random.Generator) -> Iterator[tuple[Contig, int]]:
        """Yield random positions of a stratum's distance that are not those of variants of the file."""
        lengths = np.array([contig.length for contig in self.contigs])
        ends = np.cumsum(lengths)
        for _ in range(0, tries, BATCH):
            places = rng.integers(0, ends[-1], BATCH)
            numbers = np.searchsorted(ends, places, side="right")
            offsets = places - (ends - lengths)[numbers]
            fits = np.ones(BATCH, dtype=bool)
            if self.strata.features is not None:
                for number in np.unique(numbers):
                    here = numbers == number
                    classes = self.strata.features.classes(self.contigs[number].name, offsets[here])
                    fits[here] = classes == stratum.distance
            for number, offset in zip(numbers[fits].tolist(), offsets[fits].tolist(), strict=True):
                contig = self.contigs[number]
                if offset not in self.strata.positions.get(contig.name, ()):
                    yield contig, offset

    def _variant(
        self,
        stratum: Stratum,
        contig: Contig,
        position: int,
        removed: int,
        inserted: int,
        rng: np.random.Generator,
    ) -> Variant | None:
        """Return a variant at a position; None if the sequence there does not fit."""
        anchor = removed != inserted
        end = position + removed + anchor
        if end > contig.length:
            return None
        ref = self.genome.letters(contig, position, end).decode("latin-1").upper()
        if set(ref) - set(BASES):
            return None
        if removed == inserted == 1:
            wanted, alt = stratum.kind.split(">")
            return Variant(0, contig.name, position, MISSING, ref, (alt,)) if ref == wanted else None
        bases = "".join(BASES[number] for number in rng.integers(0, len(BASES), inserted))
        if not anchor and (bases[0] == ref[0] or bases[-1] == ref[-1]):
            return None
        kept = ref[0] if anchor else ""
        same = removed and inserted and anchor and (bases[0] == ref[1] or bases[-1] == ref[-1])
        return None if same else Variant(0, contig.name, position, MISSING, ref, (kept + bases,))


def percentiles(of_background: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the percentile of each |difference| among those of a background: (k + 0.5) / (N + 1).

    k is how many of the background's N are smaller. A background of fewer than `LEAST` gives NaN.

    Args:
        of_background: float32, (N, samples, tracks): |difference|.
        values: float32, (samples, tracks): differences.
    """
    number = len(of_background)
    if number < LEAST:
        return np.full_like(values, np.nan)
    smaller = (of_background < np.abs(values)).sum(axis=0)
    found: NDArray[np.float32] = ((smaller + 0.5) / (number + 1)).astype(np.float32)
    return found


@dataclass(frozen=True, eq=False)
class Background:
    """The effects of variants that were drawn.

    Attributes:
        strata: The strata of the file.
        sizes: For each stratum, float32, (variants, samples, tracks): |difference|.
    """

    strata: Strata
    sizes: Mapping[Stratum, NDArray[np.float32]]

    @classmethod
    def of(cls, strata: Strata, drawn: Mapping[Stratum, Sized], differences: NDArray[np.float32]) -> Background:
        """Make a background of the differences of drawn variants.

        Args:
            strata: The strata of the file.
            drawn: The variants of each stratum.
            differences: float32, (variants, samples, tracks), in the order of the strata and their variants.
        """
        sizes, begin = {}, 0
        for stratum, variants in drawn.items():
            sizes[stratum] = np.abs(differences[begin : begin + len(variants)])
            begin += len(variants)
        return cls(strata, sizes)

    def ranks(
        self, placed: Iterable[Placed], differences: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the percentile of each difference, and the number of drawn variants in its stratum.

        Args:
            placed: The variants.
            differences: float32, (alleles, samples, tracks).

        Returns:
            float32, (alleles, samples, tracks), NaN for alleles that are not scored or have too few drawn variants; and
            int64, (alleles,), 0 for alleles that are not scored.
        """
        found = np.full_like(differences, np.nan)
        counts = np.zeros(len(differences), dtype=np.int64)
        of_alleles = (stratum for one in placed for stratum, _ in self.strata.of(one))
        for number, stratum in enumerate(of_alleles):
            if stratum is not None and stratum in self.sizes:
                counts[number] = len(self.sizes[stratum])
                found[number] = percentiles(self.sizes[stratum], differences[number])
        return found, counts
