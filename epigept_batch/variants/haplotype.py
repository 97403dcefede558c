"""The changes of one haplotype, kept compactly and found by window.

A genome has some millions of changes. They are columns of numbers and one string of bases per contig, 29 bytes per SNV.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.variants.changes import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from epigept_batch.tiling import Span

SNVS, MNVS, INSERTIONS, DELETIONS = "snvs", "mnvs", "insertions", "deletions"


class ContigChanges:
    """The changes of a contig.

    Args:
        changes: In order of position, none overlapping another.
    """

    def __init__(self, changes: Iterable[Change]) -> None:
        rows = [(change.start, change.removed, change.inserted) for change in changes]
        self._starts = np.array([start for start, _, _ in rows], dtype=np.int64)
        self._removed = np.array([removed for _, removed, _ in rows], dtype=np.int32)
        self._letters = "".join(inserted for _, _, inserted in rows)
        lengths = np.array([len(inserted) for _, _, inserted in rows], dtype=np.int64)
        self._bounds = np.concatenate([[0], np.cumsum(lengths)])
        moved = np.cumsum(lengths - self._removed)
        self._edited = self._starts + np.concatenate([[0], moved[:-1]]) if rows else self._starts
        """Where each change begins in the edited sequence."""
        self.shift = int(moved[-1]) if rows else 0
        """How much longer the edited contig is."""

    def __len__(self) -> int:
        return len(self._starts)

    def around(self, start: int, *, length: int, before: int, after: int) -> Span:
        """Return which changes can make a difference to a window that begins at the same position in the reference.

        Args:
            start: First base of the window.
            length: Bases of the window, of the edited sequence and of the reference.
            before: Bases of the edited sequence that are read before the window.
            after: Bases of the edited sequence that are read after it.

        Returns:
            The numbers of the first change and of the one after the last; at most one more on the left than needed.
        """
        if not len(self):
            return 0, 0
        origin, number = self._origin(start)
        first = int(np.searchsorted(self._edited[:number], origin - before, side="right")) - 1
        last = max(
            int(np.searchsorted(self._starts, start + length)),
            int(np.searchsorted(self._edited, origin + length + after)),
        )
        return self._without_done(max(first, 0), origin - before), max(last, number)

    def _without_done(self, first: int, begin: int) -> int:
        """Return the next change where this one ends before `begin`, a position of the edited sequence."""
        ended = int(self._edited[first]) + self._inserted(first) < begin
        return first + 1 if ended else first

    def _origin(self, start: int) -> tuple[int, int]:
        """Return where a window begins in the edited sequence, and the number of changes that begin before it."""
        number = int(np.searchsorted(self._starts, start))
        if number < len(self) and self._starts[number] == start and not self._removed[number]:
            number += 1  # an insertion after the base before the window
        if not number:
            return start, 0
        across, edited = int(self._starts[number - 1]), int(self._edited[number - 1])
        inserted, removed = self._inserted(number - 1), int(self._removed[number - 1])
        if across + removed > start:
            return edited + min(start - across, inserted), number
        return start + edited - across + inserted - removed, number

    def _inserted(self, number: int) -> int:
        return int(self._bounds[number + 1] - self._bounds[number])

    def edited_length(self, start: int, contig_length: int) -> int:
        """Return where the edited contig ends, counted so that the window that begins at `start` begins there too."""
        return contig_length + self.shift - self._origin(start)[0] + start

    def between(self, span: Span) -> list[Change]:
        """Return the changes of a range of numbers."""
        return [
            Change(
                int(self._starts[number]),
                int(self._removed[number]),
                self._letters[self._bounds[number] : self._bounds[number + 1]],
            )
            for number in range(*span)
        ]

    def equal(self, span: Span, other: ContigChanges, others: Span) -> bool:
        """Whether a range of changes is the same as a range of another haplotype's."""
        (first, last), (there, end) = span, others
        return (
            last - first == end - there
            and np.array_equal(self._starts[first:last], other._starts[there:end])
            and np.array_equal(self._removed[first:last], other._removed[there:end])
            and np.array_equal(np.diff(self._bounds[first : last + 1]), np.diff(other._bounds[there : end + 1]))
            and self._letters[self._bounds[first] : self._bounds[last]]
            == other._letters[other._bounds[there] : other._bounds[end]]
        )

    def counts(self) -> dict[str, int]:
        """Return the number of changes of each kind; of replaced bases, the lengths decide."""
        lengths = np.diff(self._bounds)
        same = lengths == self._removed
        return {
            SNVS: int((same & (lengths == 1)).sum()),
            MNVS: int((same & (lengths > 1)).sum()),
            INSERTIONS: int((lengths > self._removed).sum()),
            DELETIONS: int((lengths < self._removed).sum()),
        }

    def digest(self) -> bytes:
        """Return a SHA-256 of the changes."""
        found = hashlib.sha256()
        for column in (self._starts, self._removed, self._bounds):
            found.update(column.tobytes())
        found.update(self._letters.encode())
        return found.digest()


NO_CHANGES = ContigChanges(())


@dataclass(frozen=True, eq=False)
class Haplotype:
    """One of the two sequences of a personal genome.

    Attributes:
        number: 1 or 2.
        contigs: The changes of each contig that has any, by its name in the FASTA.
    """

    number: int
    contigs: Mapping[str, ContigChanges]

    @property
    def suffix(self) -> str:
        """What is added to the name of a sample."""
        return f".h{self.number}"

    def on(self, contig: str) -> ContigChanges:
        """Return the changes of a contig."""
        return self.contigs.get(contig, NO_CHANGES)

    @cached_property
    def sha256(self) -> str:
        """A digest of all changes, from which they cannot be read."""
        found = hashlib.sha256()
        for name, changes in sorted(self.contigs.items()):
            found.update(f"{name}\n".encode() + changes.digest())
        return found.hexdigest()

    def counts(self) -> dict[str, int]:
        """Return the number of changes of each kind."""
        totals = dict.fromkeys((SNVS, MNVS, INSERTIONS, DELETIONS), 0)
        for changes in self.contigs.values():
            for kind, number in changes.counts().items():
                totals[kind] += number
        return totals
