"""Draw gene models in lanes, each gene below its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.figures.style import SMALL_PT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

    from epigept_batch.sequence.genes import Gene
    from epigept_batch.tiling import Region

NAME_MM, GENE_MM = 2.5, 1.7
"""Height of a name, and of the gene below it."""
EXON_SHARE, CODING_SHARE = 0.35, 0.85
"""Heights of exons outside and inside the coding sequence, as shares of a gene's height."""
GAP_MM = 1.0
"""Least distance between two genes of a lane, or their names."""
ARROW_MM, ARROW_EVERY_MM = 0.5, 4.0
MOST_LANES = 12
"""With more lanes, names are left out; then genes that find no room overlap in the last lane."""
MOST_NAMED = 400
"""With more genes, names are left out."""
LINE_PT = 0.5
COLOUR = "#333333"
MM_PER_PT = 25.4 / 72
HINTED = 1.03
"""Pixels make letters up to so much wider."""


@dataclass(frozen=True)
class PlacedGene:
    """A gene in its lane.

    Attributes:
        gene: The gene.
        lane: Number of the lane, from 0 at the top.
        name_at: Left end of its name in mm from the left edge; None if it is drawn without.
    """

    gene: Gene
    lane: int
    name_at: float | None


def place_genes(genes: Sequence[Gene], region: Region, width_mm: float) -> list[PlacedGene]:
    """Put each gene into the first lane in which neither it nor its name overlaps another.

    Args:
        genes: Genes that overlap the region.
        region: The region.
        width_mm: Width of the panel.
    """
    if len(genes) <= MOST_NAMED:
        placed = list(_in_lanes(genes, region, width_mm, named=True))
        if all(one.lane < MOST_LANES for one in placed):
            return placed
    return list(_in_lanes(genes, region, width_mm, named=False))


def _in_lanes(genes: Sequence[Gene], region: Region, width_mm: float, *, named: bool) -> Iterator[PlacedGene]:
    ends: list[float] = []
    for gene in sorted(genes, key=lambda one: (max(one.start, region.start), one.end, one.name)):
        left, right = _extent_mm(gene, region, width_mm)
        name_at = None
        begin, end = left, right + (0 if _has_room_for_arrow(left, right) else 2 * ARROW_MM)
        if named:
            letters = _name_width_mm(gene.name)
            name_at = max(0.0, min(left, width_mm - letters))  # left of a gene near the right edge
            begin, end = min(begin, name_at), max(end, name_at + letters)
        free = (number for number, before in enumerate(ends) if begin >= before + GAP_MM)
        lane = next(free, len(ends))
        if lane == MOST_LANES and not named:
            lane -= 1
        ends[lane : lane + 1] = [max(end, *ends[lane : lane + 1], 0.0)]
        yield PlacedGene(gene, lane, name_at)


def _extent_mm(gene: Gene, region: Region, width_mm: float) -> tuple[float, float]:
    """Return both ends of the part of a gene within the region, in mm from the left edge."""
    scale = width_mm / (region.end - region.start)
    return (max(gene.start, region.start) - region.start) * scale, (min(gene.end, region.end) - region.start) * scale


def _has_room_for_arrow(left: float, right: float) -> bool:
    return right - left >= 3 * ARROW_MM


def _name_width_mm(name: str) -> float:
    """Return the width of a name in the font of the style in force."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), name or " ", size=SMALL_PT, prop=FontProperties(style="italic"))
    return float(path.get_extents().x1) * MM_PER_PT * HINTED if len(path.vertices) else 0.0


def lane_mm(placed: Sequence[PlacedGene]) -> float:
    """Return the height of a lane, which depends on whether the genes have names."""
    return GENE_MM + (NAME_MM if any(one.name_at is not None for one in placed) else 0.3)


def height_mm(placed: Sequence[PlacedGene]) -> float:
    """Return the height of all lanes, at least one."""
    return lane_mm(placed) * (1 + max((one.lane for one in placed), default=0))


def draw_genes(axes: Axes, placed: Sequence[PlacedGene], region: Region, width_mm: float) -> None:
    """Draw genes into axes of the height `height_mm`: lines, boxes of exons, arrows for the strand."""
    top, lane = height_mm(placed), lane_mm(placed)
    axes.set_ylim(0, top)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    bp_per_mm = (region.end - region.start) / width_mm
    for one in placed:
        middle = top - (one.lane + 1) * lane + GENE_MM / 2
        _draw_gene(axes, one.gene, middle)
        _draw_arrows(axes, one.gene, middle, region, bp_per_mm)
        if one.name_at is not None:
            axes.text(
                region.start + one.name_at * bp_per_mm,
                middle + GENE_MM / 2 + 0.2,
                one.gene.name,
                fontsize=SMALL_PT,
                fontstyle="italic",
                va="baseline",
                clip_on=True,
            )


def _draw_gene(axes: Axes, gene: Gene, middle: float) -> None:
    axes.plot([gene.start, gene.end], [middle, middle], color=COLOUR, linewidth=LINE_PT, solid_capstyle="butt")
    first, last = gene.coding or (0, 0)
    coding = [(max(start, first), min(end, last)) for start, end in gene.exons]
    for share, exons in ((EXON_SHARE, gene.exons), (CODING_SHARE, [span for span in coding if span[0] < span[1]])):
        boxes = [(start, end - start) for start, end in exons]
        height = GENE_MM * share
        if boxes:
            axes.broken_barh(boxes, (middle - height / 2, height), facecolor=COLOUR, edgecolor=COLOUR, linewidth=0.2)


def _draw_arrows(axes: Axes, gene: Gene, middle: float, region: Region, bp_per_mm: float) -> None:
    """Draw an arrow every few millimetres of a gene with a known strand; behind a gene that is too short for any."""
    if gene.strand not in {"+", "-"}:
        return
    forward = 1 if gene.strand == "+" else -1
    left, right = max(gene.start, region.start) / bp_per_mm, min(gene.end, region.end) / bp_per_mm
    if _has_room_for_arrow(left, right):
        number = max(1, int((right - left) / ARROW_EVERY_MM))
        places = [left + (right - left) * (place + 0.5) / number for place in range(number)]
    else:
        places = [right + 1.5 * ARROW_MM if forward > 0 else left - 1.5 * ARROW_MM]
    for place in places:
        tip, back = place + forward * ARROW_MM / 2, place - forward * ARROW_MM / 2
        axes.plot(
            [back * bp_per_mm, tip * bp_per_mm, back * bp_per_mm],
            [middle - ARROW_MM * 0.8, middle, middle + ARROW_MM * 0.8],
            color=COLOUR,
            linewidth=LINE_PT,
        )
