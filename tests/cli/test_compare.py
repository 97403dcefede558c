"""`epigept-batch compare` on output folders with given values, against numpy and a naive search for intervals."""

import json

import numpy as np
import pytest
import scipy.stats

import bigwigs
from calibrations import write_levels
from chosen_runs import write_bigwig
from conftest import outcome_of
from epigept_batch.cli.main import cli
from epigept_batch.comparison import moderated_t
from valued_runs import BIN, write_run

LENGTHS = {"one": 128 * 300 + 17, "two": 128 * 40}
BINS = {name: -(-length // BIN) for name, length in LENGTHS.items()}
TRACKS = ("DNase", "CTCF")
SAMPLES = ("a1", "a2", "a3", "b1", "b2", "b3")
GROUPS = ("--group", "a=a1,a2,a3", "--group", "b=b1,b2,b3")
INPUTS = {"model": "m" * 64, "overlap": 0, "genome": {"one": "x"}}


def smooth(rng, bins):
    return np.convolve(rng.gamma(0.3, 2, bins + 4), np.ones(5) / 5, "valid").astype(np.float32)


@pytest.fixture
def values():
    """ln(1 + signal) of samples around a common level, with real differences between a and b in one stretch."""
    rng = np.random.default_rng(1)
    found = {sample: {} for sample in SAMPLES}
    for track in TRACKS:
        level = {contig: smooth(rng, bins) for contig, bins in BINS.items()}
        for sample in SAMPLES:
            found[sample][track] = {}
            for contig, bins in BINS.items():
                one = level[contig] * np.exp(0.05 * rng.standard_normal(bins)) + 0.01 * rng.random(bins)
                if sample.startswith("a") and contig == "one":
                    one[50:80] += 1.5
                    one[200:204] += 0.9
                if sample.startswith("a"):
                    one[-3:] += 1.2
                one[10:12] = np.nan
                found[sample][track][contig] = one.astype(np.float32)
    return found


@pytest.fixture
def run(values, tmp_path):
    return write_run(tmp_path / "tracks", values, LENGTHS)


@pytest.fixture
def compare(run, tmp_path):
    def call(*words, out="out"):
        return outcome_of(cli, "epigept-batch", ["compare", run, "--out", tmp_path / out, *words])

    return call


def bed(path):
    lines = path.read_text().splitlines()
    names = lines[1].removeprefix("# ").split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[2:]]


def table(path):
    return [line.split("\t") for line in path.read_text().splitlines()]


def naive_intervals(difference, high):
    """Runs of bins of one sign that reach half of a threshold everywhere, and all of it somewhere."""
    found = []
    for contig, of_contig in difference.items():
        for sign in (1, -1):
            start = None
            for n, value in enumerate([*(sign * of_contig), np.nan]):
                if value >= np.float32(high / 2):
                    start = n if start is None else start
                elif start is not None:
                    if (sign * of_contig[start:n]).max() >= np.float32(high):
                        found.append((contig, start * BIN, min(n * BIN, LENGTHS[contig]), sign))
                    start = None
    return sorted(found)


@pytest.mark.parametrize("blocks", [8 << 20, 128 * 7])
def test_two_samples(compare, values, tmp_path, monkeypatch, blocks):
    monkeypatch.setattr("epigept_batch.results.bins.BLOCK_BP", blocks)
    done = compare("a1", "b2")
    assert done.code == 0, done.err
    assert "/out: 2 differences\n" in done.err
    assert "a1-minus-b2: no test, because neither group has replicates" in done.out
    for track in TRACKS:
        difference = {contig: values["a1"][track][contig] - values["b2"][track][contig] for contig in BINS}
        for contig in BINS:
            found = bigwigs.bins(tmp_path / f"out/a1-minus-b2.{track}.bw", contig, bin_bp=BIN)
            np.testing.assert_allclose(found, difference[contig], rtol=1e-5, atol=1e-6)
        rows = bed(tmp_path / f"out/a1-minus-b2.{track}.bed")
        assert rows
        assert list(rows[0])[6:] == ["effect", "mean_a1", "mean_b2"]
        places = [(r["chrom"], int(r["start"]), int(r["end"]), 1 if float(r["effect"]) > 0 else -1) for r in rows]
        assert places == sorted(places, key=lambda place: place[:2])  # the order of the genome, where one < two
        assert sorted(places) == naive_intervals(difference, np.log(2))
        for row, (contig, start, end, _) in zip(rows, places, strict=True):
            weights = np.minimum(LENGTHS[contig], (np.arange(start // BIN, -(-end // BIN)) + 1) * BIN)
            weights = weights - np.arange(start // BIN, -(-end // BIN)) * BIN
            inside = slice(start // BIN, -(-end // BIN))
            for name, sample in (("mean_a1", "a1"), ("mean_b2", "b2")):
                mean = np.average(values[sample][track][contig][inside].astype(np.float64), weights=weights)
                assert float(row[name]) == pytest.approx(mean, abs=6e-5)
            assert float(row["effect"]) == pytest.approx(float(row["mean_a1"]) - float(row["mean_b2"]), abs=2e-4)
            assert int(row["score"]) == pytest.approx(min(1000, 250 * abs(float(row["effect"]))), abs=0.6)
            assert row["name"].startswith("higher" if float(row["effect"]) > 0 else "lower")


def test_the_record(compare, run, tmp_path):
    done = compare("a1", "b1", "--min-effect", "0.4", "--tracks", "dnase")
    assert done.code == 0
    assert "/out: 1 difference\n" in done.err
    record = json.loads((tmp_path / "out/compare.json").read_text())
    assert record["differences"] == {"a1-minus-b1": {"minuend": "a1", "subtrahend": "b1"}}
    assert record["run"] == str(run.resolve())
    assert list(record["tracks"]) == ["DNase"]
    facts = record["tracks"]["DNase"]
    assert facts["bins"] == {"with_data": sum(BINS.values()) - 4, "compared": sum(BINS.values()) - 4}
    found = facts["differences"]["a1-minus-b1"]
    rows = bed(tmp_path / "out/a1-minus-b1.DNase.bed")
    assert found["intervals_higher"] == sum(float(row["effect"]) > 0 for row in rows)
    assert found["intervals_lower"] == sum(float(row["effect"]) < 0 for row in rows)
    assert found["test"] is None
    assert "0.2, one of them by at least 0.4" in found["rule"]
    assert found["statistics"]["bins"] == sum(BINS.values()) - 4
    assert record["files"] == {path.name: path.stat().st_size for path in (tmp_path / "out").glob("a1*")}
    assert record["mask"] is record["fdr_means"] is None


def test_three_samples_and_a_control(compare, tmp_path):
    assert compare("a1", "b1", "b2", "--tracks", "CTCF").code == 0
    assert {path.name for path in (tmp_path / "out").glob("*.bw")} == {
        "a1-minus-b2.CTCF.bw",
        "b1-minus-b2.CTCF.bw",
    }
    assert compare("a1", "b1", "b2", "--control", "a1", "--tracks", "CTCF", out="other").code == 0
    one = bigwigs.bins(tmp_path / "out/a1-minus-b2.CTCF.bw", "one", bin_bp=BIN)
    other = bigwigs.bins(tmp_path / "other/b2-minus-a1.CTCF.bw", "one", bin_bp=BIN)
    np.testing.assert_array_equal(one, -other)


def naive_candidates(values, track, level):
    found = []
    for contig in BINS:
        mean = np.mean([values[sample][track][contig].astype(np.float64) for sample in SAMPLES], axis=0)
        above = [*(mean.astype(np.float32) >= np.float32(level)), False]
        start = None
        for n, one in enumerate(above):
            if one and start is None:
                start = n
            elif not one and start is not None:
                found.append((contig, start, n))
                start = None
    return found


def region_values(values, track, regions):
    """(regions, samples): means over bins; the last bin of a contig counts by its length."""
    rows = []
    for contig, first, last in regions:
        ends = np.minimum(np.arange(first + 1, last + 1) * BIN, LENGTHS[contig])
        weights = ends - np.arange(first, last) * BIN
        rows.append(
            [np.average(values[s][track][contig][first:last].astype(np.float64), weights=weights) for s in SAMPLES]
        )
    return np.array(rows)


@pytest.mark.parametrize("blocks", [8 << 20, 128 * 7])
def test_groups_with_replicates_are_tested(compare, values, tmp_path, monkeypatch, blocks):
    monkeypatch.setattr("epigept_batch.results.bins.BLOCK_BP", blocks)
    done = compare(*GROUPS, "--threshold", "0.6", "--fdr", "0.01")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "out/compare.json").read_text())
    for track in TRACKS:
        rows = table(tmp_path / f"out/a-minus-b.{track}.regions.tsv")
        assert rows[0] == [
            "chrom",
            "start",
            "end",
            "name",
            "bases_with_data",
            "effect",
            "mean_a",
            "mean_b",
            "t",
            "p",
            "fdr",
        ]
        regions = naive_candidates(values, track, 0.6)
        assert [(r[0], int(r[1]), int(r[2])) for r in rows[1:]] == [
            (c, first * BIN, min(last * BIN, LENGTHS[c])) for c, first, last in regions
        ]
        of = region_values(values, track, regions)
        tests = moderated_t.moderated_t(of, [np.arange(3), np.arange(3, 6)], minuend=0, subtrahend=1)
        found = np.array([[float(cell) for cell in row[5:]] for row in rows[1:]])
        np.testing.assert_allclose(found[:, 0], of[:, :3].mean(axis=1) - of[:, 3:].mean(axis=1), atol=6e-5)
        np.testing.assert_allclose(found[:, 3], tests.t, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found[:, 4], tests.p, rtol=2e-3)
        np.testing.assert_allclose(found[:, 5], scipy.stats.false_discovery_control(tests.p), rtol=2e-3)
        chosen = [row[:3] for row, fdr in zip(rows[1:], found[:, 5], strict=True) if fdr <= 0.01]
        assert chosen
        assert [
            [row["chrom"], row["start"], row["end"]] for row in bed(tmp_path / f"out/a-minus-b.{track}.bed")
        ] == chosen
        facts = record["tracks"][track]["differences"]["a-minus-b"]
        assert facts["no_test"] is None
        assert facts["test"]["df_residual"] == 4
        assert facts["test"]["least_mean_of_all_samples"] == 0.6
        assert facts["test"]["prior_variance"] == pytest.approx(tests.prior.variance, rel=1e-3)
        mean = {
            name: np.mean([values[f"{name}{n}"][track]["one"].astype(np.float64) for n in (1, 2, 3)], axis=0)
            for name in "ab"
        }
        written = bigwigs.bins(tmp_path / f"out/a-minus-b.{track}.bw", "one", bin_bp=BIN)
        np.testing.assert_allclose(written, mean["a"] - mean["b"], rtol=1e-4, atol=1e-6)
    assert "errors of the network" in record["fdr_means"]


def test_the_default_level_is_the_99th_percentile(compare, values, tmp_path):
    assert compare(*GROUPS, "--tracks", "DNase").code == 0
    facts = json.loads((tmp_path / "out/compare.json").read_text())["tracks"]["DNase"]["differences"]["a-minus-b"]
    every = [np.concatenate([values[s]["DNase"][contig] for contig in BINS]) for s in SAMPLES]
    expected = np.mean([np.quantile(one[~np.isnan(one)].astype(np.float64), 0.99) for one in every])
    assert facts["test"]["least_mean_of_all_samples"] == pytest.approx(expected, rel=1e-6)


def test_a_group_of_one_is_tested_with_the_variance_of_the_other(compare, tmp_path):
    done = compare("--group", "a=a1", "--group", "b=b1,b2,b3", "--threshold", "0.6", "--tracks", "DNase")
    assert done.code == 0, done.err
    assert "a has one sample" in done.err
    facts = json.loads((tmp_path / "out/compare.json").read_text())["tracks"]["DNase"]["differences"]["a-minus-b"]
    assert facts["test"]["df_residual"] == 2


def test_a_least_effect_with_a_test(compare, tmp_path):
    assert compare(*GROUPS, "--threshold", "0.6", "--min-effect", "1.2", "--tracks", "DNase").code == 0
    rows = bed(tmp_path / "out/a-minus-b.DNase.bed")
    assert rows
    assert all(abs(float(row["effect"])) >= 1.2 for row in rows)


def test_given_regions(compare, values, tmp_path):
    path = tmp_path / "regions.bed"
    path.write_text("two\t100\t900\tx\none\t6401\t10240\tpeak\none\t1280\t1536\tunknown\none\t38000\t38417\n")
    assert compare("a1", "b1", "--bed", path, "--tracks", "DNase").code == 0
    lines = table(tmp_path / "out/a1-minus-b1.DNase.regions.tsv")
    assert [line[3] for line in lines[1:]] == ["peak", "", "x"]  # none for the region without data
    bases = np.repeat(values["a1"]["DNase"]["one"], BIN).astype(np.float64)
    assert float(lines[1][6]) == pytest.approx(bases[6401:10240].mean(), abs=6e-5)
    assert lines[2][4] == "417"
    assert [row["name"] for row in bed(tmp_path / "out/a1-minus-b1.DNase.bed")] == ["peak", "higher_2"]
    assert compare(*GROUPS, "--bed", path, "--tracks", "DNase", out="tested").code == 0
    tested = table(tmp_path / "tested/a-minus-b.DNase.regions.tsv")
    assert len(tested) == 4
    assert tested[0][-1] == "fdr"


def test_copies_of_one_sample_are_not_tested(values, tmp_path):
    values = {name: values[name[:2]] for name in ("a1", "a1x", "b1", "b1x")}
    run = write_run(tmp_path / "copies", values, LENGTHS)
    words = [
        "compare",
        run,
        "--out",
        tmp_path / "out",
        "--group",
        "a=a1,a1x",
        "--group",
        "b=b1,b1x",
        "--threshold",
        "0.6",
    ]
    done = outcome_of(cli, "epigept-batch", words)
    assert done.code == 0, done.err
    assert "check that they are not copies of one sample" in done.out
    assert list(bed(tmp_path / "out/a-minus-b.DNase.bed")[0])[6:] == ["effect", "mean_a", "mean_b"]


def test_only_common_bins_are_compared(values, tmp_path):
    selection = {"a1": {"one": [[0, 100]]}, "b1": {"one": [[40, 90], [95, 300]], "two": [[0, 40]]}}
    for name, spans in selection.items():
        for track in TRACKS:
            for contig, of_contig in values[name][track].items():
                inside = np.zeros(len(of_contig), bool)
                for first, last in spans.get(contig, []):
                    inside[first:last] = True
                of_contig[~inside] = np.nan
    run = write_run(tmp_path / "parts", {name: values[name] for name in selection}, LENGTHS, selection=selection)
    done = outcome_of(cli, "epigept-batch", ["compare", run, "a1", "b1", "--out", tmp_path / "out"])
    assert done.code == 0, done.err
    found = bigwigs.bins(tmp_path / "out/a1-minus-b1.DNase.bw", "one", bin_bp=BIN)
    assert np.flatnonzero(~np.isnan(found)).tolist() == [*range(40, 90), *range(95, 100)]
    record = json.loads((tmp_path / "out/compare.json").read_text())
    assert record["tracks"]["DNase"]["bins"]["compared"] == 55
    said = "285 bins were predicted for some samples, but not for all, so they are not compared"
    assert record["bins_not_of_all_samples"] == 285 == 300 + 40 - 55
    assert record["notes"] == [said]
    assert f"epigept-batch: {said}\n" in done.err


def test_three_groups_are_compared_on_the_bins_of_all(values, tmp_path):
    selection = {"a1": {"one": [[0, 100]]}, "a2": {"one": [[20, 100]]}, "b1": {"one": [[40, 301]]}}
    run = write_run(tmp_path / "parts", {name: values[name] for name in selection}, LENGTHS, selection=selection)
    done = outcome_of(cli, "epigept-batch", ["compare", run, *selection, "--out", tmp_path / "out"])
    assert "241 bins were predicted for some samples" in done.err
    assert "so they are not compared; all groups are compared on the same bins\n" in done.err
    assert json.loads((tmp_path / "out/compare.json").read_text())["bins_not_of_all_samples"] == 241


def test_samples_with_the_same_bins_need_no_note(compare, tmp_path):
    assert "predicted for some samples" not in compare("a1", "b1").err
    assert json.loads((tmp_path / "out/compare.json").read_text())["bins_not_of_all_samples"] == 0


def test_an_output_is_never_an_input(compare, tmp_path):
    assert compare("a1", "b1", "--tracks", "DNase").code == 0
    mine = tmp_path / "out/a1-minus-b1.DNase.bed"
    before = mine.read_bytes()
    for words in (("a1", "b1"), ("a2", "b2")):  # the second would only remove it
        done = compare(*words, "--tracks", "DNase", "--bed", mine, "--force")
        assert done.code == 2
        assert f"{mine}: is an input, but would be replaced; choose another --out" in done.err
        assert mine.read_bytes() == before
    (tmp_path / "link.bed").symlink_to(mine)
    assert "would be replaced" in compare("a1", "b1", "--bed", tmp_path / "link.bed", "--force").err
    assert compare("a1", "b1", "--tracks", "DNase", "--bed", mine, out="other").code == 0


def test_a_calibration_in_the_place_of_an_output_is_kept(values, kept, tmp_path):
    assert kept
    run = write_run(tmp_path / "tracks", {"a1": values["a1"]}, LENGTHS, inputs=INPUTS)
    (tmp_path / "out").mkdir()
    levels = {track: [(0.0, True)] for track in TRACKS}
    calibration = write_levels(tmp_path / "out/compare.json", levels, model=INPUTS["model"], bin_bp=BIN)
    words = ["compare", run, "--mean", tmp_path / "mean", "--calibration", calibration, "--out", tmp_path / "out"]
    assert "would be replaced" in outcome_of(cli, "epigept-batch", [*words, "--force"]).err
    assert "epigept-batch calibration" in calibration.read_text()


def test_regions_in_which_replicates_do_not_differ_are_not_tested(values, tmp_path):
    for sample in SAMPLES:
        values[sample]["DNase"]["one"][100:190] = 0  # most of the given regions have no signal
    run = write_run(tmp_path / "flat", values, LENGTHS)
    path = tmp_path / "regions.bed"
    starts = [*range(20, 90, 10), *range(100, 190, 5)]
    path.write_text("".join(f"one\t{start * BIN}\t{(start + 5) * BIN}\n" for start in starts))

    def call(out, *more):
        words = ["compare", run, *GROUPS, "--tracks", "DNase", "--out", tmp_path / out, *more]
        return outcome_of(cli, "epigept-batch", words)

    done = call("out", "--bed", path, "--fdr", "0.05")
    assert done.code == 0, done.err
    assert "a-minus-b DNase: 18 of 25 regions are not tested, because replicates do not differ there\n" in done.err
    rows = table(tmp_path / "out/a-minus-b.DNase.regions.tsv")[1:]
    assert [row[8:] for row in rows[7:]] == 18 * [["nan", "nan", "nan"]]
    of = region_values(values, "DNase", [("one", start, start + 5) for start in starts[:7]])
    tests = moderated_t.moderated_t(of, [np.arange(3), np.arange(3, 6)], minuend=0, subtrahend=1)
    found = np.array([[float(cell) for cell in row[8:]] for row in rows[:7]])
    np.testing.assert_allclose(found, np.stack([tests.t, tests.p, tests.fdr], axis=1), rtol=2e-3, atol=1e-3)
    record = json.loads((tmp_path / "out/compare.json").read_text())
    test = record["tracks"]["DNase"]["differences"]["a-minus-b"]["test"]
    assert (test["regions_tested"], test["regions_without_variance"]) == (7, 18)
    assert any("18 of 25 regions" in note for note in record["notes"])
    chosen = bed(tmp_path / "out/a-minus-b.DNase.bed")
    assert [int(row["start"]) // BIN for row in chosen] == [
        s for s, fdr in zip(starts, tests.fdr, strict=False) if fdr <= 0.05
    ]
    assert chosen

    path.write_text("".join(f"one\t{start * BIN}\t{(start + 5) * BIN}\n" for start in starts[6:]))
    assert "a-minus-b: no test, because replicates differ in fewer than 2 regions" in call("few", "--bed", path).out
    done = call("none", "--bed", path, "--fdr", "0.05")
    assert done.code == 2
    assert "--fdr 0.05: a-minus-b DNase: no test, because replicates differ in fewer than 2 regions" in done.err
    assert not (tmp_path / "none").exists()
    done = call("none", "--threshold", "99", "--fdr", "0.05")
    assert done.code == 2
    assert "--fdr 0.05: no region to test; lower --threshold" in done.err
    assert not (tmp_path / "none").exists()


def test_cells_that_changed_since_their_mean_was_made(compare, kept, tmp_path):
    assert kept
    (tmp_path / "training/c1.CTCF.bw").rename(tmp_path / "training/moved.bw")
    assert "changed since" not in compare("a1", "--mean", tmp_path / "mean", "--tracks", "CTCF").err
    with (tmp_path / "training/c2.CTCF.bw").open("ab") as file:
        file.write(b"x")
    done = compare("a1", "--mean", tmp_path / "mean", "--tracks", "CTCF", out="other")
    assert done.code == 0
    assert "mean.CTCF.bw: changed since this mean was made: c2; to renew it" in done.err


def test_signal_is_compared_as_its_logarithm(values, tmp_path):
    linear = {
        sample: {track: {c: np.expm1(v) for c, v in of.items()} for track, of in values[sample].items()}
        for sample in ("a1", "b1")
    }
    run = write_run(tmp_path / "linear", linear, LENGTHS, space="linear")
    assert outcome_of(cli, "epigept-batch", ["compare", run, "a1", "b1", "--out", tmp_path / "out"]).code == 0
    found = bigwigs.bins(tmp_path / "out/a1-minus-b1.DNase.bw", "one", bin_bp=BIN)
    np.testing.assert_allclose(found, values["a1"]["DNase"]["one"] - values["b1"]["DNase"]["one"], atol=2e-6)


@pytest.fixture
def kept(tmp_path):
    """The kept mean of two cells, as the command makes it; return its values of `one`."""
    rng = np.random.default_rng(7)
    (tmp_path / "training").mkdir()
    logs = {}
    for track in TRACKS:
        for cell in ("c1", "c2"):
            signal = {contig: np.expm1(smooth(rng, bins)) for contig, bins in BINS.items()}
            write_bigwig(tmp_path / f"training/{cell}.{track}.bw", signal, LENGTHS)
            logs.setdefault(track, []).append(np.log1p(signal["one"].astype(np.float64)))
    words = ["mean", "--training", tmp_path / "training/{cell}.{track}.bw", "--out", tmp_path / "mean"]
    assert outcome_of(cli, "epigept-batch", words).code == 0
    return {track: np.mean(of, axis=0) for track, of in logs.items()}


@pytest.mark.parametrize("pattern", ["mean", "mean/mean.{track}.bw"])
def test_differences_from_the_training_mean(compare, values, kept, tmp_path, pattern):
    done = compare("--mean", tmp_path / pattern, "--tracks", "CTCF")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "out").glob("*-minus-training-mean.CTCF.bw"))) == len(SAMPLES)
    said = "no bins are left out, because only --calibration tells where the prediction beats the training mean"
    assert said in done.out.splitlines()
    found = bigwigs.bins(tmp_path / "out/a2-minus-training-mean.CTCF.bw", "one", bin_bp=BIN)
    np.testing.assert_allclose(found, values["a2"]["CTCF"]["one"] - kept["CTCF"], atol=2e-6)
    record = json.loads((tmp_path / "out/compare.json").read_text())
    assert record["training-mean"]["CTCF"]["cells"] == ["c1", "c2"]
    rows = bed(tmp_path / "out/a2-minus-training-mean.CTCF.bed")
    assert list(rows[0])[6:] == ["effect", "mean_a2", "mean_training-mean"]


def test_bins_where_the_prediction_does_not_beat_the_mean_are_left_out(values, kept, tmp_path):
    run = write_run(tmp_path / "tracks", {"a1": values["a1"]}, LENGTHS, inputs=INPUTS)
    calibration = write_levels(
        tmp_path / "c.json", {track: [(0.0, False), (0.5, True)] for track in TRACKS}, model=INPUTS["model"], bin_bp=BIN
    )
    words = ["compare", run, "a1", "--mean", tmp_path / "mean", "--calibration", calibration, "--out", tmp_path / "out"]
    done = outcome_of(cli, "epigept-batch", words)
    assert done.code == 0, done.err
    found = bigwigs.bins(tmp_path / "out/a1-minus-training-mean.DNase.bw", "one", bin_bp=BIN)
    beats = kept["DNase"] >= 0.5
    assert 0.05 < beats.mean() < 0.95
    np.testing.assert_array_equal(~np.isnan(found), beats & ~np.isnan(values["a1"]["DNase"]["one"]))
    for row in bed(tmp_path / "out/a1-minus-training-mean.DNase.bed"):
        if row["chrom"] == "one":
            assert beats[int(row["start"]) // BIN : -(-int(row["end"]) // BIN)].all()
    bins = json.loads((tmp_path / "out/compare.json").read_text())["tracks"]["DNase"]["bins"]
    assert bins["compared"] < bins["with_data"] == sum(BINS.values()) - 4
    assert done.out.splitlines()[-1].startswith("bins are left out where the prediction has not beaten")
    nowhere = {track: [(0.0, False), (99.0, True)] for track in TRACKS}  # a level that no bin has
    words[words.index(calibration)] = write_levels(
        tmp_path / "nowhere.json", nowhere, model=INPUTS["model"], bin_bp=BIN
    )
    words[-1] = tmp_path / "nothing"
    assert "says of no bin of DNase" in outcome_of(cli, "epigept-batch", words).err
    assert not (tmp_path / "nothing").exists()


def test_tracks_that_beat_the_mean_nowhere_are_left_out(values, kept, tmp_path):
    assert kept
    run = write_run(tmp_path / "tracks", {"a1": values["a1"]}, LENGTHS, inputs=INPUTS)

    def call(levels, out, *more):
        calibration = write_levels(tmp_path / "c.json", levels, model=INPUTS["model"], bin_bp=BIN)
        words = ["compare", run, "--mean", tmp_path / "mean", "--calibration", calibration, "--out", tmp_path / out]
        return outcome_of(cli, "epigept-batch", [*words, *more])

    (tmp_path / "mean/mean.DNase.bw").rename(tmp_path / "mean/away")  # not needed for the track that is left out
    done = call({"DNase": [(0.0, False)], "CTCF": [(0.0, False), (0.5, True)]}, "out")
    assert done.code == 0, done.err
    assert "c.json says that the prediction beats the training mean nowhere: DNase" in done.err
    record = json.loads((tmp_path / "out/compare.json").read_text())
    assert (list(record["tracks"]), record["tracks_left_out"]) == (["CTCF"], ["DNase"])
    assert any("nowhere: DNase" in note for note in record["notes"])
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".bed", ".bw", ".json"]
    done = call({track: [(0.0, False)] for track in TRACKS}, "none")
    assert done.code == 2
    assert "c.json: says of no bin of DNase, CTCF that the prediction beats the training mean; choose" in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_what_differs_in_how_it_was_predicted_is_refused(values, tmp_path):
    run = write_run(tmp_path / "tracks", {"a1": values["a1"]}, LENGTHS, inputs=INPUTS)
    for key, said in (("model", "a different model"), ("overlap", "a different --overlap")):
        write_run(run, {"b1": values["b1"]}, LENGTHS, inputs=INPUTS | {key: "n" * 64 if key == "model" else 128})
        done = outcome_of(cli, "epigept-batch", ["compare", run, "a1", "b1", "--out", tmp_path / "out"])
        assert done.code == 2
        assert said in done.err


def test_a_finished_comparison_is_up_to_date_and_others_are_refused(compare, values, run, tmp_path):
    assert compare("a1", "b1").code == 0
    assert "up to date" in compare("a1", "b1").err
    assert "different samples, groups, differences" in compare("a1", "b2").err
    assert "different min_effect" in compare("a1", "b1", "--min-effect", "2").err
    write_run(run, {"a1": values["a2"]}, LENGTHS)
    assert "different samples" in compare("a1", "b1").err
    assert compare("a1", "b2", "--force", "--tracks", "CTCF").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a1-minus-b2.CTCF.bed",
        "a1-minus-b2.CTCF.bw",
        "compare.json",
    ]


def test_perturbed_copies_are_no_replicates(values, tmp_path):
    run = write_run(tmp_path / "tracks", {"a1": values["a1"], "b1": values["b1"]}, LENGTHS)
    write_run(run, {"a2": values["a2"]}, LENGTHS, perturbation={"of": "a1", "set": "F1=0", "changes": []})
    words = ["compare", run, "--out", tmp_path / "out", "--group", "a=a1,a2", "--group", "b=b1"]
    assert "a: a2 are perturbed copies or haplotypes" in outcome_of(cli, "epigept-batch", words).err


def test_variance_comes_from_all_groups(compare, values, tmp_path):
    groups = ("--group", "a=a1,a2", "--group", "c=b1,a3", "--group", "b=b2,b3")
    assert compare(*groups, "--threshold", "0.6", "--tracks", "DNase").code == 0
    facts = json.loads((tmp_path / "out/compare.json").read_text())["tracks"]["DNase"]["differences"]
    assert list(facts) == ["a-minus-b", "c-minus-b"]
    assert facts["a-minus-b"]["test"]["df_residual"] == 3
    of = region_values(values, "DNase", naive_candidates(values, "DNase", 0.6))
    order = [np.array([0, 1]), np.array([3, 2]), np.array([4, 5])]
    tests = moderated_t.moderated_t(of, order, minuend=1, subtrahend=2)
    found = [float(row[8]) for row in table(tmp_path / "out/c-minus-b.DNase.regions.tsv")[1:]]
    np.testing.assert_allclose(found, tests.t, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "tracks", "said"),
    [
        ("n" * 64, TRACKS, "made with another model file"),
        (INPUTS["model"], ("DNase",), "no calibration of track 'CTCF'"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused(values, kept, tmp_path, model, tracks, said):
    assert kept
    run = write_run(tmp_path / "tracks", {"a1": values["a1"]}, LENGTHS, inputs=INPUTS)
    levels = {track: [(0.0, True)] for track in tracks}
    calibration = write_levels(tmp_path / "c.json", levels, model=model, bin_bp=BIN)
    words = ["compare", run, "--mean", tmp_path / "mean", "--calibration", calibration, "--out", tmp_path / "out"]
    done = outcome_of(cli, "epigept-batch", words)
    assert done.code == 2
    assert said in done.err


def test_a_comparison_that_fails_leaves_nothing(compare, run, tmp_path):
    with (run / "b1.CTCF.bw").open("r+b") as file:
        file.seek(600)
        file.write(bytes(400))
    assert compare("a1", "b1").code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "at least two samples or groups"),
        (["a1"], "at least two samples or groups"),
        (["a1", "x"], "no finished sample 'x'"),
        (["a1", "b1", "--calibration", "c.json"], "--calibration: has no effect without --mean"),
        (["a1", "b1", "--threshold", "1"], "--threshold: applies to tests"),
        (["a1", "b1", "--fdr", "0.1"], "--fdr: applies to tests"),
        ([*GROUPS, "--fdr", "0"], "--fdr 0: must be"),
        ([*GROUPS, "--threshold", "-1"], "--threshold -1: must be"),
        (["a1", "b1", "--min-effect", "nan"], "--min-effect nan: must be"),
        (["a1", "b1", "--tracks", "ATAC"], "not every sample has a track 'ATAC'"),
        (["a1", "b1", "--mean", "nowhere"], "--mean nowhere: not found; pass the output folder"),
        (["a1", "b1", "--mean", "nowhere/{track}.bw"], "bigWig not found"),
        ([*GROUPS, "--threshold", "99"], "no region to test"),
    ],
)
def test_what_cannot_be_compared(compare, words, said, tmp_path):
    done = compare(*words, *(["--tracks", "CTCF"] if "--mean" in words else []))
    assert said in done.err + done.out
    if "no region" not in said:
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert not (tmp_path / "out").exists()
