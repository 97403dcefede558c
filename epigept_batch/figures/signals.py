"""Draw signals, differences and peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.results.colours import DOWN, UP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from epigept_batch.figures.panels import SignalPanel, Stretch

NOT_PREDICTED = "#e4e4e4"
LIGHT = 0.4
"""Opacity of the maximum behind the mean."""
BASELINE_PT, CLIPPED_PT = 0.4, 1.2


def draw_signal(axes: Axes, panel: SignalPanel, *, peaks_share: float) -> None:
    """Draw a track: filled from 0, with a line at 0 wherever there is data.

    Args:
        axes: Where to draw, with the region as limits.
        panel: The track.
        peaks_share: Share of the height that peaks take, if the panel has any.
    """
    low, high = panel.limits
    below = 0.0 if panel.peaks is None else (high - low) * peaks_share / (1 - peaks_share)
    draw_absent(axes, panel.absent)
    if panel.is_difference:
        _fill(axes, panel, panel.columns.high, panel.columns.mean, UP, above=True)
        _fill(axes, panel, panel.columns.low, panel.columns.mean, DOWN, above=False)
    else:
        _fill(axes, panel, panel.columns.high, panel.columns.mean, panel.colour, above=True)
    _draw_baseline(axes, panel, "#444444" if panel.is_difference else panel.colour)
    _mark_clipped(axes, panel)
    if panel.peaks is not None:
        _draw_peaks(axes, panel.peaks, panel.colour, below)
    axes.set_ylim(low - below, high)
    axes.set_yticks([low, 0, high] if low else [0, high])
    axes.set_yticklabels([f"{tick:.3g}".replace("-", "\N{MINUS SIGN}") for tick in axes.get_yticks()])
    lowest, *_, highest = axes.get_yticklabels()
    lowest.set_verticalalignment("bottom")  # within the panel, so that labels of neighbours do not touch
    highest.set_verticalalignment("top")
    axes.spines["left"].set_bounds(low, high)


def draw_absent(axes: Axes, absent: Sequence[Stretch]) -> None:
    """Shade where nothing was predicted."""
    for start, end in absent:
        axes.axvspan(start, end, facecolor=NOT_PREDICTED, linewidth=0, zorder=0)


def _fill(
    axes: Axes,
    panel: SignalPanel,
    most: NDArray[np.float32],
    mean: NDArray[np.float32],
    colour: str,
    *,
    above: bool,
) -> None:
    """Fill the part of the values above 0, or below it: the mean, and lighter behind it the most distant value."""
    low, high = panel.limits
    edges = panel.columns.edges
    for values, opacity in ((most, LIGHT), (mean, 1.0)):
        if opacity < 1 and panel.columns.bins == 1:
            continue
        part = np.clip(values, 0, high) if above else np.clip(values, low, 0)
        if np.any(part != 0, where=~np.isnan(part)):
            axes.stairs(
                *_joined(part, edges), fill=True, facecolor=colour, edgecolor="none", alpha=opacity, linewidth=0
            )


def _joined(values: NDArray[np.float32], edges: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Join neighbours of the same value, such as 0, which looks the same and takes less room in a file."""
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    begins = np.concatenate([[0], np.flatnonzero(~same) + 1])
    return values[begins], np.append(edges[begins], edges[-1])


def _draw_baseline(axes: Axes, panel: SignalPanel, colour: str) -> None:
    """Draw a line at 0 where there is data, so that 0 differs from no data."""
    for start, end in stretches(panel.columns.has_data, panel.columns.edges):
        axes.plot([start, end], [0, 0], color=colour, linewidth=BASELINE_PT, solid_capstyle="butt", clip_on=True)


def _mark_clipped(axes: Axes, panel: SignalPanel) -> None:
    """Mark columns that are higher, or lower, than the scale."""
    low, high = panel.limits
    columns = panel.columns
    for beyond, edge in ((columns.high > high, high), (columns.low < low, low)):
        for start, end in stretches(beyond, columns.edges):
            axes.plot([start, end], [edge, edge], color="black", linewidth=CLIPPED_PT, solid_capstyle="butt")


def is_clipped(panel: SignalPanel) -> bool:
    """Whether any value is beyond the scale."""
    low, high = panel.limits
    return bool((panel.columns.high > high).any() or (panel.columns.low < low).any())


def stretches(where: NDArray[np.bool_], edges: NDArray[np.int64]) -> list[Stretch]:
    """Return runs of columns as bp [start, end).

    Args:
        where: bool, (columns,).
        edges: int64, (columns + 1,).
    """
    steps = np.diff(np.concatenate([[False], where, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [(int(edges[start]), int(edges[end])) for start, end in zip(starts, ends, strict=True)]


def _draw_peaks(axes: Axes, peaks: Sequence[Stretch], colour: str, below: float) -> None:
    """Draw peaks as bars below the signal."""
    spans = [(start, end - start) for start, end in peaks]
    axes.broken_barh(spans, (-0.95 * below, 0.55 * below), facecolor=colour, edgecolor=colour, linewidth=0.3)
