"""The truth, rule by rule, on sequences made for it."""

import numpy as np
import pytest

from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import BIN_BP, FACTORS, PAIRS, TRACKS, Grammar, occupancy
from epigept_batch.simulation.sequence import make_contig

BINS, PLACE = 400, 200
ON, OFF = 90.0, 0.0


@pytest.fixture(scope="module")
def grammar():
    return Grammar(3)


@pytest.fixture
def signal(grammar):
    """The signal of a sequence of A alone with sites and islands in it, in a cell that expresses some factors."""

    def signal(sites=(), on=(), *, islands=(), every=OFF):
        tokens = np.zeros(BINS * BIN_BP, dtype=np.uint8)
        consensus = {motif.name: motif.probabilities.argmax(axis=1) for motif in grammar.motif_set.motifs}
        for number, (factor, bin_) in enumerate(sites):
            start = bin_ * BIN_BP + 20 + 30 * number
            tokens[start : start + 11] = consensus[factor]
        for bin_ in islands:
            tokens[bin_ * BIN_BP : (bin_ + 1) * BIN_BP] = [1, 2] * (BIN_BP // 2)
        tpm = np.array([ON if factor in on else every for factor in FACTORS])
        values = grammar.truth(tokens, grammar.motif_scores(tokens), tpm)
        return dict(zip(TRACKS, values.T, strict=True))

    return signal


def test_the_motifs_score_as_they_should(grammar):
    motifs = grammar.motif_set.motifs
    assert tuple(motif.name for motif in motifs) == FACTORS
    for motif in motifs:
        assert motif.best_score == pytest.approx(11 * np.log(0.91 / 0.25))
        assert motif.best_score - 3.5 < motif.threshold < motif.best_score - 3.4  # one base may be missing


def test_open_chromatin_needs_the_factor_and_reaches_two_bins(signal):
    tracks = signal([("OPEN1", PLACE)], on={"OPEN1"})
    expected = np.zeros(BINS)
    expected[PLACE - 2 : PLACE + 3] = 10 * occupancy(np.array(ON))
    np.testing.assert_allclose(tracks["DNase"], expected, rtol=1e-5)
    np.testing.assert_allclose(tracks["H3K27ac"], expected / 5, rtol=1e-5)
    assert not signal([("OPEN1", PLACE)], on={"OPEN2"})["DNase"].any()


def test_repressors_close_it_and_blockers_free_ctcf(signal):
    e = occupancy(np.array(ON))
    for track, factor, other in (("DNase", "OPEN2", "REPR1"), ("CTCF", "CTCF", "BLOCK2")):
        alone = signal([(factor, PLACE)], on={factor})[track][PLACE]
        both = signal([(factor, PLACE), (other, PLACE)], on={factor, other})[track][PLACE]
        silent = signal([(factor, PLACE), (other, PLACE)], on={factor})[track][PLACE]
        assert both == pytest.approx(alone * (1 - e) ** 3, rel=1e-4)
        assert silent == pytest.approx(alone)


def test_a_pair_acts_only_together(signal):
    one, other = PAIRS[0]
    e = occupancy(np.array(ON))
    assert signal([(one, PLACE), (other, PLACE)], on={one, other})["H3K27ac"][PLACE] == pytest.approx(
        25 * e * e, rel=1e-5
    )
    for sites, on in (
        ([(one, PLACE)], {one, other}),
        ([(one, PLACE), (other, PLACE)], {one}),
        ([(one, PLACE), (PAIRS[1][1], PLACE)], {one, PAIRS[1][1]}),
        ([(one, PLACE), (other, PLACE + 20)], {one, other}),
    ):
        assert not signal(sites, on=on)["H3K27ac"].any()


def test_an_island_is_a_promoter_where_an_enhancer_is_near_and_polycomb_elsewhere(signal):
    one, other = PAIRS[2]
    sites, on = [(one, PLACE), (other, PLACE)], {one, other, "POLY1"}
    near, far = (signal(sites, on=on, islands=[PLACE + distance]) for distance in (20, 150))
    assert near["H3K4me3"][PLACE + 20] > 5
    assert far["H3K4me3"][PLACE + 150] == 0
    assert not signal([], on=on, islands=[PLACE])["H3K4me3"].any()
    assert not signal(sites, on=on)["H3K4me3"].any()
    e = occupancy(np.array(ON))
    assert far["H3K27me3"][PLACE + 150] == pytest.approx(4 * e, rel=1e-5)
    assert near["H3K27me3"][PLACE + 20] < 0.5 * far["H3K27me3"][PLACE + 150]
    assert not signal(sites, on={one, other}, islands=[PLACE + 150])["H3K27me3"].any()


def test_idle_factors_do_nothing(signal):
    for factor in ("IDLE1", "REPR1", "BLOCK1", "POLY1"):
        assert not any(values.any() for values in signal([(factor, PLACE)], on={factor}).values())


def test_sequence_and_cells_depend_on_seed_and_name_alone(grammar):
    first = make_contig(3, "sim1", 50_000, grammar.motif_set)
    assert np.array_equal(first, make_contig(3, "sim1", 50_000, grammar.motif_set))
    for seed, name in ((4, "sim1"), (3, "sim2")):
        assert (first != make_contig(seed, name, 50_000, grammar.motif_set)).mean() > 0.5
    assert np.bincount(first, minlength=4).min() > 8_000
    assert np.array_equal(make_expression(3, "a"), make_expression(3, "a"))
    assert not np.array_equal(make_expression(3, "a"), make_expression(3, "b"))
    on = np.mean([make_expression(3, f"cell{n}") > 5 for n in range(50)])
    assert 0.5 < on < 0.65


def test_a_contig_has_sites_of_every_factor_and_islands(grammar):
    tokens = make_contig(3, "sim1", 1_000_000, grammar.motif_set)
    scores = grammar.motif_scores(tokens)
    assert ((scores > 0).sum(axis=1) > 50).all()
    signal = grammar.truth(tokens, scores, make_expression(3, "cell1"))
    assert signal.shape == (-(-1_000_000 // BIN_BP), len(TRACKS))
    assert (signal.max(axis=0) > 3).all()
    assert ((signal > 0.1).mean(axis=0) < 0.5).all()
