"""Backends of the motif scan that run the same tests: the CPU's, and the GPU's on a GPU or in numba's simulator."""

from __future__ import annotations

import os

import numpy as np

from epigept_batch.motifs.scan import MotifScanner

BACKEND = os.environ.get("SCAN_BACKEND", "cpu")
"""`cpu`, `gpu`, or `simulator`, which also needs NUMBA_ENABLE_CUDASIM=1 before numba is imported."""


def as_in_simulator():
    """Make blocks small for the simulator, where each thread of a block is a thread of Python, busy or not."""
    from epigept_batch.motifs.gpu import scan as gpu

    if BACKEND == "simulator":
        gpu.THREADS, gpu.SETTLERS, gpu.WARPS = 8, 1, 2


def gpu_scan(motif_set, factors, geometry, *, windows, room=1):
    """Return the scan of a GPU, and uint16 memory of it for the scores of so many windows, full of 7."""
    from epigept_batch.motifs.gpu import device
    from epigept_batch.motifs.gpu import scan as gpu

    as_in_simulator()
    scan = gpu.GpuScan(gpu.GpuTables(motif_set, factors, geometry), windows)
    return scan, device.uploaded(np.full((room, len(factors), geometry.bins), 7, dtype=np.uint16))


class OnGpu:
    """Scans like `MotifScanner`, with the code for GPUs; the number of threads makes no difference."""

    def __init__(self, motif_set, factors, *, bin_bp, threads=1):
        del threads
        self.motif_set, self.factors, self.bin_bp = motif_set, tuple(factors), bin_bp

    def scan(self, tokens, *, offset, bins):
        """Return the best hits of successive bins, float32, (factors, bins)."""
        geometry = self.motif_set.window.geometry(bins, self.bin_bp)
        start, length = offset - geometry.before, geometry.before + geometry.window_bp + geometry.after
        reach = np.full(length, 4, dtype=np.uint8)
        first, end = max(start, 0), min(start + length, len(tokens))
        reach[first - start : end - start] = tokens[first:end]
        scan, _ = gpu_scan(self.motif_set, self.factors, geometry, windows=1)
        return scan.best(reach[None], np.array([bins], dtype=np.int32))[0].astype(np.float32)


Scanner = MotifScanner if BACKEND == "cpu" else OnGpu
