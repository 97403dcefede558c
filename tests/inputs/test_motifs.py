import builtins

import numpy as np
import pytest
from scipy.io import savemat

from epigept_batch.errors import InputError
from epigept_batch.inputs.motifs import read_factor_pairs, read_homer_motifs, read_motif_set
from epigept_batch.spec import ScanWindow

WINDOW = ScanWindow(0, 128)


def test_the_synthetic_set(synthetic):
    motifs = read_homer_motifs(synthetic / "synthetic.motifs")
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
    assert len(read_homer_motifs(motifs / "all_motif_rmdup")) == 1465
    chosen = read_motif_set(motifs / "all_motif_rmdup", motifs / "MotifMatch_human_rmdup.mat", window=WINDOW)
    assert chosen.factors == tuple((motifs / "tf_list_711.txt").read_text().split())
    assert len({m.name for m in chosen.motifs}) == 1315
    assert len(chosen.motifs) == 1316


def test_another_homer_set(shared):
    name = "HOCOMOCOv11_core_HUMAN_mono_homer_format_0.001.motif"
    assert len(read_homer_motifs(shared / "motifs" / name)) == 401


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": is empty"),
        ("0.1\t0.2\t0.3\t0.4\n", ":1: does not begin with a '>' header"),
        (">A\tname\n" + ROW, ":1: a HOMER header is"),
        (">A\tname\tx\n" + ROW, ":1: threshold 'x' is not a number"),
        (">A\tname\tnan\n" + ROW, ":1: threshold 'nan' is not a number"),
        (">A\tname\t1\n0.1\t0.2\t0.3\n", ":2: a matrix row is four probabilities"),
        (">A\tname\t1\n" + ROW + "a\tb\tc\td\n", ":3: a matrix row is four probabilities"),
        (">A\tname\t1\n-1\t0\t0\t2\n", ":2: a matrix row is four probabilities"),
        (">A\tname\t1\n", ": motif name has no matrix"),
        (">A\tone\t1\n>B\ttwo\t1\n" + ROW, ": motif one has no matrix"),
        ("\x80", ": is not a text file"),
    ],
)
def test_what_is_no_motif_file_is_said_with_its_line(tmp_path, text, message):
    path = tmp_path / "m.motifs"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_homer_motifs(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_what_holds_no_pairs_is_said(tmp_path, synthetic):
    path = tmp_path / "pairs.tsv"
    path.write_text("motif only\n")
    with pytest.raises(InputError, match=r"pairs.tsv:1: needs a motif and a factor"):
        read_factor_pairs(path)
    path.write_text("\n")
    with pytest.raises(InputError, match="is empty"):
        read_factor_pairs(path)
    path.write_text("unknown\tF00\n")
    with pytest.raises(InputError, match="none of its motif names occurs in"):
        read_motif_set(synthetic / "synthetic.motifs", path, window=WINDOW)
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        read_factor_pairs(tmp_path / "absent.mat")
    damaged = tmp_path / "damaged.mat"
    damaged.write_bytes(b"no MATLAB file")
    with pytest.raises(InputError, match="holds no motif-factor pairs under 'Match2'"):
        read_factor_pairs(damaged)


def test_without_scipy_a_mat_file_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match="a .mat file needs scipy; install epigept-batch with its"):
        read_factor_pairs(tmp_path / "pairs.mat")
