"""Measured contact maps: every number against cooler's own matrices."""

import builtins
import re

import cooler
import numpy as np
import pytest

from contact_files import random_pixels, write_cool, write_hic
from epigept_batch.contacts import measured as measured_module
from epigept_batch.contacts.measured import MeasuredContacts
from epigept_batch.errors import DeviceError, InputError
from epigept_batch.tiling import Contig

LENGTHS = {"chr21": 53_210, "chr22": 1_003_500}
CHR22 = Contig("chr22", 1_003_500)
OFFSET, BINS = 11, 212


def weights(seed=2, bad=(31, 40)):
    values = np.random.default_rng(seed).random(BINS) + 0.5
    values[list(bad)] = np.nan
    return values


@pytest.fixture
def raw(tmp_path):
    return write_cool(tmp_path / "raw.cool", LENGTHS, 5000, random_pixels(BINS, seed=1))


@pytest.fixture
def balanced(tmp_path):
    return write_cool(
        tmp_path / "balanced.cool", LENGTHS, 5000, random_pixels(BINS, seed=1), weights={"weight": weights()}
    )


@pytest.mark.parametrize(("start", "end"), [(0, 1_003_500), (100_000, 400_000), (995_000, 1_003_500)])
@pytest.mark.parametrize("name", ["raw", "balanced"])
def test_fetch_equals_coolers_matrix(name, start, end, request):
    path = request.getfixturevalue(name)
    expected = cooler.Cooler(str(path)).matrix(balance=name == "balanced").fetch(f"chr22:{start}-{end}")
    found = MeasuredContacts(str(path)).fetch(CHR22, start, end)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0, equal_nan=True)
    assert np.isnan(found).any() == (name == "balanced" and start < 400_000 and start != 995_000)


def test_a_region_beyond_the_contig_is_nan(raw):
    found = MeasuredContacts(str(raw)).fetch(CHR22, 990_000, 1_020_000)
    expected = cooler.Cooler(str(raw)).matrix(balance=False).fetch("chr22:990000-1003500")
    np.testing.assert_array_equal(found[:3, :3], expected)
    assert np.isnan(found[3:]).all()
    assert np.isnan(found[:, 3:]).all()
    assert found.shape == (6, 6)


@pytest.mark.parametrize("name", ["raw", "balanced"])
def test_a_band_is_the_diagonals_of_the_matrix_in_parts_of_any_size(name, request, monkeypatch):
    monkeypatch.setattr(measured_module, "PIXELS_AT_ONCE", 100)
    path = request.getfixturevalue(name)
    matrix = cooler.Cooler(str(path)).matrix(balance=name == "balanced").fetch("chr22")
    band = MeasuredContacts(str(path)).band(CHR22, 7)
    for distance in range(7):
        np.testing.assert_allclose(band[: 201 - distance, distance], np.diagonal(matrix, distance), rtol=1e-12)
        assert np.isnan(band[201 - distance :, distance]).all() or name == "raw" or distance == 0


def test_behind_the_last_bin_a_band_is_nan(raw, balanced):
    for path in (raw, balanced):
        band = MeasuredContacts(str(path)).band(CHR22, 4)
        assert np.isnan(band[-3:][np.add.outer(np.arange(3), np.arange(4)) > 2]).all()


def test_sums_of_raw_counts_are_coolers(raw, tmp_path):
    cooler.coarsen_cooler(str(raw), str(tmp_path / "coarse.cool"), 3, 10_000_000, dtypes={"count": "float64"})
    expected = cooler.Cooler(str(tmp_path / "coarse.cool")).matrix(balance=False).fetch("chr22")
    found = MeasuredContacts(str(raw), bin_bp=15_000)
    np.testing.assert_allclose(found.fetch(CHR22, 0, CHR22.length), expected, rtol=1e-12)
    assert found.bin_bp == 15_000
    assert found.values == "raw values, because the file has no normalisation"


def test_means_of_balanced_counts_are_over_good_pairs(balanced):
    fine = cooler.Cooler(str(balanced)).matrix(balance=True).fetch("chr22")
    found = MeasuredContacts(str(balanced), bin_bp=10_000)
    matrix = found.fetch(CHR22, 0, CHR22.length)
    for i, j in [(0, 0), (3, 9), (10, 11), (14, 20), (99, 100), (100, 100), (10, 10)]:
        block = fine[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        values = block[np.triu_indices(len(block))] if i == j else block
        assert matrix[i, j] == pytest.approx(np.nanmean(values), rel=1e-12)
    assert found.values == "normalised (weight)"


def test_bins_that_are_all_bad_have_no_mean(tmp_path):
    path = write_cool(
        tmp_path / "b.cool", LENGTHS, 5000, random_pixels(BINS, seed=1), weights={"weight": weights(bad=(13, 14))}
    )
    matrix = MeasuredContacts(str(path), bin_bp=10_000).fetch(CHR22, 0, 100_000)
    assert np.isnan(matrix[1]).all()
    assert np.isfinite(np.delete(np.delete(matrix, 1, 0), 1, 1)).all()


@pytest.mark.parametrize(("column", "sign"), [("KR", -1), ("weight", 1)])
def test_weights_of_juicer_divide_and_those_of_cooler_multiply(tmp_path, column, sign):
    values = weights(bad=())
    path = write_cool(tmp_path / "w.cool", LENGTHS, 5000, [(20, 25, 8.0)], weights={column: values})
    found = MeasuredContacts(str(path))
    value = found.band(CHR22, 6)[20 - OFFSET, 5]
    assert value == pytest.approx(8 * (values[20] * values[25]) ** sign, rel=1e-12)
    raw = MeasuredContacts(str(path), normalisation="NONE")
    assert raw.band(CHR22, 6)[20 - OFFSET, 5] == 8
    with pytest.raises(InputError, match=f"has no normalisation 'ICE', only {column}, NONE"):
        MeasuredContacts(str(path), normalisation="ICE")


@pytest.mark.parametrize("name", ["chr22", "22", "CM000684.2", "NC_000022.11"])
def test_contigs_by_other_names(tmp_path, name):
    path = write_cool(tmp_path / "n.cool", {"22": 50_818_468}, 1_000_000, [(3, 4, 5.0)])
    contig = Contig(name, 50_818_468)
    assert MeasuredContacts(str(path)).band(contig, 2)[3, 1] == 5
    assert np.isnan(MeasuredContacts(str(path)).band(Contig("chr9", 1000), 2)).all()
    with pytest.raises(InputError, match="22 has 50,818,468 bp, but 51,304,566 in the genome"):
        MeasuredContacts(str(path)).band(Contig("chr22", 51_304_566), 2)
    MeasuredContacts(str(path)).file.check_genome([contig])
    with pytest.raises(InputError, match="no contig in common with the genome: 22, … instead of chr9, …"):
        MeasuredContacts(str(path)).file.check_genome([Contig("chr9", 1000)])


def test_hic_equals_cool(raw, tmp_path):
    path = write_hic(tmp_path / "a.hic", LENGTHS, [5000, 10_000], random_pixels(BINS, seed=1))
    for bin_bp in (5000, 10_000, 20_000):
        np.testing.assert_allclose(
            MeasuredContacts(str(path), bin_bp=bin_bp).band(CHR22, 9),
            MeasuredContacts(str(raw), bin_bp=bin_bp).band(CHR22, 9),
            rtol=1e-6,  # .hic holds float32
        )
    one = write_hic(tmp_path / "one.hic", LENGTHS, [5000], random_pixels(BINS, seed=1))
    assert MeasuredContacts(str(one)).bin_bp == 5000


def test_mcool_by_resolution(raw, tmp_path):
    path = tmp_path / "a.mcool"
    cooler.zoomify_cooler(str(raw), str(path), [5000, 10_000, 20_000], chunksize=10_000_000)
    for bin_bp, own in ((5000, 5000), (10_000, 10_000), (30_000, 10_000), (15_000, 5000)):
        found = MeasuredContacts(str(path), bin_bp=bin_bp)
        assert found.file.bin_bp == own
        np.testing.assert_allclose(
            found.fetch(CHR22, 0, 90_000), MeasuredContacts(str(raw), bin_bp=bin_bp).fetch(CHR22, 0, 90_000)
        )
    assert MeasuredContacts(f"{path}::/resolutions/20000").bin_bp == 20_000
    assert MeasuredContacts(f"{raw}::/").bin_bp == 5000


@pytest.mark.parametrize(
    ("uri", "bin_bp", "message"),
    [
        ("a.mcool", None, "has several resolutions: 5,000, 10,000 bp; choose one"),
        ("a.mcool", 1280, "bins of 1,280 bp are not a multiple of any of its resolutions: 5,000, 10,000 bp"),
        ("a.mcool::/resolutions/10000", 15_000, "not a multiple of any of its resolutions: 10,000 bp"),
        ("a.mcool::/resolutions/7", None, "has no resolution of 7 bp, only 5,000, 10,000 bp"),
        ("a.mcool::/cells/x", None, "'/cells/x' does not name a resolution; use FILE.mcool::/resolutions/5000"),
        ("absent.cool", None, "file not found"),
        (".", None, "not a regular file"),
        ("text.cool", None, "not a .cool, .mcool or .hic file, or truncated"),
        ("empty.cool", None, "not a .cool, .mcool or .hic file, or truncated"),
        ("cut.cool", None, "not a .cool, .mcool or .hic file, or damaged"),
        ("cut.hic", None, "not a .cool, .mcool or .hic file, or damaged"),
    ],
)
def test_files_that_cannot_be_used(raw, tmp_path, monkeypatch, uri, bin_bp, message):
    monkeypatch.chdir(tmp_path)
    cooler.zoomify_cooler(str(raw), "a.mcool", [5000, 10_000], chunksize=10_000_000)
    (tmp_path / "text.cool").write_text("chr22\t1\t2\n")
    (tmp_path / "empty.cool").touch()
    (tmp_path / "cut.cool").write_bytes(raw.read_bytes()[:3000])
    hic = write_hic(tmp_path / "a.hic", LENGTHS, [5000], [(0, 1, 2.0)])
    (tmp_path / "cut.hic").write_bytes(hic.read_bytes()[:100])
    with pytest.raises(InputError, match=re.escape(message)):
        MeasuredContacts(uri, bin_bp=bin_bp)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_impossible_values_are_refused_with_their_place(tmp_path, value):
    path = write_cool(tmp_path / "odd.cool", LENGTHS, 5000, [(20, 22, 3.0), (20, 25, value)])
    with pytest.raises(InputError, match=re.escape("between chr22:45,001 and chr22:70,001; contacts must be finite")):
        MeasuredContacts(str(path)).band(CHR22, 6)
    assert MeasuredContacts(str(path)).band(CHR22, 5)[9, 2] == 3


def test_square_maps_are_refused(tmp_path):
    path = tmp_path / "square.cool"
    table = cooler.binnify(__import__("pandas").Series({"a": 1000}), 100)
    pixels = __import__("pandas").DataFrame({"bin1_id": [0, 1], "bin2_id": [1, 0], "count": [2, 2]})
    cooler.create_cooler(str(path), table, pixels, symmetric_upper=False, triucheck=False)
    with pytest.raises(InputError, match="not a symmetric map"):
        MeasuredContacts(str(path))


def test_without_the_library_the_extra_is_named(raw, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "hictkpy":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DeviceError, match=re.escape("install epigept-batch with its [contacts] extra")):
        MeasuredContacts(str(raw))
