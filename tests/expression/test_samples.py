"""Which samples of which tables."""

from pathlib import Path

import numpy as np
import pytest

from epigept_batch.errors import InputError
from epigept_batch.expression import tables as text_tables
from epigept_batch.expression.samples import sample_name
from epigept_batch.spec import ExpressionReference
from expression import FACTORS, PUBLISHED, read_all, read_one
from quantifications import generate_genes, rsem, two_columns


@pytest.fixture
def write(tmp_path):
    """A table of the five factors with these values, or several samples of them."""

    def write(name, *values, header=("TPM",)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        rows = zip(FACTORS, *values, strict=True)
        path.write_text("\t".join(["gene", *header]) + "\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def matrix(write):
    return write("m.tsv", [1, 2, 3, 4, 5], [2, 2, 2, 2, 2], [5, 4, 3, 2, 1], header=("liver", "lung", "brain"))


def test_names_are_those_of_files_columns_or_given(write, matrix):
    plain = write("b.genes.results", range(5))
    single = write("one.tsv", range(5), header=("kidney",))
    assert list(read_all(plain, ("named", plain), matrix, single)) == ["b", "named", "liver", "lung", "brain", "kidney"]
    assert list(read_all(("x", matrix), samples=("lung",))) == ["x"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("encode_rsem.tsv.gz", "encode_rsem"),
        ("liver.genes.results", "liver"),
        ("a.b.v29.TSV", "a.b.v29"),
        ("cells.h5ad", "cells"),
        ("c.tpm.csv", "c.tpm"),
    ],
)
def test_known_endings_are_taken_off(tmp_path, path, name):
    assert sample_name(tmp_path / path) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("s1/quant.sf", "s1"),
        ("s1/quant.sf.gz", "s1"),
        ("s1/quant.genes.sf", "s1"),
        ("runs/s 2.x/abundance.tsv", "s 2.x"),
        ("s1/abundance.tsv.gz", "s1"),
        ("s1/gene_abund.tab", "s1"),
        ("s1/t_data.ctab", "s1"),
        ("s1/genes.fpkm_tracking", "s1"),
        ("s1/../s2/quant.sf", "s2"),
        (".hidden/quant.sf", "quant"),
        ("s1/liver.quant.sf", "liver.quant"),
        ("s1/quant.tsv", "quant"),
        ("s1/rsem.genes.results", "rsem"),
        ("s1/genes.results", "s1"),
    ],
)
def test_files_that_a_program_always_calls_the_same_go_by_their_folder(tmp_path, path, name):
    assert sample_name(tmp_path / path) == name


def test_the_folder_of_a_file_that_is_here_is_the_one_we_are_in(tmp_path, monkeypatch):
    (tmp_path / "s3/real").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "s3")
    assert sample_name(Path("quant.sf")) == sample_name(Path("./quant.sf")) == "s3"
    assert sample_name(Path("real/../quant.sf")) == "s3"
    assert sample_name(Path("/quant.sf")) == "quant"
    (tmp_path / "s4").symlink_to(tmp_path / "s3/real")
    assert sample_name(tmp_path / "s4/quant.sf") == "s4"


@pytest.fixture
def coding(tmp_path):
    """A table of so many genes whose TPM have this sum, the factors first."""

    def write(name, total, *, number=15_000, left_out=0, column="TPM"):
        path = tmp_path / name
        ids = [*FACTORS, *(f"ENSG9{n:010d}" for n in range(left_out, number - len(FACTORS)))]
        value = (total - 15) / (len(ids) - 5)
        text = "".join(f"{i}\t{n + 1 if n < 5 else value}\n" for n, i in enumerate(ids))
        path.write_text(f"gene\t{column}\n{text}")
        return path

    return write


def test_replicates_that_were_filtered_alike_are_averaged(coding):
    one, two = coding("a.tsv", 912_000), coding("b.tsv", 861_234)
    assert read_one(one).sources[0].verdict.kind == "FPKM, or TPM of some genes"
    merged = read_all(one, two, merge="m")["m"]
    assert merged.tpm.by_factor.tolist() == [1, 2, 3, 4, 5]
    assert merged.notes == (
        (
            "averaged as TPM of some genes: all tables have the same 15,000 genes, and their sums range from 861,234 "
            "to 912,000"
        ),
    )
    nearly = read_all(one, coding("c.tsv", 995_000), merge="m")["m"]  # which alone passes for TPM of all genes
    assert len(nearly.notes) == 1
    some = read_all(coding("d.tsv", 1e6, number=900), coding("e.tsv", 1e6, number=900), merge="m")["m"]
    assert some.notes[0].startswith("averaged as TPM of some genes: all tables have the same 900 genes")


def test_the_order_of_the_rows_does_not_matter(coding):
    one, two = coding("a.tsv", 912_000), coding("b.tsv", 861_234)
    header, *rows = two.read_text().splitlines()
    two.write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert read_all(one, two, merge="m")["m"].tpm.by_factor.tolist() == [1, 2, 3, 4, 5]


def test_other_rows_are_noticed_wherever_they_are(coding, monkeypatch):
    monkeypatch.setattr(text_tables, "BATCH_BYTES", 1 << 16)
    one, two = coding("a.tsv", 912_000), coding("b.tsv", 861_234)
    assert len(one.read_bytes()) > 4 * text_tables.BATCH_BYTES
    two.write_text(two.read_text().replace("ENSG90000000007\t", "ENSG99999999999\t"))
    with pytest.raises(InputError, match="the tables have different genes"):
        read_all(one, two, merge="m")


def test_replicates_of_other_scales_are_refused(coding):
    plain = coding("a.tsv", 912_000)
    part, full = coding("p.tsv", 1e6, number=900), coding("f.tsv", 1e6)
    fpkm = coding("q.tsv", 3e5, number=900, column="FPKM")
    for others, said in (
        ((coding("b.tsv", 900_000, left_out=1),), "the tables have different genes; provide TPM of all genes, or of"),
        ((coding("c.tsv", 600_000),), "the sums range from 600,000 to 912,000"),
        ((coding("d.tsv", 1_200_000),), "values that are perhaps FPKM have no known scale"),
        ((coding("e.tsv", 4_000_000, number=14_999),), "values that are counts have no known scale"),
        ((fpkm,), "the tables are of different kinds"),
    ):
        with pytest.raises(InputError) as caught:
            read_all(plain, *others, merge="m")
        assert ": cannot be averaged with the other tables: the values are " in str(caught.value)
        assert ", and " + said in str(caught.value)
    for one, other in ((part, full), (full, part), (fpkm, full)):  # scaled to a million of other genes
        with pytest.raises(InputError, match="cannot be averaged with the other tables: .*, and the tables"):
            read_all(one, other, merge="m")


@pytest.mark.parametrize("column", ["tpm", "Tpm", "value", "gene TPM", "TPM_value", "Expression level"])
def test_a_column_that_names_no_sample_leaves_the_name_to_the_file(write, column):
    assert list(read_all(write("b.tsv", range(5), header=(column,)))) == ["b"]


@pytest.mark.parametrize(
    "column", ["LN229", "LN-18", "logan", "TP53_mut", "MTP4", "count_dracula", "liver_TPM", "VST9"]
)
def test_names_of_samples_are_no_units(write, column):
    assert list(read_all(write("b.tsv", range(5), header=(column,)))) == [column]


def test_samples_are_picked_by_name_in_the_order_of_the_tables(write, matrix):
    plain = write("b.tsv", range(5))
    found = read_all(matrix, plain, samples=("b", "brain"))
    assert list(found) == ["brain", "b"]
    assert found["brain"].tpm.by_factor.tolist() == [5, 4, 3, 2, 1]
    assert found["brain"].account()["tables"][0]["column"] == "brain"


def test_columns_that_are_not_picked_are_not_looked_at(write):
    matrix = write("m.tsv", [1, 2, 3, 4, 5], [2, -2, 2, 2, 2], header=("liver", "lung"))
    assert list(read_all(matrix, samples=("liver",))) == ["liver"]
    with pytest.raises(InputError, match="TPM '-2' of lung is not a number"):
        read_all(matrix)


def test_replicates_are_averaged(write, matrix):
    one, two = write("a/quant.tsv", [1, 2, 3, 4, 5]), write("b/quant.tsv", [3, 2, 1, 0, 1])
    merged = read_all(one, two, merge="both")
    assert list(merged) == ["both"]
    assert merged["both"].tpm.by_factor.tolist() == [2, 2, 2, 2, 3]
    assert merged["both"].paths == (one, two)
    assert read_one(matrix, samples=("liver", "brain"), merge="x").tpm.by_factor.tolist() == [3, 3, 3, 3, 3]
    assert read_one(matrix, samples=("liver", "brain"), merge="x").paths == (matrix,)


def test_a_factor_that_some_replicates_lack_is_that_of_the_others(write, tmp_path):
    whole = write("a.tsv", [1, 2, 3, 4, 5])
    part = tmp_path / "b.tsv"
    part.write_text("gene\tTPM\nAHR\t3\nBMAL1\t2\nTBXT\t1\nGTF2I\t8\n")
    merged = read_all(whole, part, merge="m", max_missing=0.2)["m"]
    assert merged.tpm.by_factor.tolist() == [2, 2, 2, 6, 5]
    assert merged.tpm.missing == ()
    assert merged.tpm.renamed == ()
    assert merged.notes == ("factors that some of the tables lack, averaged over the others: CTCF",)
    other_way = read_all(part, whole, merge="m", max_missing=0.2)["m"]
    assert other_way.tpm.renamed == ("ARNTL", "T")
    assert other_way.tpm.found_as == ("AHR", "BMAL1", "TBXT", "GTF2I", "CTCF")


def test_names_that_do_not_fit_are_refused(write, matrix):
    plain, other = write("b.tsv", range(5)), write("c/b.csv.gz.txt", range(5))
    write(".hidden", range(5))
    for tables, options, message in (
        (
            (plain, other),
            {},
            "2 samples are named 'b'; rename one with --tpm NAME=FILE, or average replicates with --merge NAME",
        ),
        ((plain, matrix, ("lung", plain)), {}, "2 samples are named 'lung'; rename one with"),
        ((("x", matrix),), {}, "m.tsv: 3 samples but only one name, 'x'; pick one with --sample, or omit the name"),
        (
            (matrix,),
            {"samples": ("Lung",)},
            "--sample Lung: no table has a sample with this name; did you mean 'lung'?",
        ),
        (
            (matrix,),
            {"samples": ("q",)},
            "--sample q: no table has a sample with this name; the tables have liver, lung",
        ),
        ((matrix,), {"merge": "a/b"}, "--merge a/b: cannot be used in a file name; choose another name"),
        ((("../x", plain),), {}, "b.tsv: sample '../x' cannot be used in a file name; rename it with --tpm NAME=FILE"),
        ((plain.parent / ".hidden",), {}, ".hidden: sample '.hidden' cannot be used in a file name"),
        ((plain,), {"group_by": "kind"}, "--group-by kind: applies only to an .h5ad, and there is none; omit it"),
    ):
        with pytest.raises(InputError) as caught:
            read_all(*tables, **options)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.fixture
def reference():
    """Training cells of the published factors."""
    matrix = np.random.default_rng(4).gamma(0.3, 30, (711, 3))
    return ExpressionReference(("a", "b", "c"), matrix)


def test_normalised_tables_are_recognised_with_and_without_the_option(tmp_path, reference):
    path = tmp_path / "ready.tsv"
    values = np.random.default_rng(5).permutation(reference.distribution)
    rows = zip(PUBLISHED, values, strict=True)
    path.write_text("gene\tTPM\n" + "".join(f"{name}\t{value}\n" for name, value in rows))
    plain = read_one(path, PUBLISHED, reference)
    assert plain.sources[0].verdict.kind == "quantile-normalised"
    assert "the factors' TPM are already quantile-normalised; normalising them again changes nothing" in plain.notes
    told = read_one(path, PUBLISHED, reference, normalised=True)
    assert (told.sources[0].verdict.kind, told.sources[0].verdict.note) == ("quantile-normalised", "")
    assert (
        read_one(path, PUBLISHED, normalised=True).sources[0].verdict.kind
        == "quantile-normalised, according to the user"
    )


def test_raw_tpm_given_as_normalised_are_refused(tmp_path, reference):
    path = rsem(generate_genes(), tmp_path)
    with pytest.raises(
        InputError, match=r"genes.results: is not quantile-normalised: the factors' values .*; omit --normalised"
    ):
        read_one(path, PUBLISHED, reference, normalised=True)


def test_a_sample_like_no_training_cell_is_said(tmp_path, reference):
    path = two_columns(generate_genes(), tmp_path)
    sample = read_one(path, PUBLISHED, reference)
    assert sample.nearest.r < 0.2
    near = sample.nearest
    assert sample.notes == (
        f"unlike any training cell: the nearest, {near.cell}, has a rank correlation of {near.r:.2f}",
    )
    like = ExpressionReference(("a", "twin"), np.column_stack([reference.matrix[:, 0], sample.tpm.by_factor * 2]))
    twin = read_one(path, PUBLISHED, like)
    assert (twin.nearest.cell, twin.nearest.r, twin.notes) == ("twin", pytest.approx(1), ())


def test_the_account_of_a_sample(tmp_path, reference):
    path = tmp_path / "s.tsv"
    names = [{"T": "TBXT", "CTCF": "x"}.get(name, name) for name in PUBLISHED]
    path.write_text("gene\tTPM\n" + "".join(f"{name}\t{number}.5\n" for number, name in enumerate(names)))
    account = read_one(path, PUBLISHED, reference).account()
    assert account["sample"] == "s"
    assert account["tables"] == [
        {
            "path": str(path),
            "column": None,
            "format": "table with TPM",
            "level": "genes",
            "rows": 711,
            "sum": sum(n + 0.5 for n in range(711)),
            "verdict": "TPM of some genes",
        }
    ]
    assert account["factors"] == {
        "found": 710,
        "by_id": 709,
        "by_alias": 1,
        "renamed": {"T": "TBXT"},
        "missing": ("CTCF",),
        "repeated": {},
    }
    assert set(account["nearest_cell"]) == {"cell", "r", "median_r"}
