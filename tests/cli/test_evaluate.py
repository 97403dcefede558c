"""`epigept-batch evaluate` on small tracks, against numpy, scipy and scikit-learn on the same bins."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pybigtools
import pytest
import scipy.stats
from sklearn.metrics import average_precision_score, roc_auc_score

import bigwigs
from conftest import runner_of

CONTIGS = {"chr1": 64 * 400 + 17, "chr2": 64 * 150, "chrM": 40}
BIN = 64
CELLS = ("a", "b", "c")
OTHER_ASSEMBLY = (
    "the network was trained on hg38, but this is another assembly or only a part of one: no contig has the name or "
    "the length of a chromosome of hg38"
)
LINEAR = ("pearson_log1p", "pearson_linear", "spearman", "mse_log1p", "mse_linear")


def write_bins(path, values):
    """Fixed-step bins of each contig, those with NaN left out, by a library that is not the program's."""
    records = [
        (contig, first * BIN, min((first + 1) * BIN, CONTIGS[contig]), float(value))
        for contig, of_contig in values.items()
        for first, value in enumerate(of_contig)
        if not np.isnan(value)
    ]
    pybigtools.open(str(path), "w").write(CONTIGS, iter(records))


def random_bins(rng, missing):
    """Signals like real ones: mostly low, some high, some not there."""
    values = {contig: rng.gamma(0.3, 4, -(-length // BIN)).astype(np.float32) for contig, length in CONTIGS.items()}
    for of_contig in values.values():
        of_contig[rng.random(len(of_contig)) < missing] = np.nan
    return values


@pytest.fixture
def data(tmp_path):
    """Predicted (ln), measured and three training tracks (linear), with bins missing here and there."""
    rng = np.random.default_rng(11)
    made = {"measured": random_bins(rng, 0.2), "predicted": random_bins(rng, 0.05)}
    made |= {cell: random_bins(rng, 0.6) for cell in CELLS}
    for contig, values in made["predicted"].items():
        made["predicted"][contig] = np.log1p(values + np.nan_to_num(made["measured"][contig]))
    write_bins(tmp_path / "liver.CTCF.bw", made["predicted"])
    write_bins(tmp_path / "measured.bw", made["measured"])
    for cell in CELLS:
        write_bins(tmp_path / f"{cell}.CTCF.bigWig", made[cell])
    return made


@pytest.fixture
def evaluate(data, tmp_path):
    """Run `epigept-batch evaluate` on the tracks that `data` wrote."""
    assert data
    return runner_of("evaluate", {"predicted": tmp_path / "liver.CTCF.bw", "measured": tmp_path / "measured.bw"})


def flat(values):
    return np.concatenate([values[contig] for contig in CONTIGS]).astype(np.float64)


def agreement(x, y):
    """The figures of ln(1 + signal) x against y, by scipy."""
    return {
        "pearson_log1p": scipy.stats.pearsonr(x, y).statistic,
        "pearson_linear": scipy.stats.pearsonr(np.expm1(x), np.expm1(y)).statistic,
        "spearman": scipy.stats.spearmanr(x, y).statistic,
        "mse_log1p": np.mean((x - y) ** 2),
        "mse_linear": np.mean((np.expm1(x) - np.expm1(y)) ** 2),
    }


def one(outcome):
    assert outcome.code == 0, outcome.err
    (document,) = json.loads(outcome.out)
    return document


def test_the_figures_are_those_of_scipy(data, evaluate):
    document = one(evaluate("--json"))
    x, y = flat(data["predicted"]), np.log1p(flat(data["measured"]))
    both = ~np.isnan(x) & ~np.isnan(y)
    whole = document["parts"][0]
    assert (whole["part"], whole["bins"]) == ("all", both.sum())
    for name, value in agreement(x[both], y[both]).items():
        assert whole["predictors"]["prediction"][name] == pytest.approx(value, rel=2e-6), name
    assert (document["sample"], document["track"], document["bin_bp"]) == ("liver", "CTCF", BIN)
    assert document["bins"] == {
        "asked": len(x),
        "excluded": 0,
        "without_prediction": np.isnan(x).sum(),
        "without_measurement": (~np.isnan(x) & np.isnan(y)).sum(),
        "without_training": 0,
        "compared": both.sum(),
    }


def test_each_chromosome_has_its_own(data, evaluate, tmp_path):
    document = one(evaluate("--json", write=tmp_path / "out/table.tsv"))
    by_name = {part["part"]: part for part in document["parts"]}
    for contig in ("chr1", "chr2"):
        x, y = data["predicted"][contig].astype(float), np.log1p(data["measured"][contig].astype(float))
        both = ~np.isnan(x) & ~np.isnan(y)
        assert by_name[contig]["bins"] == both.sum()
        assert by_name[contig]["predictors"]["prediction"]["pearson_log1p"] == pytest.approx(
            scipy.stats.pearsonr(x[both], y[both]).statistic, abs=1e-6
        )
    table = pd.read_csv(tmp_path / "out/table.tsv", sep="\t")
    assert table["part"].tolist() == list(by_name)
    assert table["pearson_log1p"][1] == by_name["chr1"]["predictors"]["prediction"]["pearson_log1p"]
    one(evaluate("--json", write=tmp_path / "out/table.tsv"))


def test_comparators_and_differences(data, evaluate, tmp_path):
    document = one(evaluate("--json", training=tmp_path / "{cell}.{track}.bigWig", nearest="b"))
    training = np.log1p(np.stack([flat(data[cell]) for cell in CELLS]))
    x, y = flat(data["predicted"]), np.log1p(flat(data["measured"]))
    has_mean, has_nearest = ~np.isnan(training).all(axis=0), ~np.isnan(training[1])
    both = ~np.isnan(x) & ~np.isnan(y) & has_mean & has_nearest
    mean = np.array([np.nanmean(column) for column in training[:, both].T])
    whole = document["parts"][0]
    assert whole["bins"] == both.sum()
    expected = {
        "prediction": x[both],
        "mean_of_training_cells": mean,
        "nearest_training_cell": training[1][both],
    }
    assert list(whole["predictors"]) == list(expected)
    for name, values in expected.items():
        for metric, value in agreement(values, y[both]).items():
            assert whole["predictors"][name][metric] == pytest.approx(value, rel=5e-6, abs=1e-6), (name, metric)
    differences = scipy.stats.pearsonr(x[both] - mean, y[both] - mean).statistic
    assert whole["pearson_of_differences"] == pytest.approx(differences, abs=1e-6)
    design = np.stack([np.ones(both.sum()), mean], axis=1)
    left = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (x[both], y[both])]
    assert whole["partial_pearson"] == pytest.approx(scipy.stats.pearsonr(*left).statistic, abs=1e-6)
    assert document["training"] == {"cells": 3, "nearest": "b", "nearest_given": True}
    assert document["bins"]["without_training"] > 0


def test_one_file_may_be_the_mean(data, evaluate, tmp_path):
    document = one(evaluate("--json", training=tmp_path / "a.CTCF.bigWig"))
    assert document["training"] == {"cells": 1, "nearest": None, "nearest_given": False}
    y, a = np.log1p(flat(data["measured"])), np.log1p(flat(data["a"]))
    x = flat(data["predicted"])
    both = ~np.isnan(x) & ~np.isnan(y) & ~np.isnan(a)
    mean = document["parts"][0]["predictors"]["mean_of_training_cells"]
    assert mean["pearson_log1p"] == pytest.approx(scipy.stats.pearsonr(a[both], y[both]).statistic, abs=1e-6)


def test_peaks_and_exclusions(data, evaluate, tmp_path):
    rng = np.random.default_rng(2)
    starts = np.sort(rng.integers(0, 25_000, 40))
    (tmp_path / "peaks.bed").write_text("".join(f"chr1\t{start}\t{start + 150}\tpeak\n" for start in starts))
    (tmp_path / "black.bed").write_text("track name=x\n1\t640\t1281\nchrX\t5\t9\n")
    document = one(evaluate("--json", peaks=tmp_path / "peaks.bed", exclude=tmp_path / "black.bed"))
    x, y = flat(data["predicted"]), flat(data["measured"])
    bases = np.zeros(CONTIGS["chr1"], bool)
    for start in starts:
        bases[start : start + 150] = True
    labels = np.zeros(len(x), bool)
    for first in range(401):
        part = bases[first * BIN : (first + 1) * BIN]
        labels[first] = 2 * part.sum() >= len(part)
    both = ~np.isnan(x) & ~np.isnan(y)
    both[10:21] = False
    assert document["bins"]["excluded"] == 11
    whole = document["parts"][0]
    assert (whole["bins"], whole["bins_in_peaks"]) == (both.sum(), labels[both].sum())
    assert whole["predictors"]["prediction"]["auroc"] == pytest.approx(roc_auc_score(labels[both], x[both]), abs=1e-9)
    expected = average_precision_score(labels[both], x[both])
    assert whole["predictors"]["prediction"]["auprc"] == pytest.approx(expected, abs=1e-9)
    chr2 = next(part for part in document["parts"] if part["part"] == "chr2")
    assert chr2["predictors"]["prediction"]["auroc"] is None


def test_regions_are_taken_as_by_genome(evaluate, tmp_path):
    document = one(evaluate("--json", region="chr1:1-6400", chromosome="chr2"))
    assert document["bins"]["asked"] == 100 + 150
    (tmp_path / "r.bed").write_text("chr2\t0\t65\n")
    assert one(evaluate("--json", bed=tmp_path / "r.bed"))["bins"]["asked"] == 2


def test_zero_fill_counts_bases_without_data_as_nothing(data, evaluate):
    document = one(evaluate("--json", "--zero-fill"))
    x, y = flat(data["predicted"]), np.log1p(np.nan_to_num(flat(data["measured"])))
    both = ~np.isnan(x)
    assert document["bins"]["without_measurement"] == 0
    for name, value in agreement(x[both], y[both]).items():
        assert document["parts"][0]["predictors"]["prediction"][name] == pytest.approx(value, rel=2e-6), name


def test_spaces_may_be_the_other_way(data, evaluate, tmp_path):
    before = one(evaluate("--json"))["parts"][0]["predictors"]["prediction"]
    write_bins(tmp_path / "p.bw", {contig: np.expm1(values) for contig, values in data["predicted"].items()})
    write_bins(tmp_path / "m.bw", {contig: np.log1p(values) for contig, values in data["measured"].items()})
    options = {"predicted": tmp_path / "p.bw", "measured": tmp_path / "m.bw"}
    changed = one(evaluate("--json", **options, **{"predicted-space": "linear", "measured-space": "log1p"}))
    after = changed["parts"][0]["predictors"]["prediction"]
    assert [after[key] for key in LINEAR] == pytest.approx([before[key] for key in LINEAR], rel=2e-5)


def test_scale_changes_what_depends_on_depth_and_nothing_else(data, evaluate, tmp_path):
    write_bins(tmp_path / "deep.bw", {contig: 20 * values for contig, values in data["measured"].items()})
    shallow = one(evaluate("--json"))
    deep = one(evaluate("--json", measured=tmp_path / "deep.bw"))
    assert any("--scale match" in note for note in deep["notes"])
    assert deep["scale"]["factor"] == 1
    matched = {
        depth: one(evaluate("--json", measured=tmp_path / f"{depth}.bw", scale="match"))
        for depth in ("measured", "deep")
    }
    ours = [document["parts"][0]["predictors"]["prediction"] for document in matched.values()]
    assert [ours[0][key] for key in LINEAR] == pytest.approx([ours[1][key] for key in LINEAR], rel=1e-4)
    assert matched["deep"]["scale"]["factor"] == pytest.approx(matched["measured"]["scale"]["factor"] / 20, rel=1e-5)
    by_hand = one(evaluate("--json", measured=tmp_path / "deep.bw", scale=0.05))
    again, before = (document["parts"][0]["predictors"]["prediction"] for document in (by_hand, shallow))
    assert [again[key] for key in LINEAR] == pytest.approx([before[key] for key in LINEAR], rel=1e-5)
    x, y = flat(data["predicted"]), flat(data["measured"])
    both = ~np.isnan(x) & ~np.isnan(y)
    ratio = np.expm1(x[both]).mean() / y[both].mean()
    assert shallow["scale"]["predicted_over_measured"] == pytest.approx(ratio, rel=1e-5)


def scaled_by_hand(data, scale):
    """The prediction, what is scaled by `--scale`, in the bins that all have, and the factors, by numpy."""
    training = np.log1p(np.stack([flat(data[cell]) for cell in CELLS]))
    x, y = flat(data["predicted"]), np.log1p(flat(data["measured"]))
    both = ~np.isnan(x) & ~np.isnan(y) & ~np.isnan(training).all(axis=0) & ~np.isnan(training[1])
    mean = np.array([np.nanmean(column) for column in training[:, both].T])
    series = {"measured": y[both], "mean_of_training_cells": mean, "nearest_training_cell": training[1][both]}
    linear = {name: np.expm1(values) for name, values in series.items()}
    predicted = np.expm1(x[both]).mean()
    factors = {name: predicted / values.mean() if scale == "match" else scale for name, values in linear.items()}
    return x[both], {name: np.log1p(factors[name] * values) for name, values in linear.items()}, factors


@pytest.mark.parametrize("scale", [0.05, 30, "match"])
def test_scale_holds_for_all_that_shares_the_space(data, evaluate, tmp_path, scale):
    options = {"training": tmp_path / "{cell}.{track}.bigWig", "nearest": "b", "scale": scale}
    document = one(evaluate("--json", **options))
    x, series, factors = scaled_by_hand(data, scale)
    measured = series.pop("measured")
    whole = document["parts"][0]
    for name, values in {"prediction": x, **series}.items():
        for metric, value in agreement(values, measured).items():
            assert whole["predictors"][name][metric] == pytest.approx(value, rel=1e-4, abs=1e-6), (name, metric)
    mean = series["mean_of_training_cells"]
    r = scipy.stats.pearsonr(x - mean, measured - mean).statistic
    assert whole["pearson_of_differences"] == pytest.approx(r, abs=1e-5)
    assert document["scale"]["factors"] == pytest.approx(factors, rel=1e-5)
    assert document["scale"]["factor"] == document["scale"]["factors"]["measured"]
    said = [note for note in document["notes"] if "multiplied by" in note]
    words = ", ".join(f"{factor:.4g}" for factor in factors.values()) if scale == "match" else f"{scale:.4g}"
    assert len(said) == 1
    assert (
        f"the measured signal, the mean of training cells and the training cell were multiplied by {words}" in said[0]
    )


@pytest.mark.parametrize("scale", [1, 0.01, 1 / 3, 1000, "match"])
@pytest.mark.parametrize("training", ["measured-copy.bw", "{cell}-copy.bw"])
def test_a_training_mean_that_is_the_measured_track_keeps_r_1(data, evaluate, tmp_path, scale, training):
    """By scipy the r of a series with itself, after any change of both, is 1; the yardstick must not tilt."""
    for name in ("measured", "other"):
        write_bins(tmp_path / f"{name}-copy.bw", data["measured"])
    document = one(evaluate("--json", training=tmp_path / training, scale=scale))
    metrics = document["parts"][0]["predictors"]["mean_of_training_cells"]
    assert [metrics[name] for name in LINEAR] == pytest.approx([1, 1, 1, 0, 0], abs=1e-12)
    assert document["parts"][0]["pearson_of_differences"] is None
    assert document["parts"][0]["partial_pearson"] is None
    note = (
        "the measured signal does not differ from the mean of training cells in any bin, so r of the differences is "
        "not defined"
    )
    assert note in document["notes"]
    y = flat(data["measured"])
    x = flat(data["predicted"])
    both = ~np.isnan(x) & ~np.isnan(y)
    factor = np.expm1(x[both]).mean() / y[both].mean() if scale == "match" else scale
    r = scipy.stats.pearsonr(x[both], np.log1p(factor * y[both])).statistic
    assert document["parts"][0]["predictors"]["prediction"]["pearson_log1p"] == pytest.approx(r, abs=1e-6)


def test_cells_whose_mean_is_the_measured_track_keep_r_1_too(data, evaluate, tmp_path):
    """The mean is of ln(1 + signal), so these cells, half and three halves of it, have the measured track as theirs."""
    part = {contig: np.sqrt(1 + values) for contig, values in data["measured"].items()}
    below = {contig: values - 1 for contig, values in part.items()}
    above = {contig: values**3 - 1 for contig, values in part.items()}
    write_bins(tmp_path / "below-cell.bw", below)
    write_bins(tmp_path / "above-cell.bw", above)
    for scale in (1, 0.05, "match"):
        document = one(evaluate("--json", training=tmp_path / "{cell}-cell.bw", scale=scale))
        metrics = document["parts"][0]["predictors"]["mean_of_training_cells"]
        assert metrics["pearson_log1p"] == pytest.approx(1, abs=1e-9)
        assert document["parts"][0]["pearson_of_differences"] is None
        assert document["parts"][0]["partial_pearson"] is None


def test_training_cells_of_another_depth_are_said_and_matched(data, evaluate, tmp_path):
    """A sample's own track has its own depth; then match, and only that, is fair to the training cells."""
    write_bins(tmp_path / "deep-copy.bw", {contig: 20 * values for contig, values in data["measured"].items()})
    plain = one(evaluate("--json", training=tmp_path / "deep-copy.bw"))
    assert any(
        note.startswith(
            "the measured signal is on average 0.05 times the mean of training cells, perhaps because of a different "
            "sequencing depth"
        )
        for note in plain["notes"]
    )
    assert plain["parts"][0]["predictors"]["mean_of_training_cells"]["pearson_log1p"] < 0.97
    matched = one(evaluate("--json", training=tmp_path / "deep-copy.bw", scale="match"))
    assert matched["parts"][0]["predictors"]["mean_of_training_cells"]["pearson_log1p"] == pytest.approx(1, abs=1e-9)
    assert not any("another depth" in note for note in matched["notes"])
    factors = matched["scale"]["factors"]
    assert factors["measured"] == pytest.approx(20 * factors["mean_of_training_cells"], rel=1e-5)


def test_training_tracks_of_0_or_in_the_other_space_are_said(data, evaluate, tmp_path):
    write_bins(tmp_path / "none-cell.bw", {contig: 0 * values for contig, values in data["measured"].items()})
    for scale in (1, "match"):
        document = one(evaluate("--json", training=tmp_path / "none-cell.bw", scale=scale))
        assert "the mean of training cells is 0 in every compared bin, so its r is not defined" in document["notes"]
        assert document["scale"]["factors"]["mean_of_training_cells"] == 1
        assert document["scale"]["predicted_over"]["mean_of_training_cells"] is None
    write_bins(tmp_path / "far-cell.bw", {contig: 1e5 * values for contig, values in data["measured"].items()})
    notes = one(evaluate("--json", training=tmp_path / "far-cell.bw", scale="match"))["notes"]
    why = "times the mean of training cells, which sequencing depth cannot explain; check that all of"
    assert any(why in note for note in notes)


@pytest.fixture
def ratios(data, tmp_path):
    """Measured and training tracks that are infinite here and there, as ratios to nothing are."""
    odd = {name: {contig: values.copy() for contig, values in data[name].items()} for name in ("measured", *CELLS)}
    for number, name in enumerate(odd):
        odd[name]["chr1"][number : 300 : 17 + number] = np.inf
    odd["measured"]["chr2"][:3] = np.nan
    write_bins(tmp_path / "ratio.bw", odd["measured"])
    for cell in CELLS:
        write_bins(tmp_path / f"{cell}.ratio.bw", odd[cell])
    return odd


def test_infinite_bins_are_left_out_and_counted(data, ratios, evaluate, tmp_path):
    options = {"measured": tmp_path / "ratio.bw", "training": tmp_path / "{cell}.ratio.bw", "nearest": "b"}
    document = one(evaluate("--json", **options))
    x, y = flat(data["predicted"]), flat(ratios["measured"])
    training = np.stack([flat(ratios[cell]) for cell in CELLS])
    measured = ~np.isnan(x) & np.isfinite(y)
    both = measured & np.isfinite(training).any(axis=0) & np.isfinite(training[1])
    whole = document["parts"][0]
    assert whole["bins"] == both.sum()
    for metric, value in agreement(x[both], np.log1p(y[both])).items():
        assert whole["predictors"]["prediction"][metric] == pytest.approx(value, rel=5e-6), metric
    mean = np.array([np.log1p(column[np.isfinite(column)]).mean() for column in training[:, both].T])
    r = scipy.stats.pearsonr(mean, np.log1p(y[both])).statistic
    assert whole["predictors"]["mean_of_training_cells"]["pearson_log1p"] == pytest.approx(r, abs=1e-6)
    odd, odd_training = (~np.isnan(x) & np.isinf(y)).sum(), (measured & np.isinf(training).any(axis=0)).sum()
    assert document["infinite"] == {"measured": odd, "training": odd_training}
    assert odd > 5
    assert odd_training > 15
    assert document["bins"]["without_measurement"] == (~np.isnan(x) & ~np.isfinite(y)).sum()
    report = evaluate(**options).out
    assert (
        f"the measured signal is infinite in {odd} bins, for example as a ratio to 0; treated there as without a"
        in report
    )
    assert (
        f"a training track is infinite in {odd_training} bins, for example as a ratio to 0; treated there as without"
        in report
    )


def test_where_everything_measured_is_infinite_that_is_why_there_is_nothing(data, evaluate, tmp_path):
    write_bins(tmp_path / "inf.bw", {contig: values + np.inf for contig, values in data["measured"].items()})
    for option, what in (("measured", "the measured"), ("training", "the training")):
        done = evaluate(**{option: tmp_path / "inf.bw"})
        assert (done.code, done.out) == (2, "")
        assert f"no bins to compare: of {len(flat(data['measured']))} bins, " in done.err
        assert f"; {what} signal is infinite in " in done.err


@pytest.mark.parametrize("scale", [1, "match"])
@pytest.mark.parametrize("factor", [1e-5, 1e5])
def test_a_ratio_that_no_depth_explains_is_laid_to_the_spaces(data, evaluate, tmp_path, factor, scale):
    write_bins(tmp_path / "odd.bw", {contig: factor * values for contig, values in data["measured"].items()})
    notes = one(evaluate("--json", measured=tmp_path / "odd.bw", scale=scale))["notes"]
    (note,) = [note for note in notes if "times the measured" in note]
    why = (
        "which sequencing depth cannot explain; check that --predicted-space and --measured-space match what the tracks"
    )
    assert why in note
    assert "--scale match" not in note


@pytest.mark.parametrize("flat", ["measured", "predicted"])
def test_where_a_signal_is_0_that_is_said_and_no_ratio(evaluate, tmp_path, flat):
    write_bins(tmp_path / "zero.bw", {contig: np.zeros(-(-length // BIN)) for contig, length in CONTIGS.items()})
    notes = one(evaluate("--json", **{flat: tmp_path / "zero.bw"}))["notes"]
    assert f"the {flat} signal is 0 in every compared bin, so r is not defined" in notes
    assert not any("times the measured" in note for note in notes)


def test_the_report_for_people(evaluate, tmp_path):
    done = evaluate("--by-chromosome", training=tmp_path / "{cell}.{track}.bigWig", nearest="b")
    assert done.code == 0
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[0] == "liver CTCF"
    document = one(evaluate("--json", training=tmp_path / "{cell}.{track}.bigWig", nearest="b"))
    whole = document["parts"][0]["predictors"]
    row = next(line for line in lines if line.startswith("prediction"))
    assert row.split()[1:] == [f"{whole['prediction'][key]:.3f}" for key in list(whole["prediction"])[:5]]
    assert any(line.startswith("mean of training cells (3)") for line in lines)
    assert any(line.startswith("chosen training cell (b)") for line in lines)
    assert not any("nearest training cell" in line for line in lines)
    assert sum(line.startswith("differences from the mean") for line in lines) == 3
    given = [line for line in lines if line.startswith("prediction, given the mean")]
    assert len(given) == 3
    assert given[0].split()[-1] == f"{document['parts'][0]['partial_pearson']:.3f}"
    assert [line.split(",")[0] for line in lines if " bins" in line and "," in line][1:] == ["all", "chr1", "chr2"]


def test_figures_are_drawn(evaluate, tmp_path):
    import struct

    (tmp_path / "peaks.bed").write_text("chr1\t640\t1280\n")
    done = evaluate(
        training=tmp_path / "{cell}.{track}.bigWig", peaks=tmp_path / "peaks.bed", figures=tmp_path / "figures"
    )
    assert done.code == 0, done.err
    drawn = sorted(tmp_path.glob("figures/*"))
    assert [path.name for path in drawn] == ["comparison.png", "liver.CTCF.png"]
    for path in drawn:
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert path.read_bytes().startswith(b"\x89PNG")
        assert (width > 700, height > 400) == (True, True)


@pytest.mark.parametrize(
    ("peaks", "areas", "note", "panels"),
    [
        (
            "chrM\t0\t9\n",
            (None, None),
            "none of the compared bins lies in a peak, so AUROC and AUPRC are not defined",
            2,
        ),
        (
            "chr1\t0\t99999\n",
            (None, 1),
            "every compared bin lies in a peak, so AUROC is not defined, and AUPRC is 1",
            3,
        ),
    ],
)
def test_areas_that_are_not_defined_are_explained_and_have_no_panel(evaluate, tmp_path, peaks, areas, note, panels):
    import struct

    (tmp_path / "peaks.bed").write_text(peaks)
    options = {"peaks": tmp_path / "peaks.bed", "chromosome": "chr1", "figures": tmp_path / "figures"}
    document = one(evaluate("--json", **options))
    metrics = document["parts"][0]["predictors"]["prediction"]
    assert (metrics["auroc"], metrics["auprc"]) == areas
    assert any(said.startswith(note) for said in document["notes"])
    width, _ = struct.unpack(">II", (tmp_path / "figures/liver.CTCF.png").read_bytes()[16:24])
    assert width == panels * 5 * 150


def test_without_matplotlib_figures_are_refused_before_anything_is_read(evaluate, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = evaluate(figures=tmp_path / "figures")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "epigept-batch: --figures requires matplotlib; install epigept-batch with its [figures] extra\n"
    )
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measured": "absent.bw"}, "absent.bw: measured bigWig not found"),
        (
            {"predicted": "absent.bw"},
            "absent.bw: folder or bigWig not found; pass the output of epigept-batch genome as",
        ),
        (
            {"predicted": "absent", "measured": "{track}.bw"},
            "epigept-batch: absent: folder or bigWig not found; pass the output of epigept-batch genome as --predicted",
        ),
        ({"predicted": "."}, "contains no run.json of epigept-batch genome; pass its output folder, or a bigWig"),
        ({"training": "{cell}.none"}, "--training {cell}.none: no bigWig found for CTCF"),
        ({"training": "measured.bw"}, "--training measured.bw: the measured track itself"),
        ({"nearest": "b"}, "--nearest b: requires the training cells' tracks; add --training"),
        ({"training": "{cell}.{track}.bigWig", "nearest": "z"}, "--nearest z: no training track for CTCF"),
        ({"scale": "0"}, "--scale 0: not a number above 0, and not 'match'"),
        ({"scale": "deep"}, "--scale deep: not a number"),
        ({"scale": "nan"}, "--scale nan: not a number"),
        (
            {"chromosome": "chr9"},
            "--chromosome chr9: the genome has no contig 'chr9'; its contigs are chr1, chr2, chrM",
        ),
        ({"chromosome": "chrM", "measured": "part.bw"}, "no bins to compare: of 1 bin, 1 has no measurement"),
        ({"exclude": "all.bed"}, "every selected bin is excluded"),
        (
            {"exclude": "other.bed"},
            "other.bed: no interval on the contigs of the tracks (chr1, chr2, chrM), only on",
        ),
        ({"exclude": "empty.bed"}, "empty.bed: no interval in the BED file"),
        ({"peaks": "empty.bed"}, "empty.bed: no interval in the BED file"),
        ({"exclude": "reversed.bed"}, "reversed.bed:1: interval chr1 100 50 is reversed or empty"),
        ({"peaks": "absent.bed"}, "absent.bed: BED file cannot be read: No such file or directory"),
        ({"peaks": "bad.bed"}, "bad.bed:2: not a BED line; it must have contig, start and end, separated by tabs"),
        ({"exclude": "short.bed.gz"}, "short.bed.gz: BED file cannot be read: damaged or truncated gzip"),
        ({"measured": "ratio.bw"}, "ratio.bw: values below 0, for example at chr1:129; use signal"),
        ({"training": "ratio.bw"}, "ratio.bw: values below 0, for example at chr1:129; use signal"),
        ({"measured": "log0.bw"}, "log0.bw: values below 0, for example at chr1:65; use signal"),
        ({"predicted": "inf.bw"}, "inf.bw: infinite value, for example at chr1:65; signal must be finite, so make"),
        (
            {"predicted": "inf.bw", "predicted-space": "linear"},
            "inf.bw: infinite value, for example at chr1:65; signal must be finite",
        ),
        ({"scale": "1_0"}, "--scale 1_0: not a number above 0, and not 'match'"),
        ({"measured": "hg19.bw"}, "hg19.bw: chr1 has 30,000 bp, but 25,617 in the genome; use tracks of this genome"),
        (
            {"measured": "mouse.bw"},
            (
                "mouse.bw: no contig in common with the predicted track: scaffold_1, … instead of chr1, …; use a track "
                "of the same"
            ),
        ),
        ({"training": "mouse.bw"}, "mouse.bw: no contig in common with the predicted track"),
        ({"measured": "bad.bed"}, "bad.bed: not a bigWig, or truncated"),
        (
            {"write": "bad.bed"},
            "bad.bed: exists and is not an epigept-batch table; move it away or choose another --out",
        ),
        ({"model": "bad.bed"}, "bad.bed: "),
        ({"scale": "match", "measured": "zero.bw"}, "is 0 everywhere, so --scale match is not possible"),
    ],
)
def test_what_cannot_be_compared_is_said(data, evaluate, tmp_path, monkeypatch, options, message):
    import gzip

    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.bed").write_text("".join(f"{contig}\t0\t99999\n" for contig in CONTIGS))
    (tmp_path / "other.bed").write_text("chr7\t0\t99999\n")
    (tmp_path / "empty.bed").touch()
    (tmp_path / "reversed.bed").write_text("chr1 100 50\n")
    (tmp_path / "bad.bed").write_text("chr1\t0\t9\nchr1 x 9\n")
    (tmp_path / "short.bed.gz").write_bytes(gzip.compress(b"chr1\t0\t9\n" * 99)[:-12])
    write_bins(tmp_path / "part.bw", {"chr1": data["measured"]["chr1"]})
    write_bins(tmp_path / "ratio.bw", {"chr1": np.array([1, 2, -0.5, 3])})
    write_bins(tmp_path / "log0.bw", {"chr1": np.array([1, -np.inf, np.inf, 3])})
    write_bins(tmp_path / "inf.bw", {"chr1": np.array([1, np.inf, 2, 3])})
    write_bins(tmp_path / "zero.bw", {"chr1": np.zeros(300)})
    pybigtools.open(str(tmp_path / "mouse.bw"), "w").write({"scaffold_1": 64}, iter([("scaffold_1", 0, 64, 1.0)]))
    pybigtools.open(str(tmp_path / "hg19.bw"), "w").write({"chr1": 30_000}, iter([("chr1", 0, 64, 1.0)]))
    done = evaluate(**options)
    assert (done.code, done.out) == (2, "")
    (line,) = [line for line in done.err.splitlines() if not re.match(r"epigept-batch: \d+ of \d+ contigs?, ", line)]
    assert line.startswith("epigept-batch: ")
    assert message in line


def test_one_file_for_several_tracks_is_refused(genome, tmp_path):
    assert genome().code == 0
    done = runner_of("evaluate", {"predicted": tmp_path / "out", "measured": "m.bw"})()
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--measured m.bw: one file for 3 predicted tracks; put {track} into the path" in done.err


def test_a_run_of_genome_is_judged_with_its_own_record(genome, tmp_path):
    assert genome(space="linear").code == 0
    out, truth = tmp_path / "out", tmp_path / "truth"
    truth.mkdir()
    for track in ("DNase", "CTCF"):
        (truth / f"sample-{track}.bw").write_bytes((out / f"sample.{track}.bw").read_bytes())
    evaluate = runner_of("evaluate", {"predicted": out, "measured": truth / "{sample}-{track}.bw"})
    done = evaluate("--json")
    assert done.code == 0, done.err
    documents = json.loads(done.out)
    assert [document["track"] for document in documents] == ["DNase", "CTCF"]
    assert f"skipped tracks whose measured bigWig does not exist: {truth}/sample-H3K27ac.bw" in done.err
    for document in documents:
        metrics = document["parts"][0]["predictors"]["prediction"]
        assert metrics["pearson_linear"] == pytest.approx(1)
        assert metrics["mse_linear"] == pytest.approx(0, abs=1e-9)
        assert document["cell_seen"] is False
        assert any("the nearest cell by expression is" in note for note in document["notes"])
    contig = next(iter(bigwigs.contigs(out / "sample.DNase.bw")))
    bins = bigwigs.bins(out / "sample.DNase.bw", contig, bin_bp=128)
    by_name = {part["part"]: part for part in documents[0]["parts"]}
    assert by_name[contig]["bins"] == (~np.isnan(bins)).sum()


def test_what_is_true_of_all_tracks_is_said_once(genome, tmp_path):
    (tmp_path / "like.tsv").write_text("gene_id\tTPM\n" + "".join(f"F{n:02d}\t{n}\n" for n in range(15)))
    assert genome("--tpm", tmp_path / "like.tsv").code == 0
    out = tmp_path / "out"
    options = {"predicted": out, "measured": f"{out}/{{sample}}.{{track}}.bw", "measured-space": "log1p"}
    done = runner_of("evaluate", options)("--region", "one:1-99")
    assert done.code == 0, done.err
    everyone, like, *blocks = [block.splitlines() for block in done.out.strip().split("\n\n")]
    assert everyone == [
        "all tracks",
        "  1 bin of 128 bp",
        f"  {OTHER_ASSEMBLY}",
        "  r is not defined for a single bin",
        "  the training windows of this network are not published, so bins in them are not reported separately",
    ]
    assert like[0] == "all tracks of like"
    assert like[1].startswith("  not a cell that the network was trained on; the nearest cell by expression is ")
    (sample,) = [block for block in blocks if block[0] == "all tracks of sample"]
    assert blocks.index(sample) == 3
    blocks.remove(sample)
    tracks = [f"{sample} {track}" for sample in ("like", "sample") for track in ("DNase", "CTCF", "H3K27ac")]
    assert [block[0] for block in blocks] == tracks
    assert {block[2] for block in blocks} == {"  all, 1 bin"}


def test_a_cell_that_is_given_is_not_called_the_nearest(genome, tmp_path):
    assert genome().code == 0
    for name in ("measured", *"abcd"):
        (tmp_path / f"{name}.bw").write_bytes((tmp_path / "out/sample.DNase.bw").read_bytes())
    options = {"predicted": tmp_path / "out/sample.DNase.bw", "measured": tmp_path / "measured.bw"}
    evaluate = runner_of("evaluate", options | {"training": tmp_path / "{cell}.bw"})
    nearest = one(evaluate("--json"))["training"]["nearest"]
    assert f"nearest training cell ({nearest})" in evaluate().out
    given = next(cell for cell in "abcd" if cell != nearest)
    report = evaluate(nearest=given).out
    assert f"; the nearest cell by expression is {nearest} (rank" in report
    assert f"chosen training cell ({given})" in report
    assert "nearest training cell" not in report


@pytest.mark.parametrize(
    ("cells", "used", "notes"),
    [
        ("abcd", 4, []),
        (["a", "b", "zzz"], 2, ["not training cells, so excluded from their mean: zzz"]),
        (["a", "measured", "b"], 2, ["the measured track itself, so excluded from the mean: measured"]),
        (
            ["a", "measured", "zzz"],
            1,
            [
                "the measured track itself, so excluded from the mean: measured",
                "not training cells, so excluded from their mean: zzz",
            ],
        ),
        (
            ["x", "y"],
            2,
            ["none of the cells of --training is a training cell of the model (a, b, c, …), so all of them are used"],
        ),
    ],
)
def test_which_cells_are_in_the_mean_is_said(genome, tmp_path, cells, used, notes):
    assert genome().code == 0
    (tmp_path / "cells").mkdir()
    for name in cells:
        shutil.copy(tmp_path / "out/sample.DNase.bw", tmp_path / f"cells/{name}.bw")
    measured = tmp_path / "measured.bw"
    shutil.copy(tmp_path / "out/sample.DNase.bw", measured)
    if "measured" in cells:
        measured = tmp_path / "cells/measured.bw"
    options = {"predicted": tmp_path / "out/sample.DNase.bw", "measured": measured}
    document = one(runner_of("evaluate", options | {"training": tmp_path / "cells/{cell}.bw"})("--json"))
    assert document["training"]["cells"] == used
    assert [note for note in document["notes"] if "excluded" in note or "--training" in note] == notes


def test_windows_seen_in_training_are_told_apart(data, evaluate, small_model):
    from dataclasses import replace

    from epigept_batch.evaluation import selection
    from epigept_batch.inference.model_file import read_spec

    spec = read_spec(small_model)
    spec = replace(spec, architecture="trained")  # on contigs of these lengths, for all that is known
    windows = {"1": ((0, 3), (5, 6))}
    window_bp = spec.geometry.window_bp
    inside = selection.in_windows(windows, selection_contig(), bin_bp=BIN, window_bp=window_bp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "epigept_batch.commands.evaluate.run.read_spec", lambda _: replace(spec, training_windows=windows)
        )
        document = one(evaluate("--json", model=small_model))
    x, y = flat(data["predicted"]), np.log1p(flat(data["measured"]))
    seen = np.zeros(len(x), bool)
    seen[: len(inside)] = inside
    both = ~np.isnan(x) & ~np.isnan(y)
    by_name = {part["part"]: part for part in document["parts"]}
    for name, part in (("training windows", both & seen), ("other windows", both & ~seen)):
        r = scipy.stats.pearsonr(x[part], y[part]).statistic
        assert by_name[name]["bins"] == part.sum() > 0
        assert by_name[name]["predictors"]["prediction"]["pearson_log1p"] == pytest.approx(r, abs=1e-6)


def selection_contig():
    from epigept_batch.tiling import Contig

    return Contig("chr1", CONTIGS["chr1"])


def test_the_real_pileup(shared, tmp_path):
    """A noisy copy of the real CTCF track as the prediction, by deepTools' rule: a bin is the mean of what has data."""
    path = shared / "tracks/macs3_CTCF_chr22_50k_hg19.treat_pileup.bw"
    reader = pybigtools.open(str(path))
    length = reader.chroms("chr22")
    bins = -(-length // 128)
    values = np.full(bins * 128, np.nan)
    values[:length] = reader.values("chr22", 0, length, fillna=np.nan)
    covered = (~np.isnan(values)).reshape(bins, 128).sum(axis=1)
    means = np.nansum(values.reshape(bins, 128), axis=1) / np.where(covered, covered, np.nan)
    predicted = np.log1p(np.nan_to_num(means) + np.random.default_rng(1).gamma(1, 1, bins)).astype(np.float32)
    records = ((("chr22", n * 128, min((n + 1) * 128, length), float(value))) for n, value in enumerate(predicted))
    pybigtools.open(str(tmp_path / "p.bw"), "w").write({"chr22": length}, records)
    peaks = next(shared.glob("tracks/*.narrowPeak"))
    evaluate = runner_of("evaluate", {"predicted": tmp_path / "p.bw", "measured": path, "peaks": peaks})
    document = one(evaluate("--json"))
    has = ~np.isnan(means)
    metrics = document["parts"][0]["predictors"]["prediction"]
    for name, value in agreement(predicted[has].astype(float), np.log1p(means[has])).items():
        assert metrics[name] == pytest.approx(value, rel=1e-5), name
    assert document["parts"][0]["bins_in_peaks"] > 1000
    filled = one(evaluate("--json", "--zero-fill"))["parts"][0]
    whole = np.nan_to_num(values).reshape(bins, 128).mean(axis=1)
    whole[-1] *= 128 / (length - (bins - 1) * 128)
    assert filled["bins"] == bins
    r = scipy.stats.pearsonr(predicted.astype(float), np.log1p(whole)).statistic
    assert filled["predictors"]["prediction"]["pearson_log1p"] == pytest.approx(r, abs=1e-6)
