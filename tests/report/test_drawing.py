"""What the plots show against the values that they are of."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from epigept_batch.report.drawing import distribution_plot, drawn_samples, heat_map, locus_plot, shortened
from epigept_batch.report.loci import Locus
from epigept_batch.report.survey import TrackSurvey
from epigept_batch.tiling import Region

SVG = "{http://www.w3.org/2000/svg}"
TRACKS = ("DNase", "CTCF")


def parsed(plot):
    root = ET.fromstring(plot.svg)  # noqa: S314 - our own
    assert root.find(f"{SVG}title").text == plot.title
    assert root.find(f"{SVG}desc").text == plot.caption
    return root


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def corners(path):
    """The corners of a path, (corners, 2)."""
    at, found = [0.0, 0.0], []
    for letter, numbers in re.findall(r"([MLHV])([^A-Za-z]*)", path):
        values = [float(number) for number in numbers.split()]
        at = [values[0], at[1]] if letter == "H" else [at[0], values[0]] if letter == "V" else values
        found.append(at)
    return np.array(found)


def filled(root, colour):
    """The corners of every shape of a colour, in the order of drawing."""
    paths = [element for element in root.iter(f"{SVG}path") if f"fill: {colour}" in element.get("style", "")]
    return [corners(element.get("d")) for element in paths]


def heights_of(shape, steps):
    """The height of each step of a shape above its lower edge, which is flat."""
    base = shape[:, 1].max()
    left, right = shape[:, 0].min(), shape[:, 0].max()
    centres = left + (np.arange(steps) + 0.5) * (right - left) / steps
    upper = []
    for centre in centres:
        pairs = zip(shape, np.roll(shape, -1, axis=0), strict=True)
        levels = [
            one[1] for one, two in pairs if one[1] == two[1] and min(one[0], two[0]) <= centre <= max(one[0], two[0])
        ]
        upper.append(base - min(levels))
    return np.array(upper)


def make_locus(values, *, samples=("a", "b")):
    steps = next(iter(values.values())).shape[1]
    region = Region("chr1", 1280, 1280 + 128 * steps)
    return Locus(region, True, None, 1, 128, samples, {name: v.astype(np.float32) for name, v in values.items()})


def test_heights_at_a_locus_are_the_values():
    rng = np.random.default_rng(8)
    values = {track: rng.random((2, 12)) * 3 for track in TRACKS}
    values["CTCF"][1, 3:5] = np.nan
    tops = {"DNase": 3.0, "CTCF": 2.0}
    root = parsed(locus_plot(make_locus(values), tops, TRACKS, "k"))
    scale = None
    for number, track in enumerate(TRACKS):
        shapes = filled(root, f"var(--track-{number})")
        assert len(shapes) == 2
        for row, shape in zip(values[track], shapes, strict=True):
            expected = np.clip(np.nan_to_num(row) / tops[track], 0, 1)
            drawn = heights_of(shape, 12)
            scale = scale or drawn.max() / expected.max()
            assert drawn == pytest.approx(expected * scale, abs=0.25)  # coordinates have one decimal
    assert scale == pytest.approx(19, abs=0.5)
    shown = texts(root)
    assert [one for one in shown if one in {*TRACKS, "a", "b"}] == ["DNase", "a", "b", "CTCF", "a", "b"]
    assert {"0 to 3", "0 to 2"} <= set(shown)


def test_a_band_spans_all_samples_where_some_are_drawn():
    samples = tuple(f"s{number}" for number in range(6))
    values = {"DNase": np.ones((6, 4)), "CTCF": np.ones((6, 4))}
    values["DNase"] *= np.array([1, 1.1, 3, 0, 0.2, 2])[:, None]
    locus = make_locus(values, samples=samples)
    assert drawn_samples(locus, {"DNase": 3, "CTCF": 3}) == [2, 3, 4, 5]
    root = parsed(locus_plot(locus, {"DNase": 3, "CTCF": 3}, TRACKS, "k"))
    band = filled(root, "var(--rule)")[0]
    assert np.ptp(band[:, 1]) == pytest.approx(19, abs=0.3)  # from 0 to the top
    assert "s0" not in texts(root)
    assert drawn_samples(make_locus({"DNase": np.ones((2, 3))}), {"DNase": 1}) == [0, 1]


def make_survey(correlation, histogram=None):
    number = len(correlation)
    edges = np.linspace(0, 2, 5)
    counts = np.ones((number, 4), dtype=np.int64) if histogram is None else histogram
    return TrackSurvey("DNase", tuple("abcdef"[:number]), edges, counts, None, None, np.array(correlation))


def test_a_heat_map_has_every_r_and_names_the_extremes():
    r = [[1, 0.25, 0.5], [0.25, 1, np.nan], [0.5, np.nan, 1]]
    plot = heat_map(make_survey(r), TRACKS, "k", 0.2)
    shown = texts(parsed(plot))
    assert [one for one in shown if re.fullmatch(r"\d\.\d+|n/a", one)] == [
        *("1.000", "0.250", "0.500"),
        *("0.250", "1.000", "n/a"),
        *("0.500", "n/a", "1.000"),
    ]
    assert plot.caption == "Lowest r is 0.250 between a and b; highest 0.500 between a and c."
    assert heat_map(make_survey([[1, np.nan], [np.nan, 1]]), TRACKS, "k", 0).caption.startswith("No two samples")


def test_colours_of_a_heat_map_follow_r():
    root = parsed(heat_map(make_survey([[1, 0.5], [0.5, 1]]), TRACKS, "k", 0.5))
    shades = re.findall(r"fill: (#\w{6})", "".join(path.get("style", "") for path in root.iter(f"{SVG}path")))
    assert [one for one in shades if one in {"#fee838", "#00224e"}] == ["#fee838", "#00224e", "#00224e", "#fee838"]


def test_a_histogram_has_a_line_per_sample():
    counts = np.array([[1000, 100, 10, 0], [1000, 100, 10, 1]])
    root = parsed(distribution_plot(make_survey(np.eye(2), counts), TRACKS, "k"))
    lines = [
        corners(path.get("d"))
        for path in root.iter(f"{SVG}path")
        if "stroke: var(--track-0)" in path.get("style", "") and len(corners(path.get("d"))) > 3
    ]
    assert len(lines) == 2
    for line, row in zip(lines, counts, strict=True):
        levels = list(dict.fromkeys(line[:, 1].tolist()))
        shares = np.log10(row[row > 0] / row.sum())
        assert len(levels) == len(shares)
        assert np.diff(levels) / np.diff(levels)[0] == pytest.approx(np.diff(shares) / np.diff(shares)[0], abs=0.02)


@pytest.mark.parametrize(
    ("name", "short"), [("liver", "liver"), ("a" * 18, "a" * 18), ("abcdefghijklmnopqrstuvwxyz", "abcdefgh…rstuvwxyz")]
)
def test_long_names_keep_both_ends(name, short):
    assert shortened(name) == short
    assert len(shortened(name)) <= 18
