"""What a figure of a region consists of: panels, in the order in which they are drawn from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from epigept_batch.results.scales import rounded_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.figures.columns import Columns
    from epigept_batch.sequence.genes import Gene

Stretch = tuple[int, int]
"""Base pairs [start, end) of the contig."""
COMMON, OWN = "common", "own"


@dataclass(frozen=True, eq=False)
class SignalPanel:
    """A track of a sample.

    Attributes:
        track: Name of the track. Successive panels of one are drawn as a group.
        sample: Name of the sample.
        columns: The values.
        colour: Colour of the track, `#rrggbb`.
        is_measured: Whether it was measured, and not predicted.
        is_difference: Whether it is a perturbed copy minus its sample, drawn to both sides of 0.
        absent: Where nothing was predicted.
        peaks: Peaks that are drawn below the signal; None without a file of peaks.
        limits: The values at the lower and the upper edge.
    """

    track: str
    sample: str
    columns: Columns
    colour: str
    is_measured: bool = False
    is_difference: bool = False
    absent: tuple[Stretch, ...] = ()
    peaks: tuple[Stretch, ...] | None = None
    limits: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class ContactPanel:
    """A contact map of a sample, drawn as a triangle.

    Attributes:
        sample: Name of the sample.
        first: int64, (pixels,): start of the first anchor, in bp.
        distance: int64, (pixels,): distance of the anchors' starts, in bp.
        values: float64, (pixels,).
        bin_bp: Size of an anchor, in bp.
        reach: Distance in bp from which no contact is predicted.
        is_ratio: Whether the values are observed/expected, and not attention itself.
        absent: Where nothing was predicted.
        merged: Bins of the map per anchor along either axis.
    """

    sample: str
    first: NDArray[np.int64]
    distance: NDArray[np.int64]
    values: NDArray[np.float64]
    bin_bp: int
    reach: int
    is_ratio: bool
    absent: tuple[Stretch, ...] = ()
    merged: int = 1


@dataclass(frozen=True)
class GenePanel:
    """Gene models.

    Attributes:
        genes: The genes that overlap the region, one transcript each.
    """

    genes: tuple[Gene, ...]


Panel = SignalPanel | ContactPanel | GenePanel


Tops = dict[tuple[str, bool], float]
"""The value that a common scale must reach, by track and by whether it is a difference."""


def highest(pages: Iterable[Iterable[SignalPanel]]) -> Tops:
    """Return the highest finite value of each track on all pages, measured and predicted; of differences the largest.

    Args:
        pages: The signals of each page.
    """
    tops: Tops = {}
    for panel in (panel for page in pages for panel in page):
        key = (panel.track, panel.is_difference)
        tops[key] = max(tops.get(key, 0.0), _top(panel))
    return tops


def with_limits(panels: Sequence[Panel], scale: str | float, tops: Tops) -> list[Panel]:
    """Give signals their limits.

    Args:
        panels: The panels of a page.
        scale: `common` for one scale per track; `own` for one per panel; or the highest value of all panels.
        tops: What a common scale must reach.

    Returns:
        The same panels. A common or own scale contains every finite value of its panels.
    """

    def top(panel: SignalPanel) -> float:
        if not isinstance(scale, str):
            return scale
        return rounded_up(_top(panel) if scale == OWN else tops[panel.track, panel.is_difference])

    def limited(panel: Panel) -> Panel:
        if not isinstance(panel, SignalPanel):
            return panel
        return replace(panel, limits=(-top(panel) if panel.is_difference else 0.0, top(panel)))

    return [limited(panel) for panel in panels]


def _top(panel: SignalPanel) -> float:
    low, high = panel.columns.extremes()
    return max(-low, high) if panel.is_difference else high
