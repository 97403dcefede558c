import math
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from epigept_batch.inference.check import (
    ALL_N,
    EXTREME,
    LIMITS,
    N_RUN,
    OPENVINO_LIMITS,
    ORDINARY,
    Closeness,
    Limit,
    check_bins,
    check_inputs,
    check_limit,
    compare_tracks,
    run_check,
)
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.runtime import CPU_PROVIDER, CUDA_PROVIDER, OPENVINO_PROVIDER
from epigept_batch.tiling import Geometry
from tolerances import CHECK, CHECK_OPENVINO


@pytest.fixture(scope="module")
def spec(small_model):
    return read_spec(small_model)


@pytest.fixture(scope="module")
def inputs(spec):
    return check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=711)


def test_a_seed_stands_for_the_same_inputs_everywhere(inputs):
    """Written down once; the numbers come from PCG64's raw bits, which numpy promises not to change."""
    assert inputs["tokens"][ORDINARY, :12].tolist() == [2, 1, 3, 3, 0, 0, 1, 2, 2, 0, 0, 0]
    assert inputs["motif_scores"][ORDINARY, 3, :8].tolist() == [0, 27.875, 0, 0, 0, 0, 0, 25.734375]
    assert inputs["expression"][0, :4].tolist() == pytest.approx([3.3293, 0.1976, 4.0025, 1.0996], abs=5e-5)


def test_the_inputs_are_what_a_session_takes(inputs):
    assert inputs["tokens"].dtype == np.uint8
    assert inputs["tokens"].shape == (4, 2560)
    assert inputs["motif_scores"].dtype == np.float16
    assert inputs["motif_scores"].shape == (4, 15, 20)
    assert inputs["expression"].dtype == np.float32
    assert inputs["expression"].shape == (2, 15)


def test_the_inputs_are_hard_ones(spec, inputs):
    hits = inputs["motif_scores"][ORDINARY] > 0
    assert 0.15 < hits.mean() < 0.55
    assert set(np.unique(inputs["tokens"][ORDINARY])) == {0, 1, 2, 3}
    assert 0.3 < (inputs["tokens"][N_RUN] == 4).mean() < 0.4
    within = (inputs["tokens"][N_RUN].reshape(20, 128) == 4).all(axis=1)
    assert not inputs["motif_scores"][N_RUN][:, within].any()
    assert (inputs["tokens"][ALL_N] == 4).all()
    assert not inputs["motif_scores"][ALL_N].any()
    for number, factor in enumerate(spec.factors):
        scores = [motif.best_score for motif in spec.motif_set.motifs if factor in motif.factors]
        assert inputs["motif_scores"][EXTREME, number] == pytest.approx(max(scores), rel=1e-3)
        assert inputs["motif_scores"][:, number].max() <= max(scores) * 1.001
    np.testing.assert_allclose(inputs["expression"][1], np.log1p(spec.reference.distribution[-1]), rtol=1e-6)
    np.testing.assert_allclose(np.sort(inputs["expression"][0]), np.log1p(spec.reference.distribution), rtol=1e-6)


def test_without_a_reference_the_highest_expression_is_all_of_a_sample(spec):
    inputs = check_inputs(spec.geometry, spec.motif_set, None, seed=711)
    np.testing.assert_allclose(inputs["expression"][1], math.log(1_000_001), rtol=1e-6)


def test_other_seeds_are_other_inputs(spec, inputs):
    other = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=712)
    assert (other["tokens"][ORDINARY] != inputs["tokens"][ORDINARY]).mean() > 0.5


@pytest.mark.parametrize("bins", [1000, 50, 16, 3, 1])
def test_the_bins_kept_are_evenly_spaced_from_the_first_to_the_last(bins):
    kept = check_bins(Geometry(bins, 128))
    assert len(kept) == min(bins, 16)
    assert (kept[0], kept[-1]) == (0, bins - 1)
    assert bins < 17 or np.ptp(np.diff(kept)) <= 1


def test_figures_are_the_largest_error_and_the_least_r():
    rng = np.random.default_rng(1)
    expected = rng.random((4, 2, 50, 2)).astype(np.float32)
    found = expected.copy()
    found[ALL_N, 1, 7, 0] += 0.5
    found[N_RUN, 1, :, 1] += rng.normal(0, 0.1, 50).astype(np.float32)
    first, second = compare_tracks(found, expected, ["A", "B"])
    assert (first.track, second.track) == ("A", "B")
    assert first.error == pytest.approx(0.5, abs=1e-6)
    assert first.r == pytest.approx(1)
    assert second.error == pytest.approx(np.abs(found - expected)[..., 1].max())
    assert second.r == pytest.approx(np.corrcoef(found[N_RUN, 1, :, 1], expected[N_RUN, 1, :, 1])[0, 1])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_never_within_a_limit(value):
    expected = np.random.default_rng(1).random((4, 2, 50, 1)).astype(np.float32)
    for window in range(4):
        found = expected.copy()
        found[window, 1, 7, 0] = value
        (figures,) = compare_tracks(found, expected, ["A"])
        assert figures.error == math.inf
        assert not figures.within(Limit(1e9, -1))


def test_a_dead_track_is_compared_by_its_error_alone():
    zeros = np.zeros((4, 2, 50, 1), dtype=np.float32)
    assert compare_tracks(zeros, zeros, ["A"]) == [Closeness("A", 0.0, 1.0)]
    alive = np.random.default_rng(1).random((4, 2, 50, 1)).astype(np.float32)
    assert compare_tracks(zeros, alive, ["A"])[0].r == 0


def test_within_the_limit():
    figures = Closeness("A", 0.01, 0.9999)
    assert figures.within(LIMITS["fp16"])
    assert not replace(figures, error=0.0101).within(LIMITS["fp16"])
    assert not replace(figures, r=0.99989).within(LIMITS["fp16"])


SETUPS = [
    *((precision, "fp32" if precision == "fp16" else precision, CPU_PROVIDER) for precision in LIMITS),
    *((precision, arithmetic, OPENVINO_PROVIDER) for precision in ("fp32", "fp16") for arithmetic in OPENVINO_LIMITS),
    ("fp32", "fp32", CUDA_PROVIDER),
    ("fp16", "fp16", CUDA_PROVIDER),
]


def test_the_limits_are_those_of_the_table_of_tolerances_and_leave_room_for_what_was_measured():
    """Twice the error and twice the distance of r from 1, at least; not so much that another network would pass."""
    for limits, table in ((LIMITS, CHECK), (OPENVINO_LIMITS, CHECK_OPENVINO)):
        assert limits == {name: limit for name, (limit, _) in table.items()}
        for limit, measured in table.values():
            assert measured.error <= limit.error / 2
            assert 1 - measured.r <= (1 - limit.r) / 2
    assert OPENVINO_LIMITS["bf16"].error < 0.2


def test_the_limit_is_the_looser_of_the_files_and_the_devices():
    assert check_limit("fp32", "fp32", CPU_PROVIDER) == LIMITS["fp32"]
    assert check_limit("fp16", "fp32", CPU_PROVIDER) == LIMITS["fp16"]
    assert check_limit("fp16", "fp16", CUDA_PROVIDER) == LIMITS["fp16"]
    assert check_limit("fp32", "fp32", OPENVINO_PROVIDER) == OPENVINO_LIMITS["fp32"]
    assert check_limit("fp32", "bf16", OPENVINO_PROVIDER) == OPENVINO_LIMITS["bf16"]
    fp16 = check_limit("fp16", "fp32", OPENVINO_PROVIDER)
    assert (fp16.error, fp16.r) == (LIMITS["fp16"].error, LIMITS["fp16"].r)


@pytest.fixture(scope="module")
def packaged():
    """The packaged model's spec: a trained network's, whose tracks are of different heights."""
    with resources.as_file(resources.files("epigept_batch.demo") / "model.onnx") as path:
        return read_spec(path)


def shuffled(signal):
    return signal[:, :, np.random.default_rng(1).permutation(signal.shape[2])]


BROKEN = {
    "a tenth too high": lambda signal: signal * 1.1,
    "a tenth too low": lambda signal: signal * 0.9,
    "bins shuffled": shuffled,
    "bins moved by one": lambda signal: np.roll(signal, 1, axis=2),
    "bins reversed": lambda signal: signal[:, :, ::-1],
    "a track of zeros": lambda signal: signal * (np.arange(signal.shape[3]) != 2),
    "all zeros": lambda signal: signal * 0,
    "two tracks swapped": lambda signal: signal[..., [1, 0, *range(2, signal.shape[3])]],
    "samples swapped": lambda signal: signal[:, ::-1],
    "windows swapped": lambda signal: signal[[1, 0, 2, 3]],
    "one window for all": lambda signal: np.repeat(signal[:1], 4, axis=0),
    "a constant more": lambda signal: signal + np.float32(0.3),
    "the signal, not its logarithm": np.expm1,
    "no number": lambda signal: np.where(signal == signal.max(), np.nan, signal),
}


@pytest.mark.parametrize("setup", SETUPS, ids=" ".join)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_device_is_found_within_every_limit(packaged, setup, broken):
    """In the loosest arithmetic too: bfloat16 is no licence to be wrong."""
    limit, signal = check_limit(*setup), packaged.check.signal
    found = BROKEN[broken](signal).astype(np.float32)
    assert not all(one.within(limit) for one in compare_tracks(found, signal, packaged.tracks))


@pytest.mark.parametrize("setup", SETUPS, ids=" ".join)
def test_the_packaged_model_passes_where_values_are_as_coarse_as_the_arithmetic(packaged, setup):
    """Every value rounded to bfloat16, float16 or not at all, as the last operator would leave it."""
    limit, signal = check_limit(*setup), packaged.check.signal
    coarse = {"fp32": signal, "fp16": signal.astype(np.float16).astype(np.float32), "int8": signal}
    bits = (signal.view(np.uint32) + 0x8000) & 0xFFFF0000
    found = coarse.get(setup[1], bits.astype(np.uint32).view(np.float32))
    assert all(one.within(limit) for one in compare_tracks(found, signal, packaged.tracks))


def test_the_check_runs_a_window_at_a_time_and_keeps_the_specs_bins(packaged):
    calls = []

    class Session:
        def signal(self, inputs):
            calls.append(inputs.shape)
            windows = np.full((1, 2, packaged.geometry.bins, 5), len(calls), np.float32)
            return windows * np.arange(packaged.geometry.bins)[None, None, :, None]

    found = run_check(Session(), packaged)
    assert found.shape == packaged.check.signal.shape
    assert calls == [(1, 2)] * 4
    np.testing.assert_array_equal(found[2, 1, :, 0], 3 * check_bins(packaged.geometry))
