"""Every format gives the same vector for the same sample."""

import numpy as np
import pandas as pd
import pytest

import quantifications
from epigept_batch.inputs.expression.vector import network_expression
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
    np.testing.assert_allclose(found.tpm.tpm, expected, rtol=1e-6)
    vectors = (network_expression(values, distribution) for values in (found.tpm.tpm, expected))
    assert np.abs(np.subtract(*vectors)).max() <= EXPRESSION
    quantified = found.sources[0].quantified
    assert (quantified.format, quantified.level) == FORMATS[name]
    assert found.sources[0].verdict.kind == ("FPKM" if "FPKM" in name else "TPM")
    assert found.tpm.missing == ()


@pytest.mark.parametrize("name", sorted(OF_MATRIX & set(SAME)))
def test_each_column_of_a_matrix_is_a_sample(name, expected, source, tmp_path):
    both = read_all(SAME[name](source, tmp_path), factors=PUBLISHED)
    assert set(both) == {SAMPLE, OTHER}
    np.testing.assert_allclose(both[OTHER].tpm.tpm, 2 * expected, rtol=1e-12)
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
        np.testing.assert_allclose(sample.tpm.tpm, wanted, rtol=1e-9)
    account = both[SAMPLE].account()["tables"][0]
    assert account["verdict"] == "counts / length"
    assert account["sum"] == table[f"bams/{SAMPLE}.bam"].sum()


def test_the_golden_vector_from_the_encode_table(shared):
    sample = read_one(shared / "expression/encode_rsem.tsv.gz", PUBLISHED)
    cells = read_expression_reference(shared / "expression/reference_expression.tsv", PUBLISHED)
    found = network_expression(sample.tpm.tpm, cells.distribution)
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
    np.testing.assert_allclose(sample.tpm.tpm, cells.matrix[:, column], rtol=1e-5)
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
    ranks = pd.DataFrame({"rsem": rsem.tpm, "other": sample.tpm.tpm}).corr(method="spearman")
    assert 0.98 < ranks.loc["rsem", "other"] < 0.99  # measured 0.987 and 0.985
