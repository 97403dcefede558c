import gzip
import hashlib
import os

import numpy as np
import pytest
from Bio import bgzf

from epigept_batch.errors import InputError
from epigept_batch.inputs.genome import Genome
from epigept_batch.tiling import Contig
from reference import tokens

SEQUENCE = "ACGTNnacgtRYKMacgtXA"


@pytest.fixture(params=["plain", "bgzip"])
def small(request, tmp_path):
    text = f">one made up\n{SEQUENCE[:7]}\n{SEQUENCE[7:14]}\n{SEQUENCE[14:]}\n>chr2\nAC\n>HLA:1-2\nGGG\n"
    if request.param == "plain":
        path = tmp_path / "small.fa"
        path.write_text(text)
    else:
        path = tmp_path / "small.fa.gz"
        with bgzf.open(path, "wt") as stream:
            stream.write(text)
    return Genome(path)


def test_contigs_have_the_names_and_the_order_of_the_file(small):
    assert small.contigs == (Contig("one", 20), Contig("chr2", 2), Contig("HLA:1-2", 3))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 20, "ACGTNnacgtRYKMacgtXA"),
        (0, 0, ""),
        (5, 9, "nacg"),
        (-3, 2, "NNNAC"),
        (18, 23, "XANNN"),
        (-2, 22, "NNACGTNnacgtRYKMacgtXANN"),
        (20, 24, "NNNN"),
        (-9, -5, "NNNN"),
        (99, 101, "NN"),
    ],
)
def test_tokens_of_a_window_padded_where_it_leaves_the_contig(small, start, end, expected):
    found = small.tokens(small.contigs[0], start, end)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, tokens(expected))


def test_md5_is_that_of_the_upper_cased_sequence_as_in_sam_and_is_kept(small, home):
    expected = hashlib.md5(SEQUENCE.upper().encode(), usedforsecurity=False).hexdigest()
    assert small.md5(small.contigs[0]) == expected
    (kept,) = (home / "digests").iterdir()
    assert expected in kept.read_text()
    kept.write_text(kept.read_text().replace(expected, "from the cache"))
    assert small.md5(small.contigs[0]) == "from the cache"
    os.utime(small.path, (1, 1))
    assert small.md5(small.contigs[0]) == expected


def test_the_real_piece_is_soft_masked_and_begins_with_n(chr2, shared):
    genome = Genome(chr2)
    (contig,) = genome.contigs
    assert contig == Contig("chr2", 2_333_275)
    with gzip.open(shared / "genome/hg38_chr2_1-2333275.fa.gz", "rt") as stream:
        sequence = "".join(line.strip() for line in stream if not line.startswith(">"))
    found = genome.tokens(contig, 0, contig.length)
    assert (found[:10_000] == 4).all()
    table = str.maketrans("ACGTN", "01234")
    assert bytes(found + ord("0")).decode() == sequence.upper().translate(table)


def test_an_index_goes_to_the_cache_where_the_folder_cannot_be_written(tmp_path, home, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir()
    path = folder / "g.fa"
    path.write_text(">c\nACGT\n")
    monkeypatch.setattr(os, "access", lambda path, _: path != folder)  # root may write everywhere
    assert Genome(path).contigs == (Contig("c", 4),)
    assert [p.name for p in folder.iterdir()] == ["g.fa"]
    assert [p.suffix for p in (home / "indexes").iterdir()] == [".fai"]


def bad(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.fa", b"", "FASTA is empty"),
        ("text.fa", b"no header\n", "is not a FASTA that can be indexed"),
        ("none.fa", b"\n\n", "does not contain a valid sequence"),
        ("twice.fa", b">a\nAC\n>a\nAC\n", 'is not a FASTA that can be indexed (Duplicate key "a")'),
        ("ragged.fa", b">a\nACGT\nAC\nACGT\n", "is not a FASTA that can be indexed"),
        ("gzip.fa.gz", gzip.compress(b">a\nACGT\n"), "is gzip, not bgzip; run gunzip -k"),
        ("hidden.fa", b"\x1f\x8b\x08\x04" + bytes(20), "is bgzip but not named so"),
        ("plain.fa.gz", b">a\nACGT\n", "is named as compressed but is not"),
    ],
)
def test_what_is_no_fasta_is_said_in_one_line(tmp_path, name, content, message):
    path = bad(tmp_path, name, content)
    with pytest.raises(InputError) as caught:
        Genome(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_fasta_and_a_folder_are_said(tmp_path):
    with pytest.raises(InputError, match="FASTA cannot be read: No such file or directory"):
        Genome(tmp_path / "absent.fa")
    with pytest.raises(InputError, match="FASTA cannot be read: Is a directory"):
        Genome(tmp_path)


def test_a_file_that_shrinks_behind_its_index_is_said(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\n" + b"ACGT\n" * 100)
    genome = Genome(path)
    path.write_bytes(b">a\n" + b"ACGT\n" * 10)
    with pytest.raises(InputError, match=r"a:1-400 holds 40 bases; the file does not fit its index"):
        genome.tokens(genome.contigs[0], 0, 400)


def test_an_empty_index_is_said(tmp_path):
    path = bad(tmp_path, "g.fa", b">a\nACGT\n")
    (tmp_path / "g.fa.fai").touch()
    with pytest.raises(InputError, match=r"has an empty index; delete .*g.fa.fai and run again"):
        Genome(path)


def test_a_truncated_bgzip_is_said_with_and_without_an_index_that_still_fits(tmp_path):
    path = tmp_path / "g.fa.gz"
    with bgzf.open(path, "wt") as stream:
        stream.write(">a\n" + "".join(np.random.default_rng(0).choice(list("ACGT"), 200_000)) + "\n")
    Genome(path)
    os.truncate(path, path.stat().st_size // 2)
    os.utime(path, (1, 1))
    genome = Genome(path)
    with pytest.raises(InputError, match="a:1-200000 cannot be read"):
        genome.tokens(genome.contigs[0], 0, 200_000)
    os.utime(path)
    with pytest.raises(InputError, match="is not a FASTA that can be indexed"):
        Genome(path)
