"""SVG as a part of a page: paths keep their shape, ids differ, colours are the page's."""

import itertools
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from epigept_batch.report.svg import inline_svg, short_path

DOCUMENT = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="9pt" height="8pt" viewBox="0 0 9 8">
 <metadata>tool</metadata><defs><style type="text/css">*{stroke-linecap: butt}</style>
 <path id="mark" d="M 0 0 L 1 0"/><clipPath id="c1"><path d="M 0 0"/></clipPath></defs>
 <g id="figure_1" clip-path="url(#c1)"><use xlink:href="#mark" style="fill: #010203; stroke: #00FF00"/>
 <text style="fill: #010203">#010203</text></g></svg>"""


def points(path):
    """The corners of a path of absolute commands."""
    at, found = [0.0, 0.0], []
    for letter, numbers in re.findall(r"([A-Z])([^A-Z]*)", path):
        values = [float(number) for number in numbers.split()]
        if letter == "H":
            at = [values[0], at[1]]
        elif letter == "V":
            at = [at[0], values[0]]
        elif letter in "ML":
            at = values
        found.append((letter if letter in "MZ" else "L", *at))
    return found


def test_a_path_keeps_its_corners():
    rng = np.random.default_rng(3)
    steps = np.repeat(rng.random(50).round(1) * 90, 2)
    across = np.repeat(np.arange(51), 2)[1:-1] * 1.5
    path = "M 0 0 " + " ".join(f"L {x} {y:.6f}" for x, y in zip(across, steps, strict=True)) + " z"
    corners = points(path.replace("z", "Z"))
    kept = [point for before, point in itertools.pairwise([None, *corners]) if point != before or point[0] == "Z"]
    assert points(short_path(path).replace("z", "Z")) == kept
    assert len(short_path(path)) < len(path) / 2


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 1.04 2 L 1.04 3 L 5 3 L 6 7", "M1 2V3H5L6 7"),
        ("M 1 2 L 1.01 2.01", "M1 2"),
        ("M 0 0 Q 1 2 3 4 L 3 5 z", "M0 0Q1 2 3 4V5z"),
        ("M -0.04 0 L -100 0", "M-0 0H-100"),
        ("M 0 0 L 2 2 z M 5 5 L 5 2", "M0 0L2 2zM5 5V2"),
    ],
)
def test_short_paths(path, short):
    assert short_path(path) == short


def test_what_becomes_of_a_document():
    said = {"title": "A <b> & c", "description": "What it shows."}
    text = inline_svg(DOCUMENT, key="k", colours={"#010203": "currentColor", "#00ff00": "var(--x)"}, **said)
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert root.get("role") == "img"
    ids = {element.get("id"): element for element in root.iter() if element.get("id")}
    assert set(ids) == {"k-title", "k-desc", "k-mark", "k-c1"}
    assert root.get("aria-labelledby").split() == ["k-title", "k-desc"]
    assert (ids["k-title"].text, ids["k-desc"].text) == tuple(said.values())
    assert {"width", "height"}.isdisjoint(root.attrib)
    assert 'href="#k-mark"' in text
    assert 'clip-path="url(#k-c1)"' in text
    assert "fill: currentColor; stroke: var(--x)" in text
    assert ">#010203</text>" in text  # a text is not a colour
    assert "metadata" not in text
    assert "<style" not in text
