"""How samples are named on the command line, and what is said of many of them."""

import json
import re

import numpy as np
import pytest

from conftest import runner_of
from epigept_batch.commands.run import run as pipeline

FACTORS = tuple(f"F{n:02d}" for n in range(15))


def table(path, seed=1, missing=()):
    path.parent.mkdir(exist_ok=True)
    values = np.random.default_rng(seed).gamma(0.5, 20, 15).round(2)
    rows = [f"{name}\t{value}\n" for name, value in zip(FACTORS, values, strict=True) if name not in missing]
    path.write_text("gene_id\tTPM\n" + "".join(rows))
    return path


@pytest.fixture
def three(tmp_path):
    """Three tables of one generic name."""
    return [table(tmp_path / f"s{n}/quant.sf", n) for n in (1, 2, 3)]


@pytest.fixture
def expression(small_model):
    return runner_of("expression", {"model": small_model})


@pytest.fixture
def doctor(fasta, small_model, tmp_path):
    return runner_of("doctor", {"fasta": fasta, "model": small_model, "out": tmp_path, "device": "cpu"})


def names(done):
    return [account["sample"] for account in json.loads(done.out)]


@pytest.mark.parametrize(
    "words",
    [
        "--tpm {0} {1} {2} --json",
        "--json --tpm {0} {1} {2}",
        "--tpm {0} --tpm {1} {2} --json",
        "--tpm={0} {1} --json --tpm {2}",
    ],
)
def test_several_files_after_one_option(expression, three, words):
    assert names(expression(*words.format(*three).split())) == ["s1", "s2", "s3"]


def test_names_are_given_to_files_after_one_option_too(expression, three):
    done = expression("--tpm", f"x={three[0]}", three[1], f"z={three[2]}", "--json", sample="z")
    assert names(done) == ["z"]
    assert names(expression("--tpm", f"x={three[0]}", three[1], "--merge", "m", "--json")) == ["m"]


def test_several_files_from_a_variable(expression, three, monkeypatch):
    monkeypatch.setenv("EPIGEPT_BATCH_EXPRESSION_TPM", f"{three[0]} y={three[1]}")
    assert names(expression("--json")) == ["s1", "y"]


@pytest.mark.parametrize("words", [["--tpm"], ["--tpm", "--json"]])
@pytest.mark.parametrize("command", ["genome", "expression", "doctor"])
def test_an_option_without_a_file_is_named(command, words):
    done = runner_of(command, {})(*words)
    assert done.code == 2
    assert done.err.endswith("Error: Option '--tpm' requires an argument.\n")


@pytest.mark.parametrize("command", ["genome", "expression"])
def test_a_command_without_tables_says_which_options_take_them(command, small_model, fasta):
    given = {"model": small_model} | ({"fasta": fasta} if command == "genome" else {})
    done = runner_of(command, given)()
    assert done.code == 2
    assert done.err.endswith("Error: Missing option '--tpm' or '--samples'.\n")


def test_a_word_that_is_no_table_is_named(expression, three):
    done = expression("--tpm", three[0], "nonsense")
    assert (done.code, done.err) == (
        2,
        "epigept-batch: nonsense: TPM table cannot be read: No such file or directory\n",
    )


def test_a_sheet_and_tables(expression, three, tmp_path, monkeypatch):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("sample,file,tissue\nliver,s2/quant.sf,x\n")
    done = expression("--tpm", three[0], "--samples", sheet, "--json")
    assert names(done) == ["s1", "liver"]
    assert json.loads(done.out)[1]["sheet"] == {"path": str(sheet), "columns": {"tissue": "x"}}
    assert names(expression("--samples", sheet, "--json")) == ["liver"]
    monkeypatch.setenv("EPIGEPT_BATCH_EXPRESSION_SAMPLES", str(sheet))
    assert names(expression("--json")) == ["liver"]


def test_genome_keeps_what_the_sheet_says_and_says_notes_once(genome, three, tmp_path):
    for path in three:
        table(path, int(path.parent.name[1]), missing=("F03",))
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("sample\tfile\ttissue\na\ts1/quant.sf\tliver\nb\ts2/quant.sf\t\nc\ts3/quant.sf\tlung\n")
    options = {"tpm": None, "samples": sheet, "region": "one:1-128", "tracks": "DNase"}
    done = genome("--max-missing", "0.1", **options)
    assert done.code == 0
    assert done.err.count("missing, treated as TPM 0: F03") == 1
    assert "epigept-batch: a, b and c: 14 of 15 factors found; missing, treated as TPM 0: F03\n" in done.err
    record = json.loads((tmp_path / "out/a.run.json").read_text())
    assert record["expression"]["sheet"] == {"path": str(sheet), "columns": {"tissue": "liver"}}
    assert record["paths"]["expression"] == str(three[0])
    again = genome("--max-missing", "0.1", **options)
    assert again.err.startswith("epigept-batch: a, b and c: up to date\n\n")


def test_of_many_missing_factors_the_first_are_named_and_the_record_has_all(genome, tmp_path):
    absent = tuple(f"F{number:02d}" for number in range(13))
    path = tmp_path / "few.tsv"
    table(path, 1, missing=absent)
    done = genome("--max-missing", "0.9", tpm=path, region="one:1-128", tracks="DNase")
    assert done.code == 0
    assert (
        f"2 of 15 factors found; missing, treated as TPM 0: {', '.join(absent[:12])} and 1 more, listed in" in done.err
    )
    assert json.loads((tmp_path / "out/few.run.json").read_text())["factors"]["missing"] == list(absent)


def test_a_table_of_many_samples_is_hashed_once(genome, tmp_path, monkeypatch):
    path = tmp_path / "m.tsv"
    rng = np.random.default_rng(4)
    rows = ["\t".join([name, *map(str, rng.gamma(0.5, 20, 5).round(2))]) for name in FACTORS]
    path.write_text("gene\ta\tb\tc\td\te\n" + "\n".join(rows) + "\n")
    hashed = []
    digest = pipeline.file_sha256
    monkeypatch.setattr(pipeline, "file_sha256", lambda path: hashed.append(path) or digest(path))
    assert genome(tpm=path, region="one:1-128", tracks="DNase").code == 0
    assert hashed == [path]
    record = json.loads((tmp_path / "out/e.run.json").read_text())
    assert record["sha256"]["expression"] == digest(path)


@pytest.fixture
def many(tmp_path):
    """A matrix of 1,000 samples of 300 genes, of which three are as counts and two lack numbers that sum to little."""
    path = tmp_path / "many.tsv"
    rng = np.random.default_rng(4)
    values = rng.gamma(0.5, 20, (300, 1000)).round(2)
    values[:, 7] = values[:, 7].round() * 9_000
    values[:, 9] = values[:, 9].round() * 9_500
    ids = [*FACTORS[:-1], *(f"G{n}" for n in range(286))]
    rows = ["\t".join([name, *map(str, row)]) for name, row in zip(ids, values, strict=True)]
    path.write_text("\t".join(["gene", *(f"s{n}" for n in range(1000))]) + "\n" + "\n".join(rows) + "\n")
    return path


def test_a_report_of_many_samples_fits_a_screen(expression, many):
    done = expression("--max-missing", "0.1", tpm=many)
    lines = done.out.splitlines()
    assert len(lines) <= 40
    assert lines[1].startswith("s0  ")
    assert lines[12].startswith("s11 ")
    assert lines[13] == "… 984 more; use --json for all"
    assert [line.split()[0] for line in lines[14:18]] == ["s996", "s997", "s998", "s999"]
    assert lines[18] == (
        "1,000 in total: 998 of matrix, 300 genes, TPM of some genes, 14 of 15; "
        "2 of matrix, 300 genes, counts, 14 of 15"
    )
    assert re.fullmatch(
        r"s7 and s9: looks like counts: whole numbers, the sum is [\d,]+ to [\d,]+, not 1,000,000 as for TPM; .*TPM",
        lines[20],
    )
    assert lines[19] == "all 1,000 samples: missing, treated as TPM 0: F14"
    assert len(lines) == 21
    assert len(json.loads(expression("--max-missing", "0.1", "--json", tpm=many).out)) == 1000


def test_doctor_says_once_what_holds_for_many(doctor, many):
    done = doctor("--max-missing", "0.1", tpm=many)
    said = [line for line in done.out.splitlines() if " table: " in line]
    assert said[0] == "ok       table: s0, s1, s2 and 995 others: matrix, TPM of some genes, 14 of 15 factors"
    assert said[1] == "warning  table: s7 and s9: matrix, counts, 14 of 15 factors"
    assert said[2].startswith("warning  table: s7 and s9: looks like counts: whole numbers, the sum is ")
    assert len(said) == 3
    one = doctor("--max-missing", "0.1", "--json", tpm=many, sample="s7")
    (finding,) = [finding for finding in json.loads(one.out) if finding["check"] == "table"]
    assert finding["said"].startswith("s7: matrix, counts, 14 of 15 factors, nearest training cell ")
    assert finding["advice"].startswith("looks like counts")


def test_doctor_asks_for_room_for_every_sample(doctor, many):
    def needed(done):
        (said,) = [f["said"] for f in json.loads(done.out) if f["check"] == "disk"]
        return re.search(r"take about (.*)", said).group(1)

    one = needed(doctor("--max-missing", "0.1", "--json", tpm=many, sample="s0"))
    assert needed(doctor("--max-missing", "0.1", "--json", tpm=many)) != one
