"""Every format gives the same vector for the same sample."""

import numpy as np
import pandas as pd
import pytest

import quantifications
from epigept_batch.errors import InputError
from epigept_batch.expression.vector import network_expression
from epigept_batch.spec import ExpressionReference
from epigept_export.convert import read_expression_reference
from expression import PUBLISHED, read_all, read_one
from quantifications import NEEDS_MAP, OF_MATRIX, OTHER, SAME, SAMPLE
from tolerances import EXPRESSION

FORMATS = {
    "RSEM": ("RSEM", "genes"),
    "RSEM isoforms": ("RSEM", "transcripts"),
    "salmon quant.genes.sf": ("salmon", "genes"),
    "salmon quant.sf, GTF": ("salmon", "transcripts"),
    "kallisto, GENCODE": ("kallisto", "transcripts"),
    "kallisto, GTF": ("kallisto", "transcripts"),
    "StringTie": ("StringTie", "genes"),
    "GCT 1.2": ("GCT 1.2", "genes"),
    "GCT 1.3": ("GCT 1.3", "genes"),
    "matrix, TSV": ("matrix", "genes"),
    "matrix, CSV": ("matrix", "genes"),
    "matrix of R": ("matrix", "genes"),
    "two columns, TSV": ("table with TPM", "genes"),
    "two columns, CSV": ("matrix", "genes"),
    "ENSG|SYMBOL": ("table with TPM", "genes"),
    "SYMBOL_ENSG": ("table with TPM", "genes"),
    "old symbols": ("table with TPM", "genes"),
    "cufflinks FPKM": ("table with FPKM", "genes"),
}


@pytest.fixture(scope="module", params=["generated", "encode"])
def source(request):
    """The genes of a sample."""
    if request.param == "generated":
        return quantifications.generate_genes()
    return quantifications.read_encode(request.getfixturevalue("shared") / "expression/encode_rsem.tsv.gz")


@pytest.fixture(scope="module")
def distribution():
    """Of generated training cells, with no two values alike."""
    matrix = np.random.default_rng(11).gamma(0.4, 30, (len(PUBLISHED), 5))
    return ExpressionReference(tuple("abcde"), matrix).distribution


@pytest.fixture(scope="module")
def expected(source):
    """TPM of the factors by pandas: mean over the rows of one gene, without version and copy on Y."""
    ids = pd.Series(source.ids).str.split(".").str[0]
    means = pd.Series(source.tpm).groupby(ids).mean()
    of_factor = dict(zip(PUBLISHED, [ensembl for ensembl, _ in quantifications.published_ids()], strict=True))
    return np.array([means[of_factor[factor]] for factor in PUBLISHED])


@pytest.fixture(scope="module")
def gtf(source, tmp_path_factory):
    return quantifications.gtf(source, tmp_path_factory.mktemp("gtf"))


@pytest.mark.parametrize("name", SAME)
def test_all_formats_that_carry_one_samples_tpm_give_one_vector(source, name, expected, gtf, distribution, tmp_path):
    path = SAME[name](source, tmp_path)
    options = {"samples": (SAMPLE,)} if name in OF_MATRIX else {}
    found = read_one(path, PUBLISHED, tx2gene=gtf if name in NEEDS_MAP else None, **options)
    np.testing.assert_allclose(found.tpm.by_factor, expected, rtol=1e-6)
    vectors = (network_expression(values, distribution) for values in (found.tpm.by_factor, expected))
    assert np.abs(np.subtract(*vectors)).max() <= EXPRESSION
    quantified = found.sources[0].quantified
    assert (quantified.format, quantified.level) == FORMATS[name]
    assert found.sources[0].verdict.kind == ("FPKM" if "FPKM" in name else "TPM")
    assert found.tpm.missing == ()


@pytest.mark.parametrize("name", sorted(OF_MATRIX & set(SAME)))
def test_each_column_of_a_matrix_is_a_sample(name, expected, source, tmp_path):
    both = read_all(SAME[name](source, tmp_path), factors=PUBLISHED)
    assert set(both) == {SAMPLE, OTHER}
    np.testing.assert_allclose(both[OTHER].tpm.by_factor, 2 * expected, rtol=1e-12)
    assert "FPKM" in both[OTHER].sources[0].verdict.kind  # they sum to two million


def test_feature_counts_become_tpm_by_length(source, tmp_path):
    path = quantifications.feature_counts(source, tmp_path)
    table = pd.read_csv(path, sep="\t", comment="#")
    rate = table[f"bams/{SAMPLE}.bam"] / table["Length"]
    tpm = (rate / rate.sum() * 1e6).groupby(table["Geneid"].str.split(".").str[0]).mean()
    both = read_all(path, factors=PUBLISHED)
    assert list(both) == [SAMPLE, OTHER]
    wanted = [tpm[ensembl] for ensembl, _ in quantifications.published_ids()]
    for sample in both.values():
        np.testing.assert_allclose(sample.tpm.by_factor, wanted, rtol=1e-9)
    account = both[SAMPLE].account()["tables"][0]
    assert account["verdict"] == "counts / length"
    assert account["sum"] == table[f"bams/{SAMPLE}.bam"].sum()


def test_the_golden_vector_from_the_encode_table(shared):
    sample = read_one(shared / "expression/encode_rsem.tsv.gz", PUBLISHED)
    cells = read_expression_reference(shared / "expression/reference_expression.tsv", PUBLISHED)
    found = network_expression(sample.tpm.by_factor, cells.distribution)
    golden = np.load(shared / "golden/hg38_chr2_1792000_encode.npz")["expression"]
    assert found.dtype == np.float32
    assert np.abs(found - golden).max() <= EXPRESSION
    assert sample.tpm.missing == ()


@pytest.mark.parametrize(
    ("name", "column", "missing", "aliases"),
    [
        ("encode_rsem.tsv.gz", 3, (), 0),
        ("rsem_symbols.genes.results.gz", 1, (), 0),
        ("rsem_ensembl.genes.results.gz", 0, (), 0),
        ("rnaseqc.gene_tpm.gct.gz", 2, ("ZNF8",), 6),
    ],
)
def test_real_tables_give_a_column_of_the_reference_each(shared, name, column, missing, aliases):
    cells = read_expression_reference(shared / "expression/reference_expression.tsv", PUBLISHED)
    sample = read_one(shared / "expression" / name, PUBLISHED, cells)
    np.testing.assert_allclose(sample.tpm.by_factor, cells.matrix[:, column], rtol=1e-5)
    assert sample.tpm.missing == missing
    assert len(sample.tpm.renamed) == aliases
    assert sample.sources[0].verdict.kind == "TPM"
    assert sample.nearest.cell == cells.cells[column]
    assert sample.nearest.r > 0.9999


@pytest.mark.parametrize("name", ["kallisto.abundance.tsv.gz", "salmon.quant.sf.gz"])
def test_other_methods_on_the_same_reads_come_near_rsem(shared, name):
    folder = shared / "expression"
    rsem = read_one(folder / "rsem_symbols.genes.results.gz", PUBLISHED).tpm
    sample = read_one(folder / name, PUBLISHED, tx2gene=folder / "tx2gene.csv.gz")
    assert sample.tpm.missing == ()
    assert sample.notes == ()
    ranks = pd.DataFrame({"rsem": rsem.by_factor, "other": sample.tpm.by_factor}).corr(method="spearman")
    assert 0.98 < ranks.loc["rsem", "other"] < 0.99  # measured 0.987 and 0.985


def test_gdc_tables_are_read_without_the_rows_of_unmapped_reads(tmp_path):
    path = tmp_path / "gdc.tsv"
    path.write_text(
        "# gene-model: GENCODE v36\n"
        "gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\ttpm_unstranded\tfpkm_unstranded\n"
        "N_unmapped\t\t\t99\t99\t\t\nN_noFeature\t\t\t9\t9\t\t\n"
        "ENSG00000106546.14\tAHR\tprotein_coding\t900\t450\t7.5\t3.1\n"
    )
    sample = read_one(path, ("AHR",))
    assert sample.tpm.by_factor.tolist() == [7.5]
    assert sample.sources[0].quantified.format == "GDC"
    assert sample.sources[0].quantified.rows == 1


def test_ids_of_tcga(tmp_path):
    path = tmp_path / "tcga.tsv"
    path.write_text("gene_id\ts1\nAHR|196\t7\nCTCF|10664\t8\n")
    assert read_one(path, ("AHR", "CTCF")).tpm.by_factor.tolist() == [7, 8]


def test_gct_of_single_tissues_and_of_other_sizes(tmp_path):
    path = tmp_path / "tissue.gct"
    rows = "0\tENSG00000106546.14\tAHR\t1\t2\n1\tENSG00000102974.1\tCTCF\t3\t4\n"
    path.write_text("#1.2\n2\t2\nid\tName\tDescription\ta\tb\n" + rows)
    assert read_all(path, factors=("AHR", "CTCF"))["b"].tpm.by_factor.tolist() == [2, 4]
    path.write_text(path.read_text().replace("#1.2\n2\t", "#1.2\n56200\t"))
    with pytest.raises(InputError, match="2 rows, but the dimensions line says 56,200; the file may be truncated"):
        read_all(path, factors=("AHR", "CTCF"))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("a.bam", "b.sam"), ["a", "b"]),
        (("/d/s1/Aligned.sortedByCoord.out.bam", "/d/s2/Aligned.sortedByCoord.out.bam"), ["s1", "s2"]),
        (("x/a.bam", "y/b.bam"), ["a", "b"]),
    ],
)
def test_samples_of_feature_counts_are_named_by_what_tells_their_paths_apart(tmp_path, paths, names):
    path = tmp_path / "counts.txt"
    header = ["Geneid", "Chr", "Start", "End", "Strand", "Length", *paths]
    path.write_text("\t".join(header) + "\nAHR\tc\t1\t2\t+\t100\t5\t6\nCTCF\tc\t1\t2\t+\t200\t5\t6\n")
    assert list(read_all(path, factors=("AHR", "CTCF"))) == names


def test_columns_that_are_taken_for_no_samples_are_said(tmp_path):
    path = tmp_path / "m.tsv"
    path.write_text("gene\tstart\twidth\tliver\nAHR\t5\t9\t1\nCTCF\t6\t9\t2\n")
    sample = read_one(path, ("AHR", "CTCF"))
    assert sample.notes == ("columns not treated as samples: start, width",)
    path.write_text("gene\tTPM\tTPM_rep2\nAHR\t5\t9\nCTCF\t6\t9\n")
    assert read_one(path, ("AHR", "CTCF")).notes == ("columns not treated as samples: TPM_rep2",)


@pytest.mark.parametrize("header", ["gene_id\t101\t102", "\t101\t102", "101\t102", "symbol\t1\t2"])
def test_samples_may_have_numbers_for_names(tmp_path, header):
    path = tmp_path / "m.tsv"
    path.write_text(f"{header}\nAHR\t1\t2\nCTCF\t3\t4\n")
    first, second = read_all(path, factors=("AHR", "CTCF")).values()
    assert first.tpm.by_factor.tolist() == [1, 3]
    assert second.tpm.by_factor.tolist() == [2, 4]


def test_a_comma_in_the_name_of_a_sample_shifts_nothing(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('id,"liver, left",B,C\nCTCF,100,20,3\nAHR,90,10,"2"\n')
    found = read_all(path, factors=("AHR", "CTCF"))
    assert {name: sample.tpm.by_factor.tolist() for name, sample in found.items()} == {
        "liver, left": [90, 100],
        "B": [10, 20],
        "C": [2, 3],
    }


@pytest.mark.parametrize("row", ["AHR\t1\t2", "AHR\t1\t2\t3\t4"])
@pytest.mark.parametrize("place", [0, 3])
def test_rows_that_are_shorter_or_longer_than_the_header_are_said(tmp_path, row, place):
    rows = ["CTCF\t1\t2\t3"] * 5
    rows[place] = row
    path = tmp_path / "m.tsv"
    path.write_text("\n".join(["gene\ta\tb\tc", *rows]))
    message = f":{place + 2}: {row.count(chr(9)) + 1} columns, but the header has 4"
    with pytest.raises(InputError, match=message):
        read_all(path)


def test_a_sample_with_decimal_commas_is_said_and_not_left_out(tmp_path):
    path = tmp_path / "m.tsv"
    path.write_text("gene\ta\tb\nAHR\t1.5\t2,5\nCTCF\t3\t4,5\n")
    with pytest.raises(
        InputError, match=":2: TPM '2,5' of b is not a number of 0 or more; write decimals with a point"
    ):
        read_all(path)


def test_rows_that_were_averaged_are_said_but_not_the_copies_on_y(tmp_path):
    path = tmp_path / "m.tsv"
    names = [f"G{n}" for n in range(20)]
    path.write_text("gene\tTPM\n" + "".join(f"{name}\t5\n" for name in [*names, "G3"]))
    assert read_one(path, names).notes == ("several rows of one gene were averaged for 1 factor: G3 (2 rows)",)
    path.write_text("gene\tTPM\nENSG00000214717.11\t6\nENSG00000214717.11_PAR_Y\t0\n")
    sample = read_one(path, ("ZBED1",))
    assert (sample.tpm.by_factor.tolist(), sample.notes) == ([3], ())


def test_replicates_of_other_scales_are_not_averaged(source, tmp_path):
    tpm, fpkm = tmp_path / "tpm.tsv", tmp_path / "fpkm.tsv"
    for path, scale in ((tpm, 1), (fpkm, 0.6)):
        path.write_text(
            "gene\tx\n" + "".join(f"{i}\t{v * scale}\n" for i, v in zip(source.ids, source.tpm, strict=True))
        )
    assert read_one(fpkm, PUBLISHED).sources[0].verdict.kind == "FPKM, or TPM of some genes"
    with pytest.raises(
        InputError,
        match=r"fpkm.tsv: cannot be averaged .* FPKM, or TPM of some genes, judging by their sum of 600,000, and",
    ):
        read_all(tpm, fpkm, factors=PUBLISHED, merge="m")
