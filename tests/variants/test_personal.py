"""Which alleles the haplotypes of a sample get, case by case, and files that are refused."""

import gzip
from dataclasses import replace

import numpy as np
import pysam
import pytest

import reference
from epigept_batch.errors import InputError
from epigept_batch.sequence.genome import Genome
from epigept_batch.spec import NO_BASE
from epigept_batch.variants.changes import BASES, Change, edit
from epigept_batch.variants.haplotype import ContigChanges
from epigept_batch.variants.personal import read_personal_genome
from vcfs import write_vcf

CHR1 = "ACGTTGCAAC" * 30
CHRX = "GGATCCTTAA" * 10
CONTIGS = ("chr1", "chrX")


@pytest.fixture
def read(tmp_path):
    """Read a VCF; return the changes of both haplotypes by contig, with the personal genome."""
    fasta = tmp_path / "g.fa"
    fasta.write_text(f">chr1\n{CHR1.lower()}\n>chrX\n{CHRX}\n")

    def read(records, *, sample=None, unphased=None, selected=CONTIGS, **options):
        path = tmp_path / "v.vcf"
        if not isinstance(records, list):
            path = records
        else:
            write_vcf(path, records, **{"contigs": CONTIGS, **options})
        with Genome(fasta) as genome:
            contigs = [contig for contig in genome.contigs if contig.name in selected]
            personal = read_personal_genome(path, sample, genome, contigs, unphased=unphased)
        found = tuple(
            {
                name: [(c.start, c.removed, c.inserted) for c in changes.between((0, len(changes)))]
                for name, changes in haplotype.contigs.items()
            }
            for haplotype in personal.haplotypes
        )
        return *found, personal

    return read


@pytest.mark.parametrize(
    ("ref", "alt", "genotype", "expected"),
    [
        ("A", "G", "0|1", ([], [(10, 1, "G")])),
        ("A", "G", "1|0", ([(10, 1, "G")], [])),
        ("a", "g", "1|1", ([(10, 1, "G")], [(10, 1, "G")])),
        ("A", "G", "1/1", ([(10, 1, "G")], [(10, 1, "G")])),
        ("A", "G,T", "2|1", ([(10, 1, "T")], [(10, 1, "G")])),
        ("A", "G", "1", ([(10, 1, "G")], [(10, 1, "G")])),
        ("A", "G", "0", ([], [])),
        ("A", "G", "./.", ([], [])),
        ("A", "G", ".|1", ([], [(10, 1, "G")])),
        ("A", "G", "1|.", ([(10, 1, "G")], [])),
        ("A", ".", "0|0", ([], [])),
        ("A", "AGG", "0|1", ([], [(11, 0, "GG")])),
        ("ACG", "A", "0|1", ([], [(11, 2, "")])),
        ("ACG", "TCA", "0|1", ([], [(10, 3, "TCA")])),
        ("ACG", "ACG", "1|0", ([], [])),
        ("A", "<DEL>,G", "1|2", ([], [(10, 1, "G")])),
        ("A", "*,G", "2|1", ([(10, 1, "G")], [])),
        ("A", "N", "1|1", ([], [])),
        ("A", "G[chr1:50[", "1|1", ([], [])),
        ("A", "<DEL>", "0/1", ([], [])),
    ],
)
def test_alleles_of_a_genotype(read, ref, alt, genotype, expected):
    first, second, _ = read([("chr1", 10, ref, alt, genotype)])
    assert (first.get("chr1", []), second.get("chr1", [])) == expected


def test_haploid_genotypes_hold_for_both_haplotypes(read):
    first, second, _ = read([("chrX", 0, "G", "T", "1"), ("chrX", 5, "C", "A", "0|1")])
    assert first == {"chrX": [(0, 1, "T")]}
    assert second == {"chrX": [(0, 1, "T"), (5, 1, "A")]}


def test_unphased_sites_are_refused_or_treated_as_asked(read):
    records = [
        *(("chr1", 10, "A", "G", "0/1"), ("chr1", 20, "A", "G,T", "2/1"), ("chr1", 30, "A", "G", "0|1")),
        *(("chr1", 40, "A", "G", "1/1"), ("chr1", 50, "A", "G", "./1")),
    ]
    with pytest.raises(InputError) as error:
        read(records)
    assert str(error.value).partition(": ")[2] == (
        "3 of 4 heterozygous sites of NA1 are not phased; phase the VCF, or choose what both haplotypes get there: "
        "--unphased reference or --unphased alternative"
    )
    first, second, personal = read(records, unphased="reference")
    assert first["chr1"] == [(40, 1, "G")]
    assert second["chr1"] == [(30, 1, "G"), (40, 1, "G")]
    assert "3 of 4 heterozygous sites are not phased; both haplotypes get the reference allele there" in [
        *personal.notes()
    ]
    first, second, personal = read(records, unphased="alternative")
    assert first["chr1"] == [(10, 1, "G"), (20, 1, "T"), (40, 1, "G"), (50, 1, "G")]
    assert second["chr1"] == [(10, 1, "G"), (20, 1, "T"), (30, 1, "G"), (40, 1, "G"), (50, 1, "G")]
    assert personal.account(personal.haplotypes[0])["unphased"] == {"sites": 3, "treated_as": "alternative"}
    _, _, personal = read(records[3:4], unphased="alternative")
    assert personal.account(personal.haplotypes[0])["unphased"] == {"sites": 0, "treated_as": None}


def test_of_overlapping_variants_the_first_in_order_of_position_is_applied(read):
    records = [
        ("chr1", 13, "T", "C", "1|1"),  # within the deletion of haplotype 1
        ("chr1", 10, "ACGTT", "A", "1|0"),
        ("chr1", 15, "G", "GA", "1|1"),  # beside the deletion
        ("chr1", 15, "G", "GTT", "1|0"),  # at the same place
        ("chr1", 15, "G", "C", "0|1"),  # the base before an insertion
        ("chr1", 16, "C", "A", "1|0"),  # the base after an insertion
        ("chr1", 16, "C", "A", "1|0"),  # twice
        ("chr1", 20, "AC", "TG", "1|0"),
        ("chr1", 20, "A", "ATT", "1|0"),  # within a replacement
    ]
    first, second, personal = read(records)
    assert first["chr1"] == [(11, 4, ""), (16, 0, "A"), (16, 1, "A"), (20, 2, "TG")]
    assert second["chr1"] == [(13, 1, "C"), (15, 1, "C"), (16, 0, "A")]
    assert personal.overlaps == (4, 0)
    assert "skipped: overlaps another variant of the haplotype (4 and 0)" in [*personal.notes()]


def test_an_insertion_before_a_base_that_is_replaced_does_not_overlap_in_any_order(read):
    records = [("chr1", 14, "TGC", "TGA", "1|0"), ("chr1", 15, "G", "GTT", "1|0")]
    for order in (records, records[::-1]):
        first, _, personal = read(order)
        assert first["chr1"] == [(16, 0, "TT"), (16, 1, "A")]
        assert personal.overlaps == (0, 0)


def test_of_variants_that_replace_the_same_base_the_record_that_begins_first_wins(read):
    records = [("chr1", 16, "C", "T", "1|1"), ("chr1", 14, "TGC", "TGA", "1|0"), ("chr1", 16, "C", "G", "0|1")]
    first, second, personal = read(records)
    assert (first["chr1"], second["chr1"]) == ([(16, 1, "A")], [(16, 1, "T")])
    assert personal.overlaps == (1, 1)


def test_records_without_a_genotype_count_as_missing(read, tmp_path):
    path = write_vcf(
        tmp_path / "some.vcf",
        [("chr1", 10, "A", "G", "0|1"), ("chr1", 20, "A", "G", "0|1"), ("chr1", 30, "A", "G", ".")],
        contigs=CONTIGS,
    )
    path.write_text(path.read_text().replace("GT\t0|1", "PS\t4", 1))
    _, second, personal = read(path)
    assert second == {"chr1": [(20, 1, "G")]}
    assert "missing alleles at 2 of 3 records; treated as the reference" in [*personal.notes()]


def test_order_of_records_and_of_contigs_does_not_matter(read):
    records = [("chr1", at, CHR1[at], "T", "0|1") for at in range(0, 300, 10)]
    records += [("chrX", at, CHRX[at], "T", "1|0") for at in range(0, 90, 10)]
    sorted_ones = read(records)
    mixed = read([records[at] for at in np.random.default_rng(1).permutation(len(records))])
    assert mixed[:2] == sorted_ones[:2]
    assert [one.sha256 for one in mixed[2].haplotypes] == [one.sha256 for one in sorted_ones[2].haplotypes]


def test_digests_tell_haplotypes_apart(read):
    records = [("chr1", 10, "A", "G", "0|1"), ("chr1", 20, "A", "AG", "0|1")]
    variants = [
        records,
        records[:1],
        [("chr1", 10, "A", "T", "0|1"), records[1]],
        [records[0], ("chr1", 20, "A", "AT", "0|1")],
        [records[0], ("chr1", 20, "AC", "A", "0|1")],
        [records[0], ("chr1", 20, "ACG", "A", "0|1")],
        [records[0], ("chr1", 21, "C", "CG", "0|1")],
        [records[0], ("chrX", 3, "T", "TG", "0|1")],
    ]
    digests = [read(one)[2].haplotypes[1].sha256 for one in variants]
    assert len(set(digests)) == len(variants)


def test_only_selected_contigs_count(read):
    records = [("chr1", 10, "A", "G", "0/1"), ("chrX", 1, "G", "C", "0|1")]
    first, second, personal = read(records, selected=("chrX",))
    assert (first, second) == ({}, {"chrX": [(1, 1, "C")]})
    assert personal.genotypes.records == 1
    first, second, personal = read(records[:1], selected=("chrX",))
    assert (first, second) == ({}, {})
    assert next(personal.notes()).endswith("haplotype 2 has no variant in the selected contigs")


def test_names_of_contigs_may_differ_by_chr(read):
    _, second, personal = read(
        [("1", 10, "A", "G", "0|1"), ("GL000192.1", 10, "A", "G", "0|1")], contigs=("1", "GL000192.1")
    )
    assert second == {"chr1": [(10, 1, "G")]}
    assert "skipped: contig not in the FASTA (1)" in [*personal.notes()]
    with pytest.raises(InputError, match="no record on a contig of the FASTA; use a VCF of the same assembly"):
        read([("GL000192.1", 10, "A", "G", "0|1")], contigs=("GL000192.1",))


def other(base):
    return next(one for one in BASES if one != base)


@pytest.mark.parametrize(("wrong", "refused"), [(0, False), (1, False), (2, True), (30, True)])
def test_reference_alleles_are_compared_with_the_fasta(read, wrong, refused):
    records = [
        ("chr1", at, other(CHR1[at]) if number < wrong else CHR1[at], "A" if CHR1[at] != "A" else "G", "0|1")
        for number, at in enumerate(range(5, 300, 10))
    ]
    records = [(c, at, ref, alt if alt != ref else "C" if ref != "C" else "T", gt) for c, at, ref, alt, gt in records]
    if refused:
        words = f"REF differs from the FASTA at {wrong} of 30 variants; use a VCF of the same assembly"
        with pytest.raises(InputError, match=words):
            read(records)
    else:
        _, second, personal = read(records)
        assert len(second["chr1"]) == 30 - wrong
        assert personal.mismatches == wrong


def test_of_few_variants_mismatches_are_left_out(read):
    records = [("chr1", 10, "C", "G", "0|1"), ("chr1", 299, "CA", "C", "1|0"), ("chr1", 20, "A", "G", "0|1")]
    _, second, personal = read(records)
    assert second == {"chr1": [(20, 1, "G")]}
    assert "skipped: reference allele differs from the FASTA (2)" in [*personal.notes()]


def test_phase_sets_are_counted(read):
    records = [("chr1", at, "A", "G", f"0|1:{ps}") for at, ps in ((10, 1), (20, 1), (30, 7))]
    assert (
        "phase is known only within 2 phase sets, not between them; each haplotype may combine alleles of both "
        "parents" in [*read(records)[2].notes()]
    )
    one_each = [*records[:2], ("chrX", 1, "G", "C", "0|1:9"), ("chr1", 40, "A", "G", "1|1:44")]
    assert not [note for note in read(one_each)[2].notes() if "phase" in note]


def test_samples_are_chosen_by_name(read):
    records = [("chr1", 10, "A", "G", "0|1", "1|0")]
    assert read(records, samples=("NA1", "NA2"), sample="NA2")[0] == {"chr1": [(10, 1, "G")]}
    with pytest.raises(InputError, match=r"2 samples \(NA1, NA2\); choose one with --vcf-sample"):
        read(records, samples=("NA1", "NA2"))
    with pytest.raises(InputError, match="no sample 'NA3'; --vcf-sample must be one of NA1, NA2"):
        read(records, samples=("NA1", "NA2"), sample="NA3")


@pytest.mark.parametrize("ending", ["vcf.gz", "bcf"])
def test_packed_forms_and_files_that_are_cut_off(read, tmp_path, ending):
    rng = np.random.default_rng(1)
    samples = tuple(f"S{number}" for number in range(40))
    records = [
        ("chr1", at, CHR1[at], other(CHR1[at]), *rng.choice(["0|1", "1|0", "0|0", "1|1"], 40))
        for at in rng.integers(0, 300, 3000)
    ]
    plain = write_vcf(tmp_path / "p.vcf", sorted(records, key=lambda one: one[1]), contigs=CONTIGS, samples=samples)
    path = tmp_path / f"p.{ending}"
    with pysam.VariantFile(str(plain)) as source, pysam.VariantFile(str(path), "w", header=source.header) as target:
        for record in source:
            target.write(record)
    assert read(path, sample="S7")[:2] == read(plain, sample="S7")[:2]
    content = path.read_bytes()
    blocks = [at for at in range(len(content)) if content[at : at + 4] == b"\x1f\x8b\x08\x04"]
    assert len(blocks) > 4
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match="truncated"):
        read(path, sample="S7")
    for end in (blocks[-3], blocks[-1]):  # htslib reads these as if they were complete
        path.write_bytes(content[:end])
        with pytest.raises(InputError) as error:
            read(path, sample="S7")
        assert str(error.value) == f"{path}: truncated: the end marker of bgzip is missing; copy or make the file again"


def test_files_that_are_refused(read, tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("chrom\tpos\tref\talt\nchr1\t11\tA\tG\n")
    sites = write_vcf(tmp_path / "sites.vcf", [], samples=())
    no_gt = tmp_path / "no_gt.vcf"
    no_gt.write_text(
        sites.read_text().replace("ID=GT", "ID=XX").rstrip("\n") + "\tFORMAT\tNA1\nchr1\t11\t.\tA\tG\t.\t.\t.\tXX\t1\n"
    )
    packed = tmp_path / "t.gz"
    packed.write_bytes(gzip.compress(b"chrom\tpos\n"))
    cases = {
        table: "not a VCF or BCF; genotypes can only be read from these",
        packed: "not a VCF or BCF; genotypes can only be read from these",
        sites: "no genotypes: it has no samples; use a VCF with the genotypes of a sample",
        no_gt: "no genotypes: its header does not define the format GT; use a VCF with genotypes",
        tmp_path / "absent.vcf": "variant file does not exist",
    }
    for path, words in cases.items():
        with pytest.raises(InputError) as error:
            read(path)
        assert str(error.value) == f"{path}: {words}"


def test_polyploid_genotypes_are_refused(read):
    with pytest.raises(InputError) as error:
        read([("chr1", 10, "A", "G", "0|1"), ("chr1", 20, "A", "G", "0|1|1")])
    assert str(error.value).endswith(
        "record 2 after the header has a genotype of 3 alleles; only haploid and diploid genotypes can be used"
    )


def random_changes(rng, length):
    """Changes, some of them side by side."""
    changes, position = [], int(rng.integers(0, 9))
    while position < length:
        removed = int(rng.integers(0, min(12, length - position) + 1)) if rng.random() < 0.7 else 0
        inserted = "".join(rng.choice(list(BASES), int(rng.integers(0, 12)))) if rng.random() < 0.7 else ""
        if removed or inserted:
            changes.append(Change(position, removed, inserted))
        position += removed + int(rng.integers(0 if removed else 1, 12))
    return changes


@pytest.mark.parametrize("seed", range(20))
def test_changes_around_a_window_against_the_edited_bases(seed):
    rng = np.random.default_rng(seed)
    bases = "".join(rng.choice(list(BASES), 300))
    changes = random_changes(rng, len(bases))
    compact = ContigChanges(changes)
    assert compact.between((0, len(changes))) == changes
    edited = reference.edited_by_base(bases, [(one.start, one.removed, one.inserted) for one in changes])
    tokens = reference.tokens(bases)
    options = {"contig_length": 300, "length": 40, "before": 7, "after": 9}
    for start in range(0, 300, 5):
        origin = next(
            (i for i, (_, p, inserted) in enumerate(edited) if p >= start and not (inserted and p < start)), len(edited)
        )
        assert compact.edited_length(start, 300) == start + len(edited) - origin
        span = compact.around(start, length=40, before=7, after=9)
        found, whole = (edit(reader(tokens), some, start=start, **options) for some in (compact.between(span), changes))
        np.testing.assert_array_equal(found.reach, whole.reach)
        for part in ("inside", "matches", "insertions", "deleted"):
            np.testing.assert_array_equal(getattr(found.alignment, part), getattr(whole.alignment, part))
        beside = [one for one in changes if one.end < start - 20 or one.start > start + 100]
        assert len(compact.between(span)) <= len(changes) - len(beside)


def reader(tokens):
    padded = np.concatenate([np.full(500, NO_BASE), tokens, np.full(500, NO_BASE)]).astype(np.uint8)
    return lambda start, end: padded[start + 500 : end + 500]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(10, 1, "G"), True),
        (Change(38, 4, "ACGT"), True),
        (Change(40, 0, "ACG"), True),
        (Change(0, 0, "ACG"), True),  # before the window
        (Change(45, 9, ""), True),
        (Change(30, 20, ""), False),
        (Change(38, 0, "ACGT"), False),
        (Change(10, 1, ""), False),
    ],
)
def test_nothing_is_aligned_where_every_base_stays(change, expected):
    tokens = np.zeros(100, dtype=np.uint8)
    edited = edit(reader(tokens), [change], contig_length=100, start=0, length=40)
    assert edited.alignment.is_identity == expected


def test_the_same_changes_are_equal_and_others_are_not():
    changes = [Change(10, 1, "G"), Change(20, 0, "AC"), Change(30, 2, ""), Change(40, 1, "T")]
    one = ContigChanges(changes)
    moved = ContigChanges([Change(2, 0, "GG"), *changes])
    assert one.equal((0, 4), moved, (1, 5))
    assert one.equal((1, 3), moved, (2, 4))
    assert not one.equal((0, 3), moved, (1, 5))
    assert not one.equal((0, 4), moved, (0, 4))
    for number, (key, value) in enumerate([("start", 11), ("inserted", "AT"), ("removed", 3), ("inserted", "TT")]):
        other_changes = list(changes)
        other_changes[number] = replace(changes[number], **{key: value})
        assert not one.equal((0, 4), ContigChanges(other_changes), (0, 4))
    swapped = [*changes[:1], Change(20, 0, "A"), Change(30, 2, "C"), changes[3]]  # the same letters, divided otherwise
    assert not one.equal((0, 4), ContigChanges(swapped), (0, 4))
