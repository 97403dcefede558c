"""`epigept-batch calibrate` on small tracks, against numpy, pandas and scikit-learn on the same bins."""

import gzip
import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_curve

from chosen_runs import BIN_BP, write_bigwig, write_run
from conftest import outcome_of
from epigept_batch.calibration.calibration_file import read_calibration
from epigept_batch.cli.main import cli
from epigept_batch.inference.model_file import read_spec

LENGTHS = {"one": 128 * 4000 + 70, "two": 128 * 2000, "three": 100}
SAMPLES, TRACKS, CELLS = ("liver", "heart"), ("DNase", "CTCF"), ("a", "b", "c")


def made_bins(seed):
    """The true signal of a series by contig."""
    rng = np.random.default_rng(seed)
    return {name: rng.gamma(0.4, 1.5, -(-length // BIN_BP)) for name, length in LENGTHS.items()}


def with_noise(values, seed, missing):
    rng = np.random.default_rng(seed)
    found = {name: np.maximum(0, one + rng.normal(0, 0.3, len(one))).astype(np.float32) for name, one in values.items()}
    for one in found.values():
        one[rng.random(len(one)) < missing] = np.nan
    return found


def peak_lines(values):
    """Intervals that cover a half or more of a bin above 1.5, or a little less of one above 1; some overlap."""
    for name, one in values.items():
        for number in np.flatnonzero(one > 1):
            start, end = number * BIN_BP, min((number + 1) * BIN_BP, LENGTHS[name])
            half = start + (end - start + 1) // 2
            if one[number] > 1.5:
                yield f"{name}\t{start}\t{half}\tpeak\t5\n"
                yield f"{name}\t{start}\t{half - 1}\tpeak\t5\n"
            else:
                yield f"{name}\t{start}\t{start + (end - start - 1) // 2}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_model):
    """A folder with predictions of two cells, their peaks, and the tracks of three training cells; and all values."""
    folder = tmp_path_factory.mktemp("calibrate")
    values = {"truth": {}, "predicted": {}, "training": {}}
    for t, track in enumerate(TRACKS):
        for s, sample in enumerate(SAMPLES):
            truth = made_bins(10 * t + s)
            values["truth"][sample, track] = truth
            values["predicted"][sample, track] = with_noise(truth, 100 + 10 * t + s, 0.05)
            with gzip.open(folder / f"{sample}.{track}.bed.gz", "wt") as stream:
                stream.writelines(peak_lines(truth))
        for c, cell in enumerate(CELLS):
            values["training"][cell, track] = with_noise(made_bins(10 * t), 200 + 10 * t + c, 0.4)
            linear = {name: np.expm1(one) for name, one in values["training"][cell, track].items()}
            write_bigwig(folder / f"cell.{cell}.{track}.bw", linear, LENGTHS)
    for sample in SAMPLES:
        write_run(
            folder / "run",
            sample,
            {track: values["predicted"][sample, track] for track in TRACKS},
            lengths=LENGTHS,
            inputs={
                "genome": dict.fromkeys(LENGTHS, "x"),
                "model": hashlib.sha256(small_model.read_bytes()).hexdigest(),
            },
            paths={"model": str(small_model)},
            expression={"nearest_cell": {"cell": "a", "r": 0.4, "median_r": 0.1}},
        )
    return folder, values


@pytest.fixture
def data(made, tmp_path):
    """The values, and the files in a folder of the test's own."""
    folder, values = made
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return values


@pytest.fixture
def calibrate(data, tmp_path):
    """Run the command; return the outcome. Options override, and None removes one."""
    assert data

    def run(*words, **options):
        given = {"peaks": tmp_path / "{sample}.{track}.bed.gz", "out": tmp_path / "cal.json", **options}
        more = [word for name, value in given.items() if value is not None for word in (f"--{name}", value)]
        return outcome_of(cli, "epigept-batch", ["calibrate", tmp_path / "run", *more, *words])

    return run


def frame_of(data, track, *, with_mean=False):
    """All bins of a track with data, a row each."""
    frames = []
    for sample in SAMPLES:
        for name in LENGTHS:
            truth = data["truth"][sample, track][name]
            frame = pd.DataFrame(
                {
                    "sample": sample,
                    "contig": name,
                    "bin": np.arange(len(truth)),
                    "predicted": data["predicted"][sample, track][name].astype(float),
                    "peak": truth > 1.5,
                }
            )
            if with_mean:
                cells = pd.DataFrame({cell: data["training"][cell, track][name].astype(float) for cell in CELLS})
                frame["mean"] = cells.mean(axis=1)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def calibration(outcome, tmp_path):
    assert outcome.code == 0, outcome.err
    return read_calibration(tmp_path / "cal.json")


def test_thresholds_are_those_of_scikit_learn(data, calibrate, tmp_path):
    found = calibration(calibrate(), tmp_path)
    assert (found.samples, found.contigs, found.bin_bp) == (("heart", "liver"), tuple(LENGTHS), BIN_BP)
    for track in TRACKS:
        frame = frame_of(data, track).dropna()
        curve = found.track(track).prediction.curve
        precision, recall, thresholds = precision_recall_curve(frame["peak"], frame["predicted"])
        places = np.searchsorted(thresholds, curve.thresholds)
        np.testing.assert_allclose(curve.precision, precision[places])
        np.testing.assert_allclose(curve.recall, recall[places])
        expected = average_precision_score(frame["peak"], frame["predicted"])
        assert found.track(track).prediction.average_precision == pytest.approx(expected, abs=3e-4)
        assert (found.track(track).bins, found.track(track).in_peaks) == (len(frame), frame["peak"].sum())
        liver = frame[frame["sample"] == "liver"]
        assert found.track(track).samples["liver"].true[0] == liver["peak"].sum()
        claimed = found.threshold(track, 0.8)
        called = frame[frame["predicted"] >= claimed.value]
        assert called["peak"].mean() == pytest.approx(claimed.precision)
        assert 0.8 <= claimed.precision < 0.82


def test_the_file_says_what_it_was_made_of(data, calibrate, tmp_path, small_model):
    found = calibration(calibrate(training=tmp_path / "cell.{cell}.{track}.bw"), tmp_path)
    assert found.model == hashlib.sha256(small_model.read_bytes()).hexdigest()
    account = found.account
    peaks = tmp_path / "liver.CTCF.bed.gz"
    assert account["inputs"]["CTCF"]["peaks"]["liver"] == {
        "path": str(peaks),
        "sha256": hashlib.sha256(peaks.read_bytes()).hexdigest(),
    }
    assert account["inputs"]["CTCF"]["training"] == {c: str(tmp_path / f"cell.{c}.CTCF.bw") for c in CELLS}
    assert account["cells"]["liver"]["trained_on"] is False
    frame = frame_of(data, "CTCF", with_mean=True)
    assert account["counts"]["CTCF"] == {
        "asked": len(frame),
        "excluded": 0,
        "in_training_windows": 0,
        "without_prediction": frame["predicted"].isna().sum(),
        "without_training": (frame["predicted"].notna() & frame["mean"].isna()).sum(),
        "compared": len(frame.dropna()),
    }


def test_the_mean_of_training_cells_has_its_own_curve_and_levels(data, calibrate, tmp_path, monkeypatch):
    monkeypatch.setattr("epigept_batch.calibration.skill.LEAST_BLOCK_BP", 128 * 100)
    outcome = calibrate(training=tmp_path / "cell.{cell}.{track}.bw")
    found = calibration(outcome, tmp_path)
    frame = frame_of(data, "DNase", with_mean=True).dropna()
    track = found.track("DNase")
    expected = average_precision_score(frame["peak"], frame["mean"])
    assert track.mean.average_precision == pytest.approx(expected, abs=3e-4)
    above = frame["mean"] >= track.mean.curve.thresholds[40]
    assert track.mean.curve.called[40] == pytest.approx(above.sum(), abs=1)  # the mean is rounded to float32
    assert track.mean.curve.true[40] == pytest.approx((above & frame["peak"]).sum(), abs=1)
    assert track.levels.bins.sum() == len(frame)
    # The calibrated scores are close to those of any reliability fitted on the other contig.
    overall = np.average(track.levels.brier_prediction, weights=track.levels.bins)
    one, two = (frame[frame["contig"] == name] for name in ("one", "two"))
    classes = np.quantile(one["predicted"], np.linspace(0, 1, 200)[1:-1])
    share = one.groupby(np.searchsorted(classes, one["predicted"]))["peak"].mean()
    fitted = pd.Series(np.searchsorted(classes, two["predicted"])).map(share).fillna(0)
    assert overall == pytest.approx(brier_score_loss(two["peak"], fitted), rel=0.15)
    # `liver` shares its truth with the training cells, `heart` does not.
    assert track.levels.beats.any()
    assert "the prediction beats that mean at" in outcome.out


def test_one_file_of_the_mean_is_the_same_as_its_cells(data, calibrate, tmp_path):
    assert data
    of_cells = calibration(calibrate(training=tmp_path / "cell.{cell}.{track}.bw"), tmp_path)
    for track in TRACKS:
        mean = {
            name: pd.DataFrame({c: data["training"][c, track][name].astype(float) for c in CELLS}).mean(axis=1)
            for name in LENGTHS
        }
        write_bigwig(tmp_path / f"average.{track}.bw", mean, LENGTHS)
    outcome = calibrate("--training-space", "log1p", training=tmp_path / "average.{track}.bw")
    of_mean = calibration(outcome, tmp_path)
    for track in TRACKS:
        one, other = of_cells.track(track).mean, of_mean.track(track).mean
        assert one.average_precision == pytest.approx(other.average_precision, abs=1e-4)


@pytest.fixture
def kept_mean(data, tmp_path):
    """Keep the mean of training cells; return the pattern of its files."""
    assert data

    def keep(*words, training="cell.{cell}.{track}.bw"):
        given = ["--training", tmp_path / training, "--out", tmp_path / "mean", "--bin", BIN_BP]
        done = outcome_of(cli, "epigept-batch", ["mean", *given, *words])
        assert done.code == 0, done.err
        return tmp_path / "mean/mean.{track}.bw"

    return keep


def test_a_kept_mean_is_that_of_its_cells(calibrate, kept_mean, tmp_path):
    of_cells = calibration(calibrate(training=tmp_path / "cell.{cell}.{track}.bw"), tmp_path)
    outcome = calibrate(training=kept_mean())  # whatever --training-space says
    found = calibration(outcome, tmp_path)
    for track in TRACKS:
        one, other = found.track(track), of_cells.track(track)
        assert one.mean.average_precision == pytest.approx(other.mean.average_precision, abs=1e-4)
        assert one.levels.brier_mean == pytest.approx(other.levels.brier_mean, abs=1e-4, nan_ok=True)
    assert "the mean of training cells (3 training tracks)" in outcome.out
    inputs = found.account["inputs"]["CTCF"]
    assert inputs["training"] == {c: str(tmp_path / f"cell.{c}.CTCF.bw") for c in CELLS}
    assert inputs["training_mean"] == str(tmp_path / "mean/mean.CTCF.bw")


def test_a_kept_mean_whose_cells_changed_is_noted_and_its_folder_is_refused(calibrate, kept_mean, tmp_path):
    pattern = kept_mean()
    shutil.copy(tmp_path / "cell.b.CTCF.bw", tmp_path / "cell.a.CTCF.bw")
    outcome = calibrate(training=pattern)
    assert "mean.CTCF.bw: changed since this mean was made: a" in outcome.out
    outcome = calibrate(training=tmp_path / "mean")
    assert outcome.code == 2
    assert "is a folder; pass '" in outcome.err
    assert calibrate("--zero-fill", training=pattern).code == 2
    outcome = calibrate(training=tmp_path / "mean/{cell}.{track}.bw")
    assert outcome.code == 2
    assert "is the mean that epigept-batch mean keeps, not a cell" in outcome.err


def test_a_kept_mean_that_does_not_fit_is_refused(calibrate, kept_mean, tmp_path):
    shutil.copy(tmp_path / "cell.a.DNase.bw", tmp_path / "cell.Liver.DNase.bw")
    shutil.copy(tmp_path / "cell.a.CTCF.bw", tmp_path / "cell.Liver.CTCF.bw")
    outcome = calibrate(training=kept_mean())
    assert outcome.code == 2
    assert "mean.DNase.bw: contains samples of this calibration: Liver; run epigept-batch mean with" in outcome.err
    kept_mean("--exclude-cell", "Liver", "--force")
    outcome = calibrate("--tracks", "DNase", training=tmp_path / "mean/mean.CTCF.bw")
    assert outcome.code == 2
    assert "is the mean of CTCF, not of DNase" in outcome.err
    assert calibrate(training=tmp_path / "mean/mean.{track}.bw").code == 0


def test_zero_fill_makes_absent_training_data_zero(data, calibrate, tmp_path):
    found = calibration(calibrate("--zero-fill", training=tmp_path / "cell.{cell}.{track}.bw"), tmp_path)
    frame = frame_of(data, "CTCF")
    frame["mean"] = np.concatenate(
        [np.mean([np.nan_to_num(data["training"][c, "CTCF"][n]) for c in CELLS], axis=0) for n in LENGTHS] * 2
    )
    assert found.account["counts"]["CTCF"]["without_training"] == 0
    frame = frame.dropna()
    expected = average_precision_score(frame["peak"], frame["mean"])
    assert found.track("CTCF").mean.average_precision == pytest.approx(expected, abs=3e-4)


def test_regions_and_excluded_regions(data, calibrate, tmp_path):
    (tmp_path / "black.bed").write_text(f"one\t{BIN_BP * 100 + 5}\t{BIN_BP * 200}\nelsewhere\t1\t2\n")
    outcome = calibrate("--region", f"one:{BIN_BP * 50 + 1}-{BIN_BP * 1500}", exclude=tmp_path / "black.bed")
    found = calibration(outcome, tmp_path)
    frame = frame_of(data, "DNase")
    mine = frame[(frame["contig"] == "one") & frame["bin"].between(50, 1499)]
    left = mine[~mine["bin"].between(100, 199)]
    assert found.account["counts"]["DNase"]["excluded"] == len(mine) - len(left) == 200
    assert found.account["counts"]["DNase"]["asked"] == len(left)
    assert found.track("DNase").bins == left["predicted"].notna().sum()
    assert found.track("DNase").in_peaks == left.dropna()["peak"].sum()
    assert found.contigs == ("one",)
    assert "200 excluded" in outcome.out


def test_samples_and_tracks_can_be_chosen(calibrate, tmp_path):
    found = calibration(calibrate("--sample", "heart", "--tracks", "ctcf"), tmp_path)
    assert (found.samples, list(found.tracks)) == (("heart",), ["CTCF"])
    assert found.account["notes"][-1].startswith("measured in one cell only")
    assert not any("one cell only" in note for note in calibration(calibrate(), tmp_path).account["notes"])


@pytest.fixture
def trained(monkeypatch, small_model):
    """Give the model training windows: 0-9 and 20-29 of contig one."""
    spec = replace(read_spec(small_model), architecture="trained", training_windows={"one": ((0, 10), (20, 30))})

    def change(**fields):
        monkeypatch.setattr("epigept_batch.commands.calibrate.plan.read_spec", lambda _: replace(spec, **fields))

    change()
    return change


def test_training_windows_are_left_out(data, calibrate, tmp_path, trained):
    assert trained
    outcome = calibrate()
    found = calibration(outcome, tmp_path)
    frame = frame_of(data, "DNase")
    window = frame["bin"] // 20
    seen = (frame["contig"] == "one") & (window.between(0, 9) | window.between(20, 29))
    counts = found.account["counts"]["DNase"]
    assert counts["in_training_windows"] == seen.sum() == 800
    assert found.track("DNase").bins == frame[~seen]["predicted"].notna().sum()
    assert found.track("DNase").in_peaks == frame[~seen].dropna()["peak"].sum()
    assert found.account["training_windows"] == "left out"
    assert "800 in training windows" in outcome.out


def test_training_windows_are_included_if_the_user_says_so(data, calibrate, tmp_path, trained):
    assert trained
    outcome = calibrate("--include-training-windows")
    found = calibration(outcome, tmp_path)
    assert found.track("DNase").bins == frame_of(data, "DNase")["predicted"].notna().sum()
    assert found.account["training_windows"] == "included"
    assert "the figures may be optimistic" in outcome.out


def test_only_training_windows_leave_nothing(calibrate, tmp_path, trained):
    trained(training_windows={"one": ((0, 200),)})
    outcome = calibrate("--region", f"one:1-{200 * 20 * BIN_BP}")
    assert outcome.code == 2
    assert "no bin is left of 8,000: 8,000 in windows that the network was trained on" in outcome.err
    assert not (tmp_path / "cal.json").exists()


def test_unknown_training_windows_are_noted(calibrate, tmp_path, trained):
    trained(training_windows={})
    outcome = calibrate()
    assert calibration(outcome, tmp_path).account["training_windows"] == "not known"
    assert "not published" in outcome.out


def test_training_cells_are_refused(calibrate, tmp_path, trained):
    trained(training_cells=("Heart", "other"))
    outcome = calibrate()
    assert outcome.code == 2
    assert "not held out: heart, because the network was trained on heart" in outcome.err
    assert "--include-training-cells" in outcome.err
    assert not (tmp_path / "cal.json").exists()
    found = calibration(calibrate("--include-training-cells"), tmp_path)
    assert found.account["cells"]["heart"]["trained_on"] is True
    assert any("optimistic" in note for note in found.account["notes"])
    assert calibrate("--sample", "liver").code == 0


def test_without_the_model_nothing_is_taken_for_held_out(calibrate, tmp_path, small_model):
    for sample in SAMPLES:
        path = tmp_path / f"run/{sample}.run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"paths": {"model": "/nowhere/model.onnx"}}))
    outcome = calibrate()
    assert outcome.code == 2
    assert "not known which cells it was trained on; provide it with --model" in outcome.err
    outcome = calibrate("--include-training-cells")
    assert outcome.code == 2
    assert "not known which windows it was trained on" in outcome.err
    assert calibrate("--include-training-cells", "--include-training-windows").code == 0
    assert calibrate(model=small_model).code == 0


def test_another_model_file_is_refused(calibrate, given_model):
    outcome = calibrate(model=given_model)
    assert outcome.code == 2
    assert "is not the model file that made the predictions" in outcome.err


def test_samples_of_two_models_are_refused(calibrate, tmp_path):
    path = tmp_path / "run/heart.run.json"
    record = json.loads(path.read_text())
    record["inputs"]["model"] = "ef" * 32
    path.write_text(json.dumps(record))
    outcome = calibrate()
    assert outcome.code == 2
    assert "different models" in outcome.err


def test_the_mean_has_neither_the_samples_nor_strangers(data, calibrate, tmp_path, trained):
    shutil.copyfile(tmp_path / "cell.c.DNase.bw", tmp_path / "cell.LIVER.DNase.bw")
    trained(training_cells=("a", "b"), training_windows={})
    outcome = calibrate("--tracks", "DNase", training=tmp_path / "cell.{cell}.{track}.bw")
    found = calibration(outcome, tmp_path)
    assert sorted(found.account["inputs"]["DNase"]["training"]) == ["a", "b"]
    assert "samples of this calibration, so excluded from the mean: LIVER" in outcome.out
    assert "not training cells, so excluded from their mean: c" in outcome.out
    frame = frame_of(data, "DNase")
    frame["mean"] = np.concatenate(
        [pd.DataFrame({c: data["training"][c, "DNase"][n].astype(float) for c in "ab"}).mean(axis=1) for n in LENGTHS]
        * 2
    )
    frame = frame.dropna()
    assert found.track("DNase").mean.average_precision == pytest.approx(
        average_precision_score(frame["peak"], frame["mean"]), abs=3e-4
    )


def test_tracks_of_the_signal_give_the_same(data, calibrate, tmp_path):
    of_log = calibration(calibrate(), tmp_path)
    for sample in SAMPLES:
        record = json.loads((tmp_path / f"run/{sample}.run.json").read_text())
        linear = {
            track: {name: np.expm1(one.astype(float)) for name, one in data["predicted"][sample, track].items()}
            for track in TRACKS
        }
        more = {key: record[key] for key in ("inputs", "paths", "expression")}
        write_run(tmp_path / "run", sample, linear, lengths=LENGTHS, space="linear", **more)
    of_signal = calibration(calibrate(), tmp_path)
    for track in TRACKS:
        one, other = (each.track(track).prediction for each in (of_log, of_signal))
        assert one.average_precision == pytest.approx(other.average_precision, abs=1e-4)
        found = of_signal.threshold(track), of_log.threshold(track)
        assert found[0].value == pytest.approx(found[1].value, rel=0.02)


def test_copies_with_changed_factors_are_no_cells(data, calibrate, tmp_path):
    record = json.loads((tmp_path / "run/liver.run.json").read_text())
    more = {key: record[key] for key in ("inputs", "paths", "expression")}
    values = {track: data["predicted"]["liver", track] for track in TRACKS}
    perturbation = {"of": "liver", "set": "F01=0", "changes": []}
    write_run(tmp_path / "run", "liver+F01-0", values, lengths=LENGTHS, perturbation=perturbation, **more)
    (tmp_path / "liver+F01-0.DNase.bed.gz").write_bytes((tmp_path / "liver.DNase.bed.gz").read_bytes())
    assert calibration(calibrate(), tmp_path).samples == ("heart", "liver")


def test_tracks_without_peaks_are_skipped(calibrate, tmp_path):
    (tmp_path / "heart.CTCF.bed.gz").unlink()
    outcome = calibrate()
    found = calibration(outcome, tmp_path)
    assert list(found.track("CTCF").samples) == ["liver"]
    assert "skipped tracks whose peaks do not exist" in outcome.err
    (tmp_path / "liver.CTCF.bed.gz").unlink()
    assert list(calibration(calibrate(), tmp_path).tracks) == ["DNase"]


def test_the_output_is_a_file_of_its_own(calibrate, tmp_path):
    out = tmp_path / "cal.json"
    out.write_text("mine")
    outcome = calibrate()
    assert (outcome.code, out.read_text()) == (2, "mine")
    assert "exists and is not a calibration" in outcome.err
    assert calibrate("--force").code == 0
    before = read_calibration(out).sha256
    assert calibrate("--tracks", "CTCF").code == 0  # a calibration is replaced without --force
    assert read_calibration(out).sha256 != before
    assert calibrate(out=tmp_path).code == 2
    assert calibrate(out=tmp_path / "new/folder/c.json").code == 0


def test_json_is_the_file(calibrate, tmp_path):
    outcome = calibrate("--json")
    assert outcome.out == (tmp_path / "cal.json").read_text()


def test_the_table_has_the_figures(calibrate, tmp_path):
    outcome = calibrate()
    found = calibration(outcome, tmp_path)
    best = found.threshold("DNase")
    lines = outcome.out.splitlines()
    row = next(line for line in lines if "highest F1" in line).split()
    assert row[2:6] == [f"{best.value:.4g}", *(f"{one:.3f}" for one in best[1:])]
    by_sample = found.track("DNase").precision_by_sample(best.value).values()
    assert row[6:] == [f"{min(by_sample):.3f}", "to", f"{max(by_sample):.3f}"]
    assert f"average precision {found.track('DNase').prediction.average_precision:.3f}" in outcome.out
    assert any("precision 0.9" in line for line in lines)


def test_a_precision_that_is_not_reached_is_said(calibrate, tmp_path):
    for sample in SAMPLES:
        with gzip.open(tmp_path / f"{sample}.DNase.bed.gz", "wt") as stream:
            rng = np.random.default_rng(1)
            stream.writelines(
                f"one\t{n * BIN_BP}\t{(n + 1) * BIN_BP}\n" for n in np.flatnonzero(rng.random(4000) < 0.1)
            )
    outcome = calibrate("--tracks", "DNase")
    assert "not reached" in outcome.out


def test_a_cell_without_peaks_counts_as_such(data, calibrate, tmp_path):
    (tmp_path / "heart.DNase.bed").write_text("")
    with gzip.open(tmp_path / "liver.DNase.bed.gz", "rt") as stream:
        (tmp_path / "liver.DNase.bed").write_text(stream.read())
    outcome = calibrate("--tracks", "DNase", peaks=tmp_path / "{sample}.{track}.bed")
    found = calibration(outcome, tmp_path).track("DNase")
    assert found.samples["heart"].true[0] == 0 < found.samples["liver"].true[0]
    assert found.samples["heart"].called[0] == frame_of(data, "DNase").query("sample == 'heart'")["predicted"].count()


@pytest.mark.parametrize("seed", range(20))
def test_the_area_of_a_perfect_ranking_is_at_most_1(seed):
    from epigept_batch.calibration.tally import _average_precision

    rng = np.random.default_rng(seed)
    true = np.concatenate([np.zeros(50, dtype=np.int64), rng.integers(1, 50, 300)])
    every = true + np.concatenate([rng.integers(1, 50, 50), np.zeros(300, dtype=np.int64)])
    assert _average_precision(every, true) == pytest.approx(1, abs=1e-12)
    assert _average_precision(every, true) <= 1


def test_no_input_is_replaced(data, calibrate, tmp_path):
    assert data
    peaks = tmp_path / "liver.DNase.bed.gz"
    before = peaks.read_bytes()
    outcome = calibrate("--sample", "liver", "--tracks", "DNase", "--force", peaks=peaks, out=peaks)
    assert outcome.code == 2
    assert f"{peaks}: is also an input; choose another --out" in outcome.err
    assert peaks.read_bytes() == before


@pytest.mark.parametrize(("lines", "said"), [("two\t0\t10\n", "none of the"), ("", "none of the")])
def test_peaks_that_are_nowhere_are_refused(calibrate, tmp_path, lines, said):
    for sample in SAMPLES:
        (tmp_path / f"{sample}.DNase.bed").write_text(lines)
    outcome = calibrate("--tracks", "DNase", peaks=tmp_path / "{sample}.{track}.bed")
    assert outcome.code == 2
    assert said in outcome.err
    assert not (tmp_path / "cal.json").exists()


def test_peaks_everywhere_are_refused(calibrate, tmp_path):
    for sample in SAMPLES:
        (tmp_path / f"{sample}.DNase.bed").write_text("".join(f"{n}\t0\t{end}\n" for n, end in LENGTHS.items()))
    outcome = calibrate("--tracks", "DNase", peaks=tmp_path / "{sample}.{track}.bed")
    assert (outcome.code, "every one of the" in outcome.err) == (2, True)


def test_blocks_of_reading_do_not_matter(calibrate, tmp_path, monkeypatch):
    training = tmp_path / "cell.{cell}.{track}.bw"
    whole = calibration(calibrate(training=training), tmp_path)
    monkeypatch.setattr("epigept_batch.results.bins.BLOCK_BP", 128 * 333)
    parts = calibration(calibrate(training=training), tmp_path)
    for track in TRACKS:
        for one, other in ((whole.track(track), parts.track(track)),):
            np.testing.assert_array_equal(one.prediction.curve.true, other.prediction.curve.true)
            np.testing.assert_array_equal(one.mean.curve.called, other.mean.curve.called)
            np.testing.assert_array_equal(one.levels.brier_mean, other.levels.brier_mean)
            np.testing.assert_array_equal(one.levels.margin, other.levels.margin)


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        ((), {"peaks": "one.bed"}, "one file for 4 predicted tracks; put {sample} and {track} into the path"),
        ((), {"peaks": "{sample}.{track}.none"}, "peaks not found"),
        (("--tracks", "H3K4me3"), {}, "no track 'H3K4me3'; the folder has DNase, CTCF"),
        (("--sample", "brain"), {}, "no finished sample 'brain'"),
        (("--zero-fill",), {}, "--zero-fill: has no effect without --training"),
        ((), {"training": "none.{cell}.{track}.bw"}, "no bigWig found for DNase"),
        ((), {"training": "cell.a.DNase.bw"}, "put {track} into the path"),
        (("--region", "nine:1-2"), {}, "no contig 'nine'"),
    ],
)
def test_what_cannot_be_used_is_one_line(calibrate, tmp_path, monkeypatch, words, options, said):
    monkeypatch.chdir(tmp_path)
    outcome = calibrate(*words, **options)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "cal.json").exists()
