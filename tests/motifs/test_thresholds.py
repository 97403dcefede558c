import itertools
import math

import numpy as np
import pytest
from Bio.motifs.matrix import PositionWeightMatrix

from epigept_batch.motifs.motif_set import read_motifs
from epigept_batch.motifs.thresholds import TIE, UNIT, best_word_probability, threshold_at
from epigept_batch.spec import Motif


def log_odds(probabilities):
    return Motif("m", np.array(probabilities), 0).log_odds


def random_log_odds(rng, width, decimals):
    return log_odds(rng.dirichlet([rng.choice([0.2, 1, 5])] * 4, width).round(decimals))


def all_scores(scores):
    """Of every word of the width, (4^width,), the bases summed one after the other."""
    total = np.zeros(1)
    for row in scores:
        total = (total[:, None] + row).ravel()
    return total


@pytest.mark.parametrize("width", range(1, 9))
@pytest.mark.parametrize("p_value", [0.9, 0.3, 0.02, 1e-3, 1e-4, 3.1e-5])
def test_every_word_of_the_width(width, p_value):
    rng = np.random.default_rng([width, int(1e6 * p_value)])
    for decimals in (1, 2, 3, 15):
        for _ in range(5):
            scores = random_log_odds(rng, width, decimals)
            words = all_scores(scores)
            threshold = threshold_at(scores, p_value)
            hits = np.mean(words >= threshold)
            if best_word_probability(scores) > p_value:
                assert hits == best_word_probability(scores) == np.mean(words > words.max() - TIE)
                continue
            assert 0 < hits <= p_value
            # The best of the words that no threshold lets in, and how far above it the threshold is.
            levels = np.sort(words)[::-1]
            excluded = levels[math.floor(p_value * len(words) * (1 + 1e-12))]
            assert excluded < threshold <= excluded + (width + 1) * UNIT


def test_a_threshold_by_hand():
    scores = log_odds([[0.7, 0.1, 0.1, 0.1]] * 3)
    best, other = math.log(2.8), math.log(0.4)
    # 1 word of 64 has three good bases, 9 have two, 27 one, 27 none.
    for p_value, least in [(1 / 64, 3 * best), (0.15, 3 * best), (10 / 64, 2 * best + other), (0.57, 2 * best + other)]:
        threshold = threshold_at(scores, p_value)
        assert least - (best - other) < threshold < least
        # As low as the next worse words allow: their score and four units.
        assert threshold == pytest.approx(least - (best - other), abs=4 * UNIT)
    assert threshold_at(scores, 1 / 65) == pytest.approx(3 * best, abs=1e-9)


def test_the_best_word_is_a_hit_in_whatever_order_it_is_summed():
    rng = np.random.default_rng(5)
    for width in (1, 4, 7, 13, 31):
        for p_value in (0.25**width * 0.9, 0.25**width, 1e-4):
            scores = random_log_odds(rng, width, 15)
            threshold = threshold_at(scores, p_value)
            for _ in range(50):
                total = 0.0
                for score in rng.permutation(scores.max(axis=1)):
                    total += score
                assert total >= threshold


def test_words_that_differ_by_less_than_a_unit():
    """The rounded scores cannot tell 16 words apart; the best alone keeps to the p-value."""
    scores = log_odds([[0.2503, 0.2499, 0.2499, 0.2499]] * 2)
    assert best_word_probability(scores) == 1 / 16
    assert np.mean(all_scores(scores) >= threshold_at(scores, 1 / 16)) == 1 / 16
    flat = log_odds([[0.25] * 4] * 9)
    assert best_word_probability(flat) == 1
    assert np.all(all_scores(flat[:4]) >= threshold_at(flat[:4], 1e-4))


def test_random_sequence_has_as_many_hits_as_the_p_value_says(shared):
    rng = np.random.default_rng(6)
    bases = rng.integers(0, 4, 2_000_000)
    for motif in read_motifs(shared / "motifs/all_motif_rmdup")[:200:20]:
        scores = motif.log_odds
        threshold = threshold_at(scores, 1e-3)
        places = len(bases) - len(scores) + 1
        found = sum(row[bases[at : at + places]] for at, row in enumerate(scores)) >= threshold
        assert found.mean() == pytest.approx(1e-3, rel=0.1)  # of some 2000 hits; measured 0.036


@pytest.mark.parametrize(("width", "p_value"), list(itertools.product([6, 8, 12], [1e-2, 1e-3])))
def test_the_approximate_thresholds_of_biopython(width, p_value):
    rng = np.random.default_rng(width)
    matrix = rng.dirichlet([0.5] * 4, width) * 0.99 + 0.0025  # no entry below 0.001, which only we raise
    pssm = PositionWeightMatrix("ACGT", dict(zip("ACGT", matrix.T.tolist(), strict=True))).log_odds()
    uniform = dict.fromkeys("ACGT", 0.25)
    theirs = pssm.distribution(background=uniform, precision=1000).threshold_fpr(p_value) * math.log(2)
    assert threshold_at(log_odds(matrix), p_value) == pytest.approx(theirs, abs=0.02)  # measured 0.006
