"""Notes of `epigept-batch evaluate --contacts` on what is compared, what is left out, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from epigept_batch.contacts.loops import Anchors
    from epigept_batch.contacts.measured import MeasuredContacts
    from epigept_batch.evaluation.contacts.maps import MapComparison

LEFT_OUT = {
    "too_far": "farther apart than the map reaches",
    "not_predicted": "without a prediction",
    "in_one_bin": "with both anchors in one bin",
    "outside": "outside the selected regions",
    "without_accessibility": "without accessibility",
    "repeated": "in the same pair of bins as another",
    "without_negatives": "without another pair of bins at their distance",
    "trans": "between contigs",
    "elsewhere": "on other contigs",
    "beyond": "beyond the end of a contig",
    "unlabelled": "without a label",
}
"""Why loops and pairs are left out, in words."""


def account(counts: Mapping[str, int], what: str) -> str:
    """Return the counts in words."""
    total = counts["compared"] + sum(counts.get(name, 0) for name in LEFT_OUT)
    left = ", ".join(f"{counts[name]:,} {words}" for name, words in LEFT_OUT.items() if counts.get(name))
    are = f"{counts['compared']:,} of {total:,} {what}s lie within the map and are compared"
    return f"{are}; left out: {left}" if left else are


def notes_on_loops(
    counts: Mapping[str, int], loops: Sequence[Anchors], *, negatives: int, bin_bp: int
) -> Iterator[str]:
    """Yield notes on a comparison with loops."""
    yield account(counts, "loop")
    yield (
        f"each loop is compared with the other pairs of bins of {bin_bp:,} bp of its contig at its distance, "
        f"{negatives:,} in total; AUPRC is for 10 of them per loop, so that chance has 0.091"
    )
    median = int(np.median([place.end - place.start for loop in loops for place in (loop.first, loop.second)]))
    if median > 2 * bin_bp:
        yield (
            f"the median anchor has {median:,} bp, more than 2 bins, of which only the middle one is compared; "
            f"--bin {median} compares whole anchors"
        )


def notes_on_pairs(counts: Mapping[str, int], *, regulated: int, distance: str | None) -> Iterator[str]:
    """Yield notes on a comparison with tested pairs.

    Args:
        counts: Numbers of pairs.
        regulated: Number of regulated pairs in the file.
        distance: How attention depends on distance; None if as in the map.
    """
    yield f"{account(counts, 'pair')}; {counts['compared_regulated']} of {regulated} regulated pairs are among them"
    yield "regulated pairs are compared with tested pairs that are not regulated, at all distances within the map"
    if distance is not None:
        yield f"attention is {distance}"


def notes_on_map(found: MapComparison, measured: MeasuredContacts, *, bin_bp: int) -> Iterator[str]:
    """Yield notes on a comparison with a measured map."""
    pairs = int(found.pairs.sum())
    left = f"; left out: {found.empty:,} of {found.bins:,} bins, without any measured contact" if found.empty else ""
    yield f"{pairs:,} pairs of bins of {bin_bp:,} bp{left}"
    yield f"the measured map is {measured.values}"
    yield "r is computed at each distance of each contig, and averaged by number of pairs"
