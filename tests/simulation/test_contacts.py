"""Contacts of the simulation, rule by rule on sequences made for it, and against a naive search."""

import numpy as np
import pytest

import reference
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.contacts import LEAST_LOOP, LOOP_HEIGHT, MAP_BP, Anchors, contact_map
from epigept_batch.simulation.grammar import BIN_BP, BLOCKERS, FACTORS, Grammar, occupancy
from epigept_batch.simulation.sequence import make_contig

BINS = 700
TPM = 40.0
E = TPM / (TPM + 10)


@pytest.fixture(scope="module")
def grammar():
    return Grammar(3)


@pytest.fixture
def loops(grammar):
    """The loops of a sequence of A alone with sites in it, in a cell that expresses some factors, with a least of 0."""

    def loops(sites, on=("CTCF",), *, misses=(), least=0.0):
        tokens = np.zeros(BINS * BIN_BP, dtype=np.uint8)
        for number, (factor, bin_, strand) in enumerate(sites):
            site = grammar.consensus(factor)
            if number in misses:
                site[4] = (site[4] + 1) % 4
            start = bin_ * BIN_BP + 5 + 30 * number
            tokens[start : start + 11] = site if strand == "+" else 3 - site[::-1]
        tpm = np.array([TPM if factor in on else 0.0 for factor in FACTORS])
        found = Anchors.of(grammar, tokens, grammar.motif_scores(tokens)).loops(tpm, least=least)
        return {(int(left), int(right)): strength for left, right, strength in zip(*found, strict=True)}

    return loops


def test_motifs_that_point_at_each_other_form_a_loop_and_no_others(loops):
    assert loops([("CTCF", 100, "+"), ("CTCF", 200, "-")]) == {(100, 200): pytest.approx(E**2)}
    for strands in ("-+", "++", "--"):
        assert not loops([("CTCF", 100, strands[0]), ("CTCF", 200, strands[1])])
    assert not loops([("OPEN1", 100, "+"), ("OPEN1", 200, "-")], on=("CTCF", "OPEN1"))


def test_a_loop_spans_4_to_64_kb(loops):
    for distance, there in ((31, False), (32, True), (512, True), (513, False)):
        assert bool(loops([("CTCF", 100, "+"), ("CTCF", 100 + distance, "-")])) == there


def test_every_pair_that_may_loop_does(loops):
    found = loops([("CTCF", 100, "+"), ("CTCF", 150, "+"), ("CTCF", 300, "-"), ("CTCF", 400, "-")])
    assert set(found) == {(100, 300), (100, 400), (150, 300), (150, 400)}


def test_sites_of_a_bin_count_as_the_strongest(grammar, loops):
    _, missed = grammar.site_strengths("CTCF")
    sites = [("CTCF", 100, "+"), ("CTCF", 100, "+"), ("CTCF", 200, "-")]
    for misses, strength in (([0], 1), ([1], 1), ([0, 1], missed)):
        assert loops(sites, misses=misses) == {(100, 200): pytest.approx(strength * E**2)}


def test_its_strength_is_that_of_both_sites(grammar, loops):
    motif = next(motif for motif in grammar.motif_set.motifs if motif.name == "CTCF")
    one_miss = 0.6 + 0.4 * 0.01 / (motif.best_score - motif.threshold)
    full, missed = grammar.site_strengths("CTCF")
    assert full == 1
    assert missed == pytest.approx(one_miss, abs=1e-4)
    sites = [("CTCF", 100, "+"), ("CTCF", 200, "-")]
    assert loops(sites, misses=[0]) == {(100, 200): pytest.approx(missed * E**2)}
    assert loops(sites, misses=[0, 1]) == {(100, 200): pytest.approx(missed**2 * E**2)}
    assert loops(sites, on=()) == {(100, 200): 0}


def test_blockers_that_the_cell_expresses_weaken_it(loops):
    sites = [("CTCF", 100, "+"), ("CTCF", 200, "-"), ("BLOCK2", 201, "+")]
    assert loops(sites) == {(100, 200): pytest.approx(E**2)}
    assert loops(sites, on=("CTCF", "BLOCK2")) == {(100, 200): pytest.approx(E**2 * (1 - E) ** 3, rel=1e-5)}
    assert not loops(sites, on=("CTCF", "BLOCK2"), least=LEAST_LOOP)
    far = [*sites[:2], ("BLOCK2", 204, "+")]
    assert loops(far, on=("CTCF", "BLOCK2")) == {(100, 200): pytest.approx(E**2)}


def test_an_anchor_is_the_ctcf_track_without_its_scale(grammar):
    tokens = make_contig(3, "sim1", 200_000, grammar.motif_set)
    scores, tpm = grammar.motif_scores(tokens), make_expression(3, "cell1")
    anchors = Anchors.of(grammar, tokens, scores)
    track = grammar.truth(tokens, scores, tpm)[:, 1] / 25
    share = occupancy(tpm)
    blocked = [1 - anchors.blockers[n] * share[FACTORS.index(name)] for n, name in enumerate(BLOCKERS)]
    mine = anchors.strength * share[FACTORS.index("CTCF")] * np.prod(blocked, axis=0) ** 3
    # A weak site in reach of a strong one: the track has the strong one there.
    assert (mine <= track[anchors.bins] + 1e-5).all()
    same = np.abs(mine - track[anchors.bins]) < 1e-4
    assert len(mine) > 20
    assert same.mean() > 0.9


def test_the_sites_are_those_of_a_naive_search(grammar):
    tokens = make_contig(5, "sim1", 60_000, grammar.motif_set)
    sequence = "".join("ACGT"[base] for base in tokens)
    forward = "".join("ACGT"[base] for base in grammar.consensus("CTCF"))
    expected = []
    for start in range(len(sequence) - 10):
        for reverse, site in ((False, forward), (True, reference.reverse_complement(forward))):
            misses = sum(one != other for one, other in zip(sequence[start : start + 11], site, strict=True))
            if misses <= 1:
                expected.append((start // BIN_BP, reverse, misses == 0))
    anchors = Anchors.of(grammar, tokens, grammar.motif_scores(tokens))
    full, _ = grammar.site_strengths("CTCF")
    found = list(zip(anchors.bins.tolist(), anchors.reverse.tolist(), (anchors.strength == full).tolist(), strict=True))
    assert len(found) > 4
    assert found == expected


def test_the_map_is_decay_and_loops(grammar):
    length = 100_000
    tokens = make_contig(3, "sim2", length, grammar.motif_set)
    tpm = make_expression(3, "cell2")
    loops = Anchors.of(grammar, tokens, grammar.motif_scores(tokens)).loops(tpm, least=0)
    bins = -(-length // MAP_BP)
    expected = np.zeros((bins, bins))
    for one in range(bins):
        for other in range(one, min(one + 65, bins)):
            expected[one, other] = 1 / max(other - one, 1)
    for left, right, strength in zip(*loops, strict=True):
        expected[left * BIN_BP // MAP_BP, right * BIN_BP // MAP_BP] += LOOP_HEIGHT * strength
    found = np.zeros_like(expected)
    pixels = contact_map(loops, length)
    found[pixels.rows, pixels.columns] = pixels.values
    assert loops.strength.max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    order = pixels.rows * bins + pixels.columns
    assert (np.diff(order) > 0).all()
