"""`genome`, `doctor` and `evaluate` say the same of a genome; mitochondria are whole contigs that are small."""

import json
import random
from dataclasses import replace

import onnx
import pytest

import bigwigs
from conftest import runner_of
from epigept_batch.spec import Spec

HG38_M, HG19_M = 16_569, 16_571
WINDOWS = {f"chr{name}": ((0, 1),) for name in (*range(1, 23), "X", "M")}


def bases(length, letters="ACGT"):
    return "".join(random.Random(length).choices(letters, k=length))


GENOMES = {
    "whole": {"chrM": bases(HG38_M)},
    "piece": {"chr2": bases(5000)},
    "hg19": {"chrM": bases(HG19_M), "chr2": bases(300)},
    "NCBI names": {"NC_012920.1": bases(HG38_M), "NT_187361.1": bases(300)},
    "piece by NCBI": {"NC_000001.11": bases(5000), "NT_187361.1": bases(3000)},
    "random": {"one": bases(5000), "two": bases(700)},
    "hard-masked": {"chr2": (bases(300) + "N" * 300) * 9 + "ACGT"},
    "RNA": {"chr2": bases(5000, "ACGU")},
}
PIECE = "the network was trained on hg38, but this is another assembly or only a part of one: "
SAID = {
    "whole": ("ok", ""),
    "piece": ("warning", PIECE + "chr2 has 5,000 bp instead of 242,193,529"),
    "hg19": (
        "failed",
        "the network was trained on hg38, but this is the assembly hg19 by the length of 1 contig",
    ),
    "NCBI names": ("warning", "the contigs have NCBI accessions as names: NC_012920.1 is treated as chrM, for example"),
    "piece by NCBI": (
        "warning",
        "the contigs have NCBI accessions as names: NC_000001.11 is treated as chr1, for example",
    ),
    "random": ("warning", PIECE + "no contig has the name or the length of a chromosome of hg38"),
    "hard-masked": ("warning", "outside of long runs of N, 50% of the sequence is N or not a base"),
    "RNA": ("failed", "the sequence is RNA: it has U instead of T"),
}
"""The state, and what has to be said whichever command looks."""


@pytest.fixture
def model(small_model, tmp_path):
    """The small network as one that was trained on hg38."""
    return with_spec(small_model, tmp_path / "trained.onnx", training_windows=WINDOWS)


def with_spec(model, path, **changes):
    document = onnx.load(model)
    spec = Spec.from_json(document.metadata_props[0].value)
    document.metadata_props[0].value = replace(spec, **changes).to_json()
    onnx.save(document, path)
    return path


@pytest.fixture
def write_genome(tmp_path):
    """Writer of a FASTA."""

    def write(records):
        path = tmp_path / "some.fa"
        path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
        return path

    return write


@pytest.fixture
def look(tpm, model, write_genome, tmp_path):
    """Run the three commands on a genome; what each says, with `genome`'s outcomes without and with --any-genome."""

    def look(records):
        fasta = write_genome(records)
        given = {"tpm": tpm, "fasta": fasta, "model": model, "device": "cpu", "out": tmp_path / "out"}
        refused = told = runner_of("genome", given)()
        if refused.code:
            told = runner_of("genome", given)("--any-genome")
        assert told.code == 0, told.err
        checked = runner_of("doctor", given)("--json")
        out = tmp_path / "out"
        options = {"predicted": out, "measured": f"{out}/{{sample}}.{{track}}.bw", "measured-space": "log1p"}
        judged = runner_of("evaluate", options)("--json")
        assert judged.code == 0, judged.err
        record = json.loads((out / "sample.run.json").read_text())
        return refused, told, record, checked, json.loads(judged.out)

    return look


@pytest.mark.parametrize("name", GENOMES)
def test_one_verdict(look, name):
    state, said = SAID[name]
    refused, told, record, checked, judged = look(GENOMES[name])
    findings = json.loads(checked.out)
    of_doctor = {(one["check"], one["state"], one["said"]) for one in findings}
    of_genome = {(one["about"], one["state"], one["said"]) for one in record["genome"]["remarks"]}
    of_evaluate = {(one["about"], one["state"], one["said"]) for one in judged[0]["genome"]["remarks"]}
    assert of_evaluate <= of_genome <= of_doctor
    assert of_genome - of_evaluate == {one for one in of_genome if one[0] in {"contigs", "selection"}}
    if said:
        assert any(text.startswith(said) for _, _, text in of_evaluate)
        assert said in told.err
        assert any(said in note for note in judged[0]["notes"])
    assert record["genome"]["state"] in {state, "warning"}
    assert (record["genome"]["state"] == "failed") == (state == "failed")
    assert (refused.code, checked.code) == ((2, 1) if state == "failed" else (0, 0))
    if state == "failed":
        assert refused.err.count("\n") == 1
        assert said in refused.err
        assert refused.err.startswith("epigept-batch: ")
        assert "--any-genome" in refused.err
    elif state == "warning" and name != "NCBI names":
        assert "assembly" in told.err


def test_doctor_takes_any_genome_as_genome_does(model, write_genome, tmp_path):
    fasta = write_genome(GENOMES["hg19"])
    run = runner_of("doctor", {"fasta": fasta, "model": model, "device": "cpu", "out": tmp_path / "out"})
    (found,) = (one for one in json.loads(run("--json", "--any-genome").out) if one["check"] == "assembly")
    assert (found["state"], run("--any-genome").code, run().code) == ("warning", 0, 1)


def test_a_refusal_leaves_nothing_and_comes_before_the_table_is_read(model, write_genome, tmp_path):
    given = {"fasta": write_genome(GENOMES["hg19"]), "model": model, "out": tmp_path / "new"}
    outcome = runner_of("genome", {**given, "tpm": tmp_path / "absent.tsv"})()
    assert (outcome.code, "but this is the assembly hg19" in outcome.err) == (2, True)
    assert not (tmp_path / "new").exists()


def test_what_was_made_of_any_genome_is_up_to_date_and_says_no_more(look, tpm, model, tmp_path):
    look(GENOMES["hg19"])
    given = {"tpm": tpm, "fasta": tmp_path / "some.fa", "model": model, "device": "cpu", "out": tmp_path / "out"}
    again = runner_of("genome", given)("--any-genome")
    assert again.code == 0
    assert again.err.startswith("epigept-batch: sample: up to date\n\n")


def test_a_record_from_before_is_up_to_date(genome, tmp_path):
    assert genome().code == 0
    path = tmp_path / "out/sample.run.json"
    record = json.loads(path.read_text())
    del record["genome"]
    path.write_text(json.dumps(record))
    assert genome().err.startswith("epigept-batch: sample: up to date\n\n")
    assert "genome" not in json.loads(path.read_text())


def test_chromosomes_are_chosen_by_any_name_and_tracks_keep_the_fastas(model, tpm, write_genome, tmp_path):
    given = {"tpm": tpm, "fasta": write_genome(GENOMES["piece by NCBI"]), "model": model, "device": "cpu"}
    bed = tmp_path / "some.bed"
    bed.write_text("chr1\t0\t5000\n")
    made = {}
    for name, options in (("default", {}), ("region", {"region": "1:1-5,000"}), ("bed", {"bed": bed})):
        outcome = runner_of("genome", {**given, "out": tmp_path / name, "tracks": "CTCF", **options})()
        assert outcome.code == 0, outcome.err
        path = tmp_path / name / "sample.CTCF.bw"
        assert bigwigs.contigs(path) == {"NC_000001.11": 5000, "NT_187361.1": 3000}
        assert bigwigs.records(path, "NT_187361.1") == []
        made[name] = bigwigs.records(path, "NC_000001.11")
    assert made["default"][-1][1] == 5000
    assert made["default"] == made["region"] == made["bed"]


def test_scores_are_kept_of_any_genome_and_the_same_is_said(model, write_genome, tmp_path):
    run = runner_of("scan", {"fasta": write_genome(GENOMES["hg19"]), "model": model, "out": tmp_path / "store"})
    outcome = run("--all-contigs")
    assert (outcome.code, SAID["hg19"][1] in outcome.err) == (0, True)


def evaluated(tmp_path, tpm, model, records):
    fasta = tmp_path / "some.fa"
    fasta.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    out = tmp_path / "out"
    given = {"tpm": tpm, "fasta": fasta, "model": model, "device": "cpu", "out": out, "tracks": "CTCF"}
    assert runner_of("genome", given)("--any-genome", "--force").code == 0
    options = {"predicted": out, "measured": f"{out}/{{sample}}.{{track}}.bw", "measured-space": "log1p"}
    return json.loads(runner_of("evaluate", options)("--json").out)[0]


def test_a_training_window_is_claimed_only_where_assembly_and_length_agree(tmp_path, tpm, small_model):
    model = with_spec(small_model, tmp_path / "m.onnx", training_windows={"chrM": ((0, 7),)})
    partly = with_spec(small_model, tmp_path / "partly.onnx", training_windows={"chrM": ((0, 1),)})
    parts = {part["part"] for part in evaluated(tmp_path, tpm, partly, GENOMES["whole"])["parts"]}
    assert parts > {"training windows", "other windows"}
    every = "every bin lies in a window that the network was trained on, so the figures are optimistic"
    unknown = "cannot tell which bins lie in windows that the network was trained on, because "
    for records in (GENOMES["whole"], {"NC_012920.1": bases(HG38_M)}):
        notes = evaluated(tmp_path, tpm, model, records)["notes"]
        assert every in notes
        assert not any(note.startswith(unknown) for note in notes)
    for records, why in (
        (GENOMES["hg19"], SAID["hg19"][1]),
        ({"chrM": bases(5000)}, PIECE + "chrM has 5,000 bp instead of 16,569"),
    ):
        document = evaluated(tmp_path, tpm, partly, records)
        assert document["notes"].count(unknown + why) == 1
        assert every not in document["notes"]
        assert why not in document["notes"]  # it is said once
        assert {part["part"] for part in document["parts"]}.isdisjoint({"training windows", "other windows"})


def test_a_measured_track_may_bear_the_names_of_another_naming(tmp_path, tpm, small_model):
    import pybigtools

    evaluated(tmp_path, tpm, small_model, {"NC_012920.1": bases(HG38_M)})
    for name, length, compared in (("chrM", HG38_M, True), ("MT", HG38_M, True), ("chrM", HG19_M, False)):
        records = ((name, start, start + 128, 1.0 + start) for start in range(0, HG38_M - 128, 128))
        pybigtools.open(str(tmp_path / "m.bw"), "w").write({name: length}, records)
        options = {"predicted": tmp_path / "out/sample.CTCF.bw", "measured": tmp_path / "m.bw"}
        outcome = runner_of("evaluate", options)("--json")
        if compared:
            assert json.loads(outcome.out)[0]["bins"]["compared"] == 129
        else:
            assert outcome.code == 2


@pytest.mark.parametrize("genome", [5, {}, {"remarks": 3}, {"remarks": [3, {"about": "names"}, {"about": "sequence"}]}])
def test_a_record_that_is_not_as_ours_does_no_harm(tmp_path, tpm, small_model, genome):
    out = tmp_path / "out"
    evaluated(tmp_path, tpm, small_model, {"chrM": bases(HG38_M)})
    record = json.loads((out / "sample.run.json").read_text())
    (out / "sample.run.json").write_text(json.dumps(record | {"genome": genome}))
    options = {"predicted": out, "measured": f"{out}/{{sample}}.{{track}}.bw", "measured-space": "log1p"}
    assert runner_of("evaluate", options)().code == 0
