"""Draw a page of a figure from the files of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from epigept_batch.figures.panels import with_limits
from epigept_batch.figures.region import draw_region

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from epigept_batch.figures.panels import Tops
    from epigept_batch.figures.reader import PanelReader
    from epigept_batch.figures.region import Layout
    from epigept_batch.tiling import Region


def draw_page(reader: PanelReader, region: Region, layout: Layout, scale: str | float, tops: Tops) -> Figure:
    """Read a region and draw it, in the style that is in force (`style.publication_style`).

    Args:
        reader: Reads the panels.
        region: The region.
        layout: Sizes and texts.
        scale: As in `panels.with_limits`.
        tops: What a common scale must reach (`panels.highest`).

    Raises:
        InputError: Nothing was predicted there, or a file cannot be used.
    """
    return draw_region(region, with_limits(reader.panels(region), scale, tops), layout)
