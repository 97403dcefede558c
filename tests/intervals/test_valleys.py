"""Splitting at valleys, against scipy's topographic prominence."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import find_peaks

from epigept_batch.intervals.valleys import split_at_valleys

HEIGHTS = st.lists(st.integers(1, 40), min_size=1, max_size=40, unique=True)


def split(values, prominence, least=1):
    return split_at_valleys(np.asarray(values, dtype=np.float32), prominence=prominence, least=least)


@given(HEIGHTS, st.sampled_from([0, 0.1, 0.25, 0.5, 0.9, 1]))
def test_summits_are_those_of_scipy_with_enough_prominence(values, share):
    parts = split(values, share)
    padded = np.array([0.0, *values, 0.0])  # so that ends of the interval are sides
    tops, found = find_peaks(padded, prominence=0)
    highest = padded.max()
    wanted = [
        int(top) - 1
        for top, prominence in zip(tops, found["prominences"], strict=True)
        if padded[top] == highest or padded[top] - prominence < (1 - share) * padded[top]
    ]
    assert [first + int(np.argmax(values[first:last])) for first, last in parts] == wanted
    edges = [parts[0][0], *(last for _, last in parts)]
    assert (edges[0], edges[-1]) == (0, len(values))
    assert [first for first, _ in parts] == edges[:-1]
    for edge, left, right in zip(edges[1:-1], wanted[:-1], wanted[1:], strict=True):
        assert values[edge] == min(values[left : right + 1])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 6), st.sampled_from([0, 0.5]))
def test_parts_are_long_enough_or_the_whole(values, least, share):
    parts = split(values, share, least)
    assert parts[0][0] == 0
    assert parts[-1][1] == len(values)
    assert all(first == last for (_, last), (first, _) in pairwise(parts))
    assert parts == [(0, len(values))] or all(last - first >= least for first, last in parts)
    assert set(parts) <= {(a, b) for a in edges_of(values, share) for b in edges_of(values, share)}


def edges_of(values, share):
    return {edge for part in split(values, share) for edge in part}


@pytest.mark.parametrize(
    ("values", "share", "least", "parts"),
    [
        ([1, 5, 2, 6, 1], 0.5, 1, [(0, 2), (2, 5)]),
        ([1, 4, 2, 6, 1], 0.5, 1, [(0, 5)]),  # exactly half as deep as asked for: not more
        ([5, 0, 0, 0, 6], 0.5, 1, [(0, 2), (2, 5)]),
        ([5, 0, 0, 6], 0.5, 1, [(0, 2), (2, 4)]),
        ([6, 1, 6], 0.5, 1, [(0, 1), (1, 3)]),  # summits of the same height
        ([3, 3, 3], 0, 1, [(0, 3)]),
        ([6, 0, 6], 1, 1, [(0, 3)]),
        ([9, 1, 5, 2, 9, 9], 0.2, 2, [(0, 3), (3, 6)]),  # the first part is too short
        ([9, 9, 1, 5, 2, 9, 9], 0.2, 3, [(0, 7)]),
        ([9, 9, 9, 1, 5, 2, 9, 9], 0.2, 3, [(0, 3), (3, 8)]),  # the middle is joined behind the shallower valley
        ([9, 9, 2, 5, 1, 9, 9, 9], 0.2, 3, [(0, 4), (4, 8)]),
    ],
)
def test_known_intervals(values, share, least, parts):
    assert split(values, share, least) == parts


def test_a_chromosome_above_the_threshold_takes_little_time():
    values = np.random.default_rng(1).gamma(1, 1, 300_000).astype(np.float32)
    parts = split(values, 0.3)
    assert len(parts) > 10_000
