"""`epigept-batch expression`: the report, and the vector it writes."""

import json

import numpy as np
import pytest

import reference
from conftest import runner_of
from epigept_batch.expression.vector import network_expression
from epigept_export.convert import read_expression_reference
from expression import PUBLISHED, read_tpm
from quantifications import generate_genes, gtf, matrix_tsv, rsem, salmon

GENES = generate_genes()
FACTORS = tuple(f"F{n:02d}" for n in range(15))


@pytest.fixture
def expression():
    """Run the command in this process."""
    return runner_of("expression", {})


@pytest.fixture
def cells(small_reference):
    return read_expression_reference(small_reference, FACTORS)


def test_the_report_without_a_model_is_on_the_published_factors(expression, tmp_path):
    done = expression(
        "--tpm", rsem(GENES, tmp_path), "--tpm", f"x={salmon(GENES, tmp_path)}", tx2gene=gtf(GENES, tmp_path)
    )
    assert done.code == 0
    assert done.err == ""
    assert done.out.splitlines() == [
        "sample  format  rows                sum        values  factors found  nearest training cell",
        "rsem    RSEM    17,000 genes        1,000,000  TPM     711 of 711     no reference",
        "x       salmon  33,999 transcripts  1,000,000  TPM     711 of 711     no reference",
    ]


def test_the_report_names_aliases_missing_factors_and_the_nearest_cell(expression, tmp_path, small_model, cells):
    path = tmp_path / "like_c.csv"
    rows = [f"{name},{value}" for name, value in zip(FACTORS, cells.matrix[:, 2] * 3, strict=True)]
    path.write_text("gene,TPM\n" + "\n".join(rows[:-1]) + "\n")
    done = expression("--max-missing", "0.1", tpm=path, model=small_model)
    lines = done.out.splitlines()
    assert lines[1].startswith("like_c  table with TPM  14 genes")
    assert "too few to judge" in lines[1]
    assert "14 of 15" in lines[1]
    assert "  c, rank correlation 0.9" in lines[1] or "  c, rank correlation 1.000" in lines[1]
    assert lines[2:] == ["like_c: missing, treated as TPM 0: F14"]
    path.write_text("gene\tTPM\n" + "".join({"T": "TBXT"}.get(name, name) + "\t70.25\n" for name in PUBLISHED))
    assert expression(tpm=path).out.splitlines()[2:] == ["like_c: found under an alias: T as TBXT"]


def test_json_has_every_sample(expression, tmp_path):
    done = expression("--json", tpm=matrix_tsv(GENES, tmp_path))
    accounts = json.loads(done.out)
    assert [account["sample"] for account in accounts] == ["other", "sample"]
    assert accounts[1]["tables"][0]["sum"] == pytest.approx(GENES.tpm.sum())
    assert accounts[0]["tables"][0]["verdict"] == "perhaps FPKM"
    assert accounts[1]["factors"]["found"] == 711
    assert accounts[1]["nearest_cell"] is None


@pytest.fixture
def vector(tmp_path):
    return tmp_path / "new folder/vector.tsv"


def test_the_vector_has_every_step(expression, tpm, small_model, cells, vector):
    assert expression(tpm=tpm, model=small_model, write=vector).code == 0
    lines = vector.read_text().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert comments[0].startswith("# epigept-batch ")
    assert comments[0].endswith(" expression of sample")
    assert comments[1] == f"# from {tpm}"
    header, *rows = [line.split("\t") for line in lines[len(comments) :]]
    assert header == ["factor", "found_as", "TPM", "quantile_normalised_TPM", "ln(1+quantile_normalised_TPM)"]
    assert tuple(row[0] for row in rows) == tuple(row[1] for row in rows) == FACTORS
    raw, normalised, read = np.array([row[2:] for row in rows], dtype=float).T
    values = read_tpm(tpm, FACTORS).by_factor
    np.testing.assert_array_equal(raw, values)
    np.testing.assert_allclose(read, reference.network_expression(values, cells.matrix), rtol=1e-6)
    np.testing.assert_allclose(np.expm1(read), normalised, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(read.astype(np.float32), network_expression(values, cells.distribution))


def test_a_vector_is_a_table_that_gives_itself(expression, tpm, small_model, vector, tmp_path):
    expression(tpm=tpm, model=small_model, write=vector)
    again = tmp_path / "again.tsv"
    assert expression(tpm=vector, model=small_model, write=again).code == 0
    strip = [[line for line in path.read_text().splitlines() if line[0] != "#"] for path in (vector, again)]
    assert strip[0] == strip[1]
    assert expression("--normalised", tpm=vector, model=small_model, write=again).code == 0
    rows, ready = ([line.split("\t") for line in path.read_text().splitlines()][4:] for path in (vector, again))
    assert [row[3:] for row in rows] == [row[3:] for row in ready]
    assert [row[2] for row in ready] == [row[3] for row in ready]


def test_normalised_tables_are_written_as_they_are(expression, tpm, vector):
    done = expression("--normalised", "--max-missing", "1", tpm=tpm, write=vector)
    assert done.code == 2  # factors of another network
    text = "gene\tTPM\n" + "".join(f"{name}\t{number}\n" for number, name in enumerate(PUBLISHED))
    tpm.write_text(text)
    assert expression("--normalised", tpm=tpm, write=vector).code == 0
    row = vector.read_text().splitlines()[-1].split("\t")
    assert row == ["ZSCAN26", "ZSCAN26", "710.0", "710.0", str(np.float32(np.log(711)))]


def test_what_cannot_be_written_is_said_and_nothing_is_lost(expression, tpm, small_model, tmp_path, fasta):
    (tmp_path / "mine.tsv").write_text("mine")
    for options, message in (
        (
            {"write": tmp_path / "v"},
            f"--out {tmp_path}/v: requires the expression reference of a model; add --model FILE",
        ),
        ({"model": small_model, "write": tmp_path / "mine.tsv"}, "mine.tsv: exists but is not an epigept-batch vector"),
        ({"model": small_model, "write": tpm}, "sample.tsv: exists but is not an epigept-batch vector; move it away"),
        ({"model": small_model, "write": tmp_path}, "exists but is not an epigept-batch vector"),
        ({"model": small_model, "write": tmp_path / "mine.tsv/v"}, "mine.tsv: output folder cannot be written"),
        ({"model": fasta}, "synthetic.fa: not an ONNX model"),
    ):
        done = expression(tpm=tpm, **options)
        assert done.code == 2
        assert message in done.err
        assert done.err.count("\n") == 1
        assert done.out == ""
    assert (tmp_path / "mine.tsv").read_text() == "mine"
    done = expression("--tpm", f"b={tpm}", tpm=tpm, model=small_model, write=tmp_path / "v")
    assert "v: requires one sample, but there are 2; pick one with --sample, or average them with --merge" in done.err
    assert not (tmp_path / "v").exists()
    assert expression("--tpm", f"b={tpm}", tpm=tpm, model=small_model, write=tmp_path / "v", merge="m").code == 0


def test_the_model_of_the_home_folder_is_the_default(expression, tpm, home, small_model):
    assert expression(tpm=tpm).code == 2
    (home / "model.onnx").symlink_to(small_model)
    assert "15 of 15" in expression(tpm=tpm).out


def test_the_command_of_the_readme(command, shared):
    done = command("epigept-batch", "expression", "--tpm", shared / "expression/encode_rsem.tsv.gz")
    assert (done.returncode, done.stderr) == (0, "")
    assert "encode_rsem  RSEM    59,526 genes  1,000,000  TPM     711 of 711" in done.stdout
