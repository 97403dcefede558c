"""Run the network on windows for each change of each sample, and keep only the sums of regions.

A window's work is cut into parts, which can be kept and computed in any order:

- Part 0 has, for each region in the window, how many of its bins have bases, and in how many of these each screened
  factor has a motif hit: float64, (1 + factors, regions).
- Each other part has up to `ROWS` rows of a sample: first the unperturbed sample, then a row for each factor. A row has
  the sum of the signal over the bins of each region: float64, (rows, regions × tracks). A row is NaN where the network
  reads the same as for the unperturbed sample, so that it need not run.

The network reads the product of a factor's motif score and its expression. So a factor without any motif hit in a
window makes no difference there, and is not computed.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from epigept_batch.inference.ports import MOTIF_SCORES, SIGNAL
from epigept_batch.prediction.ahead import map_ahead
from epigept_batch.prediction.pool import SessionPool
from epigept_batch.prediction.predict import check_finite
from epigept_batch.prediction.schedule import make_schedule
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.inference.session import Session
    from epigept_batch.prediction.windows import Window
    from epigept_batch.screen.areas import Areas, Share
    from epigept_batch.screen.inputs import FactorInputs
    from epigept_batch.tiling import Tile
    from epigept_batch.timing import StageClock

    Due = tuple[Tile, Sequence[int]]
    """A window, and the numbers of its parts that are due."""

ROWS = 64
"""Most rows of a part: what a run that is stopped may lose, and what it keeps in memory at once."""
HEAD = 0
"""Number of the part with counts of bins."""


@dataclass(frozen=True)
class Layout:
    """How the work on a window is cut into parts.

    Attributes:
        samples: Number of samples.
        factors: Number of screened factors.
    """

    samples: int
    factors: int

    @property
    def of_sample(self) -> int:
        """Parts per sample."""
        return ceil_div(1 + self.factors, ROWS)

    @property
    def parts(self) -> int:
        """Parts per window."""
        return 1 + self.samples * self.of_sample

    def place(self, part: int) -> tuple[int, range]:
        """Return the sample of a part other than the first, and its rows."""
        sample, block = divmod(part - 1, self.of_sample)
        return sample, range(block * ROWS, min((block + 1) * ROWS, 1 + self.factors))

    def parts_of(self, sample: int) -> range:
        """Return the parts of a sample, in the order of their rows."""
        return range(1 + sample * self.of_sample, 1 + (sample + 1) * self.of_sample)


class Part(NamedTuple):
    """A part of a window's work; see the module.

    Attributes:
        tile: The window.
        number: Number of the part.
        values: float64.
        evaluations: How often the network ran.
    """

    tile: Tile
    number: int
    values: NDArray[np.float64]
    evaluations: int


class Job(NamedTuple):
    """A part to compute."""

    window: Window
    number: int


class ScreenedWindows:
    """Computes parts of windows.

    Args:
        areas: The regions and their windows.
        samples: The samples, which share their screened factors.
        sessions: Sessions of the network.
        tracks: Indices of the selected tracks in the network's signal.
        clock: Measures the stage `model`.
    """

    def __init__(
        self,
        areas: Areas,
        samples: Sequence[FactorInputs],
        sessions: Sequence[Session],
        *,
        tracks: Sequence[int],
        clock: StageClock,
    ) -> None:
        self.layout = Layout(len(samples), len(samples[0].factors))
        self._areas, self._samples = areas, samples
        self._sessions, self._pool = sessions, SessionPool(sessions, clock)
        self._tracks = list(tracks)
        self._has_scores = sessions[0].ports.takes(MOTIF_SCORES)

    def parts(
        self, read: Callable[[Tile], Window], due: Iterable[Due], *, threads: int, scans: bool
    ) -> Generator[Part, None, None]:
        """Yield the parts that are due, in order; close it if it is not read to its end.

        Args:
            read: Returns the window of a tile; may be called by several threads.
            due: Windows and numbers of their parts.
            threads: Number of CPU threads.
            scans: Whether `read` scans, so that on a CPU it alternates with the network.

        Raises:
            EpiGePTError: A window cannot be read or computed; raised in place of its part.
        """
        schedule = make_schedule(self._sessions, threads=threads, windows=1, scans=scans)
        wanted = dict(due)
        windows = map_ahead(read, wanted, workers=schedule.readers, ahead=schedule.windows_ahead)
        jobs = _jobs(windows, wanted)
        found = map_ahead(self, jobs, workers=schedule.callers, ahead=schedule.batches_ahead)
        with closing(found):
            yield from found

    def __call__(self, job: Job) -> Part:
        """Compute a part.

        Raises:
            EpiGePTError: The network's output is not finite.
        """
        window, tile = job.window, job.window.tile
        if job.number == HEAD:
            return Part(tile, HEAD, self._head(window), 0)
        number, rows = self.layout.place(job.number)
        sample, shares = self._samples[number], self._areas.shares(tile)
        sums = np.full((len(rows), len(shares) * len(self._tracks)), np.nan)
        needed = self._needed(window, sample)[rows.start : rows.stop].nonzero()[0]
        if len(needed) and window.inputs is not None:
            signal = self._pool.run([window.inputs], sample.vectors(needed + rows.start))[SIGNAL][0]
            check_finite(tile, [signal])
            of_regions = [_sum(signal[..., self._tracks], window.has_bases, share) for share in shares]
            sums[needed] = np.stack(of_regions, axis=1).reshape(len(needed), -1)
        return Part(tile, job.number, sums, len(needed))

    def _head(self, window: Window) -> NDArray[np.float64]:
        """Return the counts of bins, float64, (1 + factors, regions); NaN for hits of a network without scores."""
        shares, numbers = self._areas.shares(window.tile), self._samples[0].numbers
        bins = [window.has_bases[share.first : share.last].sum() for share in shares]
        hits = np.zeros((len(numbers), len(shares)))
        if not self._has_scores:
            hits[:] = np.nan
        elif window.inputs is not None:
            hit = (window.inputs[MOTIF_SCORES][numbers] != 0) & window.has_bases
            hits = np.stack([hit[:, share.first : share.last].sum(axis=1) for share in shares], axis=1)
        return np.concatenate([np.array([bins], dtype=np.float64), hits.astype(np.float64)])

    def _needed(self, window: Window, sample: FactorInputs) -> NDArray[np.bool_]:
        """Return which rows of a sample the network must run for, bool, (1 + factors,)."""
        if window.inputs is None:
            return np.zeros(1 + len(sample.factors), dtype=np.bool_)
        changed = sample.differ
        if self._has_scores:
            changed = changed & (window.inputs[MOTIF_SCORES][sample.numbers] != 0).any(axis=1)
        return np.concatenate([[True], changed])


def _jobs(windows: Generator[Window, None, None], due: Mapping[Tile, Sequence[int]]) -> Iterator[Job]:
    with closing(windows):
        for window in windows:
            yield from (Job(window, number) for number in due[window.tile])


def _sum(signal: NDArray[np.float32], has_bases: NDArray[np.bool_], share: Share) -> NDArray[np.float64]:
    """Sum the signal, (rows, bins, tracks), over the bins of a region that have bases: float64, (rows, tracks)."""
    bins = share.first + np.flatnonzero(has_bases[share.first : share.last])
    total: NDArray[np.float64] = signal[:, bins].sum(axis=1, dtype=np.float64)
    return total
