"""Runs of bins to a bigWig; writes with pyBigWig."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyBigWig

from epigept_batch.errors import OutputError
from epigept_batch.files import publish, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig


class BigWigWriter:
    """One track of one sample, fixed-step by bin.

    The file has a hidden name until `publish` gives it its own; `discard` leaves nothing of it.

    Args:
        path: Its name when it is whole.
        contigs: All of the FASTA's, in its order: they are the header.
        bin_bp: Base pairs a bin.

    Raises:
        OutputError: It cannot be created.
    """

    def __init__(self, path: Path, contigs: Sequence[Contig], *, bin_bp: int) -> None:
        self.path = path
        self._bin_bp = bin_bp
        self._temporary = temporary_beside(path)
        self._file = pyBigWig.open(str(self._temporary), "w")
        if self._file is None:
            raise OutputError("cannot be created", path)
        self._file.addHeader([(contig.name, contig.length) for contig in contigs])

    def write(self, contig: Contig, first_bin: int, values: NDArray[np.float32]) -> None:
        """Append successive bins; a contig's last bin ends with it.

        Args:
            contig: In the header's order from call to call.
            first_bin: Behind those written before.
            values: float32, (bins,).
        """
        start = first_bin * self._bin_bp
        whole = min(len(values), contig.length // self._bin_bp - first_bin)
        if whole > 0:
            self._file.addEntries(
                contig.name,
                start,
                values=values[:whole],
                span=self._bin_bp,
                step=self._bin_bp,
                validate=False,
            )
        if whole < len(values):
            last = start + whole * self._bin_bp
            self._file.addEntries([contig.name], [last], ends=[contig.length], values=values[whole:], validate=False)

    def close(self) -> None:
        """Write what is pending and the zoom levels."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def publish(self) -> None:
        """Give the closed file its name."""
        publish(self._temporary, self.path)

    def discard(self) -> None:
        """Leave nothing of it, unless it is published."""
        self.close()
        self._temporary.unlink(missing_ok=True)
