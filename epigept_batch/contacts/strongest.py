"""Choose the strongest pairs of a map, and write them as BEDPE and as UCSC interact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

BEDPE_COLUMNS = (
    "chrom1",
    "start1",
    "end1",
    "chrom2",
    "start2",
    "end2",
    "name",
    "score",
    "strand1",
    "strand2",
    "observed",
    "expected",
)
HIGHEST_SCORE = 1000
"""Score of the strongest pair of an interact file, by which browsers shade it."""
WAITING = 1 << 16
"""Number of candidates that are collected before the weakest are dropped."""


class Candidates(NamedTuple):
    """Pairs of bins of a contig, with arrays of one length each.

    Attributes:
        contig: Number of the contig in the FASTA's order.
        first: First bin of a pair, counted from the contig's start.
        second: Second bin.
        observed: Mean attention.
        expected: What is expected at the distance.
    """

    contig: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Observed over expected."""
        ratio: NDArray[np.float64] = self.observed / self.expected
        return ratio

    def chosen(self, index: NDArray[np.int64]) -> Candidates:
        """Select some of the pairs."""
        return Candidates(
            self.contig[index], self.first[index], self.second[index], self.observed[index], self.expected[index]
        )


class Strongest:
    """Collects the pairs with the highest observed over expected; of equal ones, the first in genome order.

    Args:
        number: How many.
        min_distance: Least distance, in bins.
    """

    def __init__(self, number: int, min_distance: int) -> None:
        self._number, self._min_distance = number, min_distance
        self._parts: list[Candidates] = []
        self._least = -np.inf

    def add(self, pairs: Candidates) -> None:
        """Add pairs that follow those added before in genome order."""
        wanted = (pairs.second - pairs.first >= self._min_distance) & (pairs.ratio > self._least)
        if wanted.any():
            self._parts.append(pairs.chosen(np.flatnonzero(wanted)))
        if sum(len(part.first) for part in self._parts) > self._number + WAITING:
            self._reduce()

    def pairs(self) -> Candidates:
        """Return the strongest pairs, in genome order."""
        self._reduce()
        return self._parts[0]

    def _reduce(self) -> None:
        if not self._parts:
            self._parts = [Candidates(*(np.zeros(0, kind) for kind in (int, int, int, float, float)))]
        all_of_them = Candidates(*map(np.concatenate, zip(*self._parts, strict=True)))
        order = np.argsort(-all_of_them.ratio, kind="stable")[: self._number]
        self._parts = [all_of_them.chosen(np.sort(order))]
        if len(order) == self._number and self._number:
            self._least = float(all_of_them.ratio[order[-1]])


@dataclass(frozen=True)
class Rule:
    """By what rule pairs were chosen.

    Attributes:
        sample: Name of the sample.
        share: Share of the pairs at the least distance or beyond.
        min_distance_bp: The least distance.
        candidates: Number of such pairs.
        bin_bp: Base pairs per bin.
    """

    sample: str
    share: float
    min_distance_bp: int
    candidates: int
    bin_bp: int

    @property
    def number(self) -> int:
        """Number of pairs that are chosen, at least one if there are any."""
        return min(self.candidates, max(1, round(self.share * self.candidates)))

    def in_words(self, pairs: Candidates) -> str:
        """Return the rule and the threshold that followed from it."""
        least = f"observed/expected of at least {pairs.ratio.min():.6g}" if len(pairs.first) else "none"
        return (
            f"the strongest {self.share:g} of {self.candidates:,} pairs of {self.bin_bp} bp bins at least "
            f"{self.min_distance_bp:,} bp apart: {len(pairs.first):,} pairs, {least}"
        )


CAUTION = "attention of a network, not measured contacts; epigept-batch evaluate --contacts compares it with baselines"


def write_bedpe(path: Path, contigs: Sequence[Contig], pairs: Candidates, rule: Rule) -> None:
    """Write pairs as BEDPE with observed over expected as the score, sorted by position."""
    rows = (
        "\t".join(
            [*map(str, (*one, *other)), f"{rule.sample}_{number}", f"{ratio:.6g}", ".", ".", f"{o:.6g}", f"{e:.6g}"]
        )
        for number, (one, other, o, e, ratio) in enumerate(_rows(contigs, pairs, rule.bin_bp), 1)
    )
    header = [f"# {rule.sample}: {CAUTION}", f"# {rule.in_words(pairs)}", "#" + "\t".join(BEDPE_COLUMNS)]
    _write(path, header, rows)


def write_interact(path: Path, contigs: Sequence[Contig], pairs: Candidates, rule: Rule) -> None:
    """Write pairs in UCSC's interact format, sorted by position."""
    highest = pairs.ratio.max(initial=0)
    track = (
        f'track type=interact name="{rule.sample} contacts" description="{rule.sample}: {rule.in_words(pairs)}" '
        "interactDirectional=false visibility=full useScore=on"
    )
    rows = (
        "\t".join(
            [
                *map(
                    str, (one[0], one[1], other[2], f"{rule.sample}_{number}", round(HIGHEST_SCORE * ratio / highest))
                ),
                *(f"{ratio:.6g}", rule.sample.replace(" ", "_"), "0"),
                *map(str, one),
                *(".", "."),
                *map(str, other),
                *(".", "."),
            ]
        )
        for number, (one, other, _, _, ratio) in enumerate(_rows(contigs, pairs, rule.bin_bp), 1)
    )
    _write(path, [track, f"# {CAUTION}"], rows)


Anchor = tuple[str, int, int]


def _rows(
    contigs: Sequence[Contig], pairs: Candidates, bin_bp: int
) -> Iterator[tuple[Anchor, Anchor, float, float, float]]:
    """Yield both anchors, observed, expected and their ratio."""
    for number, first, second, observed, expected in zip(*(column.tolist() for column in pairs), strict=True):
        contig = contigs[number]
        anchors = [(contig.name, b * bin_bp, min((b + 1) * bin_bp, contig.length)) for b in (first, second)]
        yield anchors[0], anchors[1], observed, expected, observed / expected


def _write(path: Path, header: Sequence[str], rows: Iterator[str]) -> None:
    with path.open("w") as stream:
        for line in (*header, *rows):
            stream.write(f"{line}\n")
