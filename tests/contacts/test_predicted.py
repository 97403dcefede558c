"""Predicted maps, and larger bins."""

import re

import numpy as np
import pytest

from contact_files import write_cool
from epigept_batch.contacts import rebin
from epigept_batch.contacts.predicted import PredictedContacts
from epigept_batch.contacts.rebin import rebinned
from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig

LENGTHS = {"a": 900, "b": 5050}


def test_absent_pixels_are_not_predicted_and_zeros_are(tmp_path):
    path = write_cool(tmp_path / "p.cool", LENGTHS, 100, [(9, 9, 0.0), (9, 12, 2.5), (20, 27, 1.0)])
    found = PredictedContacts(str(path))
    assert (found.width, found.bin_bp) == (8, 100)
    band = found.band(Contig("b", 5050))
    expected = np.full((51, 8), np.nan)
    expected[0, 0], expected[0, 3], expected[11, 7] = 0, 2.5, 1
    np.testing.assert_array_equal(band, expected)
    assert np.isnan(found.band(Contig("a", 900))).all()


@pytest.mark.parametrize(
    ("metadata", "value", "is_ratio", "stated"),
    [
        ({"epigept-batch": {"values": "observed/expected"}}, 0.001, True, True),
        ({"epigept-batch": {"values": "raw"}}, 1.0, False, True),
        ({"epigept-batch": []}, 1.0, True, False),
        ({"other": 1}, 0.001, False, False),
        (None, 1.0, True, False),
    ],
)
def test_whether_values_are_ratios(tmp_path, metadata, value, is_ratio, stated):
    path = write_cool(tmp_path / "p.cool", LENGTHS, 100, [(9, 12, value)], metadata=metadata)
    found = PredictedContacts(str(path))
    assert (found.is_ratio, found.stated) == (is_ratio, stated)


def test_maps_that_are_no_predictions(tmp_path):
    empty = write_cool(tmp_path / "e.cool", LENGTHS, 100, [])
    with pytest.raises(InputError, match="contains no contacts"):
        PredictedContacts(str(empty))
    wide = write_cool(tmp_path / "w.cool", {"a": 5000}, 1, [(0, 4095, 1.0)])
    with pytest.raises(InputError, match=re.escape("has contacts over 4,095 bins; pass the output of epigept-batch")):
        PredictedContacts(str(wide))


@pytest.mark.parametrize(("to_bp", "length"), [(3, 60), (5, 58), (6, 60), (9, 58), (4, 59)])
def test_larger_bins_are_means_over_base_pairs(to_bp, length, monkeypatch):
    """Each pair of base pairs on or above the diagonal has the value of its bins of 3 bp."""
    monkeypatch.setattr(rebin, "ROWS_AT_ONCE", 4)
    rng = np.random.default_rng(to_bp)
    bins, width = -(-length // 3), 7
    band = rng.random((bins, width))
    band[rng.random((bins, width)) < 0.2] = np.nan
    band[np.add.outer(np.arange(bins), np.arange(width)) >= bins] = np.nan
    found = rebinned(band, from_bp=3, to_bp=to_bp, length=length)
    per_base = np.full((length, length), np.nan)
    for i in range(length):
        for j in range(length):
            row, distance = i // 3, j // 3 - i // 3
            if 0 <= distance < width:
                per_base[i, j] = band[row, distance]
    defined = 0
    for row in range(len(found)):
        for distance in range(1, found.shape[1]):
            column = row + distance
            block = per_base[row * to_bp : (row + 1) * to_bp, column * to_bp : (column + 1) * to_bp]
            if not block.size or np.isfinite(block).mean() < 0.5:
                assert np.isnan(found[row, distance])
            else:
                assert found[row, distance] == pytest.approx(np.nanmean(block), rel=1e-6)
                defined += 1
    assert defined >= 5
    assert found.shape == (-(-length // to_bp), -(-width * 3 // to_bp))


def test_a_constant_map_stays_constant_in_larger_bins():
    band = np.full((400, 30), 0.7)
    band[np.add.outer(np.arange(400), np.arange(30)) >= 400] = np.nan
    found = rebinned(band, from_bp=1280, to_bp=5000, length=400 * 1280)
    assert len(np.unique(found[np.isfinite(found)])) == 1
