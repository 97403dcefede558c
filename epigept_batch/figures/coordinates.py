"""Draw the axis of coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from epigept_batch.tiling import Region

UNITS = ((1_000_000, "Mb"), (1000, "kb"), (1, "bp"))
LEAST_BP = {"Mb": 100_000, "kb": 1000, "bp": 0}
"""Shortest region whose coordinates are in a unit."""
TICK_MM = 22.0
"""Least distance between ticks."""
STEPS = (1, 2, 5)


def draw_axis(axes: Axes, region: Region, width_mm: float) -> None:
    """Draw the coordinates, 1-based, below axes that show nothing else."""
    size, unit = _unit(region.end - region.start)
    step = _step(region.end - region.start, int(width_mm / TICK_MM))
    # Position 1 is the base between 0 and 1, so its middle is at 0.5.
    places = list(range(-(-(region.start + 1) // step) * step, region.end + 1, step))
    axes.set_xlim(region.start, region.end)
    axes.set_xticks([place - 0.5 for place in places], [_number(place, size, step) for place in places])
    axes.set_yticks([])
    axes.patch.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_position(("outward", 2))
    axes.set_xlabel(f"{region.contig} ({unit})")


def _unit(length: int) -> tuple[int, str]:
    return next((size, unit) for size, unit in UNITS if length >= LEAST_BP[unit])


def _step(length: int, most: int) -> int:
    """Return the smallest round step of which the region has at most so many."""
    scale = 1
    while True:
        for step in STEPS:
            if step * scale * max(most, 1) >= length:
                return step * scale
        scale *= 10


def _number(place: int, size: int, step: int) -> str:
    """Return a position in units, with the decimals that the step needs."""
    decimals = max(0, len(str(size)) - len(str(step)))
    return f"{place / size:,.{decimals}f}"
