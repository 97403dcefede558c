"""Loops and tested pairs on a map: against a construction in plain loops."""

import numpy as np
import pytest

from epigept_batch.contacts.expected import Expected
from epigept_batch.contacts.loops import Anchors
from epigept_batch.evaluation.contacts.loops import LoopRanks, within_anchors
from epigept_batch.evaluation.contacts.pairs import PairScores
from epigept_batch.evaluation.contacts.scores import (
    ATTENTION,
    ATTENTION_BY_DISTANCE,
    DISTANCE,
    MEASURED_DNASE,
    ContigScores,
)
from epigept_batch.tiling import Region

BIN, BINS, WIDTH = 100, 80, 12


def anchors(first, second):
    return Anchors(Region("c", *first), Region("c", *second))


@pytest.fixture
def scores():
    rng = np.random.default_rng(1)
    band = rng.gamma(1, 1, (BINS, WIDTH))
    band[np.add.outer(np.arange(BINS), np.arange(WIDTH)) >= BINS] = np.nan
    band[30, :] = np.nan
    signal = rng.gamma(1, 1, BINS)
    signal[50] = np.nan
    wanted = np.ones(BINS, dtype=bool)
    wanted[:4] = False
    return ContigScores(band, {MEASURED_DNASE: signal}, wanted)


LOOPS = [
    anchors((1000, 1250), (1500, 1600)),  # bins 11 and 15
    anchors((1010, 1240), (1500, 1650)),  # the same
    anchors((2000, 2100), (2400, 2500)),  # 20 and 24
    anchors((3000, 3100), (3400, 3500)),  # 30 is not predicted
    anchors((4000, 4100), (4050, 4150)),  # in one bin
    anchors((4900, 5000), (5000, 5100)),  # 50 has no accessibility
    anchors((100, 200), (900, 1000)),  # outside
    anchors((1000, 1100), (2200, 2300)),  # 12 bins
    anchors((6000, 6100), (7100, 7200)),  # 60 and 71, the farthest
]


def test_each_loop_stands_among_the_other_pairs_of_its_distance(scores):
    found = LoopRanks(bin_bp=BIN)
    found.add(scores, LOOPS)
    ranks = found.finish()
    assert found.counts == {
        "compared": 3,
        "repeated": 1,
        "not_predicted": 1,
        "in_one_bin": 1,
        "without_accessibility": 1,
        "outside": 1,
        "too_far": 1,
    }
    outranked, passing, compared = [], [], 0
    signal = scores.accessibility[MEASURED_DNASE]
    values = {ATTENTION: scores.attention, MEASURED_DNASE: np.full((BINS, WIDTH), np.nan)}
    for i in range(BINS):
        for d in range(min(WIDTH, BINS - i)):
            values[MEASURED_DNASE][i, d] = signal[i] * signal[i + d]
    for name in (ATTENTION, MEASURED_DNASE):
        outranked.append([])
        passing.append([])
        for row, distance in ((11, 4), (20, 4), (60, 11)):
            negatives = []
            for i in range(BINS - distance):
                j = i + distance
                in_a_loop = any(
                    loop.first.start < (i + 1) * BIN
                    and loop.first.end > i * BIN
                    and loop.second.start < (j + 1) * BIN
                    and loop.second.end > j * BIN
                    for loop in LOOPS
                )
                complete = np.isfinite(values[ATTENTION][i, distance]) and np.isfinite(signal[i] * signal[j])
                if complete and i >= 4 and not in_a_loop:
                    negatives.append(values[name][i, distance])
            value = values[name][row, distance]
            lower, equal = np.sum(np.array(negatives) < value), np.sum(np.array(negatives) == value)
            outranked[-1].append((lower + equal / 2) / len(negatives))
            passing[-1].append(np.mean(np.array(negatives) >= value))
            compared += len(negatives) if name == ATTENTION and (row, distance) != (20, 4) else 0
    np.testing.assert_allclose(ranks[ATTENTION].outranked, outranked[0])
    np.testing.assert_allclose(ranks[MEASURED_DNASE].outranked, outranked[1])
    np.testing.assert_allclose(ranks[ATTENTION].passing, passing[0])
    np.testing.assert_allclose(ranks[DISTANCE].outranked, 0.5)
    assert found.negatives == compared


def test_without_other_pairs_at_its_distance_a_loop_is_left_out():
    scores = ContigScores(np.ones((3, 3)), {}, np.ones(3, dtype=bool))
    found = LoopRanks(bin_bp=BIN)
    found.add(scores, [anchors((0, 100), (200, 300))])
    assert found.finish() == {}
    assert found.counts["without_negatives"] == 1
    assert found.counts["compared"] == 0


def test_pairs_within_anchors_that_overlap():
    loop = anchors((0, 800), (100, 300))  # midpoints in bins 3 and 1
    within = within_anchors([loop], bins=9, width=6, bin_bp=BIN)
    expected = np.zeros((9, 6), dtype=bool)
    for i in range(8):
        for j in (1, 2):
            if abs(i - j) < 6:
                expected[min(i, j), abs(i - j)] = True
    np.testing.assert_array_equal(within, expected)
    scores = ContigScores(np.arange(54.0).reshape(9, 6), {}, np.ones(9, dtype=bool))
    found = LoopRanks(bin_bp=BIN)
    found.add(scores, [loop])
    assert found.negatives == 9 - 2 - 3  # of bins 2 apart, those with bin 1 or 2 and a bin before 8
    assert found.finish()[ATTENTION].outranked.tolist() == [0.0]


def test_pairs_within_anchors():
    within = within_anchors([anchors((150, 350), (340, 510))], bins=9, width=4, bin_bp=BIN)
    expected = np.zeros((9, 4), dtype=bool)
    for row, column in ((1, 3), (1, 4), (2, 3), (2, 4), (2, 5), (3, 3), (3, 4), (3, 5)):
        expected[row, column - row] = True
    np.testing.assert_array_equal(within, expected)


PAIRS = [anchors((1000, 1100), (1500, 1501)), anchors((2020, 2040), (2100, 2101)), anchors((3000, 3100), (3400, 3401))]


@pytest.mark.parametrize("is_ratio", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_scores_of_tested_pairs(scores, is_ratio, known):
    expected = Expected(500, np.array([1.0, 0.2, 0.1])) if known else None
    found = PairScores(bin_bp=BIN, is_ratio=is_ratio, expected=expected)
    found.add(scores, PAIRS, [True, False, True])
    values, positive = found.finish()
    assert positive.tolist() == [True, False]
    assert (found.counts["compared"], found.counts["compared_regulated"]) == (2, 1)
    assert (found.counts["not_predicted"], found.counts["not_predicted_regulated"]) == (1, 1)
    attention = np.array([scores.attention[10, 5], scores.attention[20, 1]])
    by_distance = np.array([0.2, 0.84])
    near = np.array([1 / 451, 1 / 100])  # between midpoints 1,049 and 1,500; never nearer than a bin
    signal = scores.accessibility[MEASURED_DNASE]
    np.testing.assert_allclose(values[DISTANCE], [-451, -71])
    np.testing.assert_allclose(values[MEASURED_DNASE], near * [signal[10] * signal[15], signal[20] * signal[21]])
    if is_ratio:
        np.testing.assert_allclose(values[ATTENTION], attention * (by_distance if known else near))
    else:
        np.testing.assert_allclose(values[ATTENTION], attention)
    if known:
        ratio = attention if is_ratio else attention / by_distance
        np.testing.assert_allclose(values[ATTENTION_BY_DISTANCE], ratio * near)
    else:
        assert ATTENTION_BY_DISTANCE not in values
