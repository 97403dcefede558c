"""`epigept-batch matrix`: against deepTools' tables, values per base, and the readers of each format."""

import gzip
import json
import shutil

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pyBigWig
import pytest

from conftest import TESTS, outcome_of
from epigept_batch.cli.main import cli
from epigept_batch.commands.matrix import run as run_module
from epigept_batch.commands.matrix.request import MatrixRequest
from epigept_batch.commands.matrix.run import run_matrix
from epigept_batch.matrix import values as values_module
from epigept_batch.tracks import records as records_module
from valued_runs import BIN, write_run

GOLDEN = TESTS / "data/matrix"
TRACKS = ("DNase", "CTCF")
LABELS = [f"{sample}.{track}" for sample in ("liver", "lung") for track in TRACKS]
RELATIVE = 1.2e-7
"""Values are written as float32; deepTools prints float64."""


def matrix(*words):
    return outcome_of(cli, "epigept-batch", ["matrix", *words])


@pytest.fixture
def folder(tmp_path):
    """The tracks that deepTools read, as an output folder."""
    path = tmp_path / "run"
    path.mkdir()
    for sample in ("liver", "lung"):
        files = {}
        for track in TRACKS:
            copy = path / f"{sample}.{track}.bw"
            shutil.copy(GOLDEN / copy.name, copy)
            files[copy.name] = copy.stat().st_size
        record = {
            "sample": sample,
            "inputs": {"selection of bins": {"one": [[0, 313]], "two": [[0, 24]], "three": [[0, 4]]}},
            "space": "log1p",
            "regions": ["one:1-40000", "two:1-3000", "three:1-500"],
            "expression": {"sheet": {"path": "/s.tsv", "columns": {"donor": f"d{len(sample)}"}}},
            "files": files,
        }
        (path / f"{sample}.run.json").write_text(json.dumps(record))
    return path


def bases(folder, label, contig, start, end):
    with pyBigWig.open(str(folder / f"{label}.bw")) as file:
        return file.values(contig, start, end, numpy=True).astype(np.float64)


def bed_lines(path):
    rows = (line.split("\t") for line in path.read_text().splitlines())
    return [(row[0], int(row[1]), int(row[2])) for row in rows]


def naive(folder, places, labels=LABELS, change=lambda values: values, combine=np.mean):
    found = np.full((len(places), len(labels)), np.nan)
    for row, place in enumerate(places):
        for column, label in enumerate(labels):
            values = bases(folder, label, *place)
            if not np.isnan(values).all():
                found[row, column] = combine(change(values[~np.isnan(values)]))
    return found


def arrays_of(path):
    with np.load(path) as file:
        return dict(file)


def table_of(path):
    return pd.read_csv(path, sep="\t")


def test_regions_equal_those_of_deeptools_in_the_order_of_the_bed_file(folder, tmp_path):
    out = tmp_path / "m.tsv"
    done = matrix(folder, "--bed", GOLDEN / "regions.bed", "--out", out)
    assert done.code == 0
    assert "3 of 66 regions have no data in any track" in done.err
    assert "mean of ln(1 + signal) over the bases of each region that have data; 66 regions × 4 tracks" in done.err
    table = table_of(out)
    assert list(table.columns) == ["chrom", "start", "end", "name", *LABELS]
    lines = [line.split("\t") for line in (GOLDEN / "regions.bed").read_text().splitlines()]
    assert table.iloc[:, :4].astype(str).to_numpy().tolist() == lines
    theirs = table_of(GOLDEN / "deeptools_regions.tsv").rename(columns=lambda name: name.strip("#'"))
    places = {(row.chr, row.start, row.end): row for row in theirs.itertuples(index=False)}
    columns = [list(theirs.columns).index(label) for label in LABELS]
    expected = np.array([[places[place][column] for column in columns] for place in bed_lines(GOLDEN / "regions.bed")])
    assert np.isnan(expected).all(axis=1).sum() == 3
    np.testing.assert_allclose(table[LABELS].to_numpy(), expected, rtol=RELATIVE)


def test_bins_equal_those_of_deeptools(folder, tmp_path):
    assert matrix(folder, "--bins", "1000", "--out", tmp_path / "m.tsv").code == 0
    table = table_of(tmp_path / "m.tsv")
    assert list(table.columns) == ["chrom", "start", "end", *LABELS]
    theirs = table_of(GOLDEN / "deeptools_bins.tsv").rename(columns=lambda name: name.strip("#'"))
    theirs = theirs.set_index(["chr", "start", "end"])[LABELS]
    mine = table.set_index(["chrom", "start", "end"])[LABELS]
    assert set(mine.index) == set(theirs.index)  # they sort contigs by name
    np.testing.assert_allclose(mine.to_numpy(), theirs.loc[mine.index].to_numpy(), rtol=RELATIVE)


@pytest.mark.parametrize(("statistic", "combine"), [("mean", np.mean), ("max", np.max)])
@pytest.mark.parametrize("threads", [1, 2])
def test_values_are_those_of_the_bases(folder, tmp_path, monkeypatch, statistic, combine, threads):
    monkeypatch.setattr(values_module, "VALUES_AT_ONCE", 40)  # blocks of ten rows
    monkeypatch.setattr(records_module, "BLOCKS_AT_ONCE", 1)
    out = tmp_path / "m.npz"
    words = ["--bed", GOLDEN / "regions.bed", "--bed", GOLDEN / "regions.bed", "--statistic", statistic]
    assert matrix(folder, *words, "--threads", threads, "--out", out).code == 0
    found = arrays_of(out)
    expected = naive(folder, bed_lines(GOLDEN / "regions.bed"), combine=combine)
    np.testing.assert_allclose(found["matrix"], np.vstack([expected, expected]), rtol=RELATIVE)
    assert found["matrix"].dtype == np.float32
    about = json.loads(str(found["metadata"]))
    assert about["values"] == f"{statistic} of ln(1 + signal) over the bases of each region that have data"


def test_coverage_is_the_share_of_bases_with_data(folder, tmp_path):
    done = matrix(folder, "--bed", GOLDEN / "regions.bed", "--statistic", "coverage", "--out", tmp_path / "m.tsv")
    assert "3 of 66 regions have no data in any track" in done.err
    places = bed_lines(GOLDEN / "regions.bed")
    expected = [[np.mean(~np.isnan(bases(folder, label, *place))) for label in LABELS] for place in places]
    np.testing.assert_allclose(table_of(tmp_path / "m.tsv")[LABELS], expected, rtol=1e-6)
    record = json.loads((tmp_path / "m.tsv.run.json").read_text())
    assert record["matrix"]["values"] == "share of the bases of each region that have data"


@pytest.mark.parametrize(("space", "wanted", "change"), [("log1p", "linear", np.expm1), ("linear", "log1p", np.log1p)])
def test_bases_are_brought_to_the_space_before_they_are_averaged(folder, tmp_path, space, wanted, change):
    for record in folder.glob("*.run.json"):
        record.write_text(record.read_text().replace('"space": "log1p"', f'"space": "{space}"'))
    words = ["--bed", GOLDEN / "regions.bed", "--out", tmp_path / "m.tsv"]
    assert matrix(folder, *words, "--space", wanted).code == 0
    expected = naive(folder, bed_lines(GOLDEN / "regions.bed"), change=change)
    np.testing.assert_allclose(table_of(tmp_path / "m.tsv")[LABELS], expected, rtol=1e-6)
    about = json.loads((tmp_path / "m.tsv.run.json").read_text())["matrix"]
    assert about["space"] == wanted
    assert f"mean of {'signal' if wanted == 'linear' else 'ln(1 + signal)'} over" in about["values"]
    assert matrix(folder, *words, "--force").code == 0  # what the tracks hold
    expected = naive(folder, bed_lines(GOLDEN / "regions.bed"))
    np.testing.assert_allclose(table_of(tmp_path / "m.tsv")[LABELS], expected, rtol=1e-6)
    assert json.loads((tmp_path / "m.tsv.run.json").read_text())["matrix"]["space"] == space


def test_every_format_has_the_same_values(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(values_module, "VALUES_AT_ONCE", 40)
    words = ["--bed", GOLDEN / "regions.bed", "--out"]
    for name in ("m.tsv", "m.tsv.gz", "m.parquet", "m.npz", "m.h5ad"):
        assert matrix(folder, *words, tmp_path / name).code == 0
    arrays = arrays_of(tmp_path / "m.npz")
    values = arrays["matrix"]
    assert arrays["labels"].tolist() == LABELS
    places = [tuple(line.split("\t")) for line in (GOLDEN / "regions.bed").read_text().splitlines()]
    columns = (arrays[name].astype(str).tolist() for name in ("chrom", "start", "end", "name"))
    assert list(zip(*columns, strict=True)) == places
    assert gzip.decompress((tmp_path / "m.tsv.gz").read_bytes()) == (tmp_path / "m.tsv").read_bytes()
    assert "\tnan\t" in (tmp_path / "m.tsv").read_text()
    np.testing.assert_array_equal(table_of(tmp_path / "m.tsv")[LABELS].to_numpy(np.float32), values)
    parquet = pl.read_parquet(tmp_path / "m.parquet")
    assert parquet.columns == ["chrom", "start", "end", "name", *LABELS]
    assert [tuple(map(str, row[:4])) for row in parquet.iter_rows()] == places
    assert parquet[LABELS[0]].null_count() == np.isnan(values[:, 0]).sum()
    np.testing.assert_array_equal(parquet.select(LABELS).to_numpy(), values)
    found = anndata.read_h5ad(tmp_path / "m.h5ad")
    assert found.obs_names.tolist() == ["liver", "lung"]
    assert found.obs["donor"].tolist() == ["d5", "d4"]
    assert found.X is None
    assert set(found.layers) == set(TRACKS)
    for number, label in enumerate(LABELS):
        sample, track = label.split(".")
        np.testing.assert_array_equal(found[sample].layers[track][0], values[:, number])
    assert found.var_names.tolist() == [f"{chrom}:{start}-{end}" for chrom, start, end, _ in places]
    assert [
        tuple(map(str, row)) for row in found.var[["chrom", "start", "end", "name"]].itertuples(index=False)
    ] == places
    assert json.loads(found.uns["epigept_batch"])["space"] == "log1p"


def test_regions_that_repeat_and_a_single_track_in_h5ad(folder, tmp_path):
    bed = tmp_path / "r.bed"
    bed.write_text("one\t0\t100\none\t5\t10\tx\none\t0\t100\t.\n")
    assert matrix(folder, "--bed", bed, "--tracks", "ctcf", "--sample", "lung", "--out", tmp_path / "m.h5ad").code == 0
    found = anndata.read_h5ad(tmp_path / "m.h5ad")
    assert found.var_names.tolist() == ["one:0-100", "one:5-10", "one:0-100-1"]
    assert found.var["name"].tolist() == [".", "x", "."]
    assert found.obs_names.tolist() == ["lung"]
    assert list(found.layers) == []
    np.testing.assert_allclose(found.X[0], naive(folder, bed_lines(bed), ["lung.CTCF"])[:, 0], rtol=RELATIVE)


def test_bedgraph_has_the_bins_with_data(folder, tmp_path):
    words = ["--bins", "500", "--sample", "lung", "--tracks", "DNase", "--out", tmp_path / "m.bedGraph"]
    assert matrix(folder, *words).code == 0
    lines = [line.split("\t") for line in (tmp_path / "m.bedGraph").read_text().splitlines()]
    places = [("one", at, min(at + 500, 40_000)) for at in range(0, 40_000, 500)]
    places += [("two", at, at + 500) for at in range(0, 3000, 500)]
    expected = naive(folder, places, ["lung.DNase"])[:, 0]
    kept = [(*map(str, place), value) for place, value in zip(places, expected, strict=True) if not np.isnan(value)]
    assert len(kept) == len(places) - 3  # two in the gap; the last
    assert [line[:3] for line in lines] == [list(row[:3]) for row in kept]
    np.testing.assert_allclose([float(line[3]) for line in lines], [row[3] for row in kept], rtol=RELATIVE)


ONE, TWO = ([(name, at, at + 500) for at in range(0, length, 500)] for name, length in (("one", 40_000), ("two", 3000)))


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (["--region", "one:2,001-2,100"], [("one", 2000, 2500)]),
        (["--region", "one:2,000-2,001"], [("one", 1500, 2000), ("one", 2000, 2500)]),
        (["--chromosome", "two"], TWO),
        (["--chromosome", "two", "--region", "one:1"], [*ONE, *TWO]),
    ],
)
def test_bins_of_regions_are_those_of_the_whole_contig(folder, tmp_path, words, places):
    assert matrix(folder, "--bins", "500", *words, "--out", tmp_path / "m.npz").code == 0
    found = arrays_of(tmp_path / "m.npz")
    assert "name" not in found
    columns = (found[name].tolist() for name in ("chrom", "start", "end"))
    assert list(zip(*columns, strict=True)) == places
    np.testing.assert_allclose(found["matrix"], naive(folder, places), rtol=RELATIVE)


def test_bins_are_by_default_those_that_were_predicted_for_any_sample(tmp_path):
    rng = np.random.default_rng(3)
    lengths = {"one": 100 * BIN, "two": 40 * BIN + 7}
    values = {
        sample: {"DNase": {name: rng.gamma(1, 1, -(-length // BIN)) for name, length in lengths.items()}}
        for sample in ("a", "b")
    }
    selection = {"a": {"one": [[10, 12], [90, 91]]}, "b": {"one": [[11, 14]], "two": [[40, 41]]}}
    write_run(tmp_path / "run", values, lengths, selection=selection)
    assert matrix(tmp_path / "run", "--bins", BIN, "--out", tmp_path / "m.tsv").code == 0
    table = table_of(tmp_path / "m.tsv")
    found = list(table[["chrom", "start", "end"]].itertuples(index=False, name=None))
    expected = [("one", bin_ * BIN, (bin_ + 1) * BIN) for bin_ in (10, 11, 12, 13, 90)]
    assert found == [*expected, ("two", 40 * BIN, 40 * BIN + 7)]
    assert matrix(tmp_path / "run", "--bins", 4 * BIN, "--sample", "a", "--out", tmp_path / "n.tsv").code == 0
    assert (table_of(tmp_path / "n.tsv")["start"] // BIN).tolist() == [8, 88]
    assert matrix(tmp_path / "run", "--bins", 4, "--sample", "b", "--out", tmp_path / "small.tsv").code == 0
    last = table_of(tmp_path / "small.tsv").iloc[-2:]
    assert last[["chrom", "start", "end"]].to_numpy().tolist() == [
        ["two", 40 * BIN, 40 * BIN + 4],
        ["two", 40 * BIN + 4, 40 * BIN + 7],
    ]


def difference_folder(tmp_path):
    rng = np.random.default_rng(5)
    lengths = {"one": 20 * BIN}
    values = {"a+GATA1-0": {name: {"one": rng.normal(size=20)} for name in ("DNase", "DNase.difference")}}
    values["a+GATA1-0"]["DNase"]["one"] = np.abs(values["a+GATA1-0"]["DNase"]["one"])
    return write_run(tmp_path / "run", values, lengths, perturbation={"of": "a", "set": "GATA1=0"}), values["a+GATA1-0"]


def test_differences_are_columns_if_they_are_named(tmp_path):
    folder, values = difference_folder(tmp_path)
    assert matrix(folder, "--bins", BIN, "--out", tmp_path / "m.tsv").code == 0
    assert list(table_of(tmp_path / "m.tsv").columns[3:]) == ["a+GATA1-0.DNase"]
    words = ["--bins", BIN, "--tracks", "DNase.Difference", "--out", tmp_path / "d.tsv"]
    assert matrix(folder, *words).code == 0
    table = table_of(tmp_path / "d.tsv")
    assert list(table.columns[3:]) == ["a+GATA1-0.DNase.difference"]
    np.testing.assert_allclose(table.iloc[:, 3], values["DNase.difference"]["one"], rtol=1e-6)
    done = matrix(folder, *words, "--space", "linear", "--force")
    assert done.code == 2
    assert "DNase.difference is a difference of log1p values; remove --space" in done.err


def test_a_folder_of_differences_alone(tmp_path):
    values = {"a+GATA1-0": {"DNase.difference": {"one": np.ones(2)}}}
    perturbation = {"of": "a", "set": "GATA1=0"}
    folder = write_run(tmp_path / "run", values, {"one": 2 * BIN}, perturbation=perturbation)
    done = matrix(folder, "--bins", BIN, "--out", tmp_path / "m.tsv")
    assert (done.code, done.err) == (2, f"epigept-batch: {folder}: only differences; name them with --tracks\n")


def test_samples_are_in_the_order_wanted_and_may_have_other_tracks(tmp_path):
    lengths = {"one": 8 * BIN}
    values = {
        "a": {"DNase": {"one": np.ones(8)}, "CTCF": {"one": np.full(8, 2.0)}},
        "b": {"CTCF": {"one": np.full(8, 3.0)}},
    }
    folder = write_run(tmp_path / "run", values, lengths)
    words = ["--bins", 4 * BIN, "--sample", "b", "--sample", "a", "--out"]
    assert matrix(folder, *words, tmp_path / "m.tsv").code == 0
    assert list(table_of(tmp_path / "m.tsv").columns[3:]) == ["b.CTCF", "a.DNase", "a.CTCF"]
    assert matrix(folder, *words, tmp_path / "m.h5ad").code == 0
    found = anndata.read_h5ad(tmp_path / "m.h5ad")
    assert found.obs_names.tolist() == ["b", "a"]
    np.testing.assert_array_equal(found.layers["CTCF"], [[3, 3], [2, 2]])
    np.testing.assert_array_equal(found.layers["DNase"], [[np.nan, np.nan], [1, 1]])


def test_a_finished_file_is_up_to_date_and_another_one_is_not_replaced(folder, tmp_path):
    out, bed = tmp_path / "m.tsv", tmp_path / "r.bed"
    bed.write_text("one\t0\t100\n")
    words = ["--bed", bed, "--out", out]
    first = matrix(folder, *words, "--json")
    record = json.loads(first.out)
    assert record["files"] == {"m.tsv": out.stat().st_size}
    assert (record["matrix"]["rows"], record["matrix"]["rows_without_data"]) == (1, 0)
    assert [column["column"] for column in record["matrix"]["columns"]] == LABELS
    again = matrix(folder, *words, "--json")
    assert "m.tsv: up to date" in again.err
    assert again.out == first.out
    for name, change in {
        "a different statistic": ["--statistic", "max"],
        "different columns": ["--tracks", "CTCF"],
        "a different space": ["--space", "linear"],
    }.items():
        done = matrix(folder, *words, *change)
        assert done.code == 2
        assert f"existing values were made with {name};" in done.err
    bed.write_text("one\t0\t200\n")
    assert "with a different BED file; choose another --out" in matrix(folder, *words).err
    assert table_of(out)["end"].tolist() == [100]
    assert matrix(folder, *words, "--force").code == 0
    assert table_of(out)["end"].tolist() == [200]
    path = folder / "liver.run.json"
    path.write_text(path.read_text().replace('"log1p"', '"log1p",  "finished": "now"'))
    assert "with a different prediction" in matrix(folder, *words).err
    (tmp_path / "other.tsv").write_text("mine")
    assert matrix(folder, "--bed", bed, "--out", tmp_path / "other.tsv").code == 2
    assert (tmp_path / "other.tsv").read_text() == "mine"


def test_other_bins_are_other_inputs(folder, tmp_path):
    words = ["--out", tmp_path / "m.tsv", "--bins"]
    assert matrix(folder, *words, 1000, "--chromosome", "two").code == 0
    assert "with a different bin size;" in matrix(folder, *words, 500, "--chromosome", "two").err
    assert "with a different selection of bins;" in matrix(folder, *words, 1000, "--chromosome", "one").err


def test_a_run_that_stops_while_it_publishes_leaves_no_record_of_another_matrix(folder, tmp_path, monkeypatch):
    words = ["--bins", 1000, "--out", tmp_path / "m.tsv"]
    assert matrix(folder, *words).code == 0

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "publish", stop)
        assert matrix(folder, *words, "--statistic", "max", "--force").code == 130
    assert not (tmp_path / "m.tsv.run.json").exists()
    assert [path.name for path in tmp_path.glob(".*")] == [".m.tsv.changing"]
    assert matrix(folder, *words).code == 0
    assert list(tmp_path.glob(".*")) == []


def test_a_matrix_in_the_folder_of_the_run_does_not_disturb_other_commands(folder):
    assert matrix(folder, "--bins", "1000", "--out", folder / "matrix.tsv").code == 0
    assert matrix(folder, "--bins", "1000", "--out", folder / "matrix.npz").code == 0


@pytest.mark.parametrize("name", ["m.tsv", "m.parquet", "m.npz", "m.h5ad"])
def test_nothing_is_left_if_a_track_or_the_disk_fails(folder, tmp_path, monkeypatch, name):
    out = tmp_path / "out"
    path = folder / "lung.CTCF.bw"
    content = bytearray(path.read_bytes())
    content[int.from_bytes(content[16:24], "little") + 8] = 0
    whole = path.read_bytes()
    path.write_bytes(content)
    done = matrix(folder, "--bins", "1000", "--out", out / name)
    assert (done.code, done.err.splitlines()[-1]) == (
        2,
        f"epigept-batch: {path}: damaged; copy it again, or rerun the command that made it",
    )
    assert list(out.iterdir()) == []
    path.write_bytes(whole)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(values_module.Matrix, "blocks", fail)
    monkeypatch.setattr(values_module.ColumnFile, "column", fail)
    done = matrix(folder, "--bins", "1000", "--out", out / name)
    assert done.code == 2
    assert (
        f"{out / name}: cannot be written: No space left on device; free some space or choose another --out" in done.err
    )
    assert list(out.iterdir()) == []


def test_regions_of_which_none_was_predicted_are_refused(folder, tmp_path):
    bed = tmp_path / "r.bed"
    bed.write_text("three\t0\t500\none\t39990\t40000\n")
    done = matrix(folder, "--bed", bed, "--out", tmp_path / "m.tsv")
    assert done.code == 2
    said = "no region has data: they lie outside of what was predicted (one:1-40000 and 2 more), or are only N"
    assert said in done.err
    assert not (tmp_path / "m.tsv").exists()


@pytest.mark.parametrize(
    ("values", "space", "wanted", "message"),
    [
        ([np.inf, 1], "log1p", None, "holds infinite values, or such that overflow"),
        ([800, 1], "log1p", "linear", "holds infinite values, or such that overflow"),
        ([-0.5, 1], "linear", "log1p", "holds a signal below 0"),
        ([-0.5, 1], "log1p", "linear", "holds a signal below 0"),
    ],
)
def test_impossible_values_are_refused(tmp_path, values, space, wanted, message):
    lengths = {"one": 2 * BIN}
    tracks = {"a": {"DNase": {"one": np.array(values, dtype=np.float32)}}}
    with np.errstate(all="ignore"):
        folder = write_run(tmp_path / "run", tracks, lengths, statistics={}, space=space)
    words = [] if wanted is None else ["--space", wanted]
    done = matrix(folder, "--bins", BIN, *words, "--out", tmp_path / "m.tsv")
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "m.tsv").exists()


def test_the_same_matrix_has_the_same_bytes(folder, tmp_path):
    for name in ("m.npz", "m.tsv.gz", "m.h5ad", "m.parquet"):
        words = ["--bins", "1000", "--out", tmp_path / name]
        assert matrix(folder, *words, "--threads", 1).code == 0
        first = (tmp_path / name).read_bytes()
        assert matrix(folder, *words, "--threads", 2, "--force").code == 0
        assert (tmp_path / name).read_bytes() == first


def test_tracks_are_reported_as_they_are_read(folder, tmp_path):
    events = []

    class Told:
        def say(self, sentence):
            events.append(sentence)

        def start(self, total, *, done=0):
            events.append((total, done))

        def advance(self, by=1):
            events.append(by)

        def finish(self, sentence):
            events.append(sentence)

    files = run_matrix(MatrixRequest(folder=folder, out=tmp_path / "m.tsv", bin_bp=1000), Told())
    assert events[:5] == [(4, 0), 1, 1, 1, 1]
    assert events[5] == "2 of 44 bins have no data in any track"
    assert files.record == tmp_path / "m.tsv.run.json"
