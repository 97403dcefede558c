"""Draw a contact map as a triangle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.figures.coordinates import UNITS
from epigept_batch.figures.signals import NOT_PREDICTED
from epigept_batch.figures.style import LINE_PT, MM, SMALL_PT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from epigept_batch.figures.panels import ContactPanel
    from epigept_batch.tiling import Region

LEAST_MM, MOST_MM = 14.0, 45.0
BAR_MM, BAR_GAP_MM = 1.6, 1.5
SHARE = 99.0
"""Percentile of the values, or of their distance from the expected, at the ends of the colour scale."""
LEAST_RATIO = 2.0**-6
"""Ratios below it have the colour of the lower end."""


def height_mm(panel: ContactPanel, region: Region, width_mm: float) -> float:
    """Return the height at which the triangle's sides have 45 degrees, within limits."""
    apart = min(panel.reach, region.end - region.start)
    return min(max(width_mm * apart / (region.end - region.start) / 2, LEAST_MM), MOST_MM)


def draw_contacts(figure: Figure, axes: Axes, panel: ContactPanel, region: Region) -> None:
    """Draw each pixel above the middle of its anchors, at the height of their distance, and the scale of colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import Normalize

    values, (low, high), label = _shades(panel)
    colours = ScalarMappable(Normalize(low, high), "RdBu_r" if panel.is_ratio else "Blues")
    size = panel.bin_bp
    middle, apart = panel.first + panel.distance / 2 + size / 2, panel.distance
    corners = np.stack(
        [
            np.stack([middle - size / 2, middle, middle + size / 2, middle], axis=1),
            np.stack([apart, apart + size, apart, apart - size], axis=1),
        ],
        axis=2,
    )
    _draw_absent(axes, panel)
    axes.add_collection(
        PolyCollection(
            list(corners), facecolors=colours.to_rgba(values), edgecolors="none", antialiaseds=False, rasterized=True
        ),
        autolim=False,
    )
    top = min(panel.reach, region.end - region.start)
    axes.set_ylim(0, top)
    ticks = (0, top / 2, top)
    size, unit = next((size, unit) for size, unit in UNITS if top >= size)
    axes.set_yticks(ticks, [f"{tick / size:.3g}" for tick in ticks])
    axes.set_ylabel(f"distance ({unit})", fontsize=SMALL_PT, labelpad=1)
    _draw_bar(figure, axes, colours, label)


def _draw_absent(axes: Axes, panel: ContactPanel) -> None:
    """Shade all pairs with an anchor where nothing was predicted."""
    reach = panel.reach
    for start, end in panel.absent:
        for direction in (-1, 1):
            shape = [(start, 0), (end, 0), (end + direction * reach / 2, reach), (start + direction * reach / 2, reach)]
            axes.fill(*zip(*shape, strict=True), facecolor=NOT_PREDICTED, linewidth=0, zorder=0)


def _shades(panel: ContactPanel) -> tuple[NDArray[np.float64], tuple[float, float], str]:
    """Return what the colours show, its limits, and its name."""
    if not panel.is_ratio:
        top = float(np.percentile(panel.values, SHARE)) if len(panel.values) else 1.0
        return panel.values, (0.0, top or 1.0), "attention"
    shades = np.log2(np.maximum(panel.values, LEAST_RATIO))
    top = float(np.percentile(np.abs(shades), SHARE)) if len(shades) else 1.0
    return shades, (-(top or 1.0), top or 1.0), "log₂(obs./exp.)"


def _draw_bar(figure: Figure, axes: Axes, colours: ScalarMappable, label: str) -> None:
    """Draw the scale of colours to the right of the triangle."""
    place = axes.get_position()
    width = figure.get_figwidth()
    left = place.x1 + BAR_GAP_MM * MM / width
    bar_axes = figure.add_axes((left, place.y0 + 0.1 * place.height, BAR_MM * MM / width, 0.8 * place.height))
    bar = figure.colorbar(colours, cax=bar_axes)
    bar.outline.set_linewidth(LINE_PT)
    bar.ax.tick_params(labelsize=SMALL_PT, width=LINE_PT, length=1.5)
    bar.ax.locator_params(nbins=4)
    bar.set_label(label, fontsize=SMALL_PT, labelpad=1)
