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
    wide = values.astype(np.float64)
    known = ~np.isnan(wide)
    zeroed = np.where(known, wide, 0)
    parts = (
        known.sum(axis=-1),
        zeroed.sum(axis=-1),
        np.square(zeroed).sum(axis=-1),
        np.where(known, wide, np.inf).min(axis=-1, initial=np.inf),
        np.where(known, wide, -np.inf).max(axis=-1, initial=-np.inf),
    )
    return np.stack([np.asarray(part, dtype=np.float64) for part in parts], axis=-1)


def added(totals: NDArray[np.float64], more: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the totals of both; each float64, (tracks, samples, fields)."""
    sums = totals[..., :3] + more[..., :3]
    smallest = np.minimum(totals[..., 3], more[..., 3])
    greatest = np.maximum(totals[..., 4], more[..., 4])
    return np.concatenate([sums, smallest[..., None], greatest[..., None]], axis=-1)


def nothing(tracks: int, samples: int) -> NDArray[np.float64]:
    """Return the totals of no values, float64, (tracks, samples, fields)."""
    return np.broadcast_to(np.array([0, 0, 0, np.inf, -np.inf]), (tracks, samples, len(FIELDS))).copy()


def to_bytes(totals: NDArray[np.float64]) -> bytes:
    """Return the content of the file of a unit."""
    stream = io.BytesIO()
    np.save(stream, totals)
    return stream.getvalue()


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
