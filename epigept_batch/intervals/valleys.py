"""Split an interval at its deep valleys, so that each part has one summit."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.tiling import Span


def split_at_valleys(values: NDArray[np.float32], *, prominence: float, least: int = 1) -> list[Span]:
    """Return the parts of an interval, in order, which together are the whole interval.

    Two summits are separate if the lowest bin between them is lower than the lower summit by more than a share of that
    summit's value. That is the topographic prominence, relative to the height. Each separate summit has a part, and
    parts meet in the middle of the lowest bins between their summits. If these are in several places, the first counts.

    Args:
        values: float32, (bins,), at least one and none NaN, of at least 0.
        prominence: The share, from 0 (every local maximum has a part) to 1 (the interval is never split).
        least: Parts with fewer bins are joined with the neighbour behind the shallower valley.

    Returns:
        [first, last) of each part, in bins of the interval.
    """
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1])
    heights = values[starts]
    padded = np.concatenate([[-np.inf], heights, [-np.inf]])
    rises = padded[1:] > padded[:-1]
    tops = np.flatnonzero(rises[:-1] & ~rises[1:])
    if len(tops) == 1:
        return [(0, len(values))]
    ends = np.append(starts[1:], len(values))
    lows = np.flatnonzero(~rises[:-1] & rises[1:])  # one between two successive tops
    kept = _deep(heights[tops].tolist(), heights[lows].tolist(), prominence)
    lows = lows[kept]
    edges = [0, *((starts[lows] + ends[lows]) // 2).tolist(), len(values)]
    return _joined(edges, heights[lows].tolist(), values, least)


def _deep(tops: Sequence[float], valleys: Sequence[float], prominence: float) -> list[int]:
    """Return the numbers of the valleys that separate summits, ascending; valley n lies between tops n and n + 1.

    The water falls: valleys emerge from the highest to the lowest, and each joins two islands. It is deep if it is low
    enough for the lower of their summits. Of equal valleys, the last emerges first.
    """
    other_end = list(range(len(tops)))  # of each island, at both of its ends
    highest = list(tops)  # of each island, at both of its ends
    kept = []
    for number in sorted(range(len(valleys)), key=lambda one: (-valleys[one], -one)):
        left, right = number, number + 1
        if valleys[number] < (1 - prominence) * min(highest[left], highest[right]):
            kept.append(number)
        first, last = other_end[left], other_end[right]
        top = max(highest[left], highest[right])
        other_end[first], other_end[last] = last, first
        highest[first] = highest[last] = top
    return sorted(kept)


def _joined(edges: list[int], valleys: list[float], values: NDArray[np.float32], least: int) -> list[Span]:
    """Return the parts between edges after joining those that are too short, the one with the lowest summit first.

    Args:
        edges: Where each part begins, and where the last ends.
        valleys: The values at the edges between parts.
        values: The bins.
        least: Least number of bins of a part.
    """
    while valleys and (short := [one for one, part in enumerate(pairwise(edges)) if part[1] - part[0] < least]):
        lowest = min(short, key=lambda one: values[edges[one] : edges[one + 1]].max())
        beside = [one for one in (lowest - 1, lowest) if 0 <= one < len(valleys)]
        shallower = max(beside, key=lambda one: valleys[one])
        del edges[shallower + 1], valleys[shallower]
    return list(pairwise(edges))
