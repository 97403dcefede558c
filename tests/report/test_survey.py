"""The survey of a folder against pandas and loops over all bins."""

import math

import numpy as np
import pandas as pd
import pytest

from epigept_batch.errors import InputError
from epigept_batch.report import loci as loci_module
from epigept_batch.report import survey
from epigept_batch.report.loci import LOCUS_BINS, check_predicted, read_locus, step_means, variable_loci
from epigept_batch.report.signal import lowest_colour
from epigept_batch.report.survey import correlations, spread, survey_folder, window_variances, windows_of
from epigept_batch.results.folder import read_run_folder
from epigept_batch.results.scales import common_scales
from epigept_batch.tiling import Region
from valued_runs import BIN, write_run

LENGTHS = {"one": 1000 * BIN - 5, "two": 170 * BIN, "three": 40}
TRACKS = ("DNase", "CTCF")


class Silent:
    """Counts what is reported."""

    def __init__(self):
        self.done, self.total = 0, None

    def say(self, sentence):
        raise AssertionError(sentence)

    def start(self, total, *, done=0):
        self.done, self.total = done, total

    def advance(self, by=1):
        self.done += by

    def finish(self, sentence):
        raise AssertionError(sentence)


def make_values(samples=3, seed=1):
    """Values with gaps that differ between samples."""
    rng = np.random.default_rng(seed)
    shared = {name: rng.gamma(0.5, 1, -(-length // BIN)) for name, length in LENGTHS.items()}
    found = {}
    for number in range(samples):
        found[f"s{number}"] = {}
        for track in TRACKS:
            of = {
                name: (values + rng.gamma(0.3, 0.5, len(values))).astype(np.float32) for name, values in shared.items()
            }
            of["one"][100 + 30 * number : 300] = np.nan
            of["two"][:5] = np.nan
            found[f"s{number}"][track] = of
    return found


def joined(values, sample, track):
    return np.concatenate([values[sample][track][name] for name in LENGTHS])


def surveyed(folder):
    progress = Silent()
    found = survey_folder(read_run_folder(folder), progress, bin_bp=BIN)
    assert progress.done == progress.total
    return found


@pytest.mark.parametrize("space", ["log1p", "linear"])
def test_all_bins_of_a_small_folder(tmp_path, space):
    values = make_values()
    found = surveyed(write_run(tmp_path, values, LENGTHS, space=space))
    change = np.log1p if space == "linear" else np.asarray
    assert found.is_complete
    assert (found.bins, found.bins_in_all, found.windows_in_all) == (1171, 1171, 7 + 2 + 1)
    assert [one.name for one in found.contigs] == list(LENGTHS)
    assert [track.name for track in found.tracks] == list(TRACKS)
    for track in found.tracks:
        frame = pd.DataFrame({sample: change(joined(values, sample, track.name)) for sample in values})
        assert track.samples == tuple(values)
        assert track.correlation == pytest.approx(frame.corr().to_numpy(), abs=1e-6)  # pandas leaves out NaN by pairs
        assert track.edges[-1] == pytest.approx(frame.max().max())
        for number, sample in enumerate(values):
            known = frame[sample].dropna().to_numpy()
            counts, _ = np.histogram(known, np.linspace(0, frame.max().max(), 61))
            assert track.histogram[number].tolist() == counts.tolist()
            assert track.histogram[number].sum() == len(known)
            for index, contig in enumerate(LENGTHS):
                of_contig = change(values[sample][track.name][contig])
                assert track.bins[number, index] == (~np.isnan(of_contig)).sum()
                assert track.means[number, index] == pytest.approx(np.nanmean(of_contig, dtype=np.float64), rel=1e-6)


@pytest.mark.parametrize("space", ["log1p", "linear"])
def test_variation_of_windows(tmp_path, space):
    values = make_values()
    change = np.expm1 if space == "linear" else np.asarray
    written = {
        s: {t: {c: change(v) for c, v in of.items()} for t, of in tracks.items()} for s, tracks in values.items()
    }
    folder = write_run(tmp_path, written, LENGTHS, space=space)
    found, scales = surveyed(folder), common_scales(read_run_folder(folder))
    if space == "linear":
        scales = {track: (0, math.log1p(high)) for track, (_, high) in scales.items()}
    for window, variation in zip(found.windows, found.variation, strict=True):
        expected = 0.0
        for track in TRACKS:
            rows = np.stack([values[s][track][window.contig.name][window.first : window.last] for s in values])
            columns = [column[~np.isnan(column)].astype(float) for column in rows.T]
            variances = [column.var() for column in columns if len(column) > 1]
            expected += np.mean(variances) / scales[track][1] ** 2 if variances else 0
        assert variation == pytest.approx(expected, rel=1e-5)


def test_the_most_variable_locus_is_the_one_that_was_made_variable(tmp_path):
    values = make_values(seed=2)
    for track in TRACKS:
        values["s1"][track]["one"][500:560] += 3
    found = surveyed(write_run(tmp_path, values, LENGTHS))
    loci = variable_loci(found, [])
    region, variation = loci[0]
    assert region.start // BIN <= 500
    assert region.end // BIN >= 560
    assert region.end - region.start == LOCUS_BINS * BIN
    assert variation == found.variation.max()
    for number, (first, _) in enumerate(loci):
        for second, _ in loci[:number]:
            assert first.contig != second.contig or first.end <= second.start or second.end <= first.start
        assert first.end <= LENGTHS[first.contig]
    assert [variation for _, variation in loci] == sorted((v for _, v in loci), reverse=True)
    assert region not in [one for one, _ in variable_loci(found, [region])]


def test_only_the_most_variable_loci_are_shown(tmp_path, monkeypatch):
    found = surveyed(write_run(tmp_path, make_values(), LENGTHS))
    every = variable_loci(found, [])
    assert len(every) > 2
    monkeypatch.setattr(loci_module, "MOST_VARIABLE", 2)
    assert variable_loci(found, []) == every[:2]


def test_samples_without_difference_have_no_variable_locus(tmp_path):
    values = make_values(1)
    values["same"] = values["s0"]
    found = surveyed(write_run(tmp_path, values, LENGTHS))
    assert variable_loci(found, []) == []
    assert found.tracks[0].correlation == pytest.approx(np.ones((2, 2)))


def test_a_large_folder_is_read_in_evenly_spread_windows(tmp_path, monkeypatch):
    values = make_values()
    folder = write_run(tmp_path, values, LENGTHS)
    every = windows_of(read_run_folder(folder))
    monkeypatch.setattr(survey, "MOST_BINS", 3 * survey.WINDOW_BINS)
    found = surveyed(folder)
    assert not found.is_complete
    assert found.windows == (every[1], every[5], every[8])  # the middles of thirds of ten
    assert found.bins == sum(window.bins for window in found.windows) < found.bins_in_all
    for track in found.tracks:
        rows = [
            np.concatenate([values[s][track.name][w.contig.name][w.first : w.last] for w in found.windows])
            for s in values
        ]
        assert track.correlation == pytest.approx(pd.DataFrame(rows).T.corr().to_numpy(), abs=1e-6)
        assert track.bins.sum(axis=1).tolist() == [int((~np.isnan(row)).sum()) for row in rows]
        assert track.means[0, -1] == pytest.approx(np.mean(values["s0"][track.name]["two"][160:]), rel=1e-5)


def test_few_windows_are_read_at_once(tmp_path, monkeypatch):
    folder = write_run(tmp_path, make_values(1), LENGTHS)
    read, sizes = survey.read_bins, []
    monkeypatch.setattr(survey, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(survey, "read_bins", lambda *words, **named: sizes.append(words[3]) or read(*words, **named))
    found = surveyed(folder)
    assert sum(sizes) == found.bins * len(TRACKS)
    assert sizes[:6] == [320, 320, 320, 40, 170, 1]


def test_many_files_are_read_less(monkeypatch):
    windows = [survey.Window(None, first, first + 160) for first in range(0, 160_000, 160)]
    assert len(spread(windows, 1)) == 1000
    monkeypatch.setattr(survey, "MOST_VALUES", 1_600_000)
    assert len(spread(windows, 100)) == 100
    chosen = np.array([window.first // 160 for window in spread(windows, 100)])
    assert (np.diff(chosen) == 10).all()
    assert len(spread(windows, 10**9)) == 1


def test_bins_that_only_some_samples_have(tmp_path):
    values = make_values(2)
    selection = {"s0": {"one": [[0, 400]]}, "s1": {"one": [[350, 600]], "two": [[10, 20]]}}
    for sample, contigs in selection.items():
        for track in TRACKS:
            for name, of in values[sample][track].items():
                outside = np.ones(len(of), dtype=bool)
                for first, last in contigs.get(name, ()):
                    outside[first:last] = False
                of[outside] = np.nan
    found = surveyed(write_run(tmp_path, values, LENGTHS, selection=selection))
    assert found.bins_in_all == 600 + 10
    assert [(w.contig.name, w.first, w.last) for w in found.windows][-2:] == [("one", 480, 600), ("two", 10, 20)]
    both = [values[sample]["DNase"]["one"][350:400] for sample in values]
    assert found.tracks[0].correlation[0, 1] == pytest.approx(np.corrcoef(both)[0, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 2, 3], [2, 4, 6]], 1.0),
        ([[1, 2, 3], [3, 2, 1]], -1.0),
        ([[1, 1, 1], [1, 2, 3]], math.nan),  # a constant has no r
        ([[0.1, 0.1, 0.1], [1, 2, 3]], math.nan),  # not even by rounding
        ([[1, math.nan, 3], [math.nan, 2, 1]], math.nan),  # one bin in common
        ([[1e4 + 1, 1e4 + 2, 1e4 + 4], [1, 2, 4]], 1.0),
    ],
)
def test_correlation_of_two_rows(rows, expected):
    found = correlations(np.array(rows, dtype=np.float32))
    assert [found[0, 1], found[1, 0]] == pytest.approx([expected] * 2, nan_ok=True)


def test_constants_have_no_r_whatever_is_rounded():
    """In either place of the pair: a variance that is a rounding error would make it 1 or -1."""
    rng = np.random.default_rng(0)
    for number in range(5, 60):
        rows = np.stack([np.full(number, rng.random() * 10), np.arange(number)]).astype(np.float32)
        rows[1, rng.random(number) < 0.3] = np.nan  # the constant then has another mean in each pair
        found = correlations(rows)
        assert np.isnan([found[0, 0], found[0, 1], found[1, 0]]).all()
        assert found[1, 1] == pytest.approx(1)


def test_variance_of_single_values_is_none():
    rows = np.array([[1, np.nan, 5, 2], [3, 1, np.nan, 2]], dtype=np.float32)
    assert window_variances(rows, np.array([0, 2])).tolist() == [1.0, 0.0]
    assert window_variances(rows, np.array([0, 1])).tolist() == [1.0, 0.0]


def test_means_of_steps():
    bins = np.array([1, 3, np.nan, 5, np.nan, np.nan, 7], dtype=np.float32)
    assert step_means(bins, 2) == pytest.approx([2, 5, np.nan, 7], nan_ok=True)
    assert step_means(bins, 1) == pytest.approx(bins, nan_ok=True)


def test_differences_are_neither_read_nor_counted(tmp_path):
    values = make_values(2)
    for tracks in values.values():
        tracks["DNase.difference"] = {name: of - 5 for name, of in tracks["DNase"].items()}
    found = surveyed(write_run(tmp_path, values, LENGTHS, perturbation={"of": "x", "set": "F=0"}))
    assert [track.name for track in found.tracks] == list(TRACKS)
    known = [values[s]["DNase"]["one"][~np.isnan(values[s]["DNase"]["one"])].mean() for s in values]
    assert found.tracks[0].means[:, 0] == pytest.approx(known, rel=1e-5)


def test_signal_below_0_is_refused(tmp_path):
    values = make_values(1)
    values["s0"]["CTCF"]["two"][9] = -0.5
    folder = write_run(tmp_path, values, LENGTHS, space="linear")
    with pytest.raises(InputError, match=r"s0\.CTCF\.bw: holds a signal below 0"):
        surveyed(folder)


def test_a_locus_of_samples_with_different_tracks(tmp_path):
    values = make_values(2)
    del values["s1"]["CTCF"]
    folder = read_run_folder(write_run(tmp_path, values, LENGTHS))
    locus = read_locus(Region("one", 900 * BIN + 3, LENGTHS["one"]), folder, bin_bp=BIN)
    assert locus.region == Region("one", 900 * BIN, LENGTHS["one"])  # whole bins, of which the last is shorter
    drawn = locus.values  # noqa: PD011 - not of pandas
    for number, sample in enumerate(values):
        assert drawn["DNase"][number] == pytest.approx(values[sample]["DNase"]["one"][900:], rel=1e-6)
    assert drawn["CTCF"][0] == pytest.approx(values["s0"]["CTCF"]["one"][900:], rel=1e-6)
    assert np.isnan(drawn["CTCF"][1]).all()


def test_a_region_that_only_touches_predicted_bins_was_not_predicted(tmp_path):
    selection = {"s0": {"one": [[100, 200]]}}
    folder = read_run_folder(write_run(tmp_path, make_values(1), LENGTHS, selection=selection))
    for region in (Region("one", 99 * BIN, 100 * BIN + 1), Region("one", 200 * BIN - 1, 300 * BIN)):
        check_predicted([region], folder, BIN)
    for region in (Region("one", 50 * BIN, 100 * BIN), Region("one", 200 * BIN, 300 * BIN)):
        with pytest.raises(InputError, match="not predicted"):
            check_predicted([region], folder, BIN)


@pytest.mark.parametrize(("r", "lowest"), [(0.876, 0.85), (1.0, 0.95), (-0.01, -0.05), (math.nan, 0.0)])
def test_the_lowest_colour_is_below_every_r(tmp_path, r, lowest):
    track = surveyed(write_run(tmp_path, make_values(2), LENGTHS)).tracks[0]
    track.correlation[:] = [[1, r], [r, 1]]
    assert lowest_colour([track]) == pytest.approx(lowest)
