"""`epigept-batch mean` against numpy, and `evaluate` with a kept mean against `evaluate` with the cells' tracks."""

import json
import os

import numpy as np
import pytest

import bigwigs
from chosen_runs import write_bigwig
from conftest import outcome_of, runner_of
from epigept_batch.cli.main import cli

LENGTHS = {"one": 5000, "two": 700}
BIN = 64
CELLS = ("K562", "H1", "HepG2")
TRACKS = ("CTCF", "DNase")
BINS = {name: -(-length // BIN) for name, length in LENGTHS.items()}


@pytest.fixture
def data(tmp_path):
    """Signal of each cell and track, with bins missing, some of them in all cells."""
    rng = np.random.default_rng(1)
    (tmp_path / "training").mkdir()
    found = {}
    for cell in CELLS:
        for track in TRACKS:
            values = {contig: rng.gamma(0.5, 3, bins).astype(np.float32) for contig, bins in BINS.items()}
            for of_contig in values.values():
                of_contig[rng.random(len(of_contig)) < 0.2] = np.nan
                of_contig[3] = np.nan
            found[cell, track] = values
            write_bigwig(tmp_path / f"training/{cell}.{track}.bw", values, LENGTHS, BIN)
    return found


@pytest.fixture
def mean(data, tmp_path):
    assert data
    training = tmp_path / "training/{cell}.{track}.bw"
    return runner_of("mean", {"training": training, "out": tmp_path / "mean", "bin": BIN})


def expected(data, track, contig, cells=CELLS):
    logs = np.log1p([data[cell, track][contig].astype(np.float64) for cell in cells])
    known = ~np.isnan(logs)
    with np.errstate(invalid="ignore"):
        return np.where(known, logs, 0).sum(axis=0) / known.sum(axis=0)


def test_the_mean_is_that_of_the_logarithms_over_cells_with_data(mean, data, tmp_path):
    done = mean()
    assert done.code == 0, done.err
    for track in TRACKS:
        assert bigwigs.contigs(tmp_path / f"mean/mean.{track}.bw") == LENGTHS
        for contig in LENGTHS:
            found = bigwigs.bins(tmp_path / f"mean/mean.{track}.bw", contig, bin_bp=BIN)
            np.testing.assert_allclose(found, expected(data, track, contig), rtol=3e-7)
            assert np.isnan(found[3])
    record = json.loads((tmp_path / "mean/mean.json").read_text())
    assert (record["space"], record["bin_bp"], record["zero_fill"]) == ("log1p", BIN, False)
    assert sorted(record["inputs"]["tracks"]["CTCF"]) == sorted(CELLS)
    assert record["files"] == {path.name: path.stat().st_size for path in (tmp_path / "mean").glob("*.bw")}
    every = np.concatenate([expected(data, "DNase", contig) for contig in LENGTHS])
    assert record["tracks"]["DNase"]["statistics"]["bins"] == (~np.isnan(every)).sum()
    assert record["tracks"]["DNase"]["statistics"]["mean"] == pytest.approx(np.nanmean(every), rel=1e-6)


def test_chosen_cells_and_tracks(mean, data, tmp_path):
    assert mean("--cell", "H1", "--cell", "K562", "--exclude-cell", "K562", tracks="DNase").code == 0
    assert sorted(path.name for path in (tmp_path / "mean").iterdir()) == ["mean.DNase.bw", "mean.json"]
    found = bigwigs.bins(tmp_path / "mean/mean.DNase.bw", "one", bin_bp=BIN)
    np.testing.assert_allclose(found, expected(data, "DNase", "one", ["H1"]), rtol=3e-7)


def test_zeros_and_logarithms(mean, data, tmp_path):
    assert mean("--zero-fill", "--measured-space", "log1p").code == 0
    found = bigwigs.bins(tmp_path / "mean/mean.CTCF.bw", "one", bin_bp=BIN)
    filled = np.mean([np.nan_to_num(data[cell, "CTCF"]["one"].astype(np.float64)) for cell in CELLS], axis=0)
    np.testing.assert_allclose(found, filled, rtol=3e-7, atol=1e-9)


def test_only_training_cells_of_the_model(mean, tmp_path, small_model):
    for track in TRACKS:
        (tmp_path / f"training/K562.{track}.bw").rename(tmp_path / f"training/a.{track}.bw")
    done = mean(model=small_model)
    assert done.code == 0, done.err
    assert "not training cells, so excluded from the mean: H1, HepG2" in done.err
    assert json.loads((tmp_path / "mean/mean.json").read_text())["tracks"]["CTCF"]["cells"] == 1
    assert "choose them with --cell" in mean("--exclude-cell", "a", out=tmp_path / "other", model=small_model).err


def test_a_finished_mean_is_up_to_date_and_others_are_refused(mean, tmp_path):
    assert mean().code == 0
    before = (tmp_path / "mean/mean.CTCF.bw").stat().st_mtime_ns
    assert "up to date" in mean().err
    assert (tmp_path / "mean/mean.CTCF.bw").stat().st_mtime_ns == before
    done = mean("--zero-fill")
    assert done.code == 2
    assert "different zero_fill" in done.err
    assert mean("--force", "--tracks", "CTCF").code == 0
    assert sorted(path.name for path in (tmp_path / "mean").iterdir()) == ["mean.CTCF.bw", "mean.json"]
    (tmp_path / "mean/mean.json").unlink()
    assert "exists without a mean.json" in mean("--tracks", "CTCF").err


def test_a_mean_that_fails_leaves_nothing(mean, data, tmp_path):
    bad = {contig: -values for contig, values in data["H1", "DNase"].items()}
    write_bigwig(tmp_path / "training/H1.DNase.bw", bad, LENGTHS, BIN)
    done = mean()
    assert done.code == 2
    assert "values below 0" in done.err
    assert not (tmp_path / "mean").exists()


def test_contigs_of_all_files_are_averaged(mean, data, tmp_path):
    write_bigwig(tmp_path / "training/HepG2.CTCF.bw", {"three": np.ones(4, np.float32)}, {"three": 256}, BIN)
    assert mean().code == 0
    path = tmp_path / "mean/mean.CTCF.bw"
    assert sorted(bigwigs.contigs(path).items()) == sorted((LENGTHS | {"three": 256}).items())
    np.testing.assert_allclose(bigwigs.bins(path, "three", bin_bp=BIN), np.log(2), rtol=1e-6)
    found = bigwigs.bins(path, "one", bin_bp=BIN)
    np.testing.assert_allclose(found, expected(data, "CTCF", "one", CELLS[:2]), rtol=3e-7)


def test_infinite_bins_count_as_without_data(mean, data, tmp_path):
    data["H1", "CTCF"]["one"][7] = np.inf
    write_bigwig(tmp_path / "training/H1.CTCF.bw", data["H1", "CTCF"], LENGTHS, BIN)
    assert mean().code == 0
    data["H1", "CTCF"]["one"][7] = np.nan
    found = bigwigs.bins(tmp_path / "mean/mean.CTCF.bw", "one", bin_bp=BIN)
    np.testing.assert_allclose(found, expected(data, "CTCF", "one"), rtol=3e-7)
    assert json.loads((tmp_path / "mean/mean.json").read_text())["tracks"]["CTCF"]["infinite_bins"] == 1


def test_other_lengths_are_refused(mean, tmp_path):
    write_bigwig(tmp_path / "training/HepG2.CTCF.bw", {"one": np.ones(4, np.float32)}, {"one": 256}, BIN)
    assert "use one genome" in mean().err


@pytest.fixture
def evaluate(data, tmp_path):
    """Run `evaluate` on a prediction of K562, with its own track measured."""
    rng = np.random.default_rng(2)
    for track in TRACKS:
        noisy = {
            contig: np.log1p(np.abs(values * rng.gamma(9, 1 / 9, len(values))))
            for contig, values in data["H1", track].items()
        }
        write_bigwig(tmp_path / f"sample.{track}.bw", noisy, LENGTHS, BIN)

    def run(training, *more, track="CTCF", measured="H1"):
        known = tmp_path / f"training/{measured}.{track}.bw"
        words = ["--predicted", tmp_path / f"sample.{track}.bw", "--measured", known]
        return outcome_of(cli, "epigept-batch", ["evaluate", *words, "--training", training, "--json", *more])

    return run


@pytest.mark.parametrize("more", [[], ["--scale", "match"], ["--zero-fill"], ["--scale", "2"]])
def test_evaluate_with_the_kept_mean_is_evaluate_with_the_cells(mean, evaluate, tmp_path, more):
    options = ["--zero-fill"] if "--zero-fill" in more else []
    assert mean("--exclude-cell", "H1", *options).code == 0  # the measured one, which evaluate leaves out
    (kept,) = json.loads(evaluate(tmp_path / "mean/mean.{track}.bw", *more).out)
    (cells,) = json.loads(evaluate(tmp_path / "training/{cell}.{track}.bw", *more).out)
    assert kept["training"] == cells["training"] | {"nearest": None}
    assert kept["training"]["cells"] == 2
    assert kept["bins"] == cells["bins"]
    one, other = kept["parts"][0], cells["parts"][0]
    for key in ("pearson_log1p", "mse_linear", "spearman"):
        figures = (part["predictors"]["mean_of_training_cells"][key] for part in (one, other))
        assert next(figures) == pytest.approx(next(figures), rel=1e-5)
    assert one["partial_pearson"] == pytest.approx(other["partial_pearson"], rel=1e-5)


def test_evaluate_says_that_the_mean_contains_the_measured_track(mean, evaluate, tmp_path):
    assert mean().code == 0
    (found,) = json.loads(evaluate(tmp_path / "mean/mean.{track}.bw").out)
    assert any("contains the measured track itself, as H1" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("training", "more", "said"),
    [
        ("mean.DNase.bw", [], "is the mean of DNase, not of CTCF"),
        ("mean.{track}.bw", ["--bin", "128"], "has bins of 64 bp instead of 128 bp"),
        ("mean.{track}.bw", ["--zero-fill"], "was made without --zero-fill"),
        ("mean.{track}.bw", ["--nearest", "H1"], "holds only the mean"),
    ],
)
def test_evaluate_refuses_another_mean(mean, evaluate, tmp_path, training, more, said):
    assert mean().code == 0
    done = evaluate(tmp_path / "mean" / training, *more)
    assert done.code == 2
    assert said in done.err


def test_a_kept_mean_without_its_record_is_refused(mean, evaluate, tmp_path):
    assert mean().code == 0
    (tmp_path / "moved").mkdir()
    moved = (tmp_path / "mean/mean.CTCF.bw").rename(tmp_path / "moved/mean.CTCF.bw")
    done = evaluate(moved)
    assert done.code == 2
    assert f"{moved}: not listed in a mean.json beside it" in done.err
    assert "keep both together, or rename this file" in done.err
    (tmp_path / "moved/mean.json").write_text((tmp_path / "mean/mean.json").read_text())
    assert evaluate(moved).code == 0
    assert evaluate((tmp_path / "training/K562.CTCF.bw").rename(tmp_path / "moved/average.CTCF.bw")).code == 0


def test_evaluate_says_which_cells_changed_since_the_mean_was_made(mean, evaluate, tmp_path):
    assert mean("--exclude-cell", "H1").code == 0
    kept = tmp_path / "mean/mean.{track}.bw"
    assert "changed since" not in evaluate(kept).out
    file = tmp_path / "training/K562.CTCF.bw"
    times = file.stat()
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    (found,) = json.loads(evaluate(kept).out)
    assert any("changed since this mean was made: K562; to renew it" in note for note in found["notes"])
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    with (tmp_path / "training/HepG2.CTCF.bw").open("ab") as other:
        other.write(b"x")
    assert "mean was made: HepG2; to" in evaluate(kept).out
    (tmp_path / "training/HepG2.CTCF.bw").unlink()  # one that is gone says nothing
    assert "changed since" not in evaluate(kept).out


def test_a_kept_mean_is_no_cell(mean, evaluate, tmp_path):
    assert mean().code == 0
    done = evaluate(tmp_path / "mean/{cell}.{track}.bw")
    assert done.code == 2
    assert "mean.CTCF.bw: is the mean that epigept-batch mean keeps, not a cell" in done.err
    done = mean(training=tmp_path / "mean/{cell}.{track}.bw", out=tmp_path / "of_means")
    assert done.code == 2
    assert "is itself a mean" in done.err
    assert not (tmp_path / "of_means").exists()


def test_a_folder_as_training(mean, evaluate, tmp_path):
    assert mean().code == 0
    assert f"is a folder; pass '{tmp_path}/mean/mean.{{track}}.bw'" in evaluate(tmp_path / "mean").err
    said = f"is a folder; pass a path with {{cell}} and {{track}}, such as '{tmp_path}/training/{{cell}}.{{track}}.bw'"
    assert said in evaluate(tmp_path / "training").err
    done = mean(training=tmp_path / "training", out=tmp_path / "other")
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_mean_never_lies_where_it_would_be_a_cell(mean, tmp_path, monkeypatch, force):
    def refused(said="its files would fit --training", **options):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        done = mean(*force, **options)
        assert done.code == 2
        assert said in done.err
        assert done.err.count("\n") == 1
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    refused(out=tmp_path / "training")
    (tmp_path / "link").symlink_to(tmp_path / "training")
    refused(out=tmp_path / "link")
    refused(out=tmp_path / "training", training=tmp_path / "link/{cell}.{track}.bw")
    monkeypatch.chdir(tmp_path / "training")
    refused(out=".", training="{cell}.{track}.bw")
    refused(out=tmp_path / "training", training="{cell}.CTCF.bw", tracks="CTCF")
    (tmp_path / "training/K562.DNase.bw").rename(tmp_path / "training/mean.DNase.bw")  # a cell of this name
    refused("mean.DNase.bw: is an input, but would be replaced", out=tmp_path / "training")
    assert mean(out=tmp_path / "training/of").code == 0
    assert mean(out=".", training="../training/{cell}.DNas{track}.bw").code == 0  # mean.e.bw


def test_the_case_of_tracks_is_ignored(mean, data, tmp_path):
    assert mean(tracks="dnase,CTCF,DNASE").code == 0
    names = ["mean.CTCF.bw", "mean.DNase.bw", "mean.json"]
    assert sorted(path.name for path in (tmp_path / "mean").iterdir()) == names
    found = bigwigs.bins(tmp_path / "mean/mean.DNase.bw", "one", bin_bp=BIN)
    np.testing.assert_allclose(found, expected(data, "DNase", "one"), rtol=3e-7)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record["inputs"]["tracks"]["CTCF"]["H1"].pop("bytes"), "damaged or edited"),
        (lambda record: record.update(bin_bp="x"), "damaged or edited"),
        (lambda record: record.update(space="linear"), "damaged or edited"),
        (lambda record: record["tracks"].clear(), "damaged or edited"),
        (lambda record: record["files"].update({"mean.CTCF.bw": 1}), "changed after epigept-batch mean wrote it"),
    ],
)
def test_a_damaged_record_is_refused(mean, evaluate, tmp_path, change, said):
    assert mean().code == 0
    path = tmp_path / "mean/mean.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    done = evaluate(tmp_path / "mean/mean.{track}.bw")
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"training": "x/{track}.bw"}, "must contain {cell}"),
        ({"training": "x/{cell}.bw"}, "no {track} in the path"),
        ({"training": "x/{cell}.{track}.bw"}, "no bigWig found"),
        ({"training": "x/{sample}.{cell}.{track}.bw"}, "contains {sample}"),
        ({"cell": "HeLa"}, "--cell HeLa: no bigWig of this cell; found H1, HepG2, K562"),
        ({"exclude-cell": "HeLa"}, "--exclude-cell HeLa"),
        ({"tracks": "ATAC"}, "no bigWig found"),
        ({"tracks": "a/b"}, "cannot be part of a file name"),
    ],
)
def test_what_cannot_be_averaged(mean, options, said):
    done = mean(**options)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
