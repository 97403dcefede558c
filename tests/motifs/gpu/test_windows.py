"""Windows as the network reads them: several in a call, rounded to float16, partly beyond their contig."""

import numpy as np
import pytest

from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.sequence.stretch import Stretch
from epigept_batch.spec import Motif, MotifSet, ScanWindow
from epigept_batch.tiling import Contig
from scanners import BACKEND, gpu_scan

pytestmark = [
    pytest.mark.every_backend,
    pytest.mark.skipif(BACKEND == "cpu", reason="the code for GPUs needs one, or the simulator"),
]
BINS, BIN_BP = 5, 16
FACTORS = ("f0", "none", "f1", "f2")


@pytest.fixture(scope="module")
def motif_set():
    rng = np.random.default_rng(5)
    motifs = []
    for number, width in enumerate((3, 5, 6, 9)):
        matrix = rng.dirichlet([0.5] * 4, width).round(3)
        scores = np.sort(
            np.log(np.maximum(matrix, 0.001) / 0.25)[np.arange(width), rng.integers(0, 4, (999, width))].sum(1)
        )
        motifs.append(Motif(f"m{number}", matrix, float(scores[900].round(6)), (f"f{number % 3}",)))
    return MotifSet(tuple(motifs), ScanWindow(-6, 22))


@pytest.fixture(scope="module")
def stretches(motif_set):
    """Windows of random sequence: whole, of N only, beyond the contig's end by two bins, and without any bin inside."""
    geometry = motif_set.window.geometry(BINS, BIN_BP)
    rng = np.random.default_rng(6)
    reach = rng.choice(5, (5, geometry.before + geometry.window_bp + geometry.after), p=[0.245] * 4 + [0.02])
    reach[1] = 4
    lengths = [1000, 1000, 3 * BIN_BP, 0, 1000]
    return [
        Stretch(Contig("c", length), 0, BINS, row.astype(np.uint8), geometry)
        for length, row in zip(lengths, reach, strict=True)
    ]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_windows_score_the_bits_of_the_cpu_however_many_at_once(motif_set, stretches, at_once):
    scan, scores = gpu_scan(motif_set, FACTORS, stretches[0].geometry, windows=at_once, room=7)
    reach = np.stack([stretch.reach for stretch in stretches])
    inside = np.array([stretch.bins_inside for stretch in stretches], dtype=np.int32)
    assert inside.tolist() == [5, 5, 3, 0, 5]
    cpu = MotifScanner(motif_set, FACTORS, bin_bp=BIN_BP)
    expected = np.stack([cpu.scores(stretch) for stretch in stretches])
    assert (expected[[0, 2, 4]] > 0).any(axis=(1, 2)).all()
    for order in (slice(None), slice(None, None, -1)):  # again, with the buffers as the first call left them
        scan(reach[order], inside[order], scores)
        found = scores.copy_to_host()
        np.testing.assert_array_equal(found[:5], expected[order].view(np.uint16))
        assert (found[5:] == 7).all()


def test_scores_are_rounded_to_float32_first_as_on_the_cpu():
    """Just above the middle of two float16: its float32 is the middle, which goes to the even one."""
    from epigept_batch.motifs.gpu import device, kernels

    best = np.array([[[1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-11 + 2.0**-20, 0.0]]])
    with device.gpu(0):
        scores = device.zeros(best.shape, np.uint16)
        kernels.round_scores[(1, 1, 1), (4, 1, 1)](device.uploaded(best), scores, 0)
        found = scores.copy_to_host()
    np.testing.assert_array_equal(found, best.astype(np.float32).astype(np.float16).view(np.uint16))
    assert found[0, 0, 0] == np.float16(1).view(np.uint16) != best.astype(np.float16).view(np.uint16)[0, 0, 0]
