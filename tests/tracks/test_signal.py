"""Bins of measured tracks, against pybigtools."""

import numpy as np
import pybigtools
import pyBigWig
import pytest

from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig
from epigept_batch.tracks.signal import BinnedTrack, SignalTrack


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


def test_a_file_without_any_record_has_no_data(tmp_path):
    with pyBigWig.open(str(tmp_path / "empty.bw"), "w") as file:
        file.addHeader([("one", 1000)])
    signal = SignalTrack(tmp_path / "empty.bw")
    assert np.isnan(signal.bins(Contig("one", 1000), 0, 8, bin_bp=128)).all()
    filled = signal.bins(Contig("one", 1000), 0, 8, bin_bp=128, zero_fill=True)
    assert (filled == 0).all()


def test_what_is_no_track_of_this_genome_is_said(track, tmp_path):
    with pytest.raises(InputError, match="t.bw: one has 1,000 bp, but 999 in the genome; use tracks of this genome"):
        SignalTrack(track).bins(Contig("one", 999), 0, 2, bin_bp=128)
    (tmp_path / "no.bw").write_text("no track")
    for name, message in (("no.bw", "not a bigWig, or truncated"), ("absent.bw", "bigWig not found")):
        with pytest.raises(InputError, match=message):
            SignalTrack(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda whole: whole[:0], "not a bigWig, or truncated"),
        (lambda whole: whole[:3], "not a bigWig, or truncated"),
        (lambda whole: b"x" + whole, "not a bigWig, or truncated"),
        (lambda whole: whole[:40], "truncated: its index begins at byte .* of 40; copy it again"),
        (lambda whole: whole[:-150], "truncated: its index begins at byte"),
        (lambda whole: whole[3::-1] + whole[4:], "bigWig with the other byte order, which is not supported; convert"),
        (lambda whole: bytes.fromhex("ebf28987") + whole[4:], "is a bigBed; use a bigWig"),
    ],
)
def test_what_is_no_bigwig_is_said_in_our_words_alone(track, capfd, change, message):
    track.write_bytes(change(track.read_bytes()))
    with pytest.raises(InputError, match=f"t.bw: {message}"):
        SignalTrack(track)
    assert capfd.readouterr().err == ""


def test_a_real_track(shared):
    path = shared / "tracks/macs3_CTCF_chr22_50k_hg19.treat_pileup.bw"
    reader = pybigtools.open(str(path))
    length = reader.chroms("chr22")
    found = SignalTrack(path).bins(Contig("chr22", length), 130_000, 2_000, bin_bp=128)
    values = np.asarray(reader.values("chr22", 130_000 * 128, 132_000 * 128, fillna=np.nan)).reshape(2_000, 128)
    means = [np.nan if np.isnan(row).all() else np.nanmean(row) for row in values]
    np.testing.assert_allclose(found, means, rtol=1e-5)


def test_zero_fill_takes_bases_without_data_for_nothing(track):
    found = SignalTrack(track).bins(Contig("one", 1000), 0, 9, bin_bp=128, zero_fill=True)
    expected = [(100 * 2 + 28 * 6) / 128, 36 * 6 / 128, 84 * 1.5 / 128, *[1.5] * 4, 4 / 128 * 1.5, np.nan]
    expected[7] = 4 * 1.5 / (1000 - 7 * 128)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (SignalTrack(track).bins(Contig("two", 50), 0, 1, bin_bp=128, zero_fill=True) == 0).all()
    unknown = SignalTrack(track).bins(Contig("three", 300), 0, 4, bin_bp=128, zero_fill=True)
    np.testing.assert_array_equal(unknown, [0, 0, 0, np.nan])


@pytest.mark.parametrize(("header", "asked"), [("chr7", "7"), ("7", "chr7"), ("chr7", "chr7")])
def test_contigs_are_found_with_or_without_chr(tmp_path, header, asked):
    path = tmp_path / "t.bw"
    pybigtools.open(str(path), "w").write({header: 200}, iter([(header, 0, 200, 3.0)]))
    np.testing.assert_array_equal(SignalTrack(path).bins(Contig(asked, 200), 0, 2, bin_bp=100), [3, 3])
    with pytest.raises(InputError, match=f"{header} has 200 bp, but 201 in the genome"):
        SignalTrack(path).bins(Contig(asked, 201), 0, 2, bin_bp=100)


def test_the_bin_of_a_file_is_its_commonest_record(tmp_path):
    path = tmp_path / "t.bw"
    records = [("short", 0, 90, 1.0), *(("long", n * 128, min(n * 128 + 128, 1000), 1.0) for n in range(3, 8))]
    pybigtools.open(str(path), "w").write({"short": 90, "long": 1000}, iter(records))
    signal = SignalTrack(path)
    assert signal.contigs == (Contig("short", 90), Contig("long", 1000))
    assert signal.record_bp() == 128


@pytest.mark.parametrize(
    ("space", "wanted", "expected"),
    [
        ("linear", "linear", 6),
        ("log1p", "log1p", 6),
        ("linear", "log1p", np.log1p(6)),
        ("log1p", "linear", np.expm1(6)),
    ],
)
def test_bins_in_another_space(track, space, wanted, expected):
    binned = BinnedTrack(SignalTrack(track), bin_bp=128, space=space, wanted=wanted)
    assert binned.read(Contig("one", 1000), 1, 1) == pytest.approx([expected])


def test_values_below_0_are_no_signal(tmp_path):
    path = tmp_path / "ratio.bw"
    pybigtools.open(str(path), "w").write({"one": 400}, iter([("one", 0, 200, 1.0), ("one", 256, 300, -0.5)]))
    binned = BinnedTrack(SignalTrack(path), bin_bp=128, space="linear", wanted="log1p")
    with pytest.raises(InputError, match="ratio.bw: values below 0, for example at one:257; use signal"):
        binned.read(Contig("one", 400), 0, 4)


def test_values_that_can_be_no_logarithm_are_said_to_be_the_signal(tmp_path):
    path = tmp_path / "linear.bw"
    pybigtools.open(str(path), "w").write({"one": 400}, iter([("one", 0, 200, 1.0), ("one", 256, 300, 5000.0)]))
    for wanted in ("log1p", "linear"):
        binned = BinnedTrack(SignalTrack(path), bin_bp=128, space="log1p", wanted=wanted)
        with pytest.raises(InputError, match="linear.bw: treated as ln.1 . signal., but has 5,000 at one:257; if it"):
            binned.read(Contig("one", 400), 0, 4)
    binned = BinnedTrack(SignalTrack(path), bin_bp=128, space="linear", wanted="linear")
    assert binned.read(Contig("one", 400), 2, 1) == pytest.approx([5000])


def test_a_contig_is_known_by_another_naming(tmp_path):
    path = tmp_path / "names.bw"
    lengths = {"chrM": 16_571, "MT": 16_569, "chr1": 700}
    pybigtools.open(str(path), "w").write(
        lengths, iter([("chrM", 0, 50, 1.0), ("MT", 0, 50, 2.0), ("chr1", 0, 50, 3.0)])
    )
    signal = SignalTrack(path)

    def first(name, length):
        signal.check_genome([Contig(name, length)])
        return signal.bins(Contig(name, length), 0, 1, bin_bp=50)[0]

    assert first("NC_012920.1", 16_569) == 2  # of several names that of its length
    assert first("NC_001807.4", 16_571) == 1
    assert first("NC_000001.11", 700) == 3
    with pytest.raises(InputError, match="chr1 has 700 bp, but 248,956,422 in the genome; use tracks of this genome"):
        first("NC_000001.11", 248_956_422)
    with pytest.raises(InputError, match="chrM has 16,571 bp, but 5 in the genome; use tracks of this genome"):
        first("chrM", 5)


def test_the_mitochondrion_of_another_naming_is_none_where_its_length_is_another(tmp_path):
    path = tmp_path / "names.bw"
    pybigtools.open(str(path), "w").write({"chrM": 16_571, "chr1": 700}, iter([("chrM", 0, 50, 1.0)]))
    signal = SignalTrack(path)
    for name in ("MT", "NC_012920.1"):
        assert np.isnan(signal.bins(Contig(name, 16_569), 0, 1, bin_bp=50)).all()


@pytest.mark.parametrize("space", ["linear", "log1p"])
def test_values_below_0_are_not_hidden_by_the_mean_of_a_bin(tmp_path, space):
    """Logarithms below -1 have no ln(1 + x) either."""
    path = tmp_path / "ratio.bw"
    pybigtools.open(str(path), "w").write({"one": 400}, iter([("one", 0, 40, 9.0), ("one", 40, 50, -1.5)]))
    binned = BinnedTrack(SignalTrack(path), bin_bp=128, space=space, wanted="log1p")
    with pytest.raises(InputError, match="ratio.bw: values below 0, for example at one:41; use signal"):
        binned.read(Contig("one", 400), 0, 4)


@pytest.mark.parametrize("zero_fill", [False, True])
def test_a_bin_with_an_infinite_base_is_infinite(tmp_path, zero_fill):
    """Not a very high number, and not the mean of the others."""
    path = tmp_path / "ratio.bw"
    records = [("one", 0, 100, 1.0), ("one", 100, 101, np.inf), ("one", 256, 300, 2.0)]
    pybigtools.open(str(path), "w").write({"one": 400}, iter(records))
    for space, wanted in (("linear", "log1p"), ("log1p", "linear"), ("log1p", "log1p"), ("linear", "linear")):
        binned = BinnedTrack(SignalTrack(path), bin_bp=128, space=space, wanted=wanted, zero_fill=zero_fill)
        found = binned.read(Contig("one", 400), 0, 4)
        np.testing.assert_array_equal(np.isinf(found), [True, False, False, False])
        np.testing.assert_array_equal(np.isnan(found), [False, not zero_fill, False, not zero_fill])
    binned = BinnedTrack(SignalTrack(path), bin_bp=128, space="linear", wanted="linear", finite=True)
    with pytest.raises(InputError, match="ratio.bw: infinite value, for example at one:101; signal must be finite"):
        binned.read(Contig("one", 400), 0, 4)


def test_infinities_of_both_signs_are_no_absence_of_data(tmp_path):
    path = tmp_path / "ratio.bw"
    pybigtools.open(str(path), "w").write({"one": 200}, iter([("one", 0, 9, np.inf), ("one", 9, 20, -np.inf)]))
    np.testing.assert_array_equal(SignalTrack(path).bins(Contig("one", 200), 0, 2, bin_bp=128), [np.inf, np.nan])


def test_high_values_do_not_overflow_to_infinity(tmp_path):
    path = tmp_path / "high.bw"
    pybigtools.open(str(path), "w").write({"one": 128}, iter([("one", 0, 100, 3e38)]))
    assert SignalTrack(path).bins(Contig("one", 128), 0, 1, bin_bp=128) == pytest.approx([3e38])
    filled = SignalTrack(path).bins(Contig("one", 128), 0, 1, bin_bp=128, zero_fill=True)
    assert filled == pytest.approx([3e38 * 100 / 128])


@pytest.mark.parametrize("summary", ["as written", "none"])
def test_zero_fill_takes_no_number_for_0(tmp_path, summary):
    """What a file has as NaN, a ratio of nothing to nothing, is not a base of which it says nothing."""
    path = tmp_path / "ratio.bw"
    records = [("one", 0, 64, 1.0), ("one", 64, 120, np.nan), ("one", 130, 400, np.nan), ("one", 400, 500, 4.0)]
    pybigtools.open(str(path), "w").write({"one": 600}, iter(records))
    if summary == "none":
        whole = path.read_bytes()
        path.write_bytes(whole[:44] + bytes(8) + whole[52:])
    track = SignalTrack(path)
    found = track.bins(Contig("one", 600), 0, 5, bin_bp=128, zero_fill=True)
    np.testing.assert_allclose(found, [64 / 72, 0, np.nan, 400 / 112, 0], rtol=1e-6)
    part = track.bins(Contig("one", 600), 1, 3, bin_bp=128, zero_fill=True)
    np.testing.assert_array_equal(part, found[1:4])
    plain = track.bins(Contig("one", 600), 0, 5, bin_bp=128)
    np.testing.assert_allclose(plain, [1, np.nan, np.nan, 4, np.nan])


def test_where_data_begin(track):
    signal = SignalTrack(track)
    assert signal.first_data("one", 0, 1000) == 0
    assert signal.first_data("one", 50, 1000) == 50  # within a record
    assert signal.first_data("one", 170, 1000) == 300
    assert signal.first_data("one", 170, 300) is None


def test_where_data_begin_in_a_long_region(tmp_path):
    """It is searched in parts, of which none may be skipped and none reach beyond the end."""
    with pyBigWig.open(str(tmp_path / "t.bw"), "w") as file:
        file.addHeader([("one", 10_000)])
        file.addEntries(["one", "one"], [7_777, 9_995], ends=[7_780, 10_000], values=[1.0, 1.0])
    signal = SignalTrack(tmp_path / "t.bw")
    assert signal.first_data("one", 0, 10_000) == 7_777
    assert signal.first_data("one", 7_780, 9_995) is None


def test_extremes_are_those_of_all_values(track, tmp_path):
    assert SignalTrack(track).extremes() == (1.5, 6.0)
    with pyBigWig.open(str(tmp_path / "empty.bw"), "w") as file:
        file.addHeader([("one", 1000)])
    assert SignalTrack(tmp_path / "empty.bw").extremes() == (0, 0)
