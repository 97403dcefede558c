"""Scores that all but tie: with a threshold, with each other, and those of two motifs of one factor.

The scan sums integers and scores in float64 what may be the best. Here words are made, or searched for, whose sums of
integers mislead as much as they can, and the expected scores are sums of fractions or of extended precision.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import reference
from epigept_batch.motifs.kmer_tables import apart, make_blocks, off_by
from epigept_batch.spec import Motif, MotifSet, ScanWindow
from scanners import BACKEND, Scanner

pytestmark = pytest.mark.every_backend

SLOW = BACKEND == "simulator"
PIECES = (2, 3, 9) if SLOW else (2, 3, 4, 5, 7, 8, 9, 13)  # the sum of up to 8 is written out in the CPU's kernel
WIDEST = 100  # of the widest motif that is read
RANGE = 4.0  # nats between the best word and the threshold
BEST = 0.8  # probability of a position's best base
NEVER = 0.002  # that of a base that no word has
STRANDS = {"forward": lambda sequence: sequence, "reverse": reference.reverse_complement}


@pytest.fixture(params=PIECES)
def pieces(request):
    return request.param


@pytest.fixture(params=STRANDS)
def strand(request):
    return STRANDS[request.param]


def scanned(motifs, sequence, bin_bp=None):
    """Scores of the factor `f`, float32, (bins,): one bin unless told."""
    bin_bp = bin_bp or len(sequence)
    scanner = Scanner(MotifSet(tuple(motifs), ScanWindow(0, bin_bp)), ("f",), bin_bp=bin_bp)
    return scanner.scan(reference.tokens(sequence), offset=0, bins=-(-len(sequence) // bin_bp))[0]


def threshold_of(pieces):
    return float(4 * pieces * np.log(BEST / 0.25) - RANGE)


def unit_of(pieces):
    """Nats an integer of the tables of a motif of that many pieces and of RANGE."""
    (block,) = make_blocks([Motif("m", np.full((4 * pieces, 4), BEST), threshold_of(pieces), ("f",))], ("f",))
    return float(block.units[0])


def probability(integers, pieces):
    """Of bases that lack so many integers, and parts of them, to the best."""
    return BEST * np.exp(-np.asarray(integers) * unit_of(pieces))


def with_words(first, second):
    """A motif of whose words CAAA… and GAAA… the pieces lack so many integers to the best; other bases never fit."""
    matrix = np.full((4 * len(first), 4), NEVER)
    matrix[:, 0] = BEST
    matrix[0::4, 1] = probability(first, len(first))
    matrix[0::4, 2] = probability(second, len(second))
    return Motif("m", matrix, threshold_of(len(first)), ("f",)), "CAAA" * len(first), "GAAA" * len(first)


def with_one_word_of_two_strands(first, second):
    """A motif of which a word lacks so many integers as read along one strand, and so many along the other."""
    matrix = np.full((4 * len(first), 4), NEVER)
    matrix[:, [0, 3]] = BEST
    matrix[0::4, 0] = matrix[3::4, 3] = NEVER
    matrix[0::4, 1] = probability(first, len(first))
    matrix[3::4, 2] = probability(second[::-1], len(second))
    word = "CAAA" * len(first)
    return Motif("m", matrix, threshold_of(len(first)), ("f",)), word, reference.reverse_complement(word)


def misleading(pieces):
    """What the pieces of two words lack: of the first 3/4 of an integer more, but of the sum P - 1 integers less."""
    part = 0.5 - 1 / (8 * pieces)
    worse, better = np.full(pieces, 1 + part), np.full(pieces, 2 - part)
    better[-1] -= 1
    assert np.rint(better).sum() - np.rint(worse).sum() == apart(pieces) - 1
    return worse, better


def exact_scores(motif, *words):
    return [float(reference.exact_score(motif.probabilities, word)) for word in words]


@pytest.mark.parametrize("between", ["T", "N" * 40], ids=["near", "far"])
def test_of_two_words_the_better_one_though_its_integers_are_the_fewest_possible(pieces, between, strand):
    motif, *words = with_words(*misleading(pieces))
    low, high = exact_scores(motif, *words)
    assert high - low == pytest.approx(0.75 * unit_of(pieces), rel=1e-6)
    assert np.float32(high) > np.float32(low)
    for order in (1, -1):
        assert scanned([motif], strand(f"NN{between.join(words[::order])}NN"))[0] == np.float32(high)


@pytest.mark.parametrize("pieces", [*PIECES, WIDEST])
def test_of_two_strands_the_better_one_though_its_integers_are_the_fewest_possible(pieces, strand):
    motif, *words = with_one_word_of_two_strands(*misleading(pieces))
    low, high = exact_scores(motif, *words)
    assert np.float32(high) > np.float32(low)
    assert scanned([motif], strand(words[0]))[0] == np.float32(high)


def lacking_all_that_a_hit_may(pieces):
    """What the pieces of a word lack that is just a hit, though its sum lacks as much more as it can."""
    most = round(RANGE / unit_of(pieces))
    whole, over = divmod(most - pieces // 2 - 1, pieces)
    lacks = whole + (np.arange(pieces) < over) + (pieces // 2 + 1) / pieces
    assert lacks.sum() == pytest.approx(most)
    assert np.rint(lacks).sum() - most == (off_by(pieces) - 1 if pieces % 2 else off_by(pieces) - 2)
    return lacks


@pytest.mark.parametrize("pieces", [*PIECES, WIDEST])
def test_a_score_just_above_a_threshold_is_a_hit_and_just_below_is_none(pieces, strand):
    lacks = lacking_all_that_a_hit_may(pieces)
    motif, word, _ = with_words(lacks, lacks)
    exact = reference.exact_score(motif.probabilities, word)
    for nats in (1e-6, 1e-9):
        for limit, expected in ((float(exact) - nats, np.float32(exact)), (float(exact) + nats, 0)):
            assert (exact >= Fraction(limit)) == (expected > 0)
            assert scanned([replace(motif, threshold=limit)], strand(f"NN{word}N"))[0] == expected


def test_a_word_with_an_n_is_no_hit_though_its_sum_may_be_near_that_of_a_hit(pieces, strand):
    """The sum of a word with an N that fits otherwise is the least that cannot be a hit's."""
    lacks = lacking_all_that_a_hit_may(pieces)
    motif, word, _ = with_words(lacks, lacks)
    (exact,) = exact_scores(motif, word)
    motif = replace(motif, threshold=exact - 1e-9)
    assert scanned([motif], strand(f"{word}N{'A' * (4 * pieces - 1)}"))[0] == np.float32(exact)


def test_a_score_that_equals_the_threshold_is_a_hit_on_either_strand(pieces, strand):
    """As summed along the motif; the next number is none."""
    lacks = lacking_all_that_a_hit_may(pieces)
    motif, word, _ = with_words(lacks * np.linspace(0.9, 1.1, pieces), lacks)
    score = 0.0
    for row, base in zip(motif.log_odds, word, strict=True):
        score += float(row["ACGT".index(base)])
    assert scanned([replace(motif, threshold=score)], strand(word))[0] == np.float32(score)
    assert scanned([replace(motif, threshold=np.nextafter(score, np.inf))], strand(word))[0] == 0


def test_of_two_motifs_of_one_factor_the_better_one_though_its_integers_are_fewer(pieces, strand):
    """The better motif's sum is rounded down as far as can be; the other's score lies between that and its score."""
    lacks = np.full(pieces, 1.5 + 1e-3 / pieces)
    better, word, other_word = with_words(lacks, np.full(pieces, 600.0))
    ahead = 0.1 / pieces
    worse, *_ = with_words(np.full(pieces, 600.0), lacks + ahead)
    (high,), (low,) = exact_scores(better, word), exact_scores(worse, other_word)
    assert high - low == pytest.approx(0.1 * unit_of(pieces), rel=1e-6)
    assert np.float32(high) > np.float32(low)
    sequence = strand(f"{word}N{other_word}")
    for motif, expected in ((better, high), (worse, low)):
        assert scanned([motif], sequence)[0] == np.float32(expected)
    for order in (1, -1):
        assert scanned([better, worse][::order], sequence)[0] == np.float32(high)


def test_where_the_better_motif_just_misses_its_threshold_the_other_counts(pieces, strand):
    lacks = lacking_all_that_a_hit_may(pieces)
    motif, word, _ = with_words(lacks, lacks)
    (score,) = exact_scores(motif, word)
    less, *_ = with_words(lacks + 0.2 / pieces, lacks)
    less = replace(less, threshold=threshold_of(pieces) - 1)
    (lower,) = exact_scores(less, word)
    for limit, expected in ((score - 1e-9, score), (score + 1e-9, lower)):
        assert scanned([replace(motif, threshold=limit), less], strand(word))[0] == np.float32(expected)


WORDS = 100_000  # random words among which near ties are searched for
NEAR = 1e-6  # nats
LOW, HIGH = 0.2, 4.0  # scores that a float32 tells apart by less than that


def random_motif(rng, width, factor="f"):
    """The wider, the flatter, so that random sequence may have a score above 0."""
    return Motif("m", rng.dirichlet([0.6 + width / 6] * 4, width).round(3), 0.0, (factor,))


def random_words(rng, motif):
    """Words whose reverse complements score less, and their scores, ascending, in extended precision."""
    places = np.arange(len(motif.probabilities))
    words = rng.integers(0, 4, (WORDS, len(places)))
    log_odds = motif.log_odds.astype(np.longdouble)
    scores = log_odds[places, words].sum(axis=1)
    other = log_odds[places[::-1], 3 - words].sum(axis=1)
    wanted = np.flatnonzero((scores > LOW) & (scores < HIGH) & (other < scores - 1e-3))
    order = wanted[np.argsort(scores[wanted], kind="stable")]
    return words[order], scores[order]


def spelt(word):
    return "".join("ACGT"[token] for token in word)


@pytest.mark.parametrize("width", [9, 12, 14, 17, 23, 30, 37])
def test_words_found_at_random_within_1e_6_of_each_other_and_of_thresholds(width):
    rng = np.random.default_rng(width)
    motif = random_motif(rng, width)
    words, scores = random_words(rng, motif)
    pairs = np.flatnonzero((np.diff(scores) > 0) & (np.diff(scores) < NEAR))
    ties = hits = misses = 0
    for n in rng.permutation(pairs)[: 5 if SLOW else 50]:
        pair = [spelt(words[k]) for k in rng.permutation([n, n + 1])]
        low, high = sorted(reference.exact_score(motif.probabilities, word) for word in pair)
        ties += np.float32(low) != np.float32(high)
        turns = list(STRANDS.values())
        sequence = "N".join(turns[rng.integers(2)](word) for word in pair)
        assert scanned([motif], sequence)[0] == np.float32(high)
        limit = round(float(high), 6)  # as HOMER prints thresholds: above the better word, between the two, or below
        is_hit = high >= Fraction(limit)
        hits, misses = hits + is_hit, misses + (not is_hit)
        assert scanned([replace(motif, threshold=limit)], sequence)[0] == (np.float32(high) if is_hit else 0)
    assert min(ties, hits, misses) >= (1 if SLOW else 10)


@pytest.mark.parametrize("width", [11, 16, 24, 31, 36])
def test_every_cell_of_dense_scores_is_the_float32_of_the_exact_one(width):
    """Low thresholds make coarse integers and many rivals in each bin; two motifs a factor, windows that overlap."""
    rng = np.random.default_rng(100 + width)
    names = ("f0", "f1", "f2", "f3")
    motifs = [random_motif(rng, width, name) for name in names * 2]
    bins = 10 if SLOW else 400
    tokens = rng.choice(5, 32 * bins, p=[0.249, 0.25, 0.25, 0.25, 0.001]).astype(np.uint8)
    window = ScanWindow(-10, 54)
    scanner = Scanner(MotifSet(tuple(motifs), window), names, bin_bp=32, threads=2)
    found = scanner.scan(tokens, offset=0, bins=bins)
    expected = reference.extended_scores(tokens, motifs, names, bin_bp=32, window=(window.left, window.right))
    assert (expected > 0).mean() > 0.5
    np.testing.assert_array_equal(found, expected.astype(np.float32))
