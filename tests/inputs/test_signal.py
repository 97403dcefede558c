"""Bins of measured tracks, against pybigtools."""

import numpy as np
import pybigtools
import pytest

from epigept_batch.errors import InputError
from epigept_batch.inputs.signal import SignalTrack
from epigept_batch.tiling import Contig


@pytest.fixture
def track(tmp_path):
    path = tmp_path / "t.bw"
    values = [("one", 0, 100, 2.0), ("one", 100, 164, 6.0), ("one", 300, 900, 1.5)]
    pybigtools.open(str(path), "w").write({"one": 1000, "two": 50}, iter(values))
    return path


def test_a_bin_is_the_mean_over_the_bases_that_have_data(track):
    found = SignalTrack(track).bins(Contig("one", 1000), 0, 9, bin_bp=128)
    expected = [(100 * 2 + 28 * 6) / 128, 6, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    part = SignalTrack(track).bins(Contig("one", 1000), 1, 2, bin_bp=128)
    np.testing.assert_array_equal(part, found[1:3])
    assert part.dtype == np.float32


def test_contigs_without_data_and_unknown_ones_have_none(track):
    signal = SignalTrack(track)
    assert np.isnan(signal.bins(Contig("two", 50), 0, 2, bin_bp=128)).all()
    assert np.isnan(signal.bins(Contig("three", 50), 0, 2, bin_bp=128)).all()


def test_what_is_no_track_of_this_genome_is_said(track, tmp_path):
    with pytest.raises(InputError, match="t.bw: has one with 1,000 bp, the genome 999; give tracks of this genome"):
        SignalTrack(track).bins(Contig("one", 999), 0, 2, bin_bp=128)
    (tmp_path / "no.bw").write_text("no track")
    for name, message in (("no.bw", "is no bigWig, or is cut short"), ("absent.bw", "there is no such bigWig")):
        with pytest.raises(InputError, match=message):
            SignalTrack(tmp_path / name)


def test_a_real_track(shared):
    path = shared / "tracks/macs3_CTCF_chr22_50k_hg19.treat_pileup.bw"
    reader = pybigtools.open(str(path))
    length = reader.chroms("chr22")
    found = SignalTrack(path).bins(Contig("chr22", length), 130_000, 2_000, bin_bp=128)
    values = np.asarray(reader.values("chr22", 130_000 * 128, 132_000 * 128, fillna=np.nan)).reshape(2_000, 128)
    means = [np.nan if np.isnan(row).all() else np.nanmean(row) for row in values]
    np.testing.assert_allclose(found, means, rtol=1e-5)
