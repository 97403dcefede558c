"""What the kernels rest on: rounding, and tables that say what the CPU's say."""

import numpy as np
import pytest

from epigept_batch.motifs.gpu.kernels import LOW, NOTHING, PLACE_BITS, round_to_half
from epigept_batch.motifs.gpu.tables import LANES, NO_HIT, make_motifs, make_segments
from epigept_batch.motifs.kmer_tables import KMERS
from epigept_batch.motifs.segments import SEGMENT
from epigept_batch.spec import Motif, MotifSet, ScanWindow


def test_rounding_gives_the_bits_of_float16():
    """Of every float16, the numbers midway between two of them, and their neighbours."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[:-1] + halves[1:]) / 2
    some = np.concatenate([halves[::7], middles[::7], np.nextafter(middles, 0)[::7], np.nextafter(middles, 1e9)[::7]])
    found = np.array([round_to_half(float(value)) for value in some], dtype=np.uint16)
    np.testing.assert_array_equal(found, some.astype(np.float16).view(np.uint16))
    assert [round_to_half(value) for value in (0.0, 65519.0, 65520.0, 1e30)] == [0, 0x7BFF, 0x7C00, 0x7C00]


@pytest.fixture(scope="module")
def motif_set():
    """40 motifs of widths from 3 to 30: two groups."""
    rng = np.random.default_rng(1)
    motifs = [
        Motif(f"m{n}", rng.dirichlet([0.5] * 4, width), 0.5, (f"f{n % 4}", f"f{4 + n % 3}")[: 1 + n % 2])
        for n, width in enumerate(rng.integers(3, 31, 40))
    ]
    return MotifSet(tuple(motifs), ScanWindow(-37, 164))


def test_an_entry_has_the_deficits_of_both_strands(motif_set):
    motifs, blocks = make_motifs(motif_set, motif_set.factors)
    assert len(blocks) == len(motifs.pieces) == 2
    for group, block in enumerate(blocks):
        shape = (motifs.pieces[group], KMERS, LANES)
        rows = motifs.rows[motifs.row_starts[group] :][: np.prod(shape)].reshape(shape)
        np.testing.assert_array_equal(rows & 0xFFFF, -block.tables[:, :, :LANES].astype(int))
        np.testing.assert_array_equal(rows >> 16, -block.tables[:, :, LANES:].astype(int))
        assert (rows.max(axis=1).sum(axis=0) < 1 << 32).all()
        assert ((rows & 0xFFFF).max(axis=1).sum(axis=0) <= 1 << 15).all()


def test_a_slot_has_its_motif_and_a_lane_without_one_no_hit(motif_set):
    motifs, blocks = make_motifs(motif_set, motif_set.factors)
    assert np.count_nonzero(motifs.widths) == sum(len(block.factor_starts) - 1 for block in blocks) == 40
    assert (np.diff(motifs.widths[:40]) >= 0).all()
    assert (motifs.cuts[motifs.widths == 0] == NO_HIT).all()
    by_width = sorted(motif_set.motifs, key=lambda motif: len(motif.probabilities))
    for slot, motif in enumerate(by_width):
        assert motifs.widths[slot] == len(motif.probabilities)
        assert motifs.thresholds[slot] == motif.threshold
        of_slot = motifs.factors[motifs.factor_starts[slot] : motifs.factor_starts[slot + 1]]
        assert [motif_set.factors[factor] for factor in of_slot] == list(motif.factors)
        odds = motifs.log_odds[motifs.odds_starts[slot] :]
        np.testing.assert_array_equal(odds[: motif.log_odds.size], motif.log_odds.ravel())
    assert motifs.factor_starts[-1] == len(motifs.factors)


def test_the_segments_of_a_bin_are_the_positions_of_its_window(motif_set):
    motifs, blocks = make_motifs(motif_set, motif_set.factors)
    segments = make_segments(blocks, motif_set, bin_bp=128, bins=6)
    for slot in range(len(motifs.widths)):
        group = slot // LANES
        bounds = segments.bounds[segments.starts[group] :][: segments.counts[group] + 1]
        spans = segments.spans[segments.run_of[slot]]
        assert spans.max() <= segments.counts[group]
        if motifs.widths[slot]:
            np.testing.assert_array_equal(bounds[spans[:, 0]], np.arange(6) * 128)
            np.testing.assert_array_equal(bounds[spans[:, 1]], np.arange(6) * 128 + 201 - motifs.widths[slot] + 1)
    np.testing.assert_array_equal(np.diff(segments.minima_starts), segments.counts[:-1] * LANES)


def test_a_place_in_a_segment_fits_into_its_bits():
    assert SEGMENT <= 1 << PLACE_BITS
    assert NOTHING >> PLACE_BITS == LOW
    assert NOTHING << 1 < 1 << 32


def test_without_motifs_there_are_no_groups():
    motifs, blocks = make_motifs(MotifSet((), ScanWindow(0, 128)), ("f",))
    assert not blocks
    assert not make_segments(blocks, MotifSet((), ScanWindow(0, 128)), bin_bp=128, bins=2).counts.size
    assert motifs.widths.size == 0
