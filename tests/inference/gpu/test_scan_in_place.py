"""Motif scores that the GPU makes in the memory which the network reads."""

import json

import numpy as np
import pytest

import bigwigs
from epigept_batch.commands.run import run
from epigept_batch.errors import DeviceError
from epigept_batch.inference.device import CPU, Device, RunOptions
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import BINS_INSIDE, MOTIF_SCORES, REACH, Inputs
from epigept_batch.inference.session import open_session, open_sessions
from gpus import scan_on_the_processor, write_to_device
from small import SMALL, random_inputs
from tolerances import SAME
from vcfs import write_vcf

REACH_BP = 11


class Known:
    """A maker of scans that know the scores of windows by the first base of their reach."""

    reach_bp = REACH_BP

    def __init__(self, scores, fails=""):
        self.scores, self.fails, self.made, self.proven = scores, fails, [], []

    def prove(self, index):
        self.proven.append(index)
        if self.fails:
            raise DeviceError(self.fails)

    def make(self, index, windows):
        self.made.append((index, windows))

        def scan(reach, inside, scores):
            assert reach.shape == (len(inside), REACH_BP)
            assert inside.tolist() == (100 + reach[:, 0]).tolist()
            write_to_device(scores, self.scores[reach[:, 0]].view(np.uint16))

        return scan


@pytest.fixture(scope="module")
def rows():
    return random_inputs(SMALL, windows=5, samples=3)


@pytest.fixture
def known(rows):
    return Known(rows[MOTIF_SCORES])


def with_reach(rows):
    """The same windows with what a scan reads in place of the scores."""
    reach = np.zeros((5, REACH_BP), dtype=np.uint8)
    reach[:, 0] = range(5)
    inputs = {name: rows[name] for name in ("tokens", "expression")}
    return Inputs.of(**inputs, **{REACH: list(reach), BINS_INSIDE: [100 + number for number in range(5)]})


@pytest.mark.usefixtures("gpu_of_host_memory")
@pytest.mark.parametrize("batch_size", [3, 6, 15])
def test_scores_made_in_place_give_the_signal_of_scores_that_are_passed(small_model, rows, known, batch_size):
    options = RunOptions("fp32", batch_size=batch_size, samples=3, scan=known)
    sessions = open_sessions(small_model, Device("cuda"), options, say=pytest.fail)
    assert known.proven == [0]
    expected = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail).signal(Inputs.of(**rows))
    for session in sessions:
        assert session.scans
        assert not session.ports.takes(MOTIF_SCORES)
        np.testing.assert_allclose(session.signal(with_reach(rows)), expected, rtol=1e-5, atol=SAME)
    assert set(known.made) >= {(0, batch_size // 3)}


@pytest.mark.usefixtures("gpu_of_host_memory")
def test_a_gpu_that_cannot_scan_predicts_with_scores_of_the_cpu(small_model, rows):
    said = []
    options = RunOptions("fp32", batch_size=3, samples=3, scan=Known(None, "GPU 0 cannot scan (no NVVM); install it"))
    sessions = open_sessions(small_model, Device("cuda"), options, say=said.append)
    assert said == ["the motif scan runs on the CPU: GPU 0 cannot scan (no NVVM); install it"]
    assert not sessions[0].scans
    expected = open_session(small_model, CPU, precision="fp32", threads=1, say=pytest.fail).signal(Inputs.of(**rows))
    np.testing.assert_allclose(sessions[0].signal(Inputs.of(**rows)), expected, rtol=1e-5, atol=SAME)


def test_want_of_gpu_memory_in_the_scan_makes_calls_smaller(small_model, rows, known, gpu_of_host_memory):
    del gpu_of_host_memory
    real = known.make

    def make(index, windows):
        if windows > 2:
            raise RuntimeError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
        return real(index, windows)

    known.make = make
    said = []
    options = RunOptions("fp32", batch_size=15, samples=3, scan=known)
    (session, _) = open_sessions(small_model, Device("cuda"), options, say=said.append)
    session.signal(with_reach(rows))
    assert said[0] == "not enough GPU memory for a batch of 15; continuing with 7"


@pytest.fixture
def spec_of(small_model):
    return read_spec(small_model)


@pytest.mark.parametrize("options", [{}, {"batch-size": 3}])
def test_genome_scans_on_the_gpu_and_writes_the_same_tracks(
    genome, tmp_path, spec_of, monkeypatch, gpu_of_host_memory, options
):
    del gpu_of_host_memory
    scan_on_the_processor(monkeypatch, spec_of)
    outcome = genome(**options, device="cuda", out=tmp_path / "gpu")
    assert outcome.code == 0, outcome.err
    monkeypatch.undo()
    assert genome(out=tmp_path / "cpu").code == 0
    records = {name: json.loads((tmp_path / name / "sample.run.json").read_text()) for name in ("gpu", "cpu")}
    assert {name: record["scan"] for name, record in records.items()} == {"gpu": "gpu", "cpu": "cpu"}
    assert (records["gpu"]["device"], records["cpu"]["device"]) == ("cuda:0", "cpu")
    for track in spec_of.tracks:
        paths = [tmp_path / name / f"sample.{track}.bw" for name in ("gpu", "cpu")]
        for contig in bigwigs.contigs(paths[0]):
            one, other = (bigwigs.bins(path, contig, bin_bp=128) for path in paths)
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=SAME)


def test_a_gpu_scans_unless_the_windows_are_edited_first(genome, sequences, tmp_path, monkeypatch):
    seen = []

    def stop(path, device, options, say):
        del path, device, say
        seen.append(options.scan)
        raise DeviceError("as far as this")

    monkeypatch.setattr(run, "open_sessions", stop)
    assert genome().code == 2
    name, bases = next(iter(sequences.items()))
    base = bases[5000]
    vcf = write_vcf(tmp_path / "v.vcf", [(name, 5000, base, "A" if base != "A" else "C", "0|1")])
    assert genome(vcf=vcf).code == 2
    assert [scan is None for scan in seen] == [False, True]
