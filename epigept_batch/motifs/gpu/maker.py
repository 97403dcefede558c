"""Make scans for GPUs, after a proof that they give the scores of the CPU."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.sequence.stretch import Stretch
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import Contig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.motifs.gpu.scan import GpuScan, GpuTables
    from epigept_batch.spec import Spec

SEED = 7
N_BP = 300
"""Length of the run of N in the window of the proof, at most."""
MOST_SAID = 200
"""Most letters of an error of the GPU's libraries that the user sees."""
INSTALL = "install epigept-batch with its [gpu] extra"


class GpuScanMaker:
    """Makes scans for a network; thread-safe.

    Args:
        spec: The spec of the model file.
        threads: Number of CPU threads for the proof.
    """

    def __init__(self, spec: Spec, *, threads: int = 1) -> None:
        self._spec, self._threads = spec, threads
        self._geometry = spec.motif_set.window.geometry(spec.geometry.bins, spec.geometry.bin_bp)
        self._tables: dict[int, GpuTables] = {}
        self._lock = Lock()

    @property
    def reach_bp(self) -> int:
        """Length in bp of a window with the bases around it that its bins depend on."""
        return self._geometry.before + self._geometry.window_bp + self._geometry.after

    def make(self, index: int, windows: int) -> GpuScan:
        """Return a new scan on a GPU for so many windows per call."""
        from epigept_batch.motifs.gpu.scan import GpuScan, GpuTables

        with self._lock:
            if index not in self._tables:
                motif_set, factors = self._spec.motif_set, self._spec.factors
                self._tables[index] = GpuTables(motif_set, factors, self._geometry, index)
        return GpuScan(self._tables[index], windows)

    def memory(self, index: int, windows: int) -> Any:  # noqa: ANN401 - numba's
        """Return memory of a GPU for the scores of so many windows, uint16, (windows, factors, bins)."""
        from epigept_batch.motifs.gpu import device

        with device.gpu(index):
            return device.zeros((windows, len(self._spec.factors), self._geometry.bins), np.uint16)

    def prove(self, index: int) -> None:
        """Scan a random window on a GPU and on the CPU.

        Raises:
            DeviceError: The GPU cannot scan, or its scores differ from the CPU's in any bit.
        """
        stretch = self._random_stretch()
        try:
            found = self._found(index, stretch)
        except ModuleNotFoundError as error:
            raise DeviceError(f"numba-cuda is not installed; {INSTALL}") from error
        except Exception as error:
            said = " ".join(str(error).split())[:MOST_SAID] or type(error).__name__  # the first line may say nothing
            raise DeviceError(f"GPU {index} cannot scan ({said}); {INSTALL}") from error
        bin_bp = self._geometry.bin_bp
        with MotifScanner(self._spec.motif_set, self._spec.factors, bin_bp=bin_bp, threads=self._threads) as scanner:
            expected = scanner.scores(stretch)
        if different := np.count_nonzero(found != expected.view(np.uint16)):
            raise DeviceError(
                f"GPU {index} scores {different:,} of {found.size:,} values of a window differently; report this with "
                "the output of epigept-batch doctor"
            )

    def _found(self, index: int, stretch: Stretch) -> NDArray[np.uint16]:
        """Return the bits of the GPU's scores, uint16, (factors, bins)."""
        from epigept_batch.motifs.gpu import device

        scan, scores = self.make(index, 1), self.memory(index, 1)
        scan(stretch.reach[None], np.array([stretch.bins_inside], dtype=np.int32), scores)
        with device.gpu(index):
            found: NDArray[np.uint16] = scores.copy_to_host()[0]
        return found

    def _random_stretch(self) -> Stretch:
        """Return a window of random bases and a run of N, whose last bin lies beyond the contig's end."""
        reach = np.random.default_rng(SEED).integers(0, NO_BASE, self.reach_bp, dtype=np.uint8)
        reach[self.reach_bp // 3 :][: min(N_BP, self.reach_bp // 9)] = NO_BASE
        bins = self._geometry.bins
        contig = Contig("random", max(bins - 1, 1) * self._geometry.bin_bp)
        return Stretch(contig, 0, bins, reach, self._geometry)
