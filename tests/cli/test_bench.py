import json
import re

import pytest

from conftest import runner_of
from epigept_batch import bench_pipeline
from epigept_batch.inference.arithmetic import window_flop
from epigept_batch.inference.model_file import read_spec
from small import SMALL


@pytest.fixture
def bench(small_model, monkeypatch):
    """Run `epigept-batch bench` on the small model, shortly."""
    monkeypatch.setattr(bench_pipeline, "LEAST_S", 0.01)
    monkeypatch.setattr(bench_pipeline, "WHOLE_S", 0.01)
    return runner_of("bench", {"model": small_model, "device": "cpu", "threads": 1, "batch-size": 2})


def test_figures_follow_from_each_other(bench, small_model):
    outcome = bench("--json")
    assert outcome.code == 0
    figures = json.loads(outcome.out)
    rates, flop = figures["windows_per_second"], window_flop(read_spec(small_model))
    assert (figures["device"], figures["arithmetic"], figures["batch_size"]) == ("cpu", "fp32", 2)
    assert figures["gflop_per_window"] == flop / 1e9
    assert figures["share_of_peak"] == pytest.approx(rates["model"] * flop / figures["measured_peak_gflops"] / 1e9)
    windows = 3_088_269_832 / 2560
    assert figures["hg38_hours"]["each further sample"] == pytest.approx(windows / rates["model"] / 3600)
    assert figures["hg38_hours"]["first sample, from a store"] == pytest.approx(
        windows / rates["whole, from a store"] / 3600
    )
    assert all(rate > 1 for rate in rates.values())


def test_a_table_for_people(bench):
    outcome = bench()
    lines = outcome.out.splitlines()
    assert lines[0].startswith("device                            cpu, fp32, CPUExecutionProvider of onnxruntime")
    assert [line.split("  ")[0] for line in lines if line[0] != " "][2:7] == [
        "model",
        "sequence",
        "scan",
        "scores from a store",
        "bigWigs",
    ]
    assert re.search(r"\nepigept-batch: measuring the whole, scanning: \d+ windows\n", outcome.err)


def test_the_work_of_a_window_is_counted(small_model):
    """By hand: two layers of 20 bins, width 24, and five convolutions over 2,560 bp that shrink to 20 bins."""
    bins, hidden = 20, SMALL.hidden
    layer = 2 * bins * (4 * hidden**2 + 2 * hidden * 16) + 4 * bins**2 * hidden
    convolutions = 2 * 4 * (2560 * 3 * 4 + 640 * 5 * 4 + 160 * 5 * 4 + 80 * 3 * 4 + 40 * 3 * 8)
    assert window_flop(read_spec(small_model)) == 2 * layer + convolutions
