"""The value that a share of the bins reach, against sorted values."""

import numpy as np
import pytest

from epigept_batch.intervals.cutoff import HighestShare


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 1])
def test_the_cutoff_is_a_little_below_the_exact_quantile(share):
    values = np.random.default_rng(3).gamma(0.5, 2, 10_001).astype(np.float32)
    counts = HighestShare()
    for part in np.array_split(np.where(np.arange(10_001) % 7 == 0, np.nan, values).astype(np.float32), 9):
        counts.add(part)
    known = np.sort(values[np.arange(10_001) % 7 != 0])[::-1]
    exact = known[int(np.ceil(share * len(known))) - 1]
    assert exact * 0.992 < counts.cutoff(share) <= exact


def test_bins_without_a_signal_never_reach_it():
    counts = HighestShare()
    counts.add(np.zeros(100, dtype=np.float32))
    assert 0 < counts.cutoff(0.05) < 1e-30
