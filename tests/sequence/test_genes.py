"""Gene models: the same genes in each format, written by hand from the formats' descriptions."""

import gzip

import numpy as np
import pytest

from epigept_batch.errors import InputError
from epigept_batch.sequence.genes import Gene, Genes, read_genes
from epigept_batch.tiling import Contig

CONTIGS = (Contig("chr1", 10_000), Contig("chr2", 5_000))
ATTRIBUTES = 'gene_id "{gene}.1"; transcript_id "{transcript}"; gene_name "{gene}";'
ALPHA = Gene("ALPHA", "chr1", 100, 900, "+", ((100, 200), (300, 400), (800, 900)), (150, 850))
BETA = Gene("BETA", "chr1", 850, 1_000, "-", ((850, 1_000),), None)


def gtf(*rows):
    """Lines of (contig, kind, first, last, strand, gene, transcript), 1-based and inclusive."""
    return "".join(
        f"{contig}\ttest\t{kind}\t{first}\t{last}\t.\t{strand}\t.\t"
        f"{ATTRIBUTES.format(gene=gene, transcript=transcript)}\n"
        for contig, kind, first, last, strand, gene, transcript in rows
    )


GTF = "#!genome-build test\n" + gtf(
    ("chr1", "gene", 101, 900, "+", "ALPHA", ""),
    ("chr1", "transcript", 101, 900, "+", "ALPHA", "a1"),
    ("chr1", "exon", 801, 900, "+", "ALPHA", "a1"),  # in no order
    ("chr1", "exon", 101, 200, "+", "ALPHA", "a1"),
    ("chr1", "exon", 301, 400, "+", "ALPHA", "a1"),
    ("chr1", "CDS", 151, 200, "+", "ALPHA", "a1"),
    ("chr1", "CDS", 301, 400, "+", "ALPHA", "a1"),
    ("chr1", "CDS", 801, 847, "+", "ALPHA", "a1"),
    ("chr1", "stop_codon", 848, 850, "+", "ALPHA", "a1"),
    ("chr1", "exon", 851, 1_000, "-", "BETA", "b1"),
)
GENE_PRED = (
    "a1\tchr1\t+\t100\t900\t150\t850\t3\t100,300,800,\t200,400,900,\t0\tALPHA\tcmpl\tcmpl\t0,0,0,\n"
    "b1\tchr1\t-\t850\t1000\t1000\t1000\t1\t850,\t1000,\t0\tBETA\tnone\tnone\t-1,\n"
)
REF_GENE = "".join(f"585\t{line}\n" for line in GENE_PRED.splitlines())
BED12 = (
    "chr1\t100\t900\tALPHA\t0\t+\t150\t850\t0\t3\t100,100,100,\t0,200,700,\n"
    "chr1\t850\t1000\tBETA\t0\t-\t1000\t1000\t0\t1\t150\t0\n"
)


def write(tmp_path, text, name="genes.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


def refusal(tmp_path, text):
    with pytest.raises(InputError) as raised:
        read_genes(write(tmp_path, text), CONTIGS)
    return str(raised.value)


@pytest.mark.parametrize("text", [GTF, GENE_PRED, REF_GENE, BED12], ids=["GTF", "genePred", "refGene", "BED12"])
def test_each_format_gives_the_same_genes(tmp_path, text):
    genes = read_genes(write(tmp_path, text), CONTIGS)
    assert genes.overlapping("chr1", 0, 10_000) == [ALPHA, BETA]
    assert len(genes) == 2


def test_gzip_and_other_names_of_contigs(tmp_path):
    path = tmp_path / "genes.gtf.gz"
    path.write_bytes(gzip.compress(GTF.replace("chr1\t", "1\t").encode()))
    assert read_genes(path, CONTIGS).find("alpha") == [ALPHA]


def test_bed_without_exons(tmp_path):
    genes = read_genes(write(tmp_path, "chr1 100 900 ALPHA 0 +\nchr2\t5\t10\n"), CONTIGS)
    assert genes.find("ALPHA") == [Gene("ALPHA", "chr1", 100, 900, "+", ((100, 900),), None)]
    assert genes.find("chr2:6-10") == [Gene("chr2:6-10", "chr2", 5, 10, ".", ((5, 10),), None)]


def test_the_transcript_with_the_longest_coding_sequence_stands_for_a_gene(tmp_path):
    rows = [
        ("chr1", "exon", 1, 3_000, "+", "G", "long without CDS"),
        ("chr1", "exon", 501, 700, "+", "G", "short CDS"),
        ("chr1", "CDS", 501, 600, "+", "G", "short CDS"),
        ("chr1", "exon", 401, 700, "+", "G", "longest CDS"),
        ("chr1", "CDS", 450, 650, "+", "G", "longest CDS"),
        ("chr1", "exon", 5_001, 5_100, "+", "G", "elsewhere"),
        ("chr1", "exon", 501, 600, "-", "G", "other strand"),
        ("chr2", "exon", 501, 600, "+", "G", "other contig"),
    ]
    found = read_genes(write(tmp_path, gtf(*rows)), CONTIGS).find("G")
    assert [(one.contig, one.start, one.end, one.strand, one.coding) for one in found] == [
        ("chr1", 400, 700, "+", (449, 650)),
        ("chr1", 500, 600, "-", None),
        ("chr1", 5_000, 5_100, "+", None),
        ("chr2", 500, 600, "+", None),
    ]


def test_without_coding_sequence_the_most_bases_in_exons_decide(tmp_path):
    rows = [("chr1", "exon", 1, 10, "+", "G", "a"), ("chr1", "exon", 5, 100, "+", "G", "b")]
    assert read_genes(write(tmp_path, gtf(*rows)), CONTIGS).find("G")[0].start == 4


def test_overlapping_finds_what_a_search_of_all_genes_finds():
    rng = np.random.default_rng(1)
    starts = rng.integers(0, 9_000, 300)
    lengths = np.where(rng.random(300) < 0.05, 5_000, rng.integers(1, 50, 300))
    every = [
        Gene(f"g{number}", "chr1", int(start), int(start + length), "+", ((int(start), int(start + length)),), None)
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    genes = Genes(every)
    for start in range(0, 10_000, 97):
        wanted = {gene.name for gene in every if gene.start < start + 60 and gene.end > start}
        assert {gene.name for gene in genes.overlapping("chr1", start, start + 60)} == wanted
    assert genes.overlapping("chr2", 0, 10) == []


def test_names_are_completed(tmp_path):
    text = "".join(
        f"chr1\t{place}\t{place + 5}\t{name}\n" for place, name in enumerate(["GATA2", "GATA1", "TP53", "gata3"])
    )
    genes = read_genes(write(tmp_path, text), CONTIGS)
    assert [gene.name for gene in genes.beginning("ga", 10)] == ["GATA1", "GATA2", "gata3"]
    assert [gene.name for gene in genes.beginning("GATA", 2)] == ["GATA1", "GATA2"]
    assert genes.beginning("X", 10) == []


def test_genes_beyond_the_contigs_are_skipped(tmp_path):
    genes = read_genes(write(tmp_path, f"{BED12}chr1\t9000\t10001\tBEYOND\nchr9\t1\t2\tELSEWHERE\n"), CONTIGS)
    assert [gene.name for gene in genes.overlapping("chr1", 0, 20_000)] == ["ALPHA", "BETA"]
    assert genes.find("BEYOND") == genes.find("ELSEWHERE") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no gene in the file"),
        ("chr9\t1\t2\tG\n", "no gene on the contigs of the genome (chr1, chr2), only on chr9"),
        ("chr1\ttest\texon\t1\t2\t.\t+\t.\tID=exon1;Parent=t1\n", "is GFF3; convert it to GTF"),
        ('chr1\ttest\texon\t1\t2\t.\t+\t.\tother "x";\n', "no gene_id"),
        (GTF + "chr1\ttoo few\n", ":12: not a GTF line"),
        (gtf(("chr1", "exon", 0, 5, "+", "G", "t")), "positions of GTF start at 1"),
        (gtf(("chr1", "exon", 9, 5, "+", "G", "t")), "starts at 9, but ends at 5"),
        (
            GTF.replace("\t851\t", "\tx\t"),
            ":11: not GTF, BED or a gene table of UCSC: start and end must be numbers",
        ),
        (GENE_PRED + "a\tb\n", ":3: not a line of a gene table"),
        (GENE_PRED.replace("100,300,800,", "100,300,"), "2 starts and 3 ends of 3 exons"),
        (GENE_PRED.replace("200,400,900,", "200,400,901,"), "has exons outside of 100-900"),
        (BED12.replace("0,200,700,", "0,200,"), "sizes and starts of blocks do not match"),
        ("chr1\t900\t900\tG\n", "empty, reversed"),
        ("gene\n", "not GTF, BED or a gene table of UCSC"),
        ("chr1\ta\tb\tG\n", "must be numbers"),
    ],
)
def test_refusals(tmp_path, text, said):
    assert said in refusal(tmp_path, text)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="gene file cannot be read"):
        read_genes(tmp_path / "none.gtf", CONTIGS)
