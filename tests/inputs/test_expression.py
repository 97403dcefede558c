import gzip

import numpy as np
import pandas as pd
import pytest

import reference
from epigept_batch.errors import InputError
from epigept_batch.inputs.expression import network_expression, quantile_normalise, read_factor_tpm
from epigept_batch.spec import ExpressionReference
from epigept_export.convert import read_expression_reference
from tolerances import EXPRESSION

FACTORS = ("AHR", "ARNTL", "T", "GTF2I", "CTCF")


@pytest.fixture
def write(tmp_path):
    def write(text, name="sample.tsv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture(scope="module")
def factors(shared):
    return tuple((shared / "motifs/tf_list_711.txt").read_text().split())


def test_the_golden_vector_from_the_encode_table(shared, factors):
    values = read_factor_tpm(shared / "expression/encode_rsem.tsv.gz", factors)
    cells = read_expression_reference(shared / "expression/reference_expression.tsv", factors)
    found = network_expression(values.tpm, cells.distribution)
    golden = np.load(shared / "golden/hg38_chr2_1792000_encode.npz")["expression"]
    assert found.dtype == np.float32
    assert np.abs(found - golden).max() <= EXPRESSION
    assert values.missing == ()


@pytest.mark.parametrize(
    "name", ["encode_rsem.tsv.gz", "rsem_symbols.genes.results.gz", "rsem_ensembl.genes.results.gz"]
)
def test_real_tables_give_a_column_of_the_reference_each(shared, factors, name):
    values = read_factor_tpm(shared / "expression" / name, factors)
    assert values.missing == values.renamed == ()
    cells = [line.split("\t") for line in (shared / "expression/reference_expression.tsv").read_text().splitlines()]
    columns = np.array([row[1:] for row in cells[1:]], dtype=float).T
    assert any(np.allclose(values.tpm, column, rtol=1e-5) for column in columns)


@pytest.mark.parametrize(
    "rows",
    [
        "ENSG00000106546.14\tx\t1\nENSG00000133794\tx\t2\nENSG00000164458.11\ty\t3\nENSG00000263001.6\tz\t4\nENSG00000102974\tz\t5\n",
        "AHR\tx\t1\nARNTL\tx\t2\nT\ty\t3\nGTF2I\tz\t4\nCTCF\tz\t5\n",
        "AHR\tx\t1\nBMAL1\tx\t2\nTBXT\ty\t3\nGTF2I\tz\t4\nCTCF\tz\t5\n",
        "ENSG00000106546\tx\t1\nBMAL1\tx\t2\nT\ty\t3\nENSG00000077809\tz\t4\nCTCF\tz\t5\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ids_with_and_without_version_symbols_old_and_new(write, rows, end):
    path = write(("gene_id\tname\tTPM\nspike\t\t9\n10904\tt\t0\n" + rows).replace("\n", end))
    values = read_factor_tpm(path, FACTORS)
    np.testing.assert_array_equal(values.tpm, [1, 2, 3, 4, 5])
    assert values.factors == FACTORS
    later = {"BMAL1": "ARNTL", "TBXT": "T", "ENSG00000077809": "GTF2I"}
    assert values.renamed == tuple(later[name] for name in values.found_as if name in later)


def test_rows_of_one_gene_are_averaged_and_its_first_id_wins(write):
    path = write(
        "gene_id\tTPM\nENSG00000106546.1\t2\nENSG00000106546.1_PAR_Y\t4\nENSG00000077809\t50\nENSG00000263001\t7\n"
        "ENSG00000133794.3\t1\nENSG00000164458\t1\nENSG00000102974\t1\n"
    )
    np.testing.assert_array_equal(read_factor_tpm(path, FACTORS).tpm, [3, 1, 1, 7, 1])


def test_gzip_comma_quantities_and_a_column_order_of_its_own(write):
    text = "effective_length,tpm,Name\n" + "".join(f"10,{n}.5,{name}\n" for n, name in enumerate(FACTORS))
    path = write(gzip.compress(text.encode()), "sample")
    np.testing.assert_array_equal(read_factor_tpm(path, FACTORS).tpm, [0.5, 1.5, 2.5, 3.5, 4.5])


def test_the_column_of_ids_is_the_one_in_which_most_factors_are_found(write):
    rows = [
        ("ENSG00000106546", "RP1"),
        ("ENSG00000133794", "ARNTL"),
        ("ENSG00000164458", "T"),
        ("ENSG00000102974", "CTCF"),
    ]
    text = "".join(f"{symbol}\t{number}\t{ensembl}\n" for number, (ensembl, symbol) in enumerate(rows))
    path = write("symbol\tTPM\tgene_id\n" + text + "CTCF\t7\t\n" * 5)
    factors = ("AHR", "ARNTL", "T", "CTCF")
    assert read_factor_tpm(path, factors).tpm.tolist() == [0, 1, 2, 3]


def test_rows_without_an_id_are_nobodys(write):
    path = write("gene_id\tTPM\n\t50\n" + "".join(f"{name}\t1\n" for name in FACTORS[1:]))
    with pytest.raises(InputError, match=r"only 4 of 5 factors are found \(missing: AHR, …\)"):
        read_factor_tpm(path, FACTORS)


def test_a_factor_of_a_users_own_model_is_found_by_its_name(write):
    path = write("gene\tTPM\nmine\t4\n")
    assert read_factor_tpm(path, ["mine"]).tpm == [4]


def test_up_to_five_percent_may_be_missing_and_count_as_0(write):
    names = [f"G{n}" for n in range(100)]
    path = write("gene\tTPM\n" + "".join(f"{name}\t1\n" for name in names[5:]))
    values = read_factor_tpm(path, names)
    assert values.missing == tuple(names[:5])
    assert values.tpm.sum() == 95
    path = write("gene\tTPM\n" + "".join(f"{name}\t1\n" for name in names[6:]))
    with pytest.raises(InputError, match=r"only 94 of 100 factors are found \(missing: G0, G1, G2, G3, G4, …\)"):
        read_factor_tpm(path, names)


GENES = "AHR\t1\nARNTL\t2\nT\t3\nGTF2I\t4\nCTCF\t5\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": is empty"),
        (gzip.compress(b""), ": is empty"),
        ("gene_id\tTPM\n", ": has a header but no rows"),
        ("gene_id\tcounts\nAHR\t1\n", ": has no column TPM (columns: gene_id, counts)"),
        ("gene_id\tTPM\ttpm\nAHR\t1\t1\n", ": has several columns TPM"),
        ("gene_id\tTPM\tTPM\nAHR\t1\t1\n", ": has several columns TPM"),
        ("gene_id\tTPM\n" + "".join(f"{name}\t0\n" for name in FACTORS), ": has TPM 0 for every factor"),
        ("number\tTPM\n1\t4\n2\t5\n", ": has no column with human gene ids; give a table of genes"),
        ("gene_id\tTPM\nENSMUSG00000000001\t4\n", ": has no column with human gene ids"),
        ("gene_id\tTPM\n" + GENES.replace("\t3", "\t-3"), ":4: TPM '-3' is not a number from 0 up"),
        ("gene_id\tTPM\n" + GENES.replace("\t2", "\thigh"), ":3: TPM 'high' is not a number from 0 up"),
        ("gene_id\tTPM\n" + GENES.replace("\t2", "\t"), ":3: TPM '' is not a number from 0 up"),
        ("gene_id\tTPM\n" + GENES.replace("\t1", "\tnan"), ":2: TPM 'nan' is not a number from 0 up"),
        ("gene_id\tTPM\n" + GENES.replace("\t5", "\tinf"), ":6: TPM 'inf' is not a number from 0 up"),
        ("gene_id\tTPM\nAHR\t1\t2\n", ": is not a table of equal rows"),
        ("gene_id TPM\nAHR 1\n", ": has no column TPM (columns: gene_id TPM)"),
        (b"\x89PNG\0\1\2", ": is not a table of text"),
        (b"gene_id\tTPM\nAHR\t1\n\xff\xfe\t2\n", ": is not a table of equal rows"),
        (gzip.compress(GENES.encode() * 99)[:60], ": is a damaged or truncated gzip file"),
        ("gene_id\tTPM\nAHR\t1\n", ": only 1 of 5 factors are found (missing: ARNTL, T, GTF2I, CTCF, …)"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(write, content, message):
    path = write(content)
    with pytest.raises(InputError) as caught:
        read_factor_tpm(path, FACTORS)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_a_missing_table_and_a_folder_are_said(tmp_path):
    with pytest.raises(InputError, match="TPM table cannot be read: No such file or directory"):
        read_factor_tpm(tmp_path / "absent.tsv", FACTORS)
    with pytest.raises(InputError, match="TPM table cannot be read: Is a directory"):
        read_factor_tpm(tmp_path, FACTORS)


@pytest.mark.parametrize("seed", range(20))
def test_quantile_normalisation_is_the_published_pandas_formula(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.gamma(0.3, 30, (200, 7)).round(int(rng.integers(0, 3)))
    matrix[:, 2] = 4
    tpm = rng.choice([0, 0, 1, 2.5, 7, 1000, 0.01], 200) if seed % 2 else rng.gamma(0.3, 30, 200).round(1)
    distribution = ExpressionReference(tuple("abcdefg"), matrix).distribution
    expected = reference.quantile_normalised(pd.Series(tpm), pd.DataFrame(matrix)).to_numpy()
    np.testing.assert_allclose(quantile_normalise(tpm, distribution), expected, rtol=1e-12)
    np.testing.assert_allclose(
        network_expression(tpm, distribution), reference.network_expression(tpm, matrix), rtol=EXPRESSION
    )


def test_normalised_values_only_take_the_logarithm():
    np.testing.assert_allclose(network_expression(np.array([0.0, np.e - 1]), None), [0, 1], rtol=EXPRESSION)
