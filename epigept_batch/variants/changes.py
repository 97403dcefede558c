"""Edit a sequence, and align what a network predicts for the edited sequence to the reference's coordinates.

A window of the edited sequence begins at the reference position where the window of the reference begins. Sequence left
of a change stays in place, and the rest moves. Of a change that replaces r bases by i bases, the first min(r, i) bases
correspond to each other. Further bases of the reference are deleted, and further bases of the edit are inserted after
their *anchor*, the base before them.

Predictions come by bin. The bins of the edited sequence are spread to bases, each base goes to its reference position,
and a reference bin gets the mean over its bases:

- deleted bases are left out of the mean; a bin of which every base is deleted gets 0;
- an anchor gets the maximum of itself and the bases that are inserted after it;
- bases that moved out of the window, or into a bin without any base, are left out; a bin with none left gets NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.tiling import Span

    Read = Callable[[int, int], NDArray[np.uint8]]
    """Returns the tokens [start, end) of a contig; positions outside it have no base."""

BASES = "ACGT"
"""The letter of each token."""
_TOKEN_OF = {base: token for token, base in enumerate(BASES)}


@dataclass(frozen=True)
class Change:
    """Bases of a contig and what replaces them.

    Attributes:
        start: Position of the first replaced base, 0-based; of an insertion, of the base after it.
        removed: Number of bases that are replaced.
        inserted: The bases that replace them, upper case, A, C, G and T only.
    """

    start: int
    removed: int
    inserted: str

    @property
    def end(self) -> int:
        """Position after the last replaced base."""
        return self.start + self.removed

    @property
    def shift(self) -> int:
        """How far the sequence on its right moves."""
        return len(self.inserted) - self.removed

    @property
    def shared(self) -> int:
        """Number of bases that correspond to a base of the reference."""
        return min(self.removed, len(self.inserted))

    @property
    def tokens(self) -> NDArray[np.uint8]:
        """The inserted bases as tokens, uint8."""
        return np.array([_TOKEN_OF[base] for base in self.inserted], dtype=np.uint8)


def change_of(position: int, ref: str, alt: str) -> Change | None:
    """Return the change that alleles describe, without the bases that they share; None if the alleles are equal.

    Args:
        position: Position of the first base of the reference allele, 0-based.
        ref: Reference allele, in either case.
        alt: Alternative allele, in either case, A, C, G and T only.
    """
    ref, alt = ref.upper(), alt.upper()
    if ref == alt:
        return None
    most = min(len(ref), len(alt))
    left = next((number for number in range(most) if ref[number] != alt[number]), most)
    most -= left
    right = next((number for number in range(most) if ref[-1 - number] != alt[-1 - number]), most)
    return Change(position + left, len(ref) - left - right, alt[left : len(alt) - right])


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which bases of a window of the edited sequence correspond to which of the reference's window.

    Attributes:
        inside: Start and end of the reference's window that lie on the contig, within the window.
        matches: int64, (matches, 3): first base in the reference's window, first base in the edited one, and length of
            each run of bases that correspond, in order.
        insertions: int64, (insertions, 3): the anchor in the reference's window, then start and end of the inserted
            bases in the edited one.
        deleted: int64, (deletions, 2): start and end of each run of deleted bases in the reference's window.
    """

    inside: tuple[int, int]
    matches: NDArray[np.int64]
    insertions: NDArray[np.int64]
    deleted: NDArray[np.int64]

    @property
    def is_identity(self) -> bool:
        """Whether every base stays in place, so that there is nothing to align."""
        stays = self.matches[:, 0] == self.matches[:, 1]
        return bool(stays.all()) and not len(self.insertions) and not len(self.deleted)

    def to_reference(
        self, values: NDArray[np.float32], has_bases: NDArray[np.bool_], *, bin_bp: int
    ) -> NDArray[np.float64]:
        """Align predictions for the bins of the edited window to the bins of the reference's window.

        Args:
            values: float32, (…, bins, tracks): predictions for the edited window.
            has_bases: bool, (bins,): which bins of the edited window contain A, C, G or T.
            bin_bp: Base pairs per bin.

        Returns:
            float64, of the shape of `values`: by bin of the reference's window; NaN without any value.
        """
        runs = self._runs(bin_bp)
        runs = runs[has_bases[runs[:, 1]]]
        bins = values.shape[-2]
        sums = np.zeros((bins, *values.shape[:-2], values.shape[-1]))
        counts = np.zeros(bins, dtype=np.int64)
        by_bin = np.moveaxis(values, -2, 0).astype(np.float64)
        lengths = runs[:, 2].reshape(-1, *[1] * (by_bin.ndim - 1))
        np.add.at(sums, runs[:, 0], lengths * by_bin[runs[:, 1]])
        np.add.at(counts, runs[:, 0], runs[:, 2])
        for bin_, more in self._of_anchors(by_bin, has_bases, bin_bp):
            sums[bin_] += more
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums / counts.reshape(-1, *[1] * (sums.ndim - 1))
        for start, end in self.deleted:
            last = ceil_div(end, bin_bp) if end >= self.inside[1] else end // bin_bp  # a contig may end within a bin
            means[ceil_div(start, bin_bp) : last] = 0
        return np.moveaxis(means, 0, -2)

    def _runs(self, bin_bp: int) -> NDArray[np.int64]:
        """Return runs of corresponding bases within one bin of either window: bin, edited bin, and length."""
        runs = []
        for here, there, length in self.matches:
            inner = {0, length}
            inner.update(range(bin_bp - here % bin_bp, length, bin_bp))
            inner.update(range(bin_bp - there % bin_bp, length, bin_bp))
            cuts = np.array(sorted(inner), dtype=np.int64)
            starts = cuts[:-1]
            runs.append(np.stack([(here + starts) // bin_bp, (there + starts) // bin_bp, np.diff(cuts)], axis=1))
        return np.concatenate(runs) if runs else np.zeros((0, 3), dtype=np.int64)

    def _of_anchors(
        self, by_bin: NDArray[np.float64], has_bases: NDArray[np.bool_], bin_bp: int
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield the bin of each anchor, and what the inserted bases add to the sum over its bases."""
        for anchor, start, end in self.insertions:
            own = self._place(anchor) // bin_bp
            inserted = np.arange(start // bin_bp, (end - 1) // bin_bp + 1)
            inserted = inserted[has_bases[inserted]]
            if len(inserted) and has_bases[own]:
                best = np.maximum(by_bin[inserted].max(axis=0), by_bin[own])
                yield int(anchor // bin_bp), best - by_bin[own]

    def _place(self, base: int) -> int:
        """Return where a base of the reference's window lies in the edited one."""
        number = int(np.searchsorted(self.matches[:, 0], base, side="right")) - 1
        here, there, _ = self.matches[number]
        return int(there + base - here)


@dataclass(frozen=True, eq=False)
class EditedWindow:
    """A window of an edited sequence.

    Attributes:
        reach: uint8, (before + length + after,): its tokens and those around it.
        alignment: How the window without its surroundings corresponds to the reference's.
    """

    reach: NDArray[np.uint8]
    alignment: Alignment


def edit(
    read: Read,
    changes: Sequence[Change],
    *,
    contig_length: int,
    start: int,
    length: int,
    before: int = 0,
    after: int = 0,
) -> EditedWindow:
    """Return the window of an edited contig that begins where the reference's window begins.

    Args:
        read: Reads the reference.
        changes: In order of position, none overlapping another.
        contig_length: Bases of the contig; nothing is aligned beyond its ends.
        start: First base of the window.
        length: Bases of the window.
        before: Bases that are read before the window.
        after: Bases that are read after the window.
    """
    left, right = [], []
    for change in changes:
        # A change across the window's start is cut there: what corresponds to bases before it belongs before it.
        if change.start < start:
            left.append(change)
        else:
            right.append(change)
    if left and left[-1].end > start:
        across = left.pop()
        cut = start - across.start
        left.append(Change(across.start, cut, across.inserted[:cut]))
        right.insert(0, Change(start, across.end - start, across.inserted[cut:]))
    elif right and right[0].start == start and not right[0].removed:
        left.append(right.pop(0))  # its anchor is the base before the window
    rightward = _Rightward(read, start, length + after)
    for change in right:
        rightward.take(change)
    reach = np.concatenate([_leftward(read, left, start, before), rightward.tokens()])
    inside = (max(-start, 0), max(min(contig_length - start, length), 0))
    return EditedWindow(reach, rightward.alignment(length, inside, _deletions(right, start, inside)))


def align(changes: Sequence[Change], *, contig_length: int, start: int, length: int) -> Alignment:
    """Return the alignment that `edit` returns, without reading the sequence."""
    return edit(_nothing, changes, contig_length=contig_length, start=start, length=length).alignment


def _nothing(start: int, end: int) -> NDArray[np.uint8]:
    return np.zeros(end - start, dtype=np.uint8)


class _Rightward:
    """Collects the edited sequence from a position on to the right, with what corresponds to what."""

    def __init__(self, read: Read, start: int, length: int) -> None:
        self._read, self._start, self._length = read, start, length
        self._parts: list[NDArray[np.uint8]] = []
        self._filled = 0
        self._position = start
        self._matches: list[tuple[int, int, int]] = []
        self._insertions: list[tuple[int, int, int]] = []

    def take(self, change: Change) -> None:
        """Add the reference up to a change, and the change."""
        self._copy(min(change.start - self._position, self._length - self._filled))
        if self._filled >= self._length or self._position < change.start:
            return
        here = change.start - self._start
        shared = change.shared
        if shared:
            self._matches.append((here, self._filled, shared))
        if len(change.inserted) > shared and here + shared > 0:
            begin = self._filled + shared
            self._insertions.append((here + shared - 1, begin, self._filled + len(change.inserted)))
        self._add(change.tokens)
        self._position = change.end

    def _copy(self, bases: int) -> None:
        """Add bases of the reference."""
        if bases > 0:
            self._matches.append((self._position - self._start, self._filled, bases))
            self._add(self._read(self._position, self._position + bases))
            self._position += bases

    def _add(self, tokens: NDArray[np.uint8]) -> None:
        self._parts.append(tokens)
        self._filled += len(tokens)

    def tokens(self) -> NDArray[np.uint8]:
        """Return the sequence in its whole length, uint8."""
        self._copy(self._length - self._filled)
        return np.concatenate(self._parts)[: self._length] if self._parts else np.zeros(0, dtype=np.uint8)

    def alignment(self, length: int, inside: Span, deleted: Sequence[Span]) -> Alignment:
        """Return the alignment of the bases within `inside` to the first `length` ones; call it after `tokens`."""
        matches = []
        for here, there, bases in self._matches:
            skipped = max(inside[0] - here, 0)
            clipped = min(bases, inside[1] - here, length - there)
            if clipped > skipped:
                matches.append((here + skipped, there + skipped, clipped - skipped))
        anchors = {here + bases - 1 for here, _, bases in matches}
        insertions = [
            (anchor, begin, min(end, length))
            for anchor, begin, end in self._insertions
            if begin < length and anchor in anchors
        ]
        return Alignment(inside, _table(matches, 3), _table(insertions, 3), _table(deleted, 2))


def _deletions(changes: Sequence[Change], start: int, inside: Span) -> list[Span]:
    """Return the runs of deleted bases of a window that begins at `start`; those that touch are one."""
    joined: list[Span] = []
    for change in changes:
        first, last = change.start + change.shared - start, min(change.end - start, inside[1])
        if first >= last:
            continue
        if joined and joined[-1][1] == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _leftward(read: Read, changes: Sequence[Change], start: int, length: int) -> NDArray[np.uint8]:
    """Return the last `length` bases of the edited sequence before a position."""
    parts: list[NDArray[np.uint8]] = []
    position, missing = start, length
    for change in reversed(changes):
        bases = min(position - change.end, missing)
        parts.append(read(position - bases, position))
        missing -= bases
        if not missing:
            break
        tokens = change.tokens[max(len(change.inserted) - missing, 0) :]
        parts.append(tokens)
        missing -= len(tokens)
        position = change.start
    parts.append(read(position - missing, position))
    return np.concatenate(parts[::-1])


def _table(rows: Sequence[tuple[int, ...]], columns: int) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(-1, columns)
