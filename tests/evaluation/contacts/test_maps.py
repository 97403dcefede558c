"""Correlation of maps within distances: against scipy, and a resampling written out."""

import numpy as np
import pytest
from scipy import stats

from epigept_batch.evaluation.contacts.maps import EDGES, MapComparison
from epigept_batch.evaluation.contacts.scores import ATTENTION, DISTANCE, PREDICTED_DNASE, ContigScores

BIN, WIDTH = 5000, 21


def contig(bins, seed, *, constant=False):
    rng = np.random.default_rng(seed)
    band = rng.gamma(1, 1, (bins, WIDTH))
    beyond = np.add.outer(np.arange(bins), np.arange(WIDTH)) >= bins
    measured = rng.poisson(3 + 2 * band / (1 + np.arange(WIDTH)) * 5).astype(float)
    band[7], measured[9, 3:], measured[:, 5] = np.nan, np.nan, measured[:, 5].round(-1)
    band[beyond] = measured[beyond] = np.nan
    measured[20], measured[np.arange(20), 20 - np.arange(20)] = 0, 0  # bin 20 is empty
    measured[30] = 0  # but it has contacts with bins before it
    if constant:
        band[np.isfinite(band)] = 1.0
    signal = rng.gamma(1, 1, bins)
    return ContigScores(band, {PREDICTED_DNASE: signal}, np.arange(bins) >= 2), measured


def by_hand(contigs, values_of, of, distances):
    total = weight = 0
    for scores, measured in contigs:
        for distance in distances:
            x, y = values_of(scores, distance), []
            chosen = []
            for i in range(scores.bins - distance):
                j = i + distance
                y.append(measured[i, distance])
                usable = np.isfinite(scores.attention[i, distance]) and np.isfinite(measured[i, distance])
                chosen.append(usable and i >= 2 and 20 not in (i, j))
            x, y = np.array(x)[chosen], np.array(y)[chosen]
            r = of(x, y).statistic
            total, weight = total + len(x) * r, weight + len(x)
    return total / weight, weight


VALUES = {
    ATTENTION: lambda scores, d: [scores.attention[i, d] for i in range(scores.bins - d)],
    PREDICTED_DNASE: lambda scores, d: [
        scores.accessibility[PREDICTED_DNASE][i] * scores.accessibility[PREDICTED_DNASE][i + d]
        for i in range(scores.bins - d)
    ],
}


def test_correlations_are_scipys_at_each_distance():
    contigs = [contig(90, 1), contig(300, 2)]
    comparison = MapComparison(bin_bp=BIN, width=WIDTH)
    for scores, measured in contigs:
        comparison.add(scores, measured)
    found = comparison.finish(ATTENTION)
    for name, values in VALUES.items():
        for kind, of in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
            r, pairs = by_hand(contigs, values, of, range(1, WIDTH))
            assert found[name].overall[kind].value == pytest.approx(r, abs=1e-12)
            assert pairs == comparison.pairs.sum()
            for number, (low, high) in enumerate(zip(EDGES, (*EDGES[1:], np.inf), strict=True)):
                distances = [d for d in range(1, WIDTH) if low <= d * BIN < high]
                r, pairs = by_hand(contigs, values, of, distances)
                assert found[name].strata[kind][number] == pytest.approx(r, abs=1e-12)
                assert comparison.pairs[number] == pairs
    assert np.isnan(found[DISTANCE].overall["pearson"].value)
    assert comparison.empty == 2
    assert comparison.bins == 386
    # Beside attention, distance counts as 0.
    assert found[DISTANCE].behind["spearman"].value == found[ATTENTION].overall["spearman"].value
    differs = found[ATTENTION].overall["pearson"].value - found[PREDICTED_DNASE].overall["pearson"].value
    assert found[PREDICTED_DNASE].behind["pearson"].value == pytest.approx(differs)


def test_intervals_need_ten_stretches_and_cover_the_value():
    few, enough = MapComparison(bin_bp=BIN, width=WIDTH), MapComparison(bin_bp=BIN, width=WIDTH)
    few.add(*contig(1600, 3))  # 8 Mb
    enough.add(*contig(2400, 3))
    assert np.isnan(few.finish(ATTENTION)[ATTENTION].overall["pearson"].low)
    estimate = enough.finish(ATTENTION)[ATTENTION].overall["pearson"]
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low < 0.05


def test_a_resampled_stretch_counts_as_often_as_it_is_drawn():
    """Repeating every stretch of a genome changes nothing, so the interval of a uniform genome is narrow."""
    rng = np.random.default_rng(4)
    pattern = rng.gamma(1, 1, (200, 2))
    band = np.tile(pattern, (12, 1))  # every Mb is the same, apart from its edge
    noise = np.tile(rng.gamma(1, 1, (200, 2)), (12, 1))
    band[-1, 1] = np.nan
    comparison = MapComparison(bin_bp=BIN, width=2)
    comparison.add(ContigScores(band, {}, np.ones(2400, dtype=bool)), band + noise)
    estimate = comparison.finish(ATTENTION)[ATTENTION].overall["pearson"]
    assert estimate.high - estimate.low < 1e-3
    assert estimate.value == pytest.approx(stats.pearsonr(band[:-1, 1], (band + noise)[:-1, 1]).statistic)


def test_a_constant_map_has_no_r_and_beats_nothing():
    comparison = MapComparison(bin_bp=BIN, width=WIDTH)
    comparison.add(*contig(2400, 5, constant=True))
    found = comparison.finish(ATTENTION)
    for kind in ("pearson", "spearman"):
        assert np.isnan(found[ATTENTION].overall[kind].value)
        assert (found[DISTANCE].behind[kind].low, found[DISTANCE].behind[kind].high) == (0, 0)


def test_a_map_without_values_compares_nothing():
    comparison = MapComparison(bin_bp=BIN, width=WIDTH)
    scores, measured = contig(90, 6)
    comparison.add(ContigScores(np.full_like(scores.attention, np.nan), {}, scores.wanted), measured)
    assert comparison.pairs.sum() == 0
