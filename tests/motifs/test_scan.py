import gzip
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import reference
from epigept_batch.errors import InputError
from epigept_batch.motifs import kernels as motif_kernels
from epigept_batch.motifs.motif_set import read_motif_set
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.sequence.genome import Genome
from epigept_batch.spec import Motif, MotifSet, ScanWindow
from scanners import BACKEND, Scanner
from tolerances import SCORES, SCORES_PRINTED

WINDOWS = {"given": ScanWindow(0, 128), "homer-200": ScanWindow(-37, 164)}


@pytest.fixture(params=WINDOWS)
def kind(request):
    return request.param


SLOW = BACKEND == "simulator"
"""Whether every position takes milliseconds, so that a part of the data must do."""
every_backend = pytest.mark.every_backend
but_not_simulated = pytest.mark.skipif(SLOW, reason="too many positions for the simulator")


@pytest.fixture(params=[1, 2, 3] if BACKEND == "cpu" else [1])
def threads(request):
    return request.param


def whole_contigs(scanner, genome, most):
    """Scores of every bin of every contig, (bins, factors), and which bins these are; no more than `most` a contig."""
    scores, numbers, first = [], [], 0
    for contig in genome.contigs:
        tokens = genome.tokens(contig, 0, contig.length)
        bins = -(-contig.length // scanner.bin_bp)
        scores.append(scanner.scan(tokens, offset=0, bins=min(bins, most)))
        numbers += range(first, first + min(bins, most))
        first += bins
    return np.concatenate(scores, axis=1).T, numbers


def assert_same_hits(found, expected, tolerance):
    np.testing.assert_array_equal(found != 0, expected != 0)
    assert np.abs(found - expected).max() <= tolerance


@every_backend
def test_homer_on_the_synthetic_set(synthetic, fasta, kind, threads):
    motifs = read_motif_set(synthetic / "synthetic.motifs", synthetic / "synthetic.factors.tsv", window=WINDOWS[kind])
    scanner = Scanner(motifs, motifs.factors, bin_bp=128, threads=threads)
    found, bins = whole_contigs(scanner, Genome(fasta), 4 if SLOW else 1000)
    assert found.dtype == np.float32
    expected = np.load(synthetic / f"scores.{kind}.npy")
    assert SLOW or len(bins) == len(expected)
    assert_same_hits(found, expected[bins], SCORES_PRINTED)


def test_the_synthetic_scores_follow_from_homers_hits(synthetic, kind):
    """The matrices that the tests compare with say what HOMER's own output says."""
    factors = {}
    for line in (synthetic / "synthetic.factors.tsv").read_text().splitlines()[1:]:
        motif, factor = line.split("\t")
        factors.setdefault(motif, []).append(int(factor[1:]))
    expected = np.zeros((164, 15), dtype=np.float32)
    with gzip.open(synthetic / f"homer_hits.{kind}.tsv.gz", "rt") as stream:
        next(stream)
        for line in stream:
            bin_, _, _, motif, _, score = line.rstrip("\n").split("\t")
            for factor in factors.get(motif, ()):
                row = int(bin_) - 1
                expected[row, factor] = max(expected[row, factor], np.float32(score))
    np.testing.assert_array_equal(np.load(synthetic / f"scores.{kind}.npy"), expected)


@every_backend
@pytest.mark.parametrize(("name", "start"), [("small", 1_800_192), ("chr22gap_hg19", 16_830_080)])
def test_homer_on_real_sequence(shared, chr2, chr22, kind, name, start):
    if SLOW and name != "small":
        pytest.skip("as many positions as a minute allows are those of one bin")
    motifs = read_motif_set(
        shared / "motifs/all_motif_rmdup", shared / "motifs/MotifMatch_human_rmdup.mat", window=WINDOWS[kind]
    )
    size = kind.removeprefix("homer-")
    expected = np.load(shared / f"homer/epigept_motifscore.{name}.size_{size}.npy")[: 1 if SLOW else None]
    genome = Genome(chr2 if name == "small" else chr22)
    scanner = Scanner(motifs, motifs.factors, bin_bp=128, threads=2)
    before = 128
    tokens = genome.tokens(genome.contigs[0], start - before, start + (len(expected) + 1) * 128)
    for size in (1000,) if SLOW else (8, 79, 1000):  # 1 kb, a prime number, and more than there are
        parts = [
            scanner.scan(tokens, offset=before + first * 128, bins=min(size, len(expected) - first)).T
            for first in range(0, len(expected), size)
        ]
        assert_same_hits(np.concatenate(parts), expected, SCORES_PRINTED)
    assert SCORES_PRINTED < SCORES


def random_motif(rng, width, name, factors, quantile=0.97):
    matrix = rng.dirichlet([0.4] * 4, width).round(3)
    scores = np.log(np.maximum(matrix, 0.001) / 0.25)
    sampled = scores[np.arange(width), rng.integers(0, 4, (4000, width))].sum(axis=1)
    return Motif(name, matrix, float(np.quantile(sampled, quantile).round(6)), factors)


@every_backend
@pytest.mark.parametrize("window", [(0, 16), (-5, 21), (3, 11), (-40, 60), (0, 4), (20, 24), (-16, 0)])
def test_the_naive_scan_for_any_window_and_width(window, threads):
    rng = np.random.default_rng(3)
    widths = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 29, 31, 33, 40]
    factors = tuple(f"f{n}" for n in range(len(widths)))
    motifs = tuple(
        random_motif(rng, width, f"m{n}", (factors[n], factors[n // 2])[: 1 + n % 2]) for n, width in enumerate(widths)
    )
    sequence = "".join(rng.choice(list("ACGTacgtNR"), 333, p=[0.13] * 4 + [0.11] * 4 + [0.02, 0.02]))
    sequence = sequence[:100] + "N" * 40 + sequence[140:]
    scanner = Scanner(MotifSet(motifs, ScanWindow(*window)), factors, bin_bp=16, threads=threads)
    found = scanner.scan(reference.tokens(sequence), offset=0, bins=21).T
    expected = reference.motif_scores(sequence, motifs, factors, bin_bp=16, window=window)
    assert (expected != 0).any() == (window[1] > window[0] and found.any())
    assert_same_hits(found, expected, SCORES_PRINTED)


@every_backend
def test_the_naive_scan_on_contigs_shorter_than_a_motif():
    rng = np.random.default_rng(4)
    motifs = tuple(random_motif(rng, width, f"m{width}", ("f",), 0.5) for width in (6, 9))
    scanner = Scanner(MotifSet(motifs, ScanWindow(-37, 164)), ("f",), bin_bp=128)
    for length in range(1, 20):
        sequence = "".join(rng.choice(list("ACGT"), length))
        found = scanner.scan(reference.tokens(sequence), offset=0, bins=1).T
        expected = reference.motif_scores(sequence, motifs, ("f",), bin_bp=128, window=(-37, 164))
        assert_same_hits(found, expected, SCORES_PRINTED)


def one_motif(threshold):
    matrix = np.array([[0.997, 0.001, 0.001, 0.001], [0.001, 0.001, 0.2, 0.798], [0.31, 0.22, 0.27, 0.2]])
    return matrix, Motif("m", matrix, threshold, ("f",))


@every_backend
@pytest.mark.parametrize("word", ["ATA", "ATC", "ATG", "AGA", "ATT"])
def test_a_score_equal_to_the_threshold_is_a_hit_and_the_next_number_is_not(word):
    matrix, _ = one_motif(0)
    exact = 0.0
    for row, base in zip(matrix, word, strict=True):
        exact += float(np.log(row["ACGT".index(base)] / 0.25))
    tokens = reference.tokens("CC" + word + "CC")
    for threshold, is_hit in ((exact, True), (np.nextafter(exact, np.inf), False), (exact + 1e-9, False)):
        motifs = MotifSet((Motif("m", matrix, threshold, ("f",)),), ScanWindow(2, 5))
        found = Scanner(motifs, ("f",), bin_bp=8).scan(tokens, offset=0, bins=1)
        assert (found[0, 0] != 0) == (is_hit and exact > 0), (threshold, exact)


@every_backend
def test_more_than_one_block_of_columns_and_factors_in_any_order():
    rng = np.random.default_rng(8)
    motifs = tuple(random_motif(rng, int(rng.integers(5, 14)), f"m{n}", (f"f{n % 7}",)) for n in range(150))
    sequence = "".join(rng.choice(list("ACGT"), 160))
    factors = ("f6", "f2", "unknown", "f0", "f1", "f3", "f4", "f5")
    scanner = Scanner(MotifSet(motifs, ScanWindow(-8, 24)), factors, bin_bp=16, threads=2)
    found = scanner.scan(reference.tokens(sequence), offset=0, bins=10).T
    expected = reference.motif_scores(sequence, motifs, list(factors), bin_bp=16, window=(-8, 24))
    assert_same_hits(found, expected, SCORES_PRINTED)
    assert not found[:, 2].any()


@every_backend
def test_iupac_letters_and_lower_case():
    """A letter that stands for several bases is none; a lower-case base is a base."""
    rng = np.random.default_rng(9)
    motifs = tuple(random_motif(rng, width, f"m{width}", ("f",), 0.9) for width in (5, 6, 7, 31))
    sequence = "".join(rng.choice(list("ACGTacgtRYSWKMBDHVNrn."), 400, p=[0.1] * 8 + [0.2 / 14] * 14))
    scanner = Scanner(MotifSet(motifs, ScanWindow(-37, 164)), ("f",), bin_bp=128)
    found = scanner.scan(reference.tokens(sequence), offset=0, bins=4).T
    expected = reference.motif_scores(sequence, motifs, ("f",), bin_bp=128, window=(-37, 164))
    assert (expected > 0).any()
    assert_same_hits(found, expected, SCORES_PRINTED)


@every_backend
@pytest.mark.parametrize("words", [("AAAAA", "CCCCC"), ("ACACA", "TGTGT"), ("GGGGA", "GGGGT")])
def test_words_that_tie_or_nearly_tie_in_integers(words):
    """Two motifs and two words whose scores differ by less than an integer of the tables: the exact best is found."""
    nearly = np.full((5, 4), 0.25)
    for place, bases in enumerate(zip(*words, strict=True)):
        for number, base in enumerate(bases):
            nearly[place, "ACGT".index(base)] = 0.4 - 1e-7 * number
    motif = Motif("m", nearly, -50.0, ("f",))
    sequence = "N".join([words[1], words[0], words[1], words[1]])
    scanner = Scanner(MotifSet((motif,), ScanWindow(0, 64)), ("f",), bin_bp=64)
    found = scanner.scan(reference.tokens(sequence), offset=0, bins=1)
    expected = reference.motif_scores(sequence, [motif], ("f",), bin_bp=64, window=(0, 64))
    assert found[0, 0] == np.float32(expected[0, 0])


@every_backend
@but_not_simulated
def test_the_widest_motif_that_is_read():
    rng = np.random.default_rng(11)
    sequence = "".join(rng.choice(list("ACGT"), 1500))
    matrix = rng.dirichlet([0.5] * 4, 400)
    for place, base in enumerate(sequence[700:1100]):
        matrix[place, "ACGT".index(base)] += 1
    motif = Motif("m", matrix, 100.0, ("f",))
    scanner = Scanner(MotifSet((motif,), ScanWindow(-500, 600)), ("f",), bin_bp=128)
    tokens = reference.tokens(sequence)
    found = scanner.scan(tokens, offset=0, bins=12).T
    expected = reference.extended_scores(tokens, [motif], ["f"], bin_bp=128, window=(-500, 600)).T
    assert 0 < (expected > 0).sum() < 12
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_bins_beyond_the_end_score_nothing_though_their_scan_window_reaches_into_the_contig(tmp_path):
    """A motif of the contig's last 8 bp: of the next bin's scan window, too, which begins 20 bp before the bin."""
    probabilities = np.full((8, 4), 0.01)
    for place, base in enumerate("GATTACAG"):
        probabilities[place, "ACGT".index(base)] = 0.97
    motif = Motif("m", probabilities, 5.0, ("f",))
    (tmp_path / "g.fa").write_text(f">c\n{'C' * 120}GATTACAG\n")
    scanner = MotifScanner(MotifSet((motif,), ScanWindow(-20, 64)), ("f",), bin_bp=64)
    with Genome(tmp_path / "g.fa") as genome, GenomeScan(genome, scanner) as source:
        (contig,) = genome.contigs
        scores = source.read(contig, 0, 4)
    assert scores[0, 1] > 5
    np.testing.assert_array_equal(scores[0, [0, 2, 3]], 0)


def test_any_threads_may_scan_at_once(synthetic, fasta):
    motifs = read_motif_set(
        synthetic / "synthetic.motifs", synthetic / "synthetic.factors.tsv", window=WINDOWS["homer-200"]
    )
    genome = Genome(fasta)
    source = GenomeScan(genome, MotifScanner(motifs, motifs.factors, bin_bp=128, threads=2))
    places = [(contig, first) for contig in genome.contigs for first in range(0, 160, 20)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: source.read(*place, 20), places * 5))
    for place, scores in zip(places * 5, found, strict=True):
        np.testing.assert_array_equal(scores, source.read(*place, 20))


def test_a_long_first_compilation_is_said(synthetic, monkeypatch):
    motifs = read_motif_set(
        synthetic / "synthetic.motifs", synthetic / "synthetic.factors.tsv", window=WINDOWS["given"]
    )
    scanner = MotifScanner(motifs, motifs.factors, bin_bp=128)
    said = []
    scanner.compile(said.append)
    assert said == []
    monkeypatch.setattr("epigept_batch.motifs.scan.PATIENCE_S", 0.05)
    real = scanner.scan
    monkeypatch.setattr(scanner, "scan", lambda *words, **more: (time.sleep(0.5), real(*words, **more)))
    scanner.compile(said.append)
    assert said == ["compiling the motif scan (some seconds, once per installation)"]


def test_without_a_folder_to_keep_it_the_code_is_compiled_all_the_same(monkeypatch):
    def refuse(_):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.core.dispatcher.Dispatcher.enable_caching", refuse)
    doubled = motif_kernels.compiled(lambda x: 2 * x)
    assert doubled(21) == 42


@every_backend
@but_not_simulated
def test_the_result_does_not_depend_on_where_the_work_is_cut(synthetic, fasta):
    motifs = read_motif_set(
        synthetic / "synthetic.motifs", synthetic / "synthetic.factors.tsv", window=WINDOWS["homer-200"]
    )
    genome = Genome(fasta)
    contig = genome.contigs[0]
    tokens = genome.tokens(contig, -200, 20_200)
    whole = Scanner(motifs, motifs.factors, bin_bp=128).scan(tokens, offset=200, bins=157)
    for size in (1, 7, 40, 156):
        scanner = Scanner(motifs, motifs.factors, bin_bp=128, threads=2)
        parts = [
            scanner.scan(tokens, offset=200 + first * 128, bins=min(size, 157 - first)) for first in range(0, 157, size)
        ]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_an_empty_window_is_said():
    with pytest.raises(InputError, match="motif window 5,5 is empty"):
        MotifScanner(MotifSet((), ScanWindow(5, 5)), (), bin_bp=128)


@every_backend
def test_no_motif_scores_nothing():
    scanner = Scanner(MotifSet((), ScanWindow(0, 128)), ("f",), bin_bp=128)
    assert not scanner.scan(np.zeros(256, np.uint8), offset=0, bins=2).any()
