"""`epigept-batch cohort`: the same values as `genome`, however the units are divided, lost or computed twice."""

import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import zarr

import bigwigs
from cohorts import OPTIONS, SAMPLES, TRACKS, cohort, values_of
from conftest import SCRIPTS, outcome_of
from epigept_batch.cli.main import cli
from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.storage import FolderStorage
from epigept_batch.cohort.worker import Worker
from epigept_batch.inference.fixed_shape import FixedShape
from epigept_batch.sequence.genome import Genome


def marker(folder, number):
    return json.loads((folder / f"units/0/{number}.json").read_text())


@pytest.fixture
def begun(cohort_inputs, tmp_path):
    """A new cohort for each call, by name; further options follow."""

    def init(name="cohort", *options):
        done = cohort("init", tmp_path / name, *cohort_inputs, *OPTIONS, *options)
        assert done.code == 0, done.err
        return tmp_path / name

    return init


@pytest.fixture(scope="session")
def tracks(cohort_inputs, tmp_path_factory):
    """The output folder of `genome` for the same samples."""
    out = tmp_path_factory.mktemp("tracks") / "out"
    words = ["genome", *cohort_inputs, "--out", out, "--threads", 1, "--device", "cpu"]
    words += ["--overlap", 512, "--batch-size", 2]
    done = outcome_of(cli, "epigept-batch", words)
    assert done.code == 0, done.err
    return out


def test_init_says_what_the_units_are(cohort_inputs, tmp_path):
    done = cohort("init", tmp_path / "cohort", *cohort_inputs, *OPTIONS)
    assert done.out == ""
    assert done.err.splitlines()[-3:] == [
        "5 samples × 3 tracks, 18 units",
        "unit: 2 windows × 2 samples, in float16",
        "call: 1 × 2 in fp32 on cpu; 1 threads per worker",
    ]


def test_groups_of_the_sheet_are_kept_in_the_cube(whole_cohort):
    samples = zarr.open_group(whole_cohort / "cube.zarr", mode="r").attrs["samples"]
    assert samples == [{"sample": name, "group": f"g{number % 2}"} for number, name in enumerate(SAMPLES)]


def test_the_cube_has_the_values_of_genome_bit_for_bit(whole_cohort, tracks):
    root = zarr.open_group(whole_cohort / "cube.zarr", mode="r")
    for track in TRACKS:
        for contig in ("one", "two", "three"):
            found = root[track][contig][:]
            assert found.dtype == np.float32
            for number, sample in enumerate(SAMPLES):
                expected = bigwigs.bins(tracks / f"{sample}.{track}.bw", contig, bin_bp=128)
                np.testing.assert_array_equal(found[number], expected)


def test_extracted_bigwigs_are_those_of_genome_byte_for_byte(whole_cohort, tracks, tmp_path):
    done = cohort("extract", whole_cohort, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    names = {f"{sample}.{track}.bw" for sample in SAMPLES for track in TRACKS}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {f"{sample}.run.json" for sample in SAMPLES}
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tracks / name).read_bytes()
    ours, theirs = (json.loads((folder / "s3.run.json").read_text()) for folder in (tmp_path / "out", tracks))
    for key in ("inputs", "sha256", "genome", "factors", "statistics", "bins", "regions", "space", "precision"):
        assert ours[key] == theirs[key]
    assert ours["expression"]["sheet"]["columns"] == {"group": "g1"}
    assert ours["cohort"]["plan"] == json.loads((whole_cohort / "plan.json").read_text())["digest"]
    again = cohort("extract", whole_cohort, "--out", tmp_path / "out")
    assert [line for line in again.err.splitlines() if "up to date" in line] == [
        f"epigept-batch: {name}: up to date" for name in SAMPLES
    ]


def test_parts_can_be_extracted_in_either_space(whole_cohort, tracks, tmp_path):
    words = ("--sample", "s4", "--sample", "s1", "--tracks", "ctcf", "--region", "one:1,000-6,000", "--space", "linear")
    done = cohort("extract", whole_cohort, "--out", tmp_path / "out", *words)
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("s1.CTCF.bw", "s1.run.json", "s4.CTCF.bw", "s4.run.json")
    ]
    for sample in ("s1", "s4"):
        found = bigwigs.bins(tmp_path / f"out/{sample}.CTCF.bw", "one", bin_bp=128)
        expected = np.expm1(bigwigs.bins(tracks / f"{sample}.CTCF.bw", "one", bin_bp=128))
        expected[:7] = np.nan
        expected[47:] = np.nan
        np.testing.assert_array_equal(found, expected)
    assert json.loads((tmp_path / "out/s4.run.json").read_text())["regions"] == ["one:897-6016"]


def test_float16_is_the_nearest_to_what_genome_writes(begun, tracks, tmp_path):
    folder = begun()
    assert cohort("run", folder, "--workers", 1).code == 0
    assert cohort("extract", folder, "--out", tmp_path / "out").code == 0
    for sample in SAMPLES:
        for track in TRACKS:
            found = bigwigs.bins(tmp_path / f"out/{sample}.{track}.bw", "one", bin_bp=128)
            exact = bigwigs.bins(tracks / f"{sample}.{track}.bw", "one", bin_bp=128)
            np.testing.assert_array_equal(found, exact.astype(np.float16).astype(np.float32))
    # So genome does not take these for its own, which are exact.
    words = ["genome", "--out", tmp_path / "out", "--device", "cpu", "--overlap", 512]
    record = json.loads((tmp_path / "out/s0.run.json").read_text())
    words += ["--samples", record["expression"]["sheet"]["path"], "--fasta", record["paths"]["fasta"]]
    done = outcome_of(cli, "epigept-batch", [*words, "--model", record["paths"]["model"]])
    assert done.code == 2
    assert "existing tracks were made with a different rounding of values; choose another --out" in done.err


@pytest.mark.parametrize("parts", [1, 3, 18, 25])
def test_any_partition_gives_the_same_cube(begun, whole_cohort, parts):
    folder = begun("cohort", "--dtype", "float32")
    for part in reversed(range(1, parts + 1)):
        done = cohort("partition", folder, part, "--of", parts)
        assert done.code == 0, done.err
    assert cohort("finalise", folder).code == 0
    assert values_of(folder) == values_of(whole_cohort)
    assert (folder / "statistics.tsv").read_bytes() == (whole_cohort / "statistics.tsv").read_bytes()


def test_processes_give_the_same_cube_and_a_killed_one_is_replaced(begun, whole_cohort):
    folder = begun("cohort", "--dtype", "float32")
    command = [sys.executable, "-m", "epigept_batch", "cohort", "run", folder, "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 120
        while not list((folder / "units").rglob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.01)
        worker = marker(folder, int(next((folder / "units").rglob("*.json")).stem))["worker"]
        os.kill(int(worker["process"]), signal.SIGKILL)
        said = running.stderr.read()
    assert running.returncode == 0, said
    assert "a process was killed (SIGKILL); its units are computed again" in said
    assert values_of(folder) == values_of(whole_cohort)


def test_a_run_that_is_interrupted_leaves_no_half_unit_and_goes_on(begun, whole_cohort):
    folder = begun("cohort", "--dtype", "float32")
    command = [SCRIPTS / "epigept-batch", "cohort", "run", folder, "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        while not list((folder / "units").rglob("*.json")):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert running.returncode == 130, said
    assert said.splitlines()[-1] == "epigept-batch: interrupted"
    before = {path.name for path in (folder / "units/0").glob("*.json")}
    assert 0 < len(before) < 18
    done = cohort("run", folder, "--workers", 1)
    assert done.code == 0, done.err
    assert values_of(folder) == values_of(whole_cohort)
    assert not list(folder.rglob("*.part"))


def test_finished_units_are_not_computed_again(begun, monkeypatch):
    folder, computed = begun(), []
    real = Worker.compute
    monkeypatch.setattr(Worker, "compute", lambda self, unit: (computed.append(unit.number), real(self, unit))[1])
    assert cohort("partition", folder, 2, "--of", 4).code == 0
    assert computed == [1, 5, 9, 13, 17]
    done = cohort("partition", folder, 2, "--of", 4)
    assert done.err.splitlines()[-1] == "epigept-batch: partition 2 of 4: 0 units computed, 5 before"
    assert cohort("run", folder, "--workers", 1).code == 0
    assert sorted(computed) == list(range(18))


def test_a_marker_comes_after_all_files_of_its_unit(begun, monkeypatch):
    folder, written = begun(), []
    real = FolderStorage.write
    monkeypatch.setattr(
        FolderStorage, "write", lambda self, name, content: (written.append(name), real(self, name, content))[1]
    )
    assert cohort("partition", folder, 1, "--of", 18).code == 0
    assert [name.partition("/")[0] for name in written] == ["cube.zarr"] * 3 + ["totals", "units"]


def test_kept_scores_give_the_same_cube(begun, cohort_inputs, whole_cohort, tmp_path):
    words = ["scan", "--fasta", cohort_inputs[3], "--model", cohort_inputs[5], "--out", tmp_path / "scores"]
    assert outcome_of(cli, "epigept-batch", words).code == 0
    folder = begun("cohort", "--dtype", "float32", "--scores", tmp_path / "scores")
    assert cohort("run", folder, "--workers", 1).code == 0
    assert values_of(folder) == values_of(whole_cohort)


def test_copies_with_another_tpm_are_samples_of_the_cohort(begun, cohort_inputs, tmp_path):
    folder = begun("cohort", "--dtype", "float32", "--set", "F03=0")
    assert cohort("run", folder, "--workers", 1).code == 0
    assert cohort("extract", folder, "--out", tmp_path / "out", "--sample", "s1+F03-0").code == 0
    words = ["genome", *cohort_inputs, "--out", tmp_path / "direct", "--device", "cpu"]
    words += ["--overlap", 512, "--set", "F03=0"]
    assert outcome_of(cli, "epigept-batch", words).code == 0
    for track in TRACKS:
        name = f"s1+F03-0.{track}.bw"
        np.testing.assert_allclose(
            bigwigs.bins(tmp_path / "out" / name, "one", bin_bp=128),
            bigwigs.bins(tmp_path / "direct" / name, "one", bin_bp=128),
            rtol=1e-6,
        )


MATRICES = {
    "regions": ("matrix.tsv", ["--bed", "regions.bed"]),
    "highest": ("matrix.tsv.gz", ["--bed", "regions.bed", "--statistic", "max", "--space", "linear"]),
    "coverage": ("matrix.tsv", ["--bed", "regions.bed", "--statistic", "coverage"]),
    "bins": ("matrix.npz", ["--bins", "500"]),
    "bins of a region": ("matrix.parquet", ["--bins", "300", "--region", "one:1000-6000", "--space", "linear"]),
    "one column": ("matrix.bedgraph", ["--bins", "128", "--sample", "s3", "--tracks", "ctcf"]),
    "samples": ("matrix.h5ad", ["--bed", "regions.bed", "--tracks", "DNase,CTCF"]),
}
REGIONS = (
    "one\t100\t5000\ta\none\t3000\t3200\tb\ntwo\t0\t700\tc\nthree\t10\t60\td\none\t0\t20000\te\none\t9000\t9100\tf\n"
)


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_are_those_of_the_tracks(whole_cohort, tracks, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "regions.bed").write_text(REGIONS)
    file, options = MATRICES[name]
    done = cohort("extract", whole_cohort, "--out", f"ours.{file}", *options)
    assert done.code == 0, done.err
    done = outcome_of(cli, "epigept-batch", ["matrix", tracks, "--out", f"theirs.{file}", *options])
    assert done.code == 0, done.err
    ours, theirs = (Path(f"{whose}.{file}") for whose in ("ours", "theirs"))
    if file.endswith("h5ad"):
        import anndata

        found, expected = anndata.read_h5ad(ours), anndata.read_h5ad(theirs)
        assert list(found.obs["group"]) == list(expected.obs["group"]) == ["g0", "g1", "g0", "g1", "g0"]
        for layer in ("DNase", "CTCF"):
            np.testing.assert_array_equal(found.layers[layer], expected.layers[layer])
    elif file.endswith("npz"):
        np.testing.assert_array_equal(np.load(ours)["matrix"], np.load(theirs)["matrix"])
    elif file.endswith("parquet"):
        assert pl.read_parquet(ours).equals(pl.read_parquet(theirs))
    else:
        opened = gzip.open if file.endswith("gz") else open
        with opened(ours, "rb") as mine, opened(theirs, "rb") as other:
            assert mine.read() == other.read()
    record = json.loads(Path(f"ours.{file}.run.json").read_text())
    assert record["paths"]["folder"] == str(whole_cohort)
    assert record["inputs"]["prediction"] == {"cohort": json.loads((whole_cohort / "plan.json").read_text())["digest"]}


def test_a_matrix_of_contigs_without_values_has_none(begun, tmp_path):
    folder = begun("cohort", "--region", "one:1-3000")
    assert cohort("run", folder, "--workers", 1).code == 0
    (tmp_path / "regions.bed").write_text(REGIONS)
    done = cohort("extract", folder, "--out", tmp_path / "m.tsv", "--bed", tmp_path / "regions.bed")
    assert done.code == 0, done.err
    assert "3 of 6 regions have no data in any track" in done.err
    table = pd.read_csv(tmp_path / "m.tsv", sep="\t")
    assert list(table["s0.CTCF"].isna()) == [False, False, True, True, False, True]


def test_options_of_a_matrix_are_refused_for_bigwigs(whole_cohort, tmp_path):
    for option in (["--bins", "100"], ["--statistic", "max"]):
        done = cohort("extract", whole_cohort, "--out", tmp_path / "out", *option)
        assert done.code == 2
        assert f"{option[0]} is for a matrix; name its file, such as --out matrix.tsv" in done.err


def test_genome_writes_a_cube_if_asked(cohort_inputs, tracks, tmp_path):
    words = ["genome", *cohort_inputs, "--out", tmp_path / "cohort", "--cube", "--overlap", 512, "--device", "cpu"]
    done = outcome_of(cli, "epigept-batch", [*words, "--threads", 1])
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == (f"  epigept-batch cohort extract {tmp_path}/cohort --sample NAME --out tracks")
    assert not list((tmp_path / "cohort").rglob("*.bw"))
    assert cohort("extract", tmp_path / "cohort", "--out", tmp_path / "out").code == 0
    for sample in SAMPLES:
        found = bigwigs.bins(tmp_path / f"out/{sample}.CTCF.bw", "one", bin_bp=128)
        exact = bigwigs.bins(tracks / f"{sample}.CTCF.bw", "one", bin_bp=128)
        np.testing.assert_allclose(found, exact.astype(np.float16), rtol=1e-3)
    again = outcome_of(cli, "epigept-batch", [*words, "--threads", 1])
    assert (again.code, f"{tmp_path}/cohort: up to date" in again.err) == (0, True)


@pytest.mark.parametrize(
    "option",
    ["--differences", "--vcf x.vcf", "--vcf-sample x", "--report", "--space linear", "--force", "--batch-size 2"],
)
def test_what_a_cube_cannot_hold_is_refused(cohort_inputs, tmp_path, option):
    words = ["genome", *cohort_inputs, "--out", tmp_path / "cohort", "--cube", *option.split()]
    done = outcome_of(cli, "epigept-batch", words)
    assert done.code == 2
    name = option if option == "--space linear" else option.split()[0]
    assert f"{name} cannot be used with --cube; omit --cube, or write bigWigs of samples with" in done.err
    assert not (tmp_path / "cohort").exists()


def test_statistics_are_those_of_pandas(whole_cohort, tracks):
    table = pd.read_csv(whole_cohort / "statistics.tsv", sep="\t")
    assert list(table["sample"]) == [sample for sample in SAMPLES for _ in TRACKS]
    for row in table.itertuples():
        path = tracks / f"{row.sample}.{row.track}.bw"
        values = np.concatenate([bigwigs.bins(path, contig, bin_bp=128) for contig in ("one", "two", "three")])
        expected = pd.Series(values.astype(np.float64)).agg(["count", "mean", "min", "max"])
        np.testing.assert_allclose([row.bins, row.mean, row.min, row.max], expected, rtol=1e-6)
        np.testing.assert_allclose(row.sd, pd.Series(values.astype(np.float64)).std(ddof=0), rtol=1e-6)


def test_the_record_says_who_computed_what(whole_cohort):
    record = json.loads((whole_cohort / "cohort.json").read_text())
    assert (record["units"], record["samples"], record["pairs"]) == (18, 5, 5 * 15)
    sizes = {name: len(content) for name, content in values_of(whole_cohort).items()}
    assert record["bytes"] == sum(size for name, size in sizes.items() if not name.endswith("zarr.json"))
    assert [maker["units"] for maker in record["computed_by"]] == [18]


def test_status_tells_what_is_done_and_when_it_ends(begun):
    folder = begun()
    assert cohort("status", folder).out == "0 of 18 units are done (0.0%), for 5 samples\n"
    assert cohort("partition", folder, 1, "--of", 3).code == 0
    status = json.loads(cohort("status", folder, "--json").out)
    assert (status["units"], status["done"], status["finalised"], list(status["workers"].values())) == (
        18,
        6,
        False,
        [6],
    )
    ends = sorted(marker(folder, number)["finished"] for number in range(0, 18, 3))
    assert status["units_per_hour"] == pytest.approx(5 / (ends[-1] - ends[0]) * 3600, rel=1e-3)
    assert re.search(r"units per hour, so it will end at 20\d\d-", cohort("status", folder).out)
    assert cohort("run", folder, "--workers", 1).code == 0
    assert "18 of 18 units are done (100.0%), for 5 samples\nfinalised\n" in cohort("status", folder).out


FAULTS = {
    "missing unit": lambda folder: (folder / "units/0/7.json").unlink(),
    "missing shard": lambda folder: (folder / "cube.zarr/CTCF/one/c/1/2").unlink(),
    "cut shard": lambda folder: (folder / "cube.zarr/CTCF/one/c/1/2").write_bytes(b"x"),
    "changed shard": lambda folder: flip(folder / "cube.zarr/CTCF/one/c/1/2"),
    "changed totals": lambda folder: flip(folder / "totals/0/7.npy"),
    "unit of another cohort": lambda folder: edit(folder / "units/0/7.json", "plan", "0" * 64),
    "marker of another unit": lambda folder: shutil.copy(folder / "units/0/8.json", folder / "units/0/7.json"),
    "second marker": lambda folder: shutil.copy(folder / "units/0/7.json", folder / "units/0/7 (copy).json"),
    "foreign marker": lambda folder: (folder / "units/0/99.json").write_text("{}"),
    "foreign shard": lambda folder: shutil.copy(folder / "cube.zarr/CTCF/one/c/1/2", folder / "cube.zarr/CTCF/one/c/9"),
    "marker without a file": lambda folder: edit(folder / "units/0/7.json", "files", {}),
    "no marker": lambda folder: (folder / "units/0/7.json").write_text("[]"),
}
SAID = {
    "missing unit": "1 of 18 units are missing (8); compute them with epigept-batch cohort run",
    "missing shard": "unit 8: {}/cube.zarr/CTCF/one/c/1/2: missing",
    "cut shard": "unit 8: {}/cube.zarr/CTCF/one/c/1/2: has 1 bytes, not ",
    "changed shard": "unit 8: {}/cube.zarr/CTCF/one/c/1/2: damaged, its SHA-256 is another one",
    "changed totals": "unit 8: {}/totals/0/7.npy: damaged, its SHA-256 is another one",
    "unit of another cohort": "unit 8: {}/units/0/7.json: was written for another cohort; delete it and rerun",
    "marker of another unit": "unit 8: {}/units/0/7.json: is the marker of unit 9, not of unit 8; delete it",
    "second marker": "{}/units/0/7 (copy).json: is a second marker, of unit 8",
    "foreign marker": "{}/units/0/99.json: is not the marker of a unit",
    "foreign shard": "{}/cube.zarr/CTCF/one/c/9: belongs to no unit",
    "marker without a file": "unit 8: {}/units/0/7.json: names other files than unit 8 has",
    "no marker": "unit 8: {}/units/0/7.json: not the marker of a finished unit; delete it and rerun",
}


def flip(path):
    """Change a byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path, key, value):
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


@pytest.mark.parametrize("fault", FAULTS)
def test_finalise_refuses_what_is_not_whole_by_name(whole_cohort, tmp_path, fault):
    folder = tmp_path / "cohort"
    shutil.copytree(whole_cohort, folder, ignore=shutil.ignore_patterns("cohort.json"))
    FAULTS[fault](folder)
    done = cohort("finalise", folder)
    assert done.code == 2
    assert SAID[fault].format(folder) in done.err
    assert not (folder / "cohort.json").exists()
    refused = cohort("extract", folder, "--out", tmp_path / "out")
    assert refused.code == 2
    assert f"{folder}: not finalised, so it may be incomplete; run epigept-batch cohort finalise first" in refused.err
    assert not (tmp_path / "out").exists()


def test_without_checksums_sizes_are_compared(whole_cohort, tmp_path):
    folder = tmp_path / "cohort"
    shutil.copytree(whole_cohort, folder)
    flip(folder / "cube.zarr/CTCF/one/c/1/2")
    assert cohort("finalise", folder, "--no-checksums").code == 0
    assert json.loads((folder / "cohort.json").read_text())["checksums"] is False
    (folder / "cube.zarr/CTCF/one/c/1/2").write_bytes(b"x")
    assert cohort("finalise", folder, "--no-checksums").code == 2


def test_many_faults_are_counted_and_some_are_shown(whole_cohort, tmp_path):
    folder = tmp_path / "cohort"
    shutil.copytree(whole_cohort, folder)
    shutil.rmtree(folder / "cube.zarr/CTCF/one/c")
    shutil.rmtree(folder / "cube.zarr/DNase/one/c")
    done = cohort("finalise", folder)
    assert done.code == 2
    assert done.err.count(": missing") == 20
    assert f"{folder}: 24 faults, of which 20 are shown; delete files that do not belong here" in done.err


def test_units_of_several_kinds_of_processor_are_noted(whole_cohort, tmp_path):
    folder = tmp_path / "cohort"
    shutil.copytree(whole_cohort, folder)
    edit(folder / "units/0/7.json", "worker", {"processor": "another"})
    done = cohort("finalise", folder)
    assert done.code == 0
    assert (
        "units were computed by 2 kinds of processors, devices or versions, between which values may differ" in done.err
    )


def test_init_again_is_up_to_date_or_refused(begun, cohort_inputs, tmp_path):
    folder = begun()
    before = hashlib.sha256((folder / "plan.json").read_bytes()).hexdigest()
    done = cohort("init", folder, *cohort_inputs, *OPTIONS)
    assert done.code == 0
    assert f"epigept-batch: {folder}: up to date" in done.err
    done = cohort("init", folder, *cohort_inputs, *OPTIONS, "--tracks", "DNase")
    assert done.code == 2
    assert f"{folder}: is another cohort, of other inputs or options; choose another folder" in done.err
    assert hashlib.sha256((folder / "plan.json").read_bytes()).hexdigest() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    done = cohort("init", tmp_path / "full", *cohort_inputs, *OPTIONS)
    assert done.code == 2
    assert f"{tmp_path}/full: is not empty, and no cohort; choose another folder" in done.err


def test_another_model_or_genome_is_refused_by_the_worker(begun, cohort_inputs, make_small_model, tmp_path):
    folder = begun()
    model = make_small_model("fp16")
    done = cohort("partition", folder, 1, "--of", 1, "--model", model)
    assert (done.code, f"{model}: is another model file than the cohort was planned with" in done.err) == (2, True)
    fasta = tmp_path / "other.fa"
    text = Path(cohort_inputs[3]).read_text()
    head, _, rest = text.partition("\n")
    fasta.write_text(f"{head}\n{'A' if rest[0] != 'A' else 'C'}{rest[1:]}")
    done = cohort("partition", folder, 1, "--of", 1, "--fasta", fasta)
    assert done.code == 2
    assert f"{fasta}: its one is not the one that the cohort was planned with; pass the same genome" in done.err
    assert not list((folder / "units").rglob("*.json"))


def test_a_genome_that_is_replaced_on_the_way_stops_the_unit(begun, cohort_inputs, tmp_path, monkeypatch):
    folder = begun()
    fasta, real = Path(shutil.copy(cohort_inputs[3], tmp_path / "g.fa")), Genome.tokens

    def replacing(self, *what):
        found = real(self, *what)
        shutil.copy(fasta, tmp_path / "new")
        (tmp_path / "new").replace(fasta)
        return found

    monkeypatch.setattr(Genome, "tokens", replacing)
    done = cohort("partition", folder, 1, "--of", 18, "--fasta", fasta)
    assert (done.code, "file was replaced during the run" in done.err) == (2, True)
    assert not list((folder / "units").rglob("*.json"))


def test_inputs_may_lie_elsewhere_on_another_machine(begun, cohort_inputs, small_model, whole_cohort, tmp_path):
    folder = begun("cohort", "--dtype", "float32")
    plan = json.loads((folder / "plan.json").read_text())
    plan["places"] = {"model": "/absent/model.onnx", "fasta": "/absent/genome.fa", "scores": None}
    (folder / "plan.json").write_text(json.dumps(plan))
    done = cohort("run", folder, "--workers", 1)
    assert done.code == 2
    assert "/absent/model.onnx: does not exist on this machine, where it was at init; pass --model PATH" in done.err
    model, fasta = shutil.copy(small_model, tmp_path / "m.onnx"), shutil.copy(cohort_inputs[3], tmp_path / "g.fa")
    assert cohort("run", folder, "--workers", 1, "--model", model, "--fasta", fasta).code == 0
    assert values_of(folder) == values_of(whole_cohort)


def test_a_value_that_float16_cannot_hold_stops_the_unit(begun, monkeypatch):
    folder = begun()
    real = FixedShape.__call__
    monkeypatch.setattr(
        FixedShape, "__call__", lambda self, inputs: {"signal": real(self, inputs)["signal"] * np.float32(1e5)}
    )
    done = cohort("partition", folder, 1, "--of", 1)
    assert done.code == 1
    assert "one:1: a value of this window is too large for float16; start a cohort with --dtype float32" in done.err
    assert not list((folder / "units").rglob("*.json"))


def test_bins_outside_of_the_selection_have_no_value(begun, tracks, tmp_path):
    folder = begun("cohort", "--dtype", "float32", "--region", "one:3000-9000", "--region", "three")
    assert len(Cohort(FolderStorage(folder)).units) == 9
    assert cohort("run", folder, "--workers", 1).code == 0
    root = zarr.open_group(folder / "cube.zarr", mode="r")
    assert sorted(root["CTCF"].array_keys()) == ["one", "three"]
    expected = bigwigs.bins(tracks / "s2.CTCF.bw", "one", bin_bp=128)
    expected[:23] = np.nan
    expected[71:] = np.nan
    np.testing.assert_array_equal(root["CTCF"]["one"][2], expected)
    done = cohort("extract", folder, "--out", tmp_path / "out", "--region", "one:15000-16000")
    assert done.code == 2
    assert "the cohort has no values in the regions that are wanted; choose others" in done.err
