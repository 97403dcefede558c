"""Genes of transcripts from every kind of file that has them."""

import gzip

import numpy as np
import polars as pl
import pytest

from epigept_batch.errors import InputError
from epigept_batch.expression.transcripts import read_transcript_map
from expression import read_one

GENCODE_GTF = (
    "##description: evidence-based annotation\n"
    'chr6\tHAVANA\tgene\t1\t9\t.\t+\t.\tgene_id "ENSG00000106546.14"; gene_name "AHR";\n'
    'chr6\tHAVANA\ttranscript\t1\t9\t.\t+\t.\tgene_id "ENSG00000106546.14"; transcript_id "ENST00000242057.9"; '
    'gene_name "AHR";\n'
    'chr6\tHAVANA\texon\t1\t9\t.\t+\t.\tgene_id "ENSG00000106546.14"; transcript_id "ENST00000242057.9";\n'
    'chrY\tHAVANA\ttranscript\t1\t9\t.\t+\t.\tgene_id "ENSG00000214717.12_PAR_Y"; '
    'transcript_id "ENST00000381222.8_PAR_Y";\n'
)
GENCODE_GFF = (
    "##gff-version 3\n"
    "chr6\tHAVANA\tgene\t1\t9\t.\t+\t.\tID=ENSG00000106546.14;gene_id=ENSG00000106546.14;gene_name=AHR\n"
    "chr6\tHAVANA\ttranscript\t1\t9\t.\t+\t.\tID=ENST00000242057.9;Parent=ENSG00000106546.14;gene_id=ENSG00000106546.14;"
    "transcript_id=ENST00000242057.9;gene_name=AHR\n"
    "chrY\tHAVANA\ttranscript\t1\t9\t.\t+\t.\tID=ENST00000381222.8_PAR_Y;Parent=x;gene_id=ENSG00000214717.12_PAR_Y;"
    "transcript_id=ENST00000381222.8_PAR_Y\n"
)
ENSEMBL_GFF = (
    "##gff-version 3\n"
    "7\tensembl\tgene\t1\t9\t.\t+\t.\tID=gene:ENSG00000106546;Name=AHR;gene_id=ENSG00000106546;version=14\n"
    "7\tensembl\tmRNA\t1\t9\t.\t+\t.\tID=transcript:ENST00000242057;Parent=gene:ENSG00000106546;Name=AHR-201;"
    "transcript_id=ENST00000242057;version=9\n"
    "7\tensembl\texon\t1\t9\t.\t+\t.\tParent=transcript:ENST00000242057;Name=ENSE1\n"
)
REFSEQ_GFF = (
    "##gff-version 3\n"
    "NC_7\tBestRefSeq\tgene\t1\t9\t.\t+\t.\tID=gene-AHR;Name=AHR;gene=AHR\n"
    "NC_7\tBestRefSeq\tmRNA\t1\t9\t.\t+\t.\tID=rna-NM_001621.5;Parent=gene-AHR;gene=AHR;transcript_id=NM_001621.5\n"
    "NC_7\tBestRefSeq\texon\t1\t9\t.\t+\t.\tID=exon-NM_001621.5-1;Parent=rna-NM_001621.5;gene=AHR;transcript_id=NM_001621.5\n"
)
BIOMART = (
    "Gene stable ID\tGene stable ID version\tTranscript stable ID\tTranscript stable ID version\n"
    "ENSG00000106546\tENSG00000106546.14\tENST00000242057\tENST00000242057.9\n"
)
FILES = {
    "GENCODE GTF": (GENCODE_GTF, {"ENST00000242057.9": "ENSG00000106546.14", "ENST00000242057": "ENSG00000106546.14"}),
    "GENCODE copy on Y": (
        GENCODE_GTF,
        {"ENST00000381222.1_PAR_Y": "ENSG00000214717.12_PAR_Y", "ENST00000381222": None},
    ),
    "GENCODE GFF3": (GENCODE_GFF, {"ENST00000242057.7": "ENSG00000106546.14", "ENST1": None}),
    "Ensembl GFF3": (ENSEMBL_GFF, {"ENST00000242057.9": "ENSG00000106546"}),
    "RefSeq GFF3": (REFSEQ_GFF, {"NM_001621.5": "AHR", "NM_001621": "AHR", "NM_001622": None}),
    "tximport": ("TXNAME,GENEID\nNM_001621,AHR\n", {"NM_001621": "AHR", "NM_001621.5": "AHR"}),
    "quoted": ('"TXNAME","GENEID"\n"NM_001621","AHR"\n', {"NM_001621": "AHR"}),
    "no header": ("ENST00000242057.9\tENSG00000106546.14\tAHR\n", {"ENST00000242057": "ENSG00000106546.14"}),
    "no header, genes first": ("AHR\tENST00000242057.9\n", {"ENST00000242057": "AHR"}),
    "BioMart": (BIOMART, {"ENST00000242057.9": "ENSG00000106546"}),
    "symbols only": ("transcript_id\tsymbol\nENST00000242057\tAHR\n", {"ENST00000242057.9": "AHR"}),
    "own names": ("tx1\tAHR\ntx2\tAHR\n", {"tx1": "AHR", "tx2": "AHR", "tx3": None}),
    "FASTA names": (GENCODE_GTF, {"ENST00000242057.9|ENSG00000106546.14|-|-|AHR-201|AHR|9|x|": "ENSG00000106546.14"}),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_maps(write, name, packed):
    text, genes = FILES[name]
    found = read_transcript_map(write(gzip.compress(text.encode()) if packed else text))
    assert found.genes(pl.Series(list(genes))).to_list() == list(genes.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("ENST1 AHR\n", "not a GTF, a GFF3 or a tab- or comma-separated table of transcripts and genes"),
        ("tx1\tAHR\ntx1\tCTCF\n", "transcript tx1 has two genes, AHR and CTCF; list only one"),
        ('chr1\tx\tgene\t1\t9\t.\t+\t.\tgene_id "G"; transcript_id "";\n', "no transcript with a gene"),
    ],
)
def test_what_is_no_map_is_said(write, text, message):
    with pytest.raises(InputError, match=message):
        read_transcript_map(write(text))


def test_transcripts_are_summed_and_copies_of_a_gene_averaged(write):
    table = write("target_id\ttpm\nt1\t1\nt2\t2\nt3\t8\nt4\t5\nt9\t4\n", "abundance.tsv")
    genes = write("t1\tENSG00000106546.2\nt2\tENSG00000106546.2\nt3\tENSG00000106546.2_PAR_Y\nt4\tENSG00000102974\n")
    sample = read_one(table, ("AHR", "CTCF"), tx2gene=genes)
    assert sample.tpm.by_factor.tolist() == [5.5, 5]
    assert sample.notes == ("1 of 5 transcripts, with 20.0% of the TPM, have no gene",)
    assert sample.tpm.several == {}
    assert sample.sources[0].quantified.level == "transcripts"


def test_a_map_is_not_applied_to_genes(write):
    table = write("gene_id\tTPM\nAHR\t3\nCTCF\t4\n", "genes.tsv")
    sample = read_one(table, ("AHR", "CTCF"), tx2gene=write("t1\tAHR\nt2\tCTCF\n"))
    assert sample.tpm.by_factor.tolist() == [3, 4]
    assert sample.sources[0].quantified.level == "genes"


def test_a_map_of_another_annotation_is_said(write):
    table = write("target_id\ttpm\n" + "".join(f"ENST{n:011d}\t1\n" for n in range(9)), "abundance.tsv")
    message = r": a table of transcripts \(ENST00000000000, …\); none of them is in the --tx2gene file"
    with pytest.raises(InputError, match=message):
        read_one(table, tx2gene=write("NM_001621\tAHR\n"))


def test_a_map_that_has_some_transcripts_is_used_and_the_rest_said(write):
    rows = "".join(f"ENST{n:011d}\t{9 if n == 4 else 1}\n" for n in range(9))
    table = write("target_id\ttpm\n" + rows, "abundance.tsv")
    sample = read_one(table, ("AHR",), tx2gene=write("ENST00000000004\tAHR\n"))
    assert sample.tpm.by_factor.tolist() == [9]
    assert sample.notes == ("8 of 9 transcripts, with 47.1% of the TPM, have no gene",)
    table.write_text(table.read_text().replace("\t9", "\t7"))
    with pytest.raises(
        InputError, match="8 of 9 transcripts, with 53.3% of the TPM, have no gene in the --tx2gene file"
    ):
        read_one(table, ("AHR",), tx2gene=write("ENST00000000004\tAHR\n"))


TX = ["ENST00000000001", "ENST00000000002", "ENST00000000003"]
OWN = ["MSTRG.1.1", "MSTRG.1.2", "MSTRG.2.1"]


@pytest.mark.parametrize("names", [TX, OWN, ["AHR-201", "AHR-202", "CTCF-201"]])
@pytest.mark.parametrize(
    "header",
    [
        "transcript_id gene_id TPM",
        "gene_id transcript_id TPM",
        "gene_name gene_id transcript_id TPM",
        "gene_id gene_name tx sample",
        "t_id chr t_name num_exons gene_id gene_name cov FPKM",
    ],
)
def test_transcripts_beside_their_genes_are_summed_wherever_they_stand(write, names, header):
    genes = {"gene_id": ["MSTRG.1", "MSTRG.1", "MSTRG.2"], "gene_name": ["AHR", "AHR", "CTCF"]}
    if "gene_name" not in header:
        genes["gene_id"] = genes["gene_name"]
    columns = genes | dict.fromkeys(("transcript_id", "tx", "t_name"), names)
    columns |= {name: ["10", "30", "25"] for name in ("TPM", "sample", "FPKM")}
    columns |= {"t_id": list("123"), "chr": ["c"] * 3, "num_exons": list("451"), "cov": list("789")}
    rows = zip(*(columns[name] for name in header.split()), strict=True)
    table = write("\n".join("\t".join(row) for row in [header.split(), *rows]) + "\n", "table.tsv")
    sample = read_one(table, ("AHR", "CTCF"))
    scale = 1e6 / 65 if "FPKM" in header else 1
    np.testing.assert_allclose(sample.tpm.by_factor, [40 * scale, 25 * scale])
    assert sample.sources[0].quantified.level == "transcripts"


def test_transcripts_that_nothing_tells_from_genes_are_refused(write):
    table = write("gene_id\tfeature\tTPM\nAHR\ta\t1\nAHR\tb\t2\nCTCF\tc\t3\n", "table.tsv")
    with pytest.raises(
        InputError, match=r"several rows for 1 of 2 factors \(AHR, …\); if they are transcripts, name their column"
    ):
        read_one(table, ("AHR", "CTCF"))


NCBI = """##gff-version 3
NC_000016.10\tBestRefSeq\tgene\t1\t9\t.\t+\t.\tID=gene-CTCF;Dbxref=GeneID:10664,HGNC:HGNC:13723;Name=CTCF;gene=CTCF
NC_000016.10\tBestRefSeq\tmRNA\t1\t9\t.\t+\t.\tID=rna-NM_006565.4;Parent=gene-CTCF;Dbxref=GeneID:10664,\
GenBank:NM_006565.4;Name=NM_006565.4;gene=CTCF;transcript_id=NM_006565.4
NC_000016.10\tBestRefSeq\texon\t1\t9\t.\t+\t.\tID=exon-NM_006565.4-1;Parent=rna-NM_006565.4;gene=CTCF;\
transcript_id=NM_006565.4
NC_000016.10\tGnomon\tmRNA\t1\t9\t.\t+\t.\tID=rna-XM_1.1;Parent=gene-CTCF;gene=CTCF;transcript_id=XM_1.1
NC_000023.11\tBestRefSeq\tmRNA\t1\t9\t.\t+\t.\tID=rna-NM_000451.4;Parent=gene-SHOX;gene=SHOX;transcript_id=NM_000451.4
NC_000024.10\tBestRefSeq\tmRNA\t1\t9\t.\t+\t.\tID=rna-NM_000451.4-2;Parent=gene-SHOX-2;gene=SHOX;transcript_id=NM_000451.4
NC_012920.1\tRefSeq\trRNA\t1\t9\t.\t+\t.\tID=rna-RNR1;Parent=gene-RNR1;gene=RNR1
""".replace("\\\n", "")


@pytest.mark.parametrize("prefix", ["rna-", ""])
@pytest.mark.parametrize("version", [".4", ".3", ""])
def test_transcripts_of_ncbi_s_gff3_with_and_without_its_prefix(write, prefix, version):
    genes = write(NCBI, "genomic.gff")
    rows = [(f"NM_006565{version}", 3), ("XM_1.1", 2), ("NM_000451.4", 5), ("RNR1", 8)]
    table = write("target_id\ttpm\n" + "".join(f"{prefix}{name}\t{tpm}\n" for name, tpm in rows), "abundance.tsv")
    sample = read_one(table, ("CTCF", "SHOX"), tx2gene=genes)
    assert sample.tpm.by_factor.tolist() == [5, 5]
    assert sample.sources[0].quantified.level == "transcripts"
    assert sample.notes == ()


def test_the_copies_of_a_transcript_on_x_and_y_are_averaged(write):
    rows = "rna-NM_006565.4\t3\nrna-NM_000451.4\t5\nrna-NM_000451.4-2\t1\n"
    table = write("target_id\ttpm\n" + rows, "abundance.tsv")
    sample = read_one(table, ("CTCF", "SHOX"), tx2gene=write(NCBI, "genomic.gff"))
    assert sample.tpm.by_factor.tolist() == [3, 3]
    assert (sample.tpm.several, sample.notes) == ({}, ())


@pytest.mark.parametrize("names", ["rna-NM_{}.4", "transcript:ENST{:011d}"])
def test_transcripts_by_the_ids_of_gff3_ask_for_the_map(write, names):
    table = write("target_id\ttpm\n" + "".join(f"{names.format(n)}\t1\n" for n in range(9)), "abundance.tsv")
    with pytest.raises(
        InputError,
        match=r": a table of transcripts \((?:rna-NM_0|transcript:ENST0).*; provide a GTF, .* with --tx2gene",
    ):
        read_one(table, ("CTCF",))


def test_transcripts_by_the_ids_of_ensembl_s_gff3(write):
    line = (
        "16\thavana\tmRNA\t1\t9\t.\t+\t.\tID=transcript:ENST00000264010;Parent=gene:ENSG00000102974;transcript_id=x\n"
    )
    genes = write(line.replace("transcript_id=x", "transcript_id=ENST00000264010"), "genes.gff3")
    table = write("target_id\ttpm\ntranscript:ENST00000264010\t4\n", "abundance.tsv")
    assert read_one(table, ("CTCF",), tx2gene=genes).tpm.by_factor.tolist() == [4]
