"""Common scales of tracks against the values of the files."""

import json

import numpy as np
import pytest

import run_folders
from epigept_batch.results.folder import read_run_folder
from epigept_batch.results.scales import common_scales, rounded_up
from run_folders import CONTIGS, write_run

LABELS = ("DNase", "DNase.difference")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two copies. The first has the higher signal, and a difference that lies below 0."""
    made = run_folders.signal

    def signal(sample, label, contig, length):
        values = made(sample, label, contig, length)
        if label.endswith(".difference"):
            return -np.abs(values) - 1
        return values + (10 if sample == "a" else 0)

    monkeypatch.setattr(run_folders, "signal", signal)
    perturbation = {"of": "x", "set": "GATA1=0", "changes": []}
    return write_run(tmp_path / "out", marks=LABELS, perturbation=perturbation)


def every(sample, label):
    return np.concatenate([run_folders.signal(sample, label, *contig) for contig in CONTIGS.items()])


def test_limits_hold_the_highest_sample_and_both_sides_of_a_difference(folder):
    scales = common_scales(read_run_folder(folder))
    assert list(scales) == list(LABELS)
    high = rounded_up(max(np.quantile(every(sample, "DNase"), 0.999) for sample in "ab"))
    assert scales["DNase"] == (0, high)
    assert high > 10
    size = rounded_up(max(abs(np.quantile(every(sample, LABELS[1]), 0.001)) for sample in "ab"))
    assert scales[LABELS[1]] == (-size, size)
    assert size > rounded_up(max(abs(np.quantile(every(sample, LABELS[1]), 0.999)) for sample in "ab"))


def test_without_statistics_the_extremes_of_the_files_count(folder):
    for path in folder.glob("*.run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"statistics": None}))
    scales = common_scales(read_run_folder(folder))
    assert scales["DNase"] == (0, rounded_up(max(float(every(sample, "DNase").max()) for sample in "ab")))
    size = rounded_up(max(float(-every(sample, LABELS[1]).min()) for sample in "ab"))
    assert scales[LABELS[1]] == (-size, size)


def test_tracks_without_bins_have_a_scale_of_1(folder):
    empty = {"bins": 0, "mean": None, "min": None, "max": None, "quantiles": None}
    for path in folder.glob("*.run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"statistics": dict.fromkeys(LABELS, empty)}))
    assert common_scales(read_run_folder(folder)) == {"DNase": (0, 1), "DNase.difference": (-1, 1)}


def test_low_values_of_a_signal_do_not_count(folder):
    path = folder / "a.run.json"
    record = json.loads(path.read_text())
    record["statistics"]["DNase"]["quantiles"]["0.001"] = -500.0
    path.write_text(json.dumps(record))
    assert common_scales(read_run_folder(folder))["DNase"][1] < 100
