"""Correlation of predicted and measured maps at the same distance.

Both maps fall with distance, so a correlation over all distances would be high for any predictor. Here, r is computed
within each distance of each contig. A stratum of distances has the mean of these, weighted by their numbers of pairs.
Intervals resample stretches of the genome, because neighbouring pairs are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.evaluation.contacts.areas import REPLICATES, SEED, Estimate, estimate
from epigept_batch.evaluation.metrics import doubled_ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.evaluation.contacts.scores import ContigScores

EDGES = (0, 10_000, 20_000, 40_000, 80_000)
"""Where strata of distances begin, in bp; the last is open."""
STRETCH_BP = 1_000_000
"""Length of a stretch that is resampled."""
FEWEST_STRETCHES = 10
"""Fewer give no interval."""
FEWEST_PAIRS = 3
KINDS = ("pearson", "spearman")
REPLICATES_AT_ONCE = 100


@dataclass(frozen=True, eq=False)
class Correlations:
    """Correlations of one predictor with the measured map.

    Attributes:
        overall: By kind, over all distances.
        behind: By kind, attention's overall correlation minus this one. One that is not defined, as that of distance
            at the same distance, counts as 0.
        strata: By kind, a value per stratum.
    """

    overall: Mapping[str, Estimate]
    behind: Mapping[str, Estimate]
    strata: Mapping[str, Sequence[float]]


class MapComparison:
    """Compares maps, a contig at a time.

    Attributes:
        pairs: int64, (strata,): number of compared pairs of bins.
        empty: Bins without any measured contact, which are left out.

    Args:
        bin_bp: Base pairs per bin.
        width: Number of distances.
    """

    def __init__(self, *, bin_bp: int, width: int) -> None:
        self._bin_bp = bin_bp
        self._width = width
        self._sums: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
        self.pairs = np.zeros(len(EDGES), dtype=np.int64)
        self.empty = 0
        self.bins = 0

    def add(self, scores: ContigScores, measured: NDArray[np.float64]) -> None:
        """Compare the maps of a contig.

        Args:
            scores: The contig's bins.
            measured: float64, (bins, width), as `scores.attention`.
        """
        empty = _empty_bins(measured)
        self.empty += int((empty & scores.wanted).sum())
        self.bins += int(scores.wanted.sum())
        stretch = np.arange(scores.bins) * self._bin_bp // STRETCH_BP
        parts: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
        for distance in range(1, self._width):
            rows = max(scores.bins - distance, 0)
            y = measured[:rows, distance]
            has = scores.complete(distance) & np.isfinite(y) & ~empty[:rows] & ~empty[distance:][:rows]
            self.pairs[_stratum(distance * self._bin_bp)] += int(has.sum())
            for name, values in scores.at(distance).items():
                for kind in KINDS:
                    sums = _sums(values[has], y[has], kind, stretch[:rows][has], int(stretch[-1]) + 1)
                    parts.setdefault((name, kind), []).append(sums)
        for key, found in parts.items():
            self._sums.setdefault(key, []).append(np.stack(found, axis=1))

    def finish(self, attention: str) -> dict[str, Correlations]:
        """Return the correlations by predictor."""
        names = list(dict.fromkeys(name for name, _ in self._sums))
        series = {key: self._series(sums) for key, sums in self._sums.items()}
        strata = np.array([_stratum(distance * self._bin_bp) for distance in range(1, self._width)])
        return {
            name: Correlations(
                {kind: estimate(series[name, kind]) for kind in KINDS},
                {kind: estimate(_or_0(series[attention, kind]) - _or_0(series[name, kind])) for kind in KINDS},
                {kind: list(self._by_stratum(self._sums[name, kind], strata)) for kind in KINDS},
            )
            for name in names
        }

    def _series(self, sums: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the overall correlation, then that of each resampling of stretches, (1 + replicates,)."""
        stretches = [len(one) for one in sums]
        filled = sum(int(one[:, :, 0].any(axis=1).sum()) for one in sums)
        parts = [_overall(sums, np.ones((1, sum(stretches))))]
        rng = np.random.default_rng(SEED)
        used = np.concatenate([one[:, :, 0].any(axis=1) for one in sums])
        chance = used / max(used.sum(), 1)
        parts += [
            _overall(sums, rng.multinomial(filled, chance, size=REPLICATES_AT_ONCE).astype(np.float64))
            for _ in range(0, REPLICATES if filled >= FEWEST_STRETCHES else 0, REPLICATES_AT_ONCE)
        ]
        return np.concatenate(parts)

    def _by_stratum(self, sums: Sequence[NDArray[np.float64]], strata: NDArray[np.int64]) -> Iterator[float]:
        """Yield the correlation of each stratum; NaN where not defined."""
        for number in range(len(EDGES)):
            chosen = [one[:, strata == number] for one in sums]
            yield float(_overall(chosen, np.ones((1, sum(len(one) for one in sums))))[0])


def _or_0(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.nan_to_num(values, nan=0.0)


def _sums(
    x: NDArray[np.float64], y: NDArray[np.float64], kind: str, stretch: NDArray[np.int64], stretches: int
) -> NDArray[np.float64]:
    """Return number, sums, squares and products of two series by stretch, float64, (stretches, 6).

    For Spearman's r, of the ranks among all pairs, which stay as they are when stretches are resampled.
    """
    if kind == "spearman":
        x, y = doubled_ranks(x).astype(np.float64), doubled_ranks(y).astype(np.float64)
    x, y = (_standardised(values) for values in (x, y))
    columns = (np.ones(len(x)), x, y, x * x, y * y, x * y)
    return np.column_stack([np.bincount(stretch, column, minlength=stretches) for column in columns])


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with mean 0 and variance 1; zeros if they are constant, so that r is not defined."""
    if not len(values) or (values == values[0]).all():
        return np.zeros(len(values))
    centred = values - values.mean()
    spread: NDArray[np.float64] = centred / centred.std()
    return spread


def _overall(sums: Sequence[NDArray[np.float64]], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean correlation over contigs and distances, weighted by pairs, where stretches occur several times.

    Args:
        sums: By contig, (stretches, distances, 6).
        times: How often each stretch of all contigs occurs, (rows, stretches).

    Returns:
        float64, (rows,); NaN if it is not defined for any contig and distance.
    """
    total, weight = np.zeros(len(times)), np.zeros(len(times))
    first = 0
    for one in sums:
        last = first + len(one)
        n, x, y, xx, yy, xy = np.moveaxis(np.tensordot(times[:, first:last], one, axes=1), -1, 0)
        first = last
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = np.sqrt((xx - x * x / n) * (yy - y * y / n))
            r = (xy - x * y / n) / spread
        defined = (n >= FEWEST_PAIRS) & (spread > 1e-9 * n) & np.isfinite(r)
        total += np.where(defined, n * r, 0).sum(axis=1)
        weight += np.where(defined, n, 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float64] = np.clip(total / weight, -1, 1)
    return mean


def _empty_bins(measured: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which bins have no contact within the band, not even with themselves, bool, (bins,)."""
    has = np.nan_to_num(measured) > 0
    rows, distances = np.nonzero(has)
    empty = np.ones(len(measured), dtype=np.bool_)
    empty[rows] = empty[rows + distances] = False
    return empty


def _stratum(distance_bp: int) -> int:
    return int(np.searchsorted(EDGES, distance_bp, side="right")) - 1
