"""Lanes of genes: nothing overlaps, nothing is outside, and names are left out only where there is no room."""

import itertools
from functools import cache

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from epigept_batch.figures import genes as figures
from epigept_batch.figures.genes import height_mm, lane_mm, place_genes
from epigept_batch.figures.style import publication_style
from epigept_batch.sequence.genes import Gene
from epigept_batch.tiling import Region

REGION, WIDTH_MM = Region("c", 10_000, 110_000), 100.0


@pytest.fixture(autouse=True)
def _style():
    with publication_style():
        yield


def gene(name, start, end, strand="+"):
    return Gene(name, "c", start, end, strand, ((start, end),), None)


def extent(placed):
    """What a gene and its name cover, in mm, by widths of letters as matplotlib draws them."""
    one = placed.gene
    left, right = (np.clip((at - REGION.start) / 1000, 0, WIDTH_MM) for at in (one.start, one.end))
    if placed.name_at is not None:
        left, right = min(left, placed.name_at), max(right, placed.name_at + text_mm(one.name))
    return left, right


@cache
def text_mm(name):
    figure = Figure(figsize=(1, 1), dpi=720)
    text = figure.text(0, 0, name, fontsize=6, fontstyle="italic")
    return text.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width / 720 * 25.4


def random_genes(number, seed=1):
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 115_000, number)
    return [
        gene(f"GENE{n:03d}", int(s), int(s + rng.integers(100, 30_000)), "+-."[n % 3]) for n, s in enumerate(starts)
    ]


def test_neither_genes_nor_names_overlap():
    inside = [one for one in random_genes(40) if one.end > REGION.start and one.start < REGION.end]
    placed = place_genes(inside, REGION, WIDTH_MM)
    assert {one.gene.name for one in placed} == {one.name for one in inside}
    assert all(one.name_at is not None for one in placed)
    for one, other in itertools.combinations(placed, 2):
        if one.lane == other.lane:
            (a, b), (c, d) = sorted([extent(one), extent(other)])
            assert b + 0.5 <= c, (one.gene.name, other.gene.name, a, d)


@pytest.mark.parametrize(("start", "end"), [(0, 12_000), (108_000, 120_000), (109_900, 110_500), (0, 500_000)])
def test_names_of_genes_at_the_edges_are_inside(start, end):
    (placed,) = place_genes([gene("LONGNAME1", start, end)], REGION, WIDTH_MM)
    left, right = extent(placed)
    assert left >= 0
    assert right <= WIDTH_MM + 0.3


def test_a_free_lane_is_used_again():
    placed = place_genes(
        [gene("A", 11_000, 20_000), gene("B", 12_000, 30_000), gene("C", 40_000, 50_000)], REGION, WIDTH_MM
    )
    assert [(one.gene.name, one.lane) for one in placed] == [("A", 0), ("B", 1), ("C", 0)]
    assert height_mm(placed) == 2 * lane_mm(placed)


def test_with_too_many_genes_names_are_left_out_and_all_genes_stay():
    many = [gene(f"G{n}", 20_000 + n, 90_000) for n in range(30)]
    placed = place_genes(many, REGION, WIDTH_MM)
    assert len(placed) == 30
    assert all(one.name_at is None for one in placed)
    assert max(one.lane for one in placed) == figures.MOST_LANES - 1


def test_without_genes_there_is_one_empty_lane():
    assert place_genes([], REGION, WIDTH_MM) == []
    assert height_mm([]) > 0


def drawn(*genes):
    """Boxes as (start, end, height in mm) and arrows as x of back and tip."""
    placed = place_genes(genes, REGION, WIDTH_MM)
    axes = Figure().add_subplot()
    figures.draw_genes(axes, placed, REGION, WIDTH_MM)
    extents = [path.get_extents() for collection in axes.collections for path in collection.get_paths()]
    arrows = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 3]
    return [(one.x0, one.x1, one.height) for one in extents], [(back, tip) for back, tip, _ in arrows]


def test_exons_are_boxes_that_are_higher_where_they_are_coding():
    exons = ((20_000, 22_000), (30_000, 31_000), (38_000, 40_000))
    boxes, _ = drawn(Gene("A", "c", 20_000, 40_000, "+", exons, (21_000, 38_500)))
    heights = sorted({round(height, 3) for *_, height in boxes})
    assert len(heights) == 2
    assert [(a, b) for a, b, height in boxes if round(height, 3) == heights[0]] == list(exons)
    coding = [(a, b) for a, b, height in boxes if round(height, 3) == heights[1]]
    assert coding == [(21_000, 22_000), (30_000, 31_000), (38_000, 38_500)]


@pytest.mark.parametrize("length", [20_000, 200])
def test_arrows_point_in_the_direction_of_the_strand(length):
    for strand, sign in (("+", 1), ("-", -1)):
        _, arrows = drawn(gene("A", 50_000, 50_000 + length, strand))
        assert arrows
        assert all((tip - back) * sign > 0 for back, tip in arrows)
    assert drawn(gene("A", 50_000, 50_000 + length, "."))[1] == []
