"""Variants on a genome, and what becomes of their alleles."""

import pytest

from epigept_batch.errors import InputError
from epigept_batch.sequence.genome import Genome
from epigept_batch.variants.tally import Tally
from epigept_batch.variants.variant import Variant, place

BASES = "ACGTTGCANNacgtRACGTACGT"


@pytest.fixture
def placed(tmp_path):
    """Function that places a variant of contig c1, of which `chr1` is another name, on a small genome."""
    (tmp_path / "g.fa").write_text(f">c1\n{BASES}\n")

    def found(position, ref, *alts, contig="c1", longest=4):
        with Genome(tmp_path / "g.fa") as genome:
            contigs = {"c1": genome.contigs[0], "chr1": genome.contigs[0]}
            return place(Variant(0, contig, position, ".", ref, alts), contigs, genome, longest=longest)

    return found


@pytest.mark.parametrize(
    ("position", "ref", "alts", "statuses"),
    [
        (0, "A", ("C", "<DEL>", "*", "N", "G"), ["scored", "symbolic", "symbolic", "not_acgt", "scored"]),
        (0, "a", ("A", "ACGTT", "ACGT"), ["same_as_reference", "too_long", "scored"]),
        (0, "ACGT", ("A",), ["scored"]),
        (0, "ACGTT", ("A",), ["too_long"]),
        (0, "ACGTT", ("A", "C"), ["too_long", "too_long"]),
        (0, "C", ("A",), ["reference_mismatch"]),
        (8, "N", ("A",), ["no_bases"]),
        (8, "NN", ("A",), ["no_bases"]),
        (7, "AN", ("A",), ["scored"]),
        (14, "R", ("A",), ["scored"]),
        (14, "A", ("C",), ["reference_mismatch"]),
        (10, "A", ("c",), ["scored"]),
        (22, "T", ("A",), ["scored"]),
        (22, "TA", ("T",), ["outside_contig"]),
        (-1, "A", ("C",), ["outside_contig"]),
        (0, "A", (), ["no_alternative"]),
        (0, "<X>", ("A",), ["not_acgt"]),
    ],
)
def test_statuses(placed, position, ref, alts, statuses):
    found = placed(position, ref, *alts)
    assert [allele.status for allele in found.alleles] == statuses
    assert [allele.change is not None for allele in found.alleles] == [status == "scored" for status in statuses]


def test_contigs_by_their_other_names(placed):
    assert placed(0, "A", "C", contig="chr1").contig.name == "c1"
    assert [allele.status for allele in placed(0, "A", "C", "G", contig="c2").alleles] == ["contig_not_in_fasta"] * 2


@pytest.mark.parametrize(
    ("good", "bad", "refused"), [(19, 1, False), (18, 2, True), (38, 2, False), (0, 19, True), (1, 18, False)]
)
def test_a_file_is_judged_by_its_reference_alleles(placed, tmp_path, good, bad, refused):
    """Over 5 % of at least 20; a file in which nothing can be scored is refused in any case."""
    tally = Tally()
    for _ in range(good):
        tally.add(placed(0, "A", "C"))
    for _ in range(bad):
        tally.add(placed(0, "C", "A"))
    tally.add(placed(0, "A", "C", contig="c2"))
    tally.add(placed(22, "TA", "T"))
    if not refused:
        tally.check(tmp_path / "v.vcf", tmp_path / "g.fa", allow_mismatch=False)
        return
    with pytest.raises(InputError, match="REF differs" if good else "nothing to score"):
        tally.check(tmp_path / "v.vcf", tmp_path / "g.fa", allow_mismatch=False)
