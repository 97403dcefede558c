"""The proof that a GPU scans as the CPU does, before it is used."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from epigept_batch.errors import DeviceError
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from epigept_batch.motifs.motif_set import read_motif_set
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.spec import ScanWindow
from epigept_batch.tiling import Geometry
from scanners import BACKEND, as_in_simulator

GEOMETRY = Geometry(3, 64)


@pytest.fixture(scope="module")
def spec(synthetic):
    motifs = read_motif_set(
        synthetic / "synthetic.motifs", synthetic / "synthetic.factors.tsv", window=ScanWindow(-37, 100)
    )
    return SimpleNamespace(motif_set=motifs, factors=motifs.factors, geometry=GEOMETRY)


@pytest.mark.every_backend
@pytest.mark.skipif(BACKEND == "cpu", reason="the code for GPUs needs one, or the simulator")
def test_the_code_for_gpus_is_proven(spec):
    as_in_simulator()
    made = GpuScanMaker(spec)
    made.prove(0)
    assert made.make(0, 1).tables is made.make(0, 2).tables


def scores_of_the_cpu(spec, stretch):
    with MotifScanner(spec.motif_set, spec.factors, bin_bp=GEOMETRY.bin_bp) as scanner:
        return scanner.scores(stretch).view(np.uint16).copy()


@pytest.mark.parametrize("wrong", [0, 1, 3])
def test_any_bit_that_differs_is_noticed(spec, monkeypatch, wrong):
    seen = []

    def found(_, index, stretch):
        assert index == 2
        seen.append(stretch)
        bits = scores_of_the_cpu(spec, stretch)
        bits.ravel()[:wrong] ^= 1
        return bits

    monkeypatch.setattr(GpuScanMaker, "_found", found)
    if wrong:
        size = len(spec.factors) * GEOMETRY.bins
        with pytest.raises(DeviceError, match=f"GPU 2 scores {wrong} of {size} values of a window differently; report"):
            GpuScanMaker(spec).prove(2)
    else:
        GpuScanMaker(spec).prove(2)
    (stretch,) = seen
    assert stretch.bins_inside == 2
    assert len(stretch.reach) == GpuScanMaker(spec).reach_bp == 37 + 192 + 36
    assert set(stretch.reach) == {0, 1, 2, 3, 4}
    assert np.count_nonzero(scores_of_the_cpu(spec, stretch)) >= 5


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ModuleNotFoundError("No module named 'numba.cuda'"),
            "numba-cuda is not installed; install epigept-batch with its [gpu]",
        ),
        (RuntimeError("\nno NVVM:\n\nnot at all\n"), "GPU 0 cannot scan (no NVVM: not at all); install epigept-batch"),
        (RuntimeError("x" * 999), f"GPU 0 cannot scan ({'x' * 200}); install epigept-batch with its [gpu] extra"),
        (ImportError("no driver"), "GPU 0 cannot scan (no driver); install"),  # as numba says it
        (KeyError(), "GPU 0 cannot scan (KeyError); install"),
    ],
)
def test_what_keeps_a_gpu_from_scanning_is_said(spec, monkeypatch, error, said):
    def fail(*_):
        raise error

    monkeypatch.setattr(GpuScanMaker, "_found", fail)
    with pytest.raises(DeviceError, match=f"^{re.escape(said)}"):
        GpuScanMaker(spec).prove(0)
