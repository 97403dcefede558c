"""The file of a calibration: what is written is read again, and what is damaged is refused with its place."""

import hashlib
import json

import numpy as np
import pytest

from epigept_batch.calibration.calibration_file import (
    Levels,
    Series,
    TrackCalibration,
    is_calibration,
    read_calibration,
    write_calibration,
)
from epigept_batch.calibration.curves import LEAST_CALLED, Curve, Reliability
from epigept_batch.errors import InputError

THRESHOLDS = np.array([0.0, 0.5, 1.0, 2.0, 3.0])


def curve(called=(1000, 400, 200, 100, 5), true=(150, 120, 100, 80, 5)):
    return Curve(THRESHOLDS, np.array(called), np.array(true))


def series():
    classes = Reliability(np.array([0.0, 1.0]), np.array([800, 200]), np.array([50, 100]))
    return Series(curve(), classes, 0.61)


def levels():
    return Levels(
        np.array([0.0, 0.5, 1.0, 2.0]),
        np.array([700, 100, 100, 0]),
        np.array([20, 30, 50, 0]),
        np.array([0.02, 0.10, 0.20, np.nan]),
        np.array([0.03, 0.12, 0.19, np.nan]),
        np.array([0.005, 0.03, 0.001, np.nan]),
    )


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "cal.json"
    track = TrackCalibration(series(), series(), levels(), {"a": curve(), "b": curve()})
    bare = TrackCalibration(series(), None, None, {"a": curve()})
    write_calibration(
        file,
        {"DNase": track, "CTCF": bare},
        model="ab" * 32,
        samples=["a", "b"],
        contigs=["chr1"],
        bin_bp=128,
        account={"notes": ["a note"]},
    )
    return file


def test_what_is_written_is_read(path):
    found = read_calibration(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.model, found.samples, found.contigs, found.bin_bp) == ("ab" * 32, ("a", "b"), ("chr1",), 128)
    assert found.account["notes"] == ["a note"]
    track = found.track("DNase")
    assert (track.bins, track.in_peaks, list(track.samples)) == (1000, 150, ["a", "b"])
    np.testing.assert_array_equal(track.prediction.curve.called, curve().called)
    np.testing.assert_array_equal(track.samples["b"].true, curve().true)
    np.testing.assert_array_equal(track.prediction.reliability.in_peaks, [50, 100])
    np.testing.assert_array_equal(track.levels.margin, levels().margin)
    assert track.mean.average_precision == 0.61
    assert found.track("CTCF").mean is None
    assert is_calibration(path)


def test_derived_figures_in_the_file_follow_from_the_counts(path):
    document = json.loads(path.read_text())["tracks"]["DNase"]
    counts = document["prediction"]["thresholds"]
    assert counts["precision"] == [150 / 1000, 120 / 400, 0.5, 0.8, 1.0]
    assert counts["recall"] == [1.0, 0.8, 100 / 150, 80 / 150, 5 / 150]
    assert counts["f1"][2] == pytest.approx(2 / (1 / 0.5 + 1 / (100 / 150)))
    assert document["levels_of_the_mean"]["beats"] == [True, False, False, False]
    assert document["levels_of_the_mean"]["margin"][3] is None


def test_thresholds_by_f1_and_by_precision(path):
    found = read_calibration(path)
    assert found.threshold("DNase").value == 2.0  # F1 0.64, against 0.571 at 1.0
    assert found.threshold("DNase").f1 == pytest.approx(0.64)
    assert found.threshold("DNase", 0.5) == (1.0, 0.5, 100 / 150, pytest.approx(200 / 350))
    assert found.threshold("DNase", 0.31).value == 1.0
    assert found.threshold("DNase", 0.01).value == 0.0


def test_a_precision_that_is_not_reached_names_the_highest_that_is(path):
    # Precision 1 at threshold 3 is of five bins only, fewer than are offered.
    assert curve().called[-1] < LEAST_CALLED
    with pytest.raises(InputError, match=r"precision of 0\.9; the highest is 0\.800, at 2, so ask"):
        read_calibration(path).threshold("DNase", 0.9)


@pytest.mark.parametrize("precision", [0, -1, 1.01, float("nan")])
def test_a_precision_must_be_a_share(path, precision):
    with pytest.raises(InputError, match="must be above 0 and at most 1"):
        read_calibration(path).threshold("DNase", precision)


def test_an_unknown_track_names_those_that_there_are(path):
    with pytest.raises(InputError, match=r"no calibration of track 'dnase'; it has DNase, CTCF"):
        read_calibration(path).threshold("dnase")


def test_where_the_prediction_beats_the_mean(path):
    mean = np.array([0.0, 0.499, 0.5, 1.5, 99.0, np.nan], dtype=np.float32)
    found = read_calibration(path).beats_mean("DNase", mean)
    assert found.tolist() == [True, True, False, False, False, False]
    with pytest.raises(InputError, match="made without the training cells"):
        read_calibration(path).beats_mean("CTCF", mean)


def test_another_model_or_bin_size_does_not_fit(path):
    found = read_calibration(path)
    found.check_fits("ab" * 32, bin_bp=128)
    with pytest.raises(InputError, match="another model file"):
        found.check_fits("cd" * 32, bin_bp=128)
    with pytest.raises(InputError, match="bins of 128 bp, but the tracks of 200"):
        found.check_fits("ab" * 32, bin_bp=200)


DAMAGES = {
    "tracks": (lambda d: d.pop("tracks"), "'tracks' is not an object"),
    "no track": (lambda d: d["tracks"].clear(), "'tracks' is not an object with a track"),
    "model": (lambda d: d.update(model=3), "'model' is not a text"),
    "samples": (lambda d: d.update(samples=[1]), "'samples' is not a list of texts"),
    "bin_bp": (lambda d: d.update(bin_bp=True), "'bin_bp' is not a whole number above 0"),
    "average": (
        lambda d: d["tracks"]["CTCF"]["prediction"].update(average_precision=1.5),
        "'tracks.CTCF.prediction.average_precision' is not a number",
    ),
    "descending": (
        lambda d: d["tracks"]["CTCF"]["prediction"]["thresholds"].update(threshold=[0, 2, 1, 3, 4]),
        "threshold' is not a list of rising numbers from 0",
    ),
    "start": (
        lambda d: d["tracks"]["CTCF"]["prediction"]["thresholds"].update(threshold=[1, 2, 3, 4, 5]),
        "threshold' is not a list of rising numbers from 0",
    ),
    "infinite": (
        lambda d: d["tracks"]["CTCF"]["prediction"]["thresholds"].update(threshold=[0, 1, 2, 3, float("inf")]),
        "threshold' is not a list of numbers of at least 0",
    ),
    "length": (
        lambda d: d["tracks"]["CTCF"]["prediction"]["thresholds"]["called"].pop(),
        "called' is not a list of 5 values",
    ),
    "rising": (
        lambda d: d["tracks"]["CTCF"]["prediction"]["thresholds"].update(called=[1000, 400, 500, 100, 5]),
        "called' is not a list that never rises",
    ),
    "more in peaks": (
        lambda d: d["tracks"]["CTCF"]["prediction"]["thresholds"].update(in_peaks=[1001, 120, 100, 80, 5]),
        "in_peaks' is not at most 'called'",
    ),
    "fractions": (
        lambda d: d["tracks"]["CTCF"]["prediction"]["reliability"].update(bins=[800.5, 200]),
        "bins' is not a list of whole numbers",
    ),
    "levels": (lambda d: d["tracks"]["DNase"].update(levels_of_the_mean=None), "levels_of_the_mean' is not an object"),
    "margin": (
        lambda d: d["tracks"]["DNase"]["levels_of_the_mean"].update(margin=["a", 1, 1, 1]),
        "margin' is not a list of numbers",
    ),
    "sample": (
        lambda d: d["tracks"]["DNase"]["samples"]["a"].update(called=[1]),
        "'tracks.DNase.samples.a.called' is not a list of 5",
    ),
    "version": (lambda d: d.update(format_version=2), "format version 2, but this program reads 1"),
    "format": (lambda d: d.update(format="other"), "not a calibration"),
}


@pytest.mark.parametrize(("change", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_with_its_place(path, change, said):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as raised:
        read_calibration(path)
    assert said in str(raised.value)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"[1", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match="pass a file of epigept-batch calibrate"):
        read_calibration(file)
    assert not is_calibration(file)


def test_a_missing_file_or_folder_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="cannot be read"):
            read_calibration(path)
        assert not is_calibration(path)
