import json
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from conftest import runner_of
from epigept_batch.commands import bench as bench_pipeline
from epigept_batch.commands.bench import HG38_BP, Repeat
from epigept_batch.errors import DeviceError
from epigept_batch.inference.arithmetic import window_flop
from epigept_batch.inference.gpu.about import GpuAccount
from epigept_batch.inference.model_file import read_spec
from epigept_batch.machine import bystanders
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from gpus import scan_on_the_processor
from small import SMALL


@pytest.fixture
def bench(small_model, monkeypatch):
    """Run `epigept-batch bench` on the small model, shortly."""
    monkeypatch.setattr(bench_pipeline, "LEAST_S", 0.01)
    monkeypatch.setattr(bench_pipeline, "WHOLE_S", 0.01)
    return runner_of("bench", {"model": small_model, "device": "cpu", "threads": 1, "batch-size": 2, "repeats": 2})


def test_figures_follow_from_each_other(bench, small_model, home):
    outcome = bench("--json")
    assert outcome.code == 0
    assert not list((home / "digests").iterdir())
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
    assert len(figures["repeats"]) == 2
    for name, spread in figures["spread"].items():
        raw = [repeat["windows_per_second"][name] for repeat in figures["repeats"]]
        assert spread["least"] <= spread["median"] <= spread["most"]
        assert (spread["least"] >= min(raw), spread["median"]) == (True, rates[name])
    assert 0 <= figures["others_share"] <= 1
    assert figures["busy"] == (figures["others_share"] > 0.1)
    assert 0 < figures["share_of_peak"] <= 1


@pytest.mark.parametrize("scans", [True, False])
def test_a_gpu_is_named_and_its_scan_is_measured(bench, small_model, gpu_of_host_memory, monkeypatch, scans):
    del gpu_of_host_memory
    scan_on_the_processor(monkeypatch, read_spec(small_model))
    account = GpuAccount("NVIDIA H100", "580.65.06", 80 * 10**9, ("CUDNN_FLASH_ATTENTION",))
    monkeypatch.setattr(bench_pipeline, "describe_gpu", lambda model, index: (model, index) and account)
    monkeypatch.setattr(bench_pipeline, "measured_peak", lambda *_, **__: 1e12)
    if not scans:

        def fail(*_):
            raise DeviceError("GPU 0 cannot scan (no NVVM); install it")

        monkeypatch.setattr(GpuScanMaker, "prove", fail)
    outcome = bench("--json", device="cuda", **{"batch-size": 4})
    assert outcome.code == 0, outcome.err
    figures = json.loads(outcome.out)
    assert figures["gpu"] == {
        "name": "NVIDIA H100",
        "driver": "580.65.06",
        "memory_bytes": 80 * 10**9,
        "attention": ["CUDNN_FLASH_ATTENTION"],
    }
    of_gpu = {"scan on the GPU", "whole, scanning on the GPU"}
    assert set(figures["windows_per_second"]) == {*RATES, *(of_gpu if scans else ())}
    assert all(rate > 1 for rate in figures["windows_per_second"].values())
    assert ("first sample, scanning on the GPU" in figures["hg38_hours"]) == scans
    assert ("the scan on the GPU is not measured: GPU 0 cannot scan (no NVVM)" in outcome.err) != scans
    table = bench(device="cuda", repeats=1, **{"batch-size": 4}).out.splitlines()
    assert re.fullmatch("GPU +NVIDIA H100, driver 580.65.06, 80 GB", table[1])
    assert re.fullmatch("attention +CUDNN_FLASH_ATTENTION", table[2])


def test_whole_runs_scan_where_their_name_says(bench, small_model, gpu_of_host_memory, monkeypatch):
    del gpu_of_host_memory
    scan_on_the_processor(monkeypatch, read_spec(small_model))
    monkeypatch.setattr(bench_pipeline, "describe_gpu", lambda *_: GpuAccount("H100", "", 1, ()))
    monkeypatch.setattr(bench_pipeline, "measured_peak", lambda *_, **__: 1e12)
    done = []
    real = bench_pipeline.run_genome

    def run(request, watch):
        real(request, watch)
        record = json.loads((request.out / "bench.run.json").read_text())
        done.append((record["scan"], record["scores"] is None))

    monkeypatch.setattr(bench_pipeline, "run_genome", run)
    assert bench(device="cuda", repeats=1, **{"batch-size": 4}).code == 0
    assert done == [("gpu", True), ("cpu", True), (None, False)]


def test_a_scan_on_the_gpu_is_part_of_the_runs_that_use_it():
    gpu = {"scan on the GPU": 2.0, "whole, scanning on the GPU": 3.6}
    rates = figures_of(gpu | {"scan": 1.0, "scores from a store": 1.0})["windows_per_second"]
    assert rates["scan on the GPU"] == 3.6
    assert (rates["scan"], rates["scores from a store"]) == (3.0, 3.5)
    assert figures_of(gpu)["hg38_hours"]["first sample, scanning on the GPU"] == pytest.approx(1 / 3.6, rel=1e-5)


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
    assert outcome.err.count("measuring the network") == 1
    assert "\nepigept-batch: repeat 2 of 2\n" in outcome.err
    assert lines[2].strip() == "windows per second, median of 2 (least to most)"
    assert re.fullmatch(r"model +[\d,.]+ \([\d,.]+ to [\d,.]+\)", lines[3])
    assert re.match(r"other programs +used \d+% of the processors", lines[-1])
    assert re.search(r"\nepigept-batch: measuring the whole run, scanning: \d+ windows\n", outcome.err)


def test_the_work_of_a_window_is_counted(small_model):
    """By hand: two layers of 20 bins, width 24, and five convolutions over 2,560 bp that shrink to 20 bins."""
    bins, hidden = 20, SMALL.hidden
    layer = 2 * bins * (4 * hidden**2 + 2 * hidden * 16) + 4 * bins**2 * hidden
    convolutions = 2 * 4 * (2560 * 3 * 4 + 640 * 5 * 4 + 160 * 5 * 4 + 80 * 3 * 4 + 40 * 3 * 8)
    assert window_flop(read_spec(small_model)) == 2 * layer + convolutions


RATES = {
    "model": 4.0,
    "sequence": 100.0,
    "scan": 50.0,
    "scores from a store": 200.0,
    "bigWigs": 400.0,
    "whole, scanning": 3.0,
    "whole, from a store": 3.5,
}


def figures_of(*changes, flop=1e9, peak=5e9, precision="fp32", others=0.0):
    repeats = [Repeat(RATES | change, peak, others, 1.0) for change in changes]
    return bench_pipeline.figures_of(repeats, flop=flop, window_bp=HG38_BP // 3600, precision=precision)


def test_medians_and_spread_are_of_the_repeats():
    """By hand, with 3,600 windows a genome, so that a window a second is an hour."""
    found = figures_of({}, {"model": 5.0, "whole, scanning": 2.0}, {"model": 4.5, "whole, scanning": 4.0})
    assert found["spread"]["model"] == {"least": 4.0, "median": 4.5, "most": 5.0}
    assert found["spread"]["whole, scanning"] == {"least": 2.0, "median": 3.0, "most": 4.0}
    assert found["hg38_hours"] == pytest.approx(
        {"first sample, scanning": 1 / 3, "first sample, from a store": 1 / 3.5, "each further sample": 1 / 4.5},
        rel=1e-5,
    )
    assert [one["windows_per_second"]["model"] for one in found["repeats"]] == [4.0, 5.0, 4.5]
    assert found["share_of_peak"] == pytest.approx(4.5 / 5)


@pytest.mark.parametrize("busy", ["model", "sequence", "scan", "scores from a store", "bigWigs"])
def test_no_part_takes_longer_than_the_whole_that_contains_it(busy):
    """Something else had the machine when it was this part's turn, in one repeat or in all."""
    apart = {"scan": "whole, from a store", "scores from a store": "whole, scanning"}
    for changes in ([{busy: 0.5}], [{}, {busy: 0.5}], [{busy: 0.5}, {busy: 0.4}, {}]):
        found = figures_of(*changes)
        rates = found["windows_per_second"]
        for whole in {"whole, scanning", "whole, from a store"} - {apart.get(busy)}:
            for key in ("least", "median", "most"):
                assert found["spread"][busy][key] >= found["spread"][whole][key]
        assert rates["whole, scanning"] == 3.0
        assert found["repeats"][-1]["windows_per_second"] == RATES | changes[-1]
    hours = figures_of({"model": 0.5})["hg38_hours"]
    assert hours["each further sample"] <= min(hours.values())
    alone = figures_of({busy: 3.2})["windows_per_second"][busy]
    assert alone == (3.2 if busy == "scan" else 3.5)


@pytest.mark.parametrize(("peak", "share"), [(5e9, 0.8), (1e9, 1.0), (4e9, 1.0), (1e12, 0.004)])
def test_no_share_is_above_1(peak, share):
    found = figures_of({}, peak=peak)
    assert found["share_of_peak"] == pytest.approx(share)
    assert found["measured_peak_gflops"] == pytest.approx(max(peak, 4e9) / 1e9)
    assert found["repeats"][0]["measured_peak_gflops"] == peak / 1e9


def test_integers_have_no_share_of_the_products_of_float32():
    found = figures_of({}, peak=1e9, precision="int8")
    assert (found["share_of_peak"], found["measured_peak_gflops"]) == (None, 1)


def test_a_machine_that_was_busy_in_any_repeat_is_said_to_be(bench, monkeypatch):
    assert (figures_of({}, others=0.02)["busy"], figures_of({}, others=None)["busy"]) == (False, None)
    shares = iter([0.03, 0.46])
    monkeypatch.setattr(bench_pipeline.Bystanders, "share", lambda _: next(shares))
    last = bench().out.splitlines()[-1]
    assert last.split(maxsplit=2)[2] == ("used 46% of the processors: the machine was busy, and is faster when idle")


STAT = """cpu  {0} 9 9 9 9 9 9 9 9 9
cpu0 {0} 20 30 {idle} 50 60 70 80 5 5
cpu1 100 0 0 900 0 0 0 0 0 0
cpu12 {0} 0 0 0 0 0 0 0 0 0
intr 5
"""


@pytest.fixture
def stat(tmp_path, monkeypatch):
    """A machine of 100 ticks a second, on which this process has two processors and has itself worked 1 s."""
    path = tmp_path / "stat"
    monkeypatch.setattr(bystanders, "STAT", path)
    monkeypatch.setattr(bystanders.os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(bystanders.os, "sysconf", lambda _: 100)
    used = SimpleNamespace(ru_utime=0.5, ru_stime=0.0)
    monkeypatch.setattr(bystanders.resource, "getrusage", lambda _: SimpleNamespace(**vars(used)))
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(bystanders.time, "perf_counter", lambda: next(clock))

    def write(user, idle, own=0.5):
        path.write_text(STAT.format(user, idle=idle))
        used.ru_utime = own

    return write


@pytest.mark.parametrize(("own", "share"), [(0.5, 0.3), (1.5, 0.2), (9.0, 0.0)])
def test_what_others_took_is_the_work_of_our_processors_less_our_own(stat, own, share):
    """600 ticks more on cpu0 in 10 s of two processors, and on one that is not ours; children's time is our own."""
    stat(10, 40)
    watch = bystanders.Bystanders()
    stat(610, 500, own)
    assert watch.share() == pytest.approx(share)


@pytest.mark.usefixtures("stat")
def test_where_linux_does_not_tell_nothing_is_said():
    assert bystanders.Bystanders().share() is None


def test_a_process_beside_this_one_is_seen():
    watch = bystanders.Bystanders()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        time.sleep(0.4)
        share = watch.share()
        busy.kill()
    assert share > 0.1 / len(os.sched_getaffinity(0))
