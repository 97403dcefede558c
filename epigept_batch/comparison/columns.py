"""The compared tracks, read side by side: a column per sample and, for differences from it, the training mean."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from epigept_batch.results.bins import blocks, predicted_spans, read_bins
from epigept_batch.tiling import bins_of
from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.calibration.calibration_file import Calibration
    from epigept_batch.evaluation.training_mean import KeptMean
    from epigept_batch.results.folder import ResultTrack, SampleResults
    from epigept_batch.tiling import Contig, Span


class Block(NamedTuple):
    """Successive bins of a contig.

    Attributes:
        first: Number of the first bin.
        values: float32, (bins, columns): ln(1 + signal). Rows that are not compared are NaN in all columns.
        known: Number of bins in which all columns have data.
    """

    first: int
    values: NDArray[np.float32]
    known: int


class Columns:
    """The columns of one track. A context manager that closes the files.

    A bin is compared if all columns have data, so that every difference is of the same bins.

    Args:
        tracks: The track of each sample.
        bin_bp: Base pairs per bin.
        space: What they hold, `log1p` or `linear`.
        mean: The mean of the training cells, which becomes the last column; None for none.
        calibration: Leaves out bins where the prediction has not beaten that mean; None to compare all bins.
    """

    def __init__(
        self,
        tracks: Sequence[ResultTrack],
        *,
        bin_bp: int,
        space: str,
        mean: KeptMean | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self._name = tracks[0].name
        self._bin_bp, self._space = bin_bp, space
        self._calibration = calibration
        with ExitStack() as stack:
            self._files = [self._open(track, stack) for track in tracks]
            self._mean = None
            if mean is not None:
                file = SignalTrack(mean.path)
                stack.callback(file.close)
                self._mean = mean.reader(file)
            self._stack = stack.pop_all()

    @staticmethod
    def _open(track: ResultTrack, stack: ExitStack) -> SignalTrack:
        file = SignalTrack(track.path)
        stack.callback(file.close)
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, contig: Contig, spans: Sequence[Span]) -> Iterator[Block]:
        """Yield the bins of a contig, in order.

        Args:
            contig: The contig.
            spans: Its bins to read, in order.
        """
        for first, last in blocks(spans, self._bin_bp):
            bins = last - first
            columns = [
                read_bins(file, contig, first, bins, bin_bp=self._bin_bp, space=self._space) for file in self._files
            ]
            if self._mean is not None:
                columns.append(self._mean.read(contig, first, bins))
            values = np.stack(columns, axis=1)
            compared = np.isfinite(values).all(axis=1)
            known = int(compared.sum())
            if self._calibration is not None:
                compared &= self._calibration.beats_mean(self._name, values[:, -1])
            values[~compared] = np.nan
            yield Block(first, values, known)


def common_spans(samples: Sequence[SampleResults], contig: Contig, bin_bp: int) -> list[Span]:
    """Return the bins of a contig that all samples were predicted for; all bins if no record says which."""
    wanted = _predictions_by_bin(samples, contig, bin_bp) == len(samples)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
    return [(first, last) for first, last in edges.reshape(-1, 2).tolist()]


def bins_of_some(samples: Sequence[SampleResults], contig: Contig, bin_bp: int) -> int:
    """Return the number of a contig's bins that some samples, but not all, were predicted for."""
    number = _predictions_by_bin(samples, contig, bin_bp)
    return int(((number > 0) & (number < len(samples))).sum())


def _predictions_by_bin(samples: Sequence[SampleResults], contig: Contig, bin_bp: int) -> NDArray[np.int64]:
    """Return how many samples were predicted for each bin, int64, (bins,); all bins if a record does not say which."""
    number = np.zeros(bins_of(contig.length, bin_bp), dtype=np.int64)
    for sample in samples:
        if "selection of bins" in sample.record.get("inputs", {}):
            own = np.zeros(len(number), dtype=np.bool_)
            for first, last in predicted_spans(sample, contig):
                own[first:last] = True
            number += own
        else:
            number += 1
    return number
