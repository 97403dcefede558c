"""Draw a region: panels below each other over one axis of coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.figures import contacts, coordinates, genes, signals
from epigept_batch.figures.panels import ContactPanel, GenePanel, SignalPanel
from epigept_batch.figures.style import BODY_PT, MM, SMALL_PT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from epigept_batch.figures.panels import Panel
    from epigept_batch.tiling import Region

LEAST_LEFT_MM, MOST_LEFT_MM = 20.0, 36.0
"""Limits of the left margin, which has names and scales."""
RIGHT_MM, RIGHT_OF_MAPS_MM = 4.0, 14.0
"""Right margin, without and with the colour bars of contact maps."""
SCALE_MM = 8.0
TOP_MM, BOTTOM_MM = 2.0, 10.5
NOTE_MM = 2.8
"""Height of a line of notes."""
TITLE_MM = 5.0
SIGNAL_MM, PEAKS_MM = 8.0, 1.6
PAIR_GAP_MM, GAP_MM, GROUP_GAP_MM = 0.6, 1.6, 3.2
"""Distances: between a prediction and its measurement, between samples, and between tracks."""
COLUMN_MM, BIN_MM = 0.2, 0.07
"""Least widths of a column of merged bins, and of a bin that is not merged; the latter is a pixel of a PNG."""
NAME_LETTERS = 24
LETTER_MM = 1.35
"""Width of an average letter of a name."""


@dataclass(frozen=True)
class Layout:
    """Where a figure's axes are.

    Attributes:
        width_mm: Width of the figure.
        left_mm: Left margin.
        right_mm: Right margin.
        title: Text above the panels; empty for none.
        space: What the tracks hold, `log1p` or `linear`.
    """

    width_mm: float = 180.0
    left_mm: float = MOST_LEFT_MM
    right_mm: float = RIGHT_OF_MAPS_MM
    title: str = ""
    space: str = "log1p"

    @property
    def panel_mm(self) -> float:
        """Width of the panels."""
        return self.width_mm - self.left_mm - self.right_mm

    @property
    def columns(self) -> int:
        """Number of columns of merged bins that the panels have room for."""
        return int(self.panel_mm / COLUMN_MM)

    @property
    def whole(self) -> int:
        """Number of bins that the panels have room for without merging."""
        return int(self.panel_mm / BIN_MM)


def layout_for(names: Iterable[str], *, width_mm: float, space: str, has_maps: bool) -> Layout:
    """Return a layout whose margins have room for names and, if needed, for colour bars.

    Args:
        names: Names of samples and tracks.
        width_mm: Width of the figure.
        space: What the tracks hold, `log1p` or `linear`.
        has_maps: Whether there are contact maps.
    """
    longest = max((len(_shortened(name)) for name in [*names, "difference"]), default=0)
    left_mm = min(max(SCALE_MM + longest * LETTER_MM, LEAST_LEFT_MM), MOST_LEFT_MM)
    return Layout(width_mm, left_mm, RIGHT_OF_MAPS_MM if has_maps else RIGHT_MM, space=space)


def draw_region(region: Region, panels: Sequence[Panel], layout: Layout) -> Figure:
    """Draw panels below each other, in the style that is in force (`style.publication_style`).

    Args:
        region: The region; panels may have bins that reach beyond it, of which the part within it is drawn.
        panels: From top to bottom; those of one track, which follow each other, get one title.
        layout: Sizes and texts.
    """
    from matplotlib.figure import Figure

    heights = [_height_mm(panel, region, layout) for panel in panels]
    gaps = [_gap_mm(above, below) for above, below in zip([None, *panels], panels, strict=False)]
    top_mm = TOP_MM + (TITLE_MM if layout.title else 0)
    notes = _lines(list(_notes(layout, panels)), layout.width_mm - layout.left_mm - 1)
    below_mm = BOTTOM_MM + NOTE_MM * len(notes)
    height_mm = top_mm + sum(heights) + sum(gaps) + below_mm
    figure = Figure(figsize=(layout.width_mm * MM, height_mm * MM))
    at, last = height_mm - top_mm, None
    for panel, height, gap, named in zip(panels, heights, gaps, _begins_group(panels), strict=True):
        at -= gap + height
        last = _axes(figure, layout, height_mm, at, height)
        _draw(figure, last, panel, region, layout, named=named)
    if last is not None:
        coordinates.draw_axis(_axes(figure, layout, height_mm, at, heights[-1]), region, layout.panel_mm)
    _write(figure, layout, notes, height_mm)
    return figure


def _axes(figure: Figure, layout: Layout, height_mm: float, bottom_mm: float, size_mm: float) -> Axes:
    """Make axes of a height in mm."""
    return figure.add_axes(
        (
            layout.left_mm / layout.width_mm,
            bottom_mm / height_mm,
            layout.panel_mm / layout.width_mm,
            size_mm / height_mm,
        )
    )


def _height_mm(panel: Panel, region: Region, layout: Layout) -> float:
    if isinstance(panel, ContactPanel):
        return contacts.height_mm(panel, region, layout.panel_mm)
    if isinstance(panel, GenePanel):
        return genes.height_mm(genes.place_genes(panel.genes, region, layout.panel_mm))
    return SIGNAL_MM + (PEAKS_MM if panel.peaks is not None else 0)


def _gap_mm(above: Panel | None, below: Panel) -> float:
    if above is None:
        return 0.0
    if _group(above) != _group(below):
        return GROUP_GAP_MM
    return PAIR_GAP_MM if isinstance(below, SignalPanel) and below.is_measured else GAP_MM


def _group(panel: Panel) -> str:
    if isinstance(panel, SignalPanel):
        return f"track {panel.track}"
    return "contacts" if isinstance(panel, ContactPanel) else "genes"


def _begins_group(panels: Sequence[Panel]) -> Iterator[bool]:
    before = None
    for panel in panels:
        yield _group(panel) != before
        before = _group(panel)


def _draw(figure: Figure, axes: Axes, panel: Panel, region: Region, layout: Layout, *, named: bool) -> None:
    """Draw a panel, and its names beside it."""
    axes.set_xlim(region.start, region.end)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    if isinstance(panel, ContactPanel):
        contacts.draw_contacts(figure, axes, panel, region)
        _name(axes, ["contacts"] if named else [], [panel.sample], "black", layout)
        return
    if isinstance(panel, GenePanel):
        genes.draw_genes(axes, genes.place_genes(panel.genes, region, layout.panel_mm), region, layout.panel_mm)
        _name(axes, ["genes"], [], "black", layout)
        return
    signals.draw_signal(axes, panel, peaks_share=PEAKS_MM / (SIGNAL_MM + PEAKS_MM))
    lines = ["measured"] if panel.is_measured else [panel.sample, *(["difference"] if panel.is_difference else [])]
    _name(axes, [panel.track] if named else [], lines, panel.colour, layout)


def _name(axes: Axes, heading: Sequence[str], lines: Sequence[str], colour: str, layout: Layout) -> None:
    """Write a heading in bold and lines below it into the left margin."""
    rows = [
        *((text, colour, "bold", BODY_PT) for text in heading),
        *((text, "black", "normal", SMALL_PT) for text in lines),
    ]
    x = -(layout.left_mm - 1) / layout.panel_mm
    for number, (text, ink, weight, size) in enumerate(rows):
        axes.annotate(
            _shortened(text),
            (x, 1),
            xycoords="axes fraction",
            xytext=(0, -number * (BODY_PT + 0.8)),
            textcoords="offset points",
            va="top",
            color=ink,
            fontweight=weight,
            fontsize=size,
        )


def _shortened(text: str) -> str:
    """Return a name with its middle left out if it is too long for the margin."""
    keep = (NAME_LETTERS - 1) // 2
    return text if len(text) <= NAME_LETTERS else f"{text[:keep]}…{text[-keep:]}"


def _write(figure: Figure, layout: Layout, notes: Sequence[str], height_mm: float) -> None:
    """Write the title above the panels and the notes below them."""
    left = layout.left_mm / layout.width_mm
    if layout.title:
        figure.text(left, 1 - TOP_MM / height_mm, layout.title, va="top", fontweight="bold", fontsize=BODY_PT + 1)
    for number, line in enumerate(reversed(notes)):
        y = (1 + number * NOTE_MM) / height_mm
        figure.text(left, y, line, va="bottom", fontsize=SMALL_PT, color="#444444")


def _lines(notes: Sequence[str], width_mm: float) -> list[str]:
    """Join notes to lines that have room."""
    lines: list[str] = []
    for note in notes:
        longer = f"{lines[-1]} · {note}" if lines else note
        if lines and len(longer) * LETTER_MM <= width_mm:
            lines[-1] = longer
        else:
            lines.append(note)
    return lines


def _notes(layout: Layout, panels: Sequence[Panel]) -> Iterator[str]:
    """Yield what tells how to read the figure."""
    drawn = [panel for panel in panels if isinstance(panel, SignalPanel)]
    if drawn:
        same = len({(panel.track, panel.is_difference, panel.limits) for panel in drawn}) == len(
            {(panel.track, panel.is_difference) for panel in drawn}
        )
        height = "ln(1 + signal)" if layout.space == "log1p" else "signal"
        yield f"height: {height}{', one scale per track' if same else ''}"
    if most := max((panel.columns.bins for panel in drawn), default=1) - 1:
        yield f"mean (dark) and maximum (light) of {most + 1} bins"
    if any(signals.is_clipped(panel) for panel in drawn):
        yield "black marks: beyond the scale"
    if most := max((panel.merged for panel in panels if isinstance(panel, ContactPanel)), default=1) - 1:
        yield f"contacts: mean of {most + 1} × {most + 1} bins"
    if any(panel.absent for panel in panels if not isinstance(panel, GenePanel)):
        yield "grey: not predicted"
