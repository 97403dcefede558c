"""Changes of the sequence as a person types them."""

import pytest

from epigept_batch.errors import InputError
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.regions import by_any_name
from epigept_batch.variants.changes import Change
from epigept_batch.variants.typed import parse_change

SEQUENCE = "ACGTNACGTACCGGTTacgtACGT"  # 24 bases


@pytest.fixture
def parse(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(f">chr2\n{SEQUENCE}\n>chr3\n{'AC' * 200}\n")
    with Genome(path) as genome:
        contigs = by_any_name(genome.contigs)
        yield lambda text, longest=8: parse_change(text, contigs, genome, longest=longest)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("chr2:2 C>G", Change(1, 1, "G")),
        ("chr2:2C>G", Change(1, 1, "G")),
        ("chr2:2:C:G", Change(1, 1, "G")),
        ("chr2 2 C G", Change(1, 1, "G")),
        ("  chr2:2 c>g ", Change(1, 1, "G")),
        ("chr2:17 A>TT", Change(16, 1, "TT")),  # lower case in the FASTA
        ("chr2:6 ACGT>A", Change(6, 3, "")),
        ("chr2:6 A>ACC", Change(6, 0, "CC")),
        ("chr2:6-9 del", Change(5, 4, "")),
        ("chr2:6_9del", Change(5, 4, "")),
        ("chr2:6 del", Change(5, 1, "")),
        ("chr2:1-8 DEL", Change(0, 8, "")),
        ("chr2:6 ins gat", Change(6, 0, "GAT")),
        ("chr2:24insA", Change(24, 0, "A")),
        ("chr2:0,006 ins A", Change(6, 0, "A")),
    ],
)
def test_forms(parse, text, change):
    contig, found = parse(text)
    assert (contig.name, found) == ("chr2", change)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr2:2 A>G", "the reference allele differs from the FASTA, which has C there"),
        ("chr2:5 A>G", "the reference allele differs from the FASTA, which has N there"),
        ("chr2:5 N>G", "the reference allele consists of N"),
        ("chr2:2 C>C", "alternative alleles that equal the reference allele"),
        ("chr2:2 C>R", "letters other than A, C, G and T"),
        ("chr2:25 A>G", "beyond the end of their contig"),
        ("chr2:0 A>G", "beyond the end of their contig"),
        ("chr9:2 C>G", "on a contig that the FASTA lacks"),
        ("chr9:2 del", "the genome has no contig 'chr9'"),
        ("chr9:2 ins A", "the genome has no contig 'chr9'"),
        ("chr2:9-6 del", "ends before it starts"),
        ("chr2:20-25 del", "chr2 has the positions 1 to 24"),
        ("chr2:0 del", "chr2 has the positions 1 to 24"),
        ("chr2:25 ins A", "chr2 has the positions 1 to 24"),
        ("chr2:1-9 del", "changes 9 bp, but at most 8 bp"),
        ("chr2:1 ins ACGTACGTA", "changes 9 bp, but at most 8 bp"),
        ("chr2:6 ACGTACCGGT>A", "longer"),
        ("chr2:1 ins AN", "inserted bases must be A, C, G or T"),
        ("chr2:1 dup", "not a variant; use 'chr2:1000 A>G'"),
        ("rs123", "not a variant"),
        ("", "not a variant"),
    ],
)
def test_refusals(parse, text, said):
    with pytest.raises(InputError) as raised:
        parse(text)
    assert said in str(raised.value)


def test_what_the_genome_has_is_said_only_where_it_is_short_and_exists(parse):
    for text in ("chr2:0 A>G", "chr2:24 TA>G", f"chr3:1 {'A' * 200}>G"):
        with pytest.raises(InputError) as raised:
            parse(text, 1000)
        assert "which has" not in str(raised.value)
    with pytest.raises(InputError, match="which has CACA there"):
        parse("chr3:2 ACAC>G")


def test_a_long_text_is_not_repeated_whole(parse):
    with pytest.raises(InputError) as raised:
        parse("x" * 5000)
    assert len(str(raised.value)) < 300
