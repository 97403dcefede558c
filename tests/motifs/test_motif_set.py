import gzip

import numpy as np
import pytest
from Bio import motifs as bio
from scipy.io import loadmat, savemat

from epigept_batch.errors import InputError
from epigept_batch.motifs.motif_set import read_factor_pairs, read_motif_set, read_motifs
from epigept_batch.motifs.thresholds import threshold_at
from epigept_batch.spec import ScanWindow

WINDOW = ScanWindow(0, 128)


def test_the_synthetic_set(synthetic):
    motifs = read_motifs(synthetic / "synthetic.motifs")
    assert len(motifs) == 40
    assert motifs[0].name == "M00/synthetic"
    assert motifs[0].threshold == 3.512818
    np.testing.assert_array_equal(motifs[0].probabilities[0], [0.208, 0.659, 0.001, 0.132])
    assert {len(m.probabilities) for m in motifs} >= {5, 31}
    chosen = read_motif_set(synthetic / "synthetic.motifs", synthetic / "synthetic.factors.tsv", window=WINDOW)
    assert chosen.factors == tuple(f"F{n:02d}" for n in range(15))
    assert chosen.motifs[0].factors == ("F00", "F03")
    assert [len(m.probabilities) for m in chosen.motifs if m.name == "M08/synthetic"] == [8, 24]


def test_the_published_set(shared):
    motifs = shared / "motifs"
    assert len(read_motifs(motifs / "all_motif_rmdup")) == 1465
    chosen = read_motif_set(motifs / "all_motif_rmdup", motifs / "MotifMatch_human_rmdup.mat", window=WINDOW)
    assert chosen.factors == tuple((motifs / "tf_list_711.txt").read_text().split())
    assert len({m.name for m in chosen.motifs}) == 1315
    assert len(chosen.motifs) == 1316


def test_another_homer_set(shared):
    name = "HOCOMOCOv11_core_HUMAN_mono_homer_format_0.001.motif"
    assert len(read_motifs(shared / "motifs" / name)) == 401


def test_pairs_with_and_without_header_and_from_mat(tmp_path):
    pairs = [("m/1", "A"), ("m/2", "B"), ("m/1", "B")]
    rows = "".join(f"{motif}\t{factor}\n" for motif, factor in pairs)
    (tmp_path / "bare.tsv").write_text(rows)
    (tmp_path / "headed.tsv").write_text("motif\tfactor\n" + rows)
    cells = np.array(pairs, dtype=object)
    savemat(tmp_path / "pairs.mat", {"Match2": cells})
    for name in ("bare.tsv", "headed.tsv", "pairs.mat"):
        assert read_factor_pairs(tmp_path / name) == pairs


ROW = "0.25\t0.25\t0.25\t0.25\n"


def meme_rows(matrix):
    return "".join("  ".join(map(str, row)) + "\n" for row in matrix.tolist())


def as_meme(motifs):
    head = "MEME version 5\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
    head += "Background letter frequencies\nA 0.25 C 0.25 G 0.25 T 0.25 \n\n"
    return head + "".join(
        f"MOTIF {m.name} name\nletter-probability matrix: alength= 4 w= {len(m.probabilities)} nsites= 100000 E= 0\n"
        f"{meme_rows(m.probabilities)}URL http://x.org/{m.name}\n\n"
        for m in motifs
    )


def as_jaspar(motifs):
    return "".join(
        f">{m.name}\tname\n"
        + "".join(
            f"{base}  [ {' '.join(map(str, row))} ]\n"
            for base, row in zip("ACGT", m.probabilities.T.tolist(), strict=True)
        )
        for m in motifs
    )


@pytest.mark.parametrize("write", [as_meme, as_jaspar])
def test_the_published_set_in_another_format(shared, tmp_path, write):
    motifs = read_motifs(shared / "motifs/all_motif_rmdup")
    path = tmp_path / "set"
    path.write_text(write(motifs))
    found = read_motifs(path, p_value=1e-3)
    assert [m.name for m in found] == [m.name.split()[0] for m in motifs]
    for motif, again in zip(motifs, found, strict=True):
        expected = motif.probabilities
        if write is as_jaspar:
            expected = expected / expected.sum(axis=1, keepdims=True)
        np.testing.assert_array_equal(again.probabilities, expected)
        assert again.threshold == threshold_at(again.log_odds, 1e-3)


COUNTS = np.array([[4, 19, 0, 1], [16, 0, 2, 6], [0, 20, 3, 1], [1, 0, 22, 1], [7, 7, 7, 3]])
JASPAR_FORMS = {
    "brackets": ">MA0004.1 Arnt\nA [ 4 16 0 1 7 ]\nC [19 0 20 0 7]\nG [ 0 2 3 22 7 ]\nT [ 1 6 1 1 3 ]\n",
    "any order": ">MA0004.1\tArnt\nT [ 1 6 1 1 3 ]\nA [ 4 16 0 1 7 ]\nG [ 0 2 3 22 7 ]\nC [19 0 20 0 7]\n",
    "no brackets": ">MA0004.1 Arnt\nA 4 16 0 1 7\nC 19 0 20 0 7\nG 0 2 3 22 7\nT 1 6 1 1 3\n",
    "bare": ">MA0004.1 Arnt\n 4.0 16.0 0 1 7\n19\t0\t20\t0\t7\n0 2 3 22 7\n1 6 1 1 3\n",
    "windows": "\ufeff>MA0004.1 Arnt\r\nA [4 16 0 1 7]\r\nC [19 0 20 0 7]\r\nG [0 2 3 22 7]\r\nT [1 6 1 1 3]\r\n",
}


@pytest.mark.parametrize("form", JASPAR_FORMS)
def test_jaspar_counts_become_shares(tmp_path, form):
    path = tmp_path / "m.motif"
    path.write_bytes((JASPAR_FORMS[form] * 2).encode().replace(b"\xef\xbb\xbf>", b">"))
    first, second = read_motifs(path, p_value=0.01)
    assert first.name == second.name == "MA0004.1"
    np.testing.assert_array_equal(first.probabilities, COUNTS / 24)
    np.testing.assert_array_equal(second.probabilities, COUNTS / 24)


@pytest.mark.parametrize(("form", "theirs"), [("brackets", "jaspar"), ("bare", "pfm-four-rows")])
def test_jaspar_as_biopython_reads_it(tmp_path, form, theirs):
    path = tmp_path / "m.motif"
    path.write_text(JASPAR_FORMS[form] + JASPAR_FORMS[form].replace("MA0004.1", "MA2").replace("20", "30"))
    with path.open() as stream:
        others = bio.parse(stream, theirs)
    found = read_motifs(path, p_value=0.01)
    assert [len(found), len(others)] == [2, 2]
    for motif, other in zip(found, others, strict=True):
        assert motif.name == (other.matrix_id if form == "brackets" else other.name.split()[0])
        shares = other.counts.normalize()
        np.testing.assert_allclose(motif.probabilities, np.array([shares[base] for base in "ACGT"]).T, rtol=1e-15)


def test_four_bare_rows_of_four_counts_lie(tmp_path):
    path = tmp_path / "m.pfm"
    path.write_text(">MA1 X\n8 0 0 0\n0 8 0 0\n0 0 8 4\n0 0 0 4\n")
    (motif,) = read_motifs(path, p_value=0.01)
    np.testing.assert_array_equal(motif.probabilities, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.5, 0.5]])


MEME = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.303 C 0.183 G 0.209 T 0.306

MOTIF crp alternative name
letter-probability matrix: alength= 4 w= 3 nsites= 1000 E= 4.1e-009
 0.000 0.176 0.000 0.824
 0.200 0.059 0.647 0.094
 0.000 0.059 0.941 0.000

MOTIF lexA
letter-probability matrix: alength= 4 w= 2 nsites= 1000 E= 3.2e-035
 0.214 0.000 0.000 0.786
 0.857 0.000 0.143 0.000
URL http://example.org/lexA
"""


def test_meme_as_biopython_reads_it(tmp_path):
    path = tmp_path / "two"
    path.write_text(MEME)
    found = read_motifs(path, p_value=0.1)
    with path.open() as stream:
        theirs = bio.parse(stream, "minimal")
    assert [m.name for m in found] == [m.name for m in theirs] == ["crp", "lexA"]
    for motif, other in zip(found, theirs, strict=True):
        np.testing.assert_array_equal(
            motif.probabilities, np.array([other.counts[base] for base in "ACGT"]).T / other.num_occurrences
        )
        assert motif.threshold == threshold_at(motif.log_odds, 0.1)


CUSTOM_ALPHABET = """ALPHABET "DNA" DNA-LIKE
A "Adenine" CC0000 ~ T "Thymine" 008000
C "Cytosine" 0000CC ~ G "Guanine" FFB300
N "Any base" = ACGT
U = T
END ALPHABET
"""
LOG_ODDS = "log-odds matrix: alength= 4 w= 2 n= 5 bayes= 1 E= 0\n -100 23 5 -7\n 3 4 5 6\n"


@pytest.mark.parametrize(
    "change",
    [
        ("ALPHABET= ACGT\n", ""),
        ("ALPHABET= ACGT\n", CUSTOM_ALPHABET),
        ("Background letter frequencies\nA 0.303 C 0.183 G 0.209 T 0.306\n", ""),
        ("MEME version 4", "*****\nMEME - Motif discovery tool\n*****\nMEME version 5.5.5 (Release date: today)"),
        ("MOTIF lexA\n", "MOTIF lexA\n" + LOG_ODDS),
        ("URL http", LOG_ODDS + "URL http"),
        (": alength= 4 w= 2 nsites= 1000 E= 3.2e-035", ":"),
        (": alength= 4 w= 2", ": nsites=1 w=2 alength=4"),
        ("URL http://example.org/lexA\n", "-----\n\tlexA regular expression\n-----\nT[AG]\n"),
        ("\n", "\r\n"),
    ],
)
def test_what_else_a_meme_file_holds_changes_nothing(tmp_path, change):
    (tmp_path / "plain").write_text(MEME)
    (tmp_path / "changed").write_bytes(MEME.replace(*change).encode())
    assert MEME.replace(*change) != MEME
    for motif, again in zip(read_motifs(tmp_path / "plain"), read_motifs(tmp_path / "changed"), strict=True):
        assert (again.name, again.threshold) == (motif.name, motif.threshold)
        np.testing.assert_array_equal(again.probabilities, motif.probabilities)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("= ACGT", "= ACGU", ":3: alphabet is ACGU; use DNA motifs"),
        ("= ACGT", "= ACDEFGHIKLMNPQRSTVWY", ":3: alphabet is ACDEFGHIKLMNPQRSTVWY"),
        ("ALPHABET= ACGT\n", CUSTOM_ALPHABET.replace("U = T", 'm "5mC"'), ":3: alphabet is ACGTm"),
        ("ALPHABET= ACGT", "", ":11: motif crp has an alphabet of 20 letters"),
        ("MOTIF lexA", "MOTIF empty\nMOTIF lexA", ":16: motif empty has no letter-probability matrix"),
        (
            "letter-probability matrix: alength= 4 w= 2",
            "log-odds matrix:",
            ":16: motif lexA has only a log-odds matrix; add its letter-probability matrix",
        ),
        ("w= 3", "w= 4", ":14: motif crp is truncated after 3 of 4 rows"),
        ("w= 3", "w= 2", ":14: motif crp has more rows than its w= 2"),
        (
            " 0.857 0.000 0.143 0.000\nURL http://example.org/lexA\n",
            "",
            ":18: motif lexA is truncated after 1 of 2 rows",
        ),
        (" 0.857 0.000 0.143 0.000", " 0.857 0.000 0.143", ":19: not a matrix row; it must have four probabilities"),
        (" 0.857 0.000 0.143 0.000", " 0.857 0.0x0 0.143 0", ":19: not a matrix row; it must have four probabilities"),
        (" 0.857 0.000 0.143 0.000", " -0.857 1.857 0 0", ":19: not a matrix row; it must have four probabilities"),
        (" 0.857 0.000 0.143 0.000", " 12 0 2 0", ":19: not a matrix row; it must have four probabilities"),
        ("MOTIF lexA", "MOTIF", ":16: no motif name"),
        ("MOTIF lexA\n", "", ":16: motif crp has a second letter-probability matrix"),
        ("MOTIF", "MOTIV", ": no motif in the file"),
        ("MEME version 4", "Mememe", ":1: begins with 'Mememe' and contains no line 'MEME version'"),
    ],
)
def test_what_is_wrong_in_a_meme_file_is_said_with_its_line(tmp_path, old, new, message):
    text = MEME if "20 letters" not in message else MEME.replace("alength= 4", "alength= 20")
    path = tmp_path / "m.meme"
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_motifs(path)
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">m\nA [1 2]\nC [1 2]\nG [1 2 3]\nT [1 2]\n", ":4: row has 3 counts, but the rows of motif m above have 2"),
        (">m\nA [1 0]\nC [1 0]\nG [1 0]\nT [1 0]\n", ":1: position 2 of motif m has no counts"),
        (
            ">m\nA [1 2]\nC [1 -2]\nG [1 2]\nT [1 2]\n",
            ":3: not a row of a JASPAR matrix; it must have one base's counts",
        ),
        (
            ">m\nA [1 2]\nC [1 x]\nG [1 2]\nT [1 2]\n",
            ":3: not a row of a JASPAR matrix; it must have one base's counts",
        ),
        (">m\nA [1 2]\nC [ ]\nG [1 2]\nT [1 2]\n", ":3: not a row of a JASPAR matrix; it must have one base's counts"),
        (">m\nA [1 2]\nC [1 2]\nG [1 2]\n", ":1: motif m has 3 rows; a JASPAR matrix has four"),
        (">m\nA [1 2]\nC [1 2]\nG [1 2]\nU [1 2]\n", ":5: unexpected row for 'U'"),
        (">m\nA [1 2]\nC [1 2]\nC [1 2]\nT [1 2]\n", ":4: unexpected row for 'C'"),
        (">m\nA [1 2]\n1 2\nG [1 2]\nT [1 2]\n", ":3: unexpected row for ''"),
        (">\nA [1 2]\nC [1 2]\nG [1 2]\nT [1 2]\n", ":1: no motif name; a JASPAR header is '>name'"),
        (">m\n1 2 3\n1 2 3\n1 2 3\n", ":1: motif m has 3 rows; a JASPAR matrix has four"),
        (">m\n1 2 3\n1 2 3\n1 2 3\n1 2 -3\n", ":5: not a row of a JASPAR matrix; it must have one base's counts"),
    ],
)
def test_what_is_wrong_in_a_jaspar_file_is_said_with_its_line(tmp_path, text, message):
    path = tmp_path / "m.jaspar"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_motifs(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_motifs_too_short_for_the_p_value_are_named(tmp_path):
    path = tmp_path / "m.jaspar"
    short = "".join(f">s{n}\nA [9 1]\nC [0 2]\nG [0 3]\nT [0 3]\n" for n in range(7))
    path.write_text(short + ">long\nA [9 9 9]\nC [1 2 3]\nG [1 2 3]\nT [1 2 3]\n")
    said = []
    motifs = read_motifs(path, p_value=0.07, say=said.append)
    (sentence,) = said
    assert sentence == (
        "7 of 8 motifs are too short for a p-value of 0.07, because even their best word is more likely; only that "
        "word counts as a hit: s0, s1, s2, s3, s4, …"
    )
    said.clear()
    (tmp_path / "pairs").write_text("s3\tF\nlong\tG\n")
    chosen = read_motif_set(path, tmp_path / "pairs", window=WINDOW, p_value=0.07, say=said.append)
    assert [m.threshold for m in chosen.motifs] == [motifs[3].threshold, motifs[7].threshold]
    assert said[0].startswith("1 of 2 motifs are too short")
    assert said[0].endswith(": s3")
    assert read_motifs(path, p_value=0.2, say=pytest.fail)[0].threshold < motifs[0].threshold


def test_homer_thresholds_do_not_depend_on_the_p_value(synthetic):
    path = synthetic / "synthetic.motifs"
    thresholds = [m.threshold for m in read_motifs(path)]
    assert [m.threshold for m in read_motifs(path, p_value=0.01, say=pytest.fail)] == thresholds


@pytest.mark.parametrize("p_value", [0, 1, -1e-4, 1.5, float("nan")])
def test_a_p_value_lies_between_0_and_1(synthetic, p_value):
    path = synthetic / "synthetic.motifs"
    with pytest.raises(InputError, match=rf"^--p-value {p_value:g} is not between 0 and 1; use for example 0.0001"):
        read_motifs(path, p_value=p_value)
    with pytest.raises(InputError, match="^--p-value"):
        read_motif_set(path, synthetic / "synthetic.factors.tsv", window=WINDOW, p_value=p_value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": file is empty; use motifs in HOMER, MEME or JASPAR format"),
        ("0.1\t0.2\t0.3\t0.4\n", ":1: begins with '0.1\\t0.2\\t0.3\\t0.4' and contains no line 'MEME version'"),
        (">A\tname\n" + ROW, ":1: not a HOMER header; it must be"),
        (">A\tname\tx\n" + ROW, ":1: threshold 'x' is not a number"),
        (">A\tname\tnan\n" + ROW, ":1: threshold 'nan' is not a number"),
        (">A\tname\t1\n0.1\t0.2\t0.3\n", ":2: not a matrix row; it must have four probabilities"),
        (">A\tname\t1\n" + ROW + "a\tb\tc\td\n", ":3: not a matrix row; it must have four probabilities"),
        (">A\tname\t1\n-1\t0\t0\t2\n", ":2: not a matrix row; it must have four probabilities"),
        (">A\tname\t1\n", ":1: motif name has no matrix"),
        (">A\tone\t1\n>B\ttwo\t1\n" + ROW, ":1: motif one has no matrix"),
        ("\x80", ": not a text file"),
    ],
)
def test_what_is_no_motif_file_is_said_with_its_line(tmp_path, text, message):
    path = tmp_path / "m.motifs"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_motifs(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_what_holds_no_pairs_is_said(tmp_path, synthetic):
    path = tmp_path / "pairs.tsv"
    path.write_text("motif only\n")
    with pytest.raises(InputError, match=r"pairs.tsv:1: line must have a motif and a factor"):
        read_factor_pairs(path)
    path.write_text("\n")
    with pytest.raises(InputError, match="no motif-factor pairs in the file"):
        read_factor_pairs(path)
    path.write_text("unknown\tF00\n")
    with pytest.raises(
        InputError, match=r"names, such as 'unknown', occurs in .*, which has names such as 'M00/synthetic';"
    ):
        read_motif_set(synthetic / "synthetic.motifs", path, window=WINDOW)
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        read_factor_pairs(tmp_path / "absent.mat")


def test_what_a_mat_file_lacks_is_said(tmp_path):
    path = tmp_path / "pairs.mat"
    savemat(path, {"Match2": np.array([("m/1", "A"), ("m/2", "B")] * 500, dtype=object)}, do_compression=True)
    whole = path.read_bytes()
    for content in (b"no MATLAB file", b"", whole[:60], whole[:200], whole[: len(whole) // 2], whole[:-3]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"pairs.mat: damaged or truncated \(\w+\); download the file again"):
            read_factor_pairs(path)
    savemat(path, {"Match": np.zeros(3), "other": "text"})
    with pytest.raises(InputError, match=r"no motif-factor pairs: no variable 'Match2' \(variables: Match, other\)"):
        read_factor_pairs(path)
    for value in (np.zeros((2, 2, 2)), np.array([("m", "f", "g")], dtype=object), 3.0):
        savemat(path, {"Match2": value})
        with pytest.raises(InputError, match="variable 'Match2' is not a cell array with a motif and a factor per row"):
            read_factor_pairs(path)
    savemat(path, {"Match2": np.empty((0, 2), dtype=object)})
    with pytest.raises(InputError, match="no motif-factor pairs in the file"):
        read_factor_pairs(path)


def test_a_mat_file_under_another_name(tmp_path):
    savemat(tmp_path / "pairs", {"Match2": np.array([("m/1", "A")], dtype=object)}, appendmat=False)
    assert read_factor_pairs(tmp_path / "pairs") == [("m/1", "A")]


def test_a_motif_of_impossible_width_is_said(tmp_path):
    path = tmp_path / "wide.motifs"
    path.write_text(">A\twide\t1.0\n" + ROW * 401)
    with pytest.raises(InputError, match="wide.motifs: motif wide has 401 bp, more than the limit of 400"):
        read_motifs(path)


def test_gzip_is_said(tmp_path):
    path = tmp_path / "set.gz"
    path.write_bytes(gzip.compress(MEME.encode()))
    for read in (read_motifs, read_factor_pairs):
        with pytest.raises(
            InputError, match=r"set.gz: compressed with gzip; run gunzip -k \S+/set.gz and use the plain file"
        ):
            read(path)


def test_motifs_given_as_pairs_are_said(tmp_path, synthetic):
    path = synthetic / "synthetic.motifs"
    with pytest.raises(InputError, match="same file as the motif file; use a file with pairs of motif and factor"):
        read_motif_set(path, synthetic / "." / path.name, window=WINDOW)
    with pytest.raises(
        InputError, match=r"synthetic.motifs:1: file contains motifs; use a file with pairs of motif and factor"
    ):
        read_factor_pairs(path)
    (tmp_path / "m").write_text("\n" + MEME)
    with pytest.raises(InputError, match=r"m:2: file contains motifs"):
        read_factor_pairs(tmp_path / "m")


CUT = ">ACG\tone\t1\n" + ROW * 3 + ">ACGTWN\ttwo\t1\n" + ROW * 4


def test_a_last_motif_shorter_than_its_consensus_was_cut(tmp_path):
    path = tmp_path / "m.motifs"
    path.write_text(CUT)
    with pytest.raises(
        InputError, match=r"m.motifs:9: truncated within motif two: 4 of 6 rows; download the file again"
    ):
        read_motifs(path)
    for other in (
        CUT.replace(">ACGTWN", ">ACGT-two"),  # no consensus
        CUT.replace(">ACG\t", ">ACGT\t"),  # a set whose consensus does not follow the matrices
        CUT.replace(">ACGTWN", ">ACG"),
    ):
        path.write_text(other)
        assert [len(m.probabilities) for m in read_motifs(path)] == [3, 4]
    path.write_text(CUT[CUT.index(">ACGTWN") :])  # nothing to compare with
    assert len(read_motifs(path)) == 1


def test_the_published_set_cut_between_two_rows(shared, tmp_path):
    lines = (shared / "motifs/all_motif_rmdup").read_text().splitlines(keepends=True)
    (tmp_path / "cut").write_text("".join(lines[:5000]))
    with pytest.raises(InputError, match=r"cut:5000: truncated within motif \S+: \d+ of \d+ rows"):
        read_motifs(tmp_path / "cut")


def test_a_mat_file_of_any_coding_is_read_as_by_scipy(tmp_path):
    path = tmp_path / "pairs.mat"
    pairs = [("m/1", "A"), ("longer than eight", "é"), ("Ω", "ZNF8")]
    for packed in (False, True):
        savemat(path, {"x": np.arange(5), "Match2": np.array(pairs, dtype=object)}, do_compression=packed)
        assert read_factor_pairs(path) == [(str(a.item()), str(b.item())) for a, b in loadmat(path)["Match2"]] == pairs


def test_the_published_pairs_are_read_as_by_scipy(shared):
    path = shared / "motifs/MotifMatch_human_rmdup.mat"
    expected = [(str(a.item()), str(b.item())) for a, b in loadmat(path)["Match2"]]
    assert len(expected) == 8793
    assert read_factor_pairs(path) == expected
