"""Sums over the values of units, which add up to the statistics of each sample and track."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.cohort.units import Unit

FIELDS = ("bins", "sum", "squares", "min", "max")
"""The last axis of totals: number of values, their sum and that of their squares, the smallest and the greatest."""


def totals_name(unit: Unit) -> str:
    """Return the name of the file with the totals of a unit."""
    return f"totals/{unit.number // 1000}/{unit.number}.npy"


def totals_of(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the totals of values that are not NaN, float64, (tracks, samples, fields).

    Args:
        values: (tracks, samples, bins).
    """
    return np.stack([np.stack([_of_row(row) for row in track]) for track in values])


def _of_row(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the totals of a sample and track, float64, (fields,): one by one, because float64 takes memory."""
    wide = values[~np.isnan(values)].astype(np.float64)
    least, most = (wide.min(), wide.max()) if len(wide) else (np.inf, -np.inf)
    return np.array([len(wide), wide.sum(), np.square(wide).sum(), least, most])


def added(totals: NDArray[np.float64], more: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the totals of both; each float64, (tracks, samples, fields)."""
    sums = totals[..., :3] + more[..., :3]
    smallest = np.minimum(totals[..., 3], more[..., 3])
    greatest = np.maximum(totals[..., 4], more[..., 4])
    return np.concatenate([sums, smallest[..., None], greatest[..., None]], axis=-1)


def nothing(tracks: int, samples: int) -> NDArray[np.float64]:
    """Return the totals of no values, float64, (tracks, samples, fields)."""
    return np.broadcast_to(np.array([0, 0, 0, np.inf, -np.inf]), (tracks, samples, len(FIELDS))).copy()


def of_bytes(content: bytes, shape: tuple[int, int], where: str) -> NDArray[np.float64]:
    """Read the totals of a unit.

    Args:
        content: The content of the file.
        shape: Numbers of tracks and samples.
        where: Where it lies, for messages.

    Raises:
        InputError: It is damaged.
    """
    try:
        totals: NDArray[np.float64] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError("damaged file", where) from error
    if totals.shape != (*shape, len(FIELDS)) or totals.dtype != np.float64:
        raise InputError("damaged file", where)
    return totals
