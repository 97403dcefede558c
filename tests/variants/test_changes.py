"""Edits of a sequence and the alignment of what is predicted for it, against versions that go base by base."""

import numpy as np
import pytest

import reference
from epigept_batch.spec import NO_BASE
from epigept_batch.variants.changes import BASES, Change, change_of, edit

BIN, BINS = 8, 6
WINDOW = BIN * BINS


@pytest.mark.parametrize(
    ("ref", "alt", "expected"),
    [
        ("A", "C", Change(10, 1, "C")),
        ("a", "c", Change(10, 1, "C")),
        ("ACG", "ATG", Change(11, 1, "T")),
        ("ACG", "TCA", Change(10, 3, "TCA")),
        ("C", "CGG", Change(11, 0, "GG")),
        ("CGG", "C", Change(11, 2, "")),
        ("TT", "T", Change(11, 1, "")),
        ("CAG", "CTTG", Change(11, 1, "TT")),
        ("A", "a", None),
    ],
)
def test_changes_leave_out_what_the_alleles_share(ref, alt, expected):
    assert change_of(10, ref, alt) == expected


def sequence(rng, length):
    return "".join(rng.choice(list(BASES + "N"), length, p=[0.22, 0.22, 0.22, 0.22, 0.12]))


def tokens_of(bases):
    return np.array([BASES.index(base) if base in BASES else NO_BASE for base in bases], dtype=np.uint8)


def reader(bases):
    tokens = tokens_of(bases)

    def read(start, end):
        found = np.full(end - start, NO_BASE, dtype=np.uint8)
        first, last = max(start, 0), min(end, len(tokens))
        if first < last:
            found[first - start : last - start] = tokens[first:last]
        return found

    return read


def random_changes(rng, length):
    """Changes of up to three bins, some of them side by side."""
    changes, position = [], int(rng.integers(0, 12))
    while position < length:
        removed = int(rng.integers(0, min(20, length - position) + 1)) if rng.random() < 0.7 else 0
        inserted = "".join(rng.choice(list(BASES), int(rng.integers(0, 20)))) if rng.random() < 0.7 else ""
        if removed or inserted:
            changes.append(Change(position, removed, inserted))
        position += removed + int(rng.integers(1, 40))
    return changes


@pytest.mark.parametrize("seed", range(100))
def test_edited_windows_against_single_bases(seed):
    rng = np.random.default_rng(seed)
    bases = sequence(rng, int(rng.integers(WINDOW, 3 * WINDOW)))
    changes = random_changes(rng, len(bases))
    start = BIN * int(rng.integers(-3, len(bases) // BIN))
    edited = reference.edited_by_base(bases, [(one.start, one.removed, one.inserted) for one in changes])
    outside = [("N", position, False) for position in range(-10 * WINDOW, 0)]
    beyond = [("N", position, False) for position in range(len(bases), len(bases) + 10 * WINDOW)]
    edited = [*outside, *edited, *beyond]
    # The window begins with the first base that comes from its first position or from beyond.
    origin = next(i for i, (_, p, inserted) in enumerate(edited) if p >= start and not (inserted and p < start))
    before, after = 5, 7

    window = edit(
        reader(bases), changes, contig_length=len(bases), start=start, length=WINDOW, before=before, after=after
    )
    expected = tokens_of("".join(base for base, *_ in edited[origin - before : origin + WINDOW + after]))
    np.testing.assert_array_equal(window.reach, expected)

    values = rng.normal(size=(2, BINS, 3)).astype(np.float32)
    has_bases = (window.reach[before : before + WINDOW].reshape(BINS, BIN) != NO_BASE).any(axis=1)
    found = window.alignment.to_reference(values, has_bases, bin_bp=BIN)
    for sample in range(2):
        naive = reference.aligned_by_base(
            edited, origin, values[sample], has_bases, start=start, bins=BINS, bin_bp=BIN, contig_length=len(bases)
        )
        np.testing.assert_allclose(found[sample], naive, rtol=1e-12, atol=1e-12)
