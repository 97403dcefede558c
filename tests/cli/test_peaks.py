"""`epigept-batch peaks`: files against a loop over bins and against scipy, and its record."""

import hashlib
import json
import re
from itertools import pairwise

import numpy as np
import pybigtools
import pyBigWig
import pytest
from scipy import ndimage

from conftest import outcome_of
from epigept_batch.calibration.calibration_file import Series, TrackCalibration, write_calibration
from epigept_batch.calibration.curves import Curve, Reliability
from epigept_batch.cli.main import cli
from epigept_batch.results import bins
from epigept_batch.results.folder import read_run_folder
from epigept_batch.results.peaks import find_peaks, stale_peaks
from valued_runs import BIN, write_run

LENGTHS = {"one": 700 * BIN - 50, "two": 200 * BIN - 1, "three": 90}
"""Two of the contigs end within a bin, and one is shorter than a bin."""
MODEL = hashlib.sha256(b"model").hexdigest()


def peaks(*words):
    return outcome_of(cli, "epigept-batch", ["peaks", *map(str, words)])


def smooth(rng, number):
    """Values with hills of several bins, in halves so that many are equal."""
    hills = np.convolve(rng.gamma(0.3, 2, number), [0.5, 1, 0.7, 0.3], "same")[:number]
    return (np.round(hills * 4) / 4).astype(np.float32)


def make_values(samples=("liver",), tracks=("DNase", "H3K27me3"), seed=4):
    rng = np.random.default_rng(seed)
    values = {
        sample: {
            track: {contig: smooth(rng, -(-length // BIN)) for contig, length in LENGTHS.items()} for track in tracks
        }
        for sample in samples
    }
    for of_sample in values.values():
        for of_track in of_sample.values():
            of_track["one"][100:117] = np.nan
            of_track["one"][300] = np.nan
            of_track["one"][-1] = of_track["two"][0] = of_track["three"][0] = 4
    return values


def every(**more):
    return {"inputs": {"selection of bins": spans_of_all(), "model": MODEL}, **more}


def spans_of_all():
    return {name: [[0, -(-length // BIN)]] for name, length in LENGTHS.items()}


@pytest.fixture
def values():
    return make_values()


@pytest.fixture
def folder(tmp_path, values):
    """A folder of one sample with a narrow and a broad mark."""
    return write_run(tmp_path / "run", values, LENGTHS, **every())


def intervals(values, high, low, gap, least):
    """Bins [first, last) of each interval, found bin by bin."""
    found, start, end = [], None, 0
    for number, value in enumerate([*values, np.nan]):
        if start is not None and (np.isnan(value) or number - end > gap):
            if max(values[start:end]) >= high and end - start >= least:
                found.append((start, end))
            start = None
        if value >= low:
            start, end = number if start is None else start, number + 1
    return found


def narrow_line(name, contig, first, last, values, highest):
    top = max(values[first:last])
    at = next(number for number in range(first, last) if values[number] == top)
    behind = next((number for number in range(at, last) if values[number] != top), last)
    start, end = first * BIN, min(last * BIN, LENGTHS[contig])
    middle = (at * BIN + min(behind * BIN, LENGTHS[contig])) // 2
    score = int(1000 * np.log1p(np.expm1(top)) / highest)
    return [contig, start, end, name, score, ".", np.expm1(top), -1, -1, middle - start]


def broad_line(name, contig, first, last, values, highest):
    mean = np.mean(np.expm1(values[first:last]))
    end = min(last * BIN, LENGTHS[contig])
    return [contig, first * BIN, end, name, int(1000 * np.log1p(mean) / highest), ".", mean, -1, -1]


def wanted_lines(values, name, line, rule, split=None):
    highest = max(np.nanmax(of_contig) for of_contig in values.values()).astype(np.float64)
    lines = []
    for contig, of_contig in values.items():
        wide = of_contig.astype(np.float64)
        for interval in intervals(of_contig, *rule):
            for first, last in split(of_contig, *interval) if split else [interval]:
                lines.append(line(f"{name}_{len(lines) + 1}", contig, first, last, wide, highest))
    return lines


def lines_of(path):
    return [
        [field if number in (0, 3, 5) else float(field) for number, field in enumerate(line.split("\t"))]
        for line in path.read_text().splitlines()
    ]


def check_lines(path, wanted):
    found = lines_of(path)
    assert len(found) == len(wanted) > 3
    for one, other in zip(found, wanted, strict=True):
        assert one[:4] + one[5:6] == other[:4] + other[5:6]
        assert one[7:] == other[7:]
        assert abs(one[4] - other[4]) <= 1  # rounded down, so that a rounding error may be a whole score
        assert one[6] == pytest.approx(other[6], rel=1e-5)


@pytest.mark.parametrize(("low", "gap", "length"), [(1, 0, 0), (0.5, 0, 300), (0.5, 400, 0), (0.25, 128, 513)])
def test_unsplit_peaks_are_those_of_a_caller_that_looks_at_one_bin_after_the_other(folder, values, low, gap, length):
    rule = (1.5, 1.5 * low, gap // BIN, max(1, -(-length // BIN)))
    words = ["--threshold", 1.5, "--low", low, "--max-gap", gap, "--min-length", length, "--prominence", 1]
    assert peaks(folder, *words).code == 0
    of = values["liver"]
    check_lines(folder / "liver.DNase.narrowPeak", wanted_lines(of["DNase"], "liver.DNase", narrow_line, rule))
    check_lines(folder / "liver.H3K27me3.broadPeak", wanted_lines(of["H3K27me3"], "liver.H3K27me3", broad_line, rule))


def test_defaults_differ_between_narrow_and_broad_marks(folder, values):
    assert peaks(folder, "--threshold", 1.5, "--prominence", 1).code == 0
    of = values["liver"]
    rule = (1.5, 0.75 * 1.5, 0, 1)
    check_lines(folder / "liver.DNase.narrowPeak", wanted_lines(of["DNase"], "liver.DNase", narrow_line, rule))
    rule = (1.5, 0.5 * 1.5, 4, 4)
    check_lines(folder / "liver.H3K27me3.broadPeak", wanted_lines(of["H3K27me3"], "liver.H3K27me3", broad_line, rule))


def split_naive(prominence):
    """Cut at each lowest bin between neighbours whose lower summit is high enough above it, the shallowest first."""

    def split(values, first, last):
        cuts = [first, last]
        tops = [
            number
            for number in range(first, last)
            if (number == first or values[number] > values[number - 1])
            and (rest := [one for one in values[number:last] if one != values[number]], True)[1]
            and (not rest or rest[0] < values[number])
        ]
        while len(tops) > 1:
            valleys = [min(values[left : right + 1]) for left, right in pairwise(tops)]
            shallow = [
                number
                for number, valley in enumerate(valleys)
                if not valley < (1 - prominence) * min(values[tops[number]], values[tops[number + 1]])
            ]
            if not shallow:
                break
            number = max(shallow, key=lambda one: valleys[one])
            del tops[number + (values[tops[number]] >= values[tops[number + 1]])]
        for left, right in pairwise(tops):
            low = min(values[left : right + 1])
            at = next(number for number in range(left, right) if values[number] == low)
            behind = next(number for number in range(at, right + 1) if values[number] != low)
            cuts.append((at + behind) // 2)
        cuts.sort()
        return list(pairwise(cuts))

    return split


@pytest.mark.parametrize("prominence", [0.3, 0.6])
def test_narrow_peaks_are_split_at_deep_valleys(folder, values, prominence):
    assert peaks(folder, "--threshold", 1.5, "--low", 0.2, "--prominence", prominence, "--tracks", "dnase").code == 0
    rule = (1.5, np.float32(0.3), 0, 1)
    split = split_naive(prominence)
    wanted = wanted_lines(values["liver"]["DNase"], "liver.DNase", narrow_line, rule, split)
    whole = wanted_lines(values["liver"]["DNase"], "liver.DNase", narrow_line, rule)
    assert len(wanted) > len(whole)
    check_lines(folder / "liver.DNase.narrowPeak", wanted)


def test_without_hysteresis_peaks_are_the_labels_of_scipy(folder, values):
    assert peaks(folder, "--threshold", 1.25, "--low", 1, "--prominence", 1, "--tracks", "DNase").code == 0
    wanted = []
    for contig, of_contig in values["liver"]["DNase"].items():
        labels, _ = ndimage.label(of_contig >= 1.25)
        places = [place[0] for place in ndimage.find_objects(labels)]
        wanted += [(contig, one.start * BIN, min(one.stop * BIN, LENGTHS[contig])) for one in places]
    assert [tuple(line[:3]) for line in lines_of(folder / "liver.DNase.narrowPeak")] == wanted


def test_blocks_of_any_size_give_the_same_bytes(folder, tmp_path, monkeypatch):
    names = ["liver.DNase.narrowPeak", "liver.H3K27me3.broadPeak"]
    texts = []
    for blocks in (bins.BLOCK_BP, 3 * BIN, BIN):
        monkeypatch.setattr(bins, "BLOCK_BP", blocks)
        out = tmp_path / str(blocks)
        assert peaks(folder, "--threshold", 1.5, "--low", 0.4, "--out", out).code == 0
        texts.append([(out / name).read_bytes() for name in names])
    assert texts[0] == texts[1] == texts[2]


def test_tracks_of_linear_signal_have_the_same_peaks(folder, values, tmp_path):
    linear = {"liver": {track: {c: np.expm1(v) for c, v in of.items()} for track, of in values["liver"].items()}}
    other = write_run(tmp_path / "linear", linear, LENGTHS, **every(space="linear"))
    for run in (folder, other):
        assert peaks(run, "--threshold", 1.4, "--low", 0.6, "--prominence", 0.33).code == 0
    for name in ("liver.DNase.narrowPeak", "liver.H3K27me3.broadPeak"):
        check_lines(other / name, lines_of(folder / name))


def test_only_predicted_bins_are_called_and_a_hole_between_them_ends_a_peak(tmp_path):
    values = {"liver": {"DNase": {c: np.full(-(-n // BIN), 2, np.float32) for c, n in LENGTHS.items()}}}
    selection = {"one": [[26, 30], [10, 20], [20, 25]], "two": [[199, 200]]}
    inputs = {"selection of bins": selection, "model": MODEL}
    folder = write_run(tmp_path / "run", values, LENGTHS, inputs=inputs)
    assert peaks(folder, "--threshold", 1, "--max-gap", 1000).code == 0
    found = [tuple(line[:3]) for line in lines_of(folder / "liver.DNase.narrowPeak")]
    assert found == [("one", 1280, 3200), ("one", 3328, 3840), ("two", 25_472, 25_599)]


def strengths(path):
    return [line[6] for line in lines_of(path)]


def test_top_keeps_the_strongest_and_of_equals_the_first(folder, tmp_path):
    assert peaks(folder, "--threshold", 1, "--out", tmp_path / "all").code == 0
    for name in ("liver.DNase.narrowPeak", "liver.H3K27me3.broadPeak"):
        whole = lines_of(tmp_path / "all" / name)
        for number in (1, 7, len(whole) - 1):
            out = tmp_path / f"top {number}"
            track = name.split(".")[1]
            words = ["--threshold", 1, "--top", number, "--tracks", track, "--out", out, "--force"]
            assert peaks(folder, *words).code == 0
            ranked = sorted(range(len(whole)), key=lambda one: (-whole[one][6], one))[:number]
            kept = lines_of(out / name)
            assert [line[:3] + line[6:] for line in kept] == [whole[one][:3] + whole[one][6:] for one in sorted(ranked)]
            assert [line[3] for line in kept] == [f"liver.{track}_{n + 1}" for n in range(number)]
            of_track = json.loads((out / "liver.peaks.json").read_text())["tracks"][track]
            assert (of_track["candidates"], of_track["peaks"]) == (len(whole), number)
    values = strengths(tmp_path / "all/liver.DNase.narrowPeak")
    assert len(set(values)) < len(values)


def test_top_alone_takes_candidates_from_the_highest_twentieth_of_the_bins(folder, values):
    done = peaks(folder, "--top", 5)
    assert done.code == 0
    record = json.loads((folder / "liver.peaks.json").read_text())
    for track, of_track in values["liver"].items():
        known = np.concatenate([v[~np.isnan(v)] for v in of_track.values()])
        threshold = record["tracks"][track]["threshold"]
        exact = np.sort(known)[-int(np.ceil(0.05 * len(known)))]
        assert exact * 0.992 <= threshold <= exact
        assert record["tracks"][track]["peaks"] == 5
        assert record["tracks"][track]["rule"] == "top"
        assert "which 5% of the track's bins reach" in record["tracks"][track]["meaning"]


def test_top_alone_of_a_track_that_is_mostly_0(tmp_path):
    values = {"liver": {"CTCF": {c: np.zeros(-(-n // BIN), np.float32) for c, n in LENGTHS.items()}}}
    values["liver"]["CTCF"]["one"][[5, 9]] = 1e-3, 2
    folder = write_run(tmp_path / "run", values, LENGTHS, **every())
    done = peaks(folder, "--top", 5)
    assert done.code == 0
    assert "liver CTCF: only 2 candidates, fewer than --top 5" in done.err
    assert [line[1] for line in lines_of(folder / "liver.CTCF.narrowPeak")] == [5 * BIN, 9 * BIN]
    assert "above 0" in done.err
    meaning = json.loads((folder / "liver.peaks.json").read_text())["tracks"]["CTCF"]["meaning"]
    assert meaning.endswith("Here that value is 0, so the candidates are peaks with any signal.")


def write_thresholds(
    path,
    *,
    model=MODEL,
    bin_bp=BIN,
    tracks=("DNase", "H3K27me3"),
    mean=True,
    samples=("K562",),
    of_dnase=None,
    account=None,
):
    """A calibration whose best F1 is at 1.5, and whose precision reaches 90 % at 2."""
    curve = Curve(np.array([0, 1, 1.5, 2]), np.array([10_000, 900, 500, 300]), np.array([600, 500, 400, 270]))
    poor = Curve(np.array([0, 1, 1.5, 2]), np.array([10_000, 2000, 900, 300]), np.array([600, 500, 420, 90]))
    reliability = Reliability(np.array([0.0]), np.array([10_000]), np.array([600]))
    series = [Series(one, reliability, 0.5) for one in (curve, poor)]
    levels = None
    if mean:
        from epigept_batch.calibration.calibration_file import Levels

        levels = Levels(np.array([0.0]), np.array([10_000]), np.array([600]), *np.full((3, 1), 0.1))
    contigs = ("chr1", "chr2")
    names = {
        track: TrackCalibration(
            series[0],
            series[1] if mean else None,
            levels,
            dict.fromkeys((track == "DNase" and of_dnase) or samples, curve),
        )
        for track in tracks
    }
    write_calibration(path, names, model=model, samples=samples, contigs=contigs, bin_bp=bin_bp, account=account or {})
    return path


def test_thresholds_of_a_calibration_are_used_and_cited(folder, tmp_path):
    path = write_thresholds(tmp_path / "c.json")
    assert peaks(folder, "--threshold", 1.5, "--low", 1, "--out", tmp_path / "plain").code == 0
    assert peaks(folder, "--calibration", path, "--out", tmp_path / "calibrated").code == 0
    for name in ("liver.DNase.narrowPeak", "liver.H3K27me3.broadPeak"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "calibrated" / name).read_bytes()
    record = json.loads((tmp_path / "calibrated/liver.peaks.json").read_text())
    assert record["calibration"] == {
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "model_sha256": MODEL,
        "cells": ["K562"],
        "notes": [],
        "contigs": ["chr1", "chr2"],
    }
    track = record["tracks"]["DNase"]
    assert track["meaning"] == (
        "In held-out cells (K562), 80.0% of the bins that reach this threshold lie in measured peaks, and they are "
        "66.7% of all bins in peaks. Of all bins, 6.0% lie in peaks. The mean of the training cells has a precision "
        "of 46.7% at that recall."
    )
    lower = "of which fewer lie in measured peaks."
    broad = record["tracks"]["H3K27me3"]["meaning"]
    assert broad.endswith(f"Peaks also contain lower bins in gaps of at most max_gap_bp, {lower}")
    assert peaks(folder, "--calibration", path, "--low", 0.5, "--out", tmp_path / "lower").code == 0
    with_flanks = json.loads((tmp_path / "lower/liver.peaks.json").read_text())["tracks"]["DNase"]["meaning"]
    assert with_flanks.endswith(f"Peaks also contain lower bins from edge_threshold up, {lower}")
    assert (track["threshold"], track["precision"], track["recall"]) == (1.5, 0.8, pytest.approx(2 / 3))
    assert track["chosen_by"] == "highest F1"


def test_a_precision_chooses_another_threshold_and_one_track_may_have_its_own(folder, tmp_path):
    path = write_thresholds(tmp_path / "c.json", mean=False)
    done = peaks(
        folder, "--calibration", path, "--precision", 0.85, "--threshold", "h3k27me3=0.7", "--low", 1, "--json"
    )
    assert done.code == 0
    tracks = json.loads(done.out)[0]["tracks"]
    assert (tracks["DNase"]["threshold"], tracks["H3K27me3"]["threshold"]) == (2, 0.7)
    assert tracks["DNase"]["chosen_by"] == "precision of at least 0.85"
    # Another precision chooses the same threshold, but the record says what was asked for.
    refused = peaks(folder, "--calibration", path, "--precision", 0.83, "--threshold", "h3k27me3=0.7", "--low", 1)
    assert refused.code == 2
    assert "source of the threshold" in refused.err
    assert tracks["DNase"]["meaning"].endswith("How well the mean of the training cells does is not known.")
    assert tracks["H3K27me3"]["meaning"].startswith("The user chose this threshold.")
    assert "precision" not in tracks["H3K27me3"]


def test_the_cells_of_a_track_and_what_the_network_knew_of_them_are_said(folder, tmp_path):
    path = write_thresholds(
        tmp_path / "c.json",
        samples=("K562", "H1", "A549"),
        of_dnase=("K562", "H1"),
        account={"cells": {"H1": {"trained_on": True}, "K562": {"trained_on": False}}, "notes": ["optimistic"]},
    )
    assert peaks(folder, "--calibration", path).code == 0
    record = json.loads((folder / "liver.peaks.json").read_text())
    meanings = [record["tracks"][name]["meaning"] for name in ("DNase", "H3K27me3")]
    trained = "and cells that the network was trained on (H1), 80.0%"
    assert meanings[0].startswith(f"In held-out cells (K562) {trained}")
    assert meanings[1].startswith(f"In held-out cells (K562, A549) {trained}")
    assert record["calibration"]["notes"] == ["optimistic"]


def test_other_tracks_whose_peaks_go_are_named(folder):
    assert peaks(folder, "--threshold", 1).code == 0
    done = peaks(folder, "--threshold", 1, "--tracks", "DNase", "--force")
    assert done.code == 0
    assert "liver: removed, since one call makes all peaks of a sample: liver.H3K27me3.broadPeak" in done.err
    assert [path.name for path in folder.glob("*Peak")] == ["liver.DNase.narrowPeak"]
    (folder / "liver.peaks.json").write_text("{")
    assert peaks(folder, "--threshold", 2, "--force").code == 0


def test_a_calibration_of_another_model_is_refused_unless_told(folder, tmp_path):
    path = write_thresholds(tmp_path / "c.json", model="0" * 64)
    refused = peaks(folder, "--calibration", path)
    assert refused.code == 2
    assert "another model file" in refused.err
    assert not list(folder.glob("*Peak"))
    assert peaks(folder, "--calibration", path, "--any-model").code == 0
    other = write_thresholds(tmp_path / "bins.json", bin_bp=200)
    refused = peaks(folder, "--calibration", other, "--any-model", "--force")
    assert refused.code == 2
    assert "bins of 200 bp" in refused.err


def test_the_record_says_what_the_peaks_are_made_from(folder, values):
    assert peaks(folder, "--threshold", "DNase=1.5", "--threshold", "H3K27me3=1").code == 0
    record = json.loads((folder / "liver.peaks.json").read_text())
    assert record["sample"] == "liver"
    assert record["model_sha256"] == MODEL
    assert record["calibration"] is None
    for name in ("DNase", "H3K27me3"):
        path = folder / f"liver.{name}.bw"
        content = path.read_bytes()
        wanted = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        assert record["bigwigs"][path.name] == wanted
        track = record["tracks"][name]
        lines = lines_of(folder / track["file"])
        assert track["peaks"] == len(lines)
        assert track["covered_bp"] == sum(line[2] - line[1] for line in lines)
        assert track["least_signal"] == pytest.approx(min(line[6] for line in lines), rel=1e-5)
        assert track["most_signal"] == pytest.approx(max(line[6] for line in lines), rel=1e-5)
        assert track["threshold_as_signal"] == pytest.approx(np.expm1(track["threshold"]))
        assert record["files"][track["file"]] == (folder / track["file"]).stat().st_size
        assert track["signal_of_score_1000"] == pytest.approx(
            np.expm1(max(np.nanmax(of) for of in values["liver"][name].values())), rel=1e-5
        )
    assert record["tracks"]["DNase"]["edge_threshold"] == 1.125
    assert record["tracks"]["H3K27me3"]["max_gap_bp"] == 512
    assert record["tracks"]["H3K27me3"]["prominence"] is None


def test_view_and_plot_find_the_peaks_beside_the_tracks(folder):
    assert peaks(folder, "--threshold", 1).code == 0
    assert find_peaks(read_run_folder(folder)) == {
        folder / "liver.DNase.narrowPeak": ("liver", "DNase"),
        folder / "liver.H3K27me3.broadPeak": ("liver", "H3K27me3"),
    }


def test_peaks_of_an_earlier_prediction_are_not_shown(folder):
    assert peaks(folder, "--threshold", 1).code == 0
    path = folder / "liver.run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "finished": "2031-01-01T00:00:00+00:00"}))
    found = read_run_folder(folder)
    assert find_peaks(found) == {}
    assert stale_peaks(found) == [folder / "liver.DNase.narrowPeak", folder / "liver.H3K27me3.broadPeak"]
    (folder / "liver.DNase.mine.narrowPeak").write_text("one\t0\t128\n")  # not of `peaks`
    assert list(find_peaks(found)) == [folder / "liver.DNase.mine.narrowPeak"]


def test_peaks_of_samples_with_dots_in_their_names_are_told_apart(tmp_path):
    samples = ("cell", "cell.DNase")
    folder = write_run(tmp_path / "run", make_values(samples, ("DNase", "CTCF")), LENGTHS, **every())
    assert peaks(folder, "--threshold", 1).code == 0
    for chosen in (samples, samples[:1], samples[1:]):
        assert find_peaks(read_run_folder(folder, chosen)) == {
            folder / f"{sample}.{track}.narrowPeak": (sample, track) for sample in chosen for track in ("DNase", "CTCF")
        }


def test_the_same_again_is_up_to_date_and_another_rule_is_not_written_over_it(folder):
    assert peaks(folder, "--threshold", 1).code == 0
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    again = peaks(folder, "--threshold", 1)
    assert again.code == 0
    assert "liver: up to date" in again.err
    for words in (["--threshold", 2], ["--threshold", 1, "--low", 0.9], ["--threshold", 1, "--tracks", "DNase"]):
        other = peaks(folder, *words)
        assert other.code == 2
        assert re.search(r"were made with (a )?different ", other.err)
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    assert peaks(folder, "--threshold", 1, "--broad", "DNase", "--force").code == 0
    assert sorted(path.name for path in folder.glob("*Peak*")) == ["liver.DNase.broadPeak", "liver.H3K27me3.broadPeak"]


def test_a_changed_track_is_not_up_to_date(folder, values):
    assert peaks(folder, "--threshold", 1).code == 0
    values["liver"]["DNase"]["one"][5] = 3
    write_run(folder, values, LENGTHS, **every())
    other = peaks(folder, "--threshold", 1)
    assert other.code == 2
    assert "different content of the bigWigs" in other.err


def test_a_file_of_another_program_stays(folder):
    (folder / "liver.DNase.narrowPeak").write_text("one\t1\t2\n")
    refused = peaks(folder, "--threshold", 1)
    assert refused.code == 2
    assert "without a liver.peaks.json" in refused.err
    assert (folder / "liver.DNase.narrowPeak").read_text() == "one\t1\t2\n"
    (folder / "liver.DNase.measured.narrowPeak").write_text("one\t1\t2\n")
    assert peaks(folder, "--threshold", 1, "--force").code == 0
    assert (folder / "liver.DNase.measured.narrowPeak").read_text() == "one\t1\t2\n"


def test_an_edited_record_is_not_shown(folder):
    assert peaks(folder, "--threshold", 1).code == 0
    path = folder / "liver.peaks.json"
    record = json.loads(path.read_text())
    record["tracks"]["DNase"]["peaks"] = "many"
    path.write_text(json.dumps(record))
    refused = peaks(folder, "--threshold", 1)
    assert refused.code == 2
    assert "edited" in refused.err


def test_a_damaged_track_leaves_nothing(folder, values, tmp_path):
    values["liver"]["H3K27me3"]["two"][7] = 1e6
    write_run(folder, values, LENGTHS, **every())
    out = tmp_path / "out"
    refused = peaks(folder, "--threshold", 1, "--out", out)
    assert refused.code == 2
    assert "at two:897" in refused.err
    assert not out.exists()


def test_records_without_predicted_bins_are_refused(folder, values):
    write_run(folder, values, LENGTHS, inputs={"model": MODEL})
    refused = peaks(folder, "--threshold", 1)
    assert refused.code == 2
    assert "names no predicted bins" in refused.err


def test_a_threshold_that_nothing_reaches_gives_empty_files_and_a_note(folder):
    done = peaks(folder, "--threshold", 50, "--bigbed")
    assert done.code == 0
    assert "liver DNase: no peak; the highest ln(1 + signal) is 8.75, the threshold 50" in done.err
    assert (folder / "liver.DNase.narrowPeak").read_text() == ""
    with pyBigWig.open(str(folder / "liver.DNase.narrowPeak.bb")) as file:
        assert not file.entries("one", 0, LENGTHS["one"])


def test_names_without_spaces_and_marks_that_are_not_known(tmp_path):
    values = make_values(["my liver"], ("Pol2", "H3K4me1"))
    folder = write_run(tmp_path / "run", values, LENGTHS, **every())
    done = peaks(folder, "--threshold", 1.5, "--narrow", "h3k4me1")
    assert done.code == 0
    assert "Pol2: not a known mark, so its peaks are narrow" in done.err
    assert "H3K4me1: not a known mark" not in done.err
    lines = lines_of(folder / "my liver.Pol2.narrowPeak")
    assert lines[0][3] == "my_liver.Pol2_1"
    assert (folder / "my liver.H3K4me1.narrowPeak").is_file()


def test_samples_and_quiet(tmp_path):
    folder = write_run(tmp_path / "run", make_values(["a", "b"], ("DNase",)), LENGTHS, **every())
    done = peaks(folder, "--threshold", 1.5, "--sample", "b", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert [path.name for path in folder.glob("*.peaks.json")] == ["b.peaks.json"]
    done = peaks(folder, "--threshold", 1.5)
    assert "b: up to date" in done.err
    assert "a: up to date" not in done.err
    assert "a.DNase.narrowPeak" in done.err


@pytest.mark.parametrize(("track", "form", "fields"), [("DNase", "narrowPeak", 10), ("H3K27me3", "broadPeak", 9)])
def test_bigbeds_hold_the_lines_and_name_their_fields(folder, track, form, fields):
    assert peaks(folder, "--threshold", 1, "--bigbed").code == 0
    path = folder / f"liver.{track}.{form}.bb"
    lines = [line.split("\t") for line in (folder / f"liver.{track}.{form}").read_text().splitlines()]
    with pyBigWig.open(str(path)) as file:
        assert file.isBigBed()
        assert file.chroms() == LENGTHS
        found = [
            [contig, str(start), str(end), *rest.split("\t")]
            for contig, length in LENGTHS.items()
            for start, end, rest in file.entries(contig, 0, length)
        ]
        sql = file.SQL()
        sql = sql.decode() if isinstance(sql, bytes) else sql
    assert found == lines
    assert sql.startswith(f"table big{form[0].upper()}{form[1:]}\n")
    assert sql.count(";") == fields
    with pybigtools.open(str(path)) as file:
        assert file.info()["summary"]["basesCovered"] == sum(int(line[2]) - int(line[1]) for line in lines)
        assert [tuple(one[:2]) for one in file.records("two")] == [
            (int(line[1]), int(line[2])) for line in lines if line[0] == "two"
        ]
