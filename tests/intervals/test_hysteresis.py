"""Intervals of a stream, against a loop over single bins."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epigept_batch.intervals.hysteresis import Hysteresis, Rule

HALVES = st.one_of(st.sampled_from([math.nan, 0.0]), st.integers(0, 8).map(lambda number: number / 4))
RULES = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 3), st.integers(1, 4)).map(
    lambda row: Rule(max(row[:2]) / 4, min(row[:2]) / 4, row[2], row[3])
)


def naive(values, rule, first=0):
    """The intervals of successive bins, found one bin at a time."""
    found, start, last = [], None, None
    for number, value in enumerate([*values, math.nan]):
        if start is not None and (math.isnan(value) or number - last > rule.gap + 1):
            bins = values[start : last + 1]
            if max(bins) >= rule.high and len(bins) >= rule.least:
                found.append((first + start, first + last + 1, [float(one) for one in bins]))
            start = None
        if value >= rule.low:
            start, last = number if start is None else start, number
    return found


def found_in(blocks, rule):
    """The intervals of blocks of (first bin, values)."""
    finder = Hysteresis(rule)
    intervals = [one for first, values in blocks for one in finder.add(first, np.asarray(values, dtype=np.float32))]
    intervals += finder.end()
    return [(one.first, one.last, one.values.tolist()) for one in intervals]


@given(st.lists(HALVES, max_size=60), RULES, st.lists(st.integers(0, 60), max_size=8), st.integers(0, 1000))
def test_blocks_cut_anywhere_give_what_a_loop_over_bins_gives(values, rule, cuts, first):
    edges = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    blocks = [(first + a, values[a:b]) for a, b in pairwise(edges)]
    assert found_in(blocks, rule) == naive(values, rule, first)


@given(st.lists(HALVES, min_size=2, max_size=40), RULES, st.integers(1, 39), st.integers(1, 5))
def test_bins_left_out_end_an_interval(values, rule, cut, jump):
    cut = min(cut, len(values) - 1)
    wanted = naive(values[:cut], rule) + naive(values[cut:], rule, cut + jump)
    assert found_in([(0, values[:cut]), (cut + jump, values[cut:])], rule) == wanted


def test_a_gap_is_bridged_up_to_its_length_and_not_across_missing_bins():
    rule = Rule(high=2, low=1, gap=2)
    assert [one[:2] for one in found_in([(5, [1, 0, 0, 2])], rule)] == [(5, 9)]
    assert [one[:2] for one in found_in([(5, [1, 0, 0, 0, 2])], rule)] == [(9, 10)]
    assert [one[:2] for one in found_in([(5, [2, 0, math.nan, 2])], rule)] == [(5, 6), (8, 9)]


def test_another_contig_begins_afresh():
    finder = Hysteresis(Rule(high=1, low=1))
    ones = np.ones(3, dtype=np.float32)
    assert not list(finder.add(0, ones))
    assert [(one.first, one.last) for one in finder.end()] == [(0, 3)]
    assert not list(finder.end())
    assert not list(finder.add(3, ones))
    assert [(one.first, one.last) for one in finder.end()] == [(3, 6)]


def test_an_interval_does_not_keep_the_block_that_it_was_found_in():
    block = np.zeros(1000, dtype=np.float32)
    block[5:8] = 1
    (interval,) = Hysteresis(Rule(high=1, low=1)).add(0, block)
    assert interval.values.base is None


@pytest.mark.parametrize("row", [(1, 2, 0, 1), (1, math.nan, 0, 1), (2, 1, -1, 1), (2, 1, 0, 0)])
def test_impossible_rules_are_refused(row):
    with pytest.raises(ValueError, match=r"is above|is too small"):
        Rule(*row)
