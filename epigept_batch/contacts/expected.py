"""The contacts that are expected at a distance: their mean over all pairs of bins that lie so far apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.bounds import read_unpacked
from epigept_batch.errors import InputError, reason

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.contacts.pairs import Rows

COLUMNS = ("distance_bp", "pixels", "mean", "expected")
BIN = "bin_bp"
"""Name of the line of the header that has the bin size."""


class DistanceSums:
    """Sums the values of pairs of bins by their distance.

    Args:
        samples: Number of samples.
        blocks: Number of distances, from 0.
    """

    def __init__(self, samples: int, blocks: int) -> None:
        self.sums = np.zeros((samples, blocks))
        self.pixels = np.zeros(blocks, dtype=np.int64)

    def add(self, rows: Rows) -> None:
        """Add finished rows."""
        self.sums += np.nansum(rows.values, axis=1)
        self.pixels += (~np.isnan(rows.values[0])).sum(axis=0)

    def mean(self, sample: int) -> NDArray[np.float64]:
        """Return the mean of a sample at each distance, float64, (blocks,); NaN without any pair."""
        with np.errstate(invalid="ignore"):
            return np.where(self.pixels > 0, self.sums[sample] / self.pixels, np.nan)


@dataclass(frozen=True, eq=False)
class Expected:
    """What is expected of a pair of bins by their distance.

    Attributes:
        bin_bp: Base pairs per bin.
        values: float64, (distances,), by distance in bins from 0; NaN where it is not known.
    """

    bin_bp: int
    values: NDArray[np.float64]

    def at(self, distance_bp: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate between the known distances, in bp, float64, of the same shape."""
        known = np.flatnonzero(~np.isnan(self.values))
        return np.interp(distance_bp, known * self.bin_bp, self.values[known])

    def known(self, distances: int) -> bool:
        """Whether it is known, and above 0, at each of so many distances from 0."""
        values = self.values[:distances]
        return len(values) == distances and bool((values > 0).all())


def write_expected(
    path: Path, expected: Expected, *, pixels: NDArray[np.int64], mean: NDArray[np.float64], about: str
) -> None:
    """Write what a run expected, and its own mean, as a tab-separated table.

    Args:
        path: The file.
        expected: What was expected; with another run's, it differs from the mean.
        pixels: int64, (distances,): pairs of bins of this run.
        mean: float64, (distances,): their mean.
        about: A line about the values.
    """
    lines = [f"# {about}", f"# {BIN}\t{expected.bin_bp}", "\t".join(COLUMNS)]
    for distance, row in enumerate(zip(pixels.tolist(), mean.tolist(), expected.values.tolist(), strict=True)):
        number, *values = row
        lines.append("\t".join([str(distance * expected.bin_bp), str(number), *map(repr, values)]))
    path.write_text("\n".join(lines) + "\n")


def read_expected(path: Path) -> Expected:
    """Read what `write_expected` wrote.

    Raises:
        InputError: It is not such a table.
    """
    try:
        text = read_unpacked(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "not a text table"
        raise InputError(f"expected contacts cannot be read: {why}", path) from error
    lines = text.splitlines()
    bin_bp = next((line.split("\t")[1] for line in lines if line.startswith(f"# {BIN}\t")), "")
    header = next((n for n, line in enumerate(lines) if line.split("\t") == list(COLUMNS)), None)
    if header is None or not bin_bp.isdecimal() or not int(bin_bp):
        raise InputError("not a SAMPLE.expected.tsv of epigept-batch contacts", path)
    rows = enumerate(lines[header + 1 :])
    values = [_value(line, int(bin_bp), distance, path, header + 2 + distance) for distance, line in rows]
    if np.isnan(values).all():
        raise InputError("has no expected contact; use the expected.tsv of a run with pairs", path)
    return Expected(int(bin_bp), np.array(values))


def _value(line: str, bin_bp: int, distance: int, path: Path, number: int) -> float:
    try:
        distance_bp, _, _, value = line.split("\t")
        found = float(value)
        if int(distance_bp) == distance * bin_bp and not (found < 0 or math.isinf(found)):
            return found
    except ValueError:
        pass
    raise InputError(f"a row must have the distance {distance * bin_bp}, pixels, mean and expected", path, number)
