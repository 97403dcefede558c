"""Measured tracks: bigWigs to bins; reads with pyBigWig."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pyBigWig

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig


class SignalTrack:
    """A bigWig, read bin by bin.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read or is no bigWig.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise InputError("there is no such bigWig", path)
        try:
            self._file = pyBigWig.open(str(path))
        except RuntimeError as error:
            raise InputError("is no bigWig, or is cut short", path) from error
        if not self._file.isBigWig():
            raise InputError("is a bigBed; give a bigWig", path)

    def bins(self, contig: Contig, first: int, bins: int, *, bin_bp: int) -> NDArray[np.float32]:
        """Mean of each of successive bins over the bases that have data; NaN where none has, or beyond the contig.

        Args:
            contig: Of the genome; one that the file does not have has no data.
            first: The first bin.
            bins: How many.
            bin_bp: Base pairs a bin.

        Returns:
            float32, (bins,).

        Raises:
            InputError: The contig has another length in the file.
        """
        values = np.full(bins * bin_bp, np.nan, dtype=np.float32)
        length = self._file.chroms(contig.name)
        if length is not None:
            if length != contig.length:
                raise InputError(
                    f"has {contig.name} with {length:,} bp, the genome {contig.length:,}; give tracks of this genome",
                    self.path,
                )
            start, end = first * bin_bp, min((first + bins) * bin_bp, length)
            if start < end:
                values[: end - start] = self._file.values(contig.name, start, end, numpy=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of bins without data
            means: NDArray[np.float32] = np.nanmean(values.reshape(bins, bin_bp), axis=1)
        return means

    def close(self) -> None:
        """Close the file."""
        self._file.close()
