"""Read bigWigs with a library that did not write them."""

from __future__ import annotations

import numpy as np
import pybigtools


def contigs(path):
    """Return the contigs of the header: lengths by name, in order."""
    with pybigtools.open(str(path)) as file:
        return dict(file.chroms())


def records(path, contig):
    """Return (start, end, value) of each record, in order."""
    with pybigtools.open(str(path)) as file:
        return list(file.records(contig))


def bins(path, contig, *, bin_bp):
    """Return values by bin, NaN where there are none: float32, (bins,). Check that each record is one bin."""
    length = contigs(path)[contig]
    values = np.full(-(-length // bin_bp), np.nan, dtype=np.float32)
    for start, end, value in records(path, contig):
        assert start % bin_bp == 0
        assert end == min(start + bin_bp, length)
        assert np.isnan(values[start // bin_bp])
        values[start // bin_bp] = value
    return values
