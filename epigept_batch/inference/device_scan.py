"""The interface of a motif scan on the device of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DeviceScan(Protocol):
    """A scan of windows; used by one thread at a time."""

    def __call__(self, reach: NDArray[np.uint8], inside: NDArray[np.int32], scores: object) -> None:
        """Write the motif scores of windows to the device's memory; returns when they are there.

        Args:
            reach: uint8, (windows, bp): the bases that each window's bins depend on.
            inside: int32, (windows,): the number of bins of each window that begin on the contig.
            scores: uint16, (at least as many windows, factors, bins): the bits of float16, in the device's memory.
        """


class ScanMaker(Protocol):
    """Makes scans for a network on GPUs."""

    @property
    def reach_bp(self) -> int:
        """Length in bp of a window with the bases around it that its bins depend on."""

    def prove(self, index: int) -> None:
        """Scan on a GPU, and compare with the CPU.

        Raises:
            DeviceError: The GPU cannot scan, or its scores differ.
        """

    def make(self, index: int, windows: int) -> DeviceScan:
        """Return a new scan on a GPU for so many windows per call."""
