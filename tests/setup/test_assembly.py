"""Contigs of a genome without its index."""

import gzip

import pytest

from epigept_batch.errors import InputError
from epigept_batch.sequence.genome import Genome
from epigept_batch.setup import assembly
from epigept_batch.setup.assembly import check_assembly, read_contigs
from epigept_batch.tiling import Contig


@pytest.mark.parametrize("block", [1, 7, 64, 4 << 20])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_they_are_those_of_the_index_wherever_a_block_ends(fasta, tmp_path, monkeypatch, block, pack):
    monkeypatch.setattr(assembly, "BLOCK", block)
    path = tmp_path / "a"
    path.write_bytes(pack(fasta.read_bytes()))
    found = read_contigs(path)
    assert found == Genome(fasta).contigs
    assert [contig.length for contig in found] == [20_000, 700, 90]


@pytest.mark.parametrize(
    ("text", "contigs"),
    [
        (b">a b >c\r\nACGT\r\nAC\r\n>d\r\n", [Contig("a", 6), Contig("d", 0)]),
        (b">a\nACGT", [Contig("a", 4)]),
    ],
    ids=["lines of Windows", "no last line end"],
)
def test_texts(tmp_path, text, contigs):
    path = tmp_path / "a.fa"
    path.write_bytes(text)
    assert list(read_contigs(path)) == contigs


def test_sequence_in_one_line_is_counted_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(assembly, "BLOCK", 10)
    monkeypatch.setattr(assembly, "LONGEST_HEADER", 5)
    path = tmp_path / "a.fa"
    path.write_bytes(b">one\n" + b"ACGT" * 100 + b"\n>two\nAC\n")
    assert list(read_contigs(path)) == [Contig("one", 400), Contig("two", 2)]


def test_what_is_no_fasta_is_said(tmp_path):
    path = tmp_path / "a.fa"
    path.write_bytes(b"ACGT>\n")
    with pytest.raises(
        InputError, match="not a FASTA, because no line begins with >; provide another file with --genome"
    ):
        read_contigs(path)


EXPECTED = {"chr1": 248_956_422, "chrX": 156_040_895}


@pytest.mark.parametrize(
    "names", [("chr1", "chrX"), ("1", "X"), ("NC_000001.11", "NC_000023.11"), ("CM000663.2", "CM000685.2")]
)
def test_the_assembly_may_bear_anyones_names(names):
    contigs = [*map(Contig, names, EXPECTED.values()), Contig("NT_187361.1", 175_055)]
    check_assembly(contigs, EXPECTED, "g.fa")
    with pytest.raises(InputError, match="g.fa: no contig chrX; use --genome to provide the assembly"):
        check_assembly(contigs[:1], EXPECTED, "g.fa")
    with pytest.raises(
        InputError, match="For a part of a genome, skip setup: make the model with epigept-export convert"
    ):
        check_assembly(contigs[:1], EXPECTED, "g.fa")


def test_and_is_another_whatever_its_names():
    with pytest.raises(InputError, match="wrong assembly: chr1 has 249,250,621 bp instead of 248,956,422; use"):
        check_assembly([Contig("NC_000001.10", 249_250_621)], EXPECTED, "g.fa")
    both = [Contig("chr1", 5), Contig("NC_000001.11", 248_956_422), Contig("chrX", 156_040_895)]
    for contigs in (both, both[::-1]):
        with pytest.raises(InputError, match="chr1 has 5 bp instead"):
            check_assembly(contigs, EXPECTED, "g.fa")
