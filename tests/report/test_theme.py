"""Contrast of a report's colours, as WCAG 2.2 defines it."""

import re
from importlib.resources import files

import pytest

from epigept_batch.report.theme import DARK, LIGHT, contrast, css_variables, visible
from epigept_batch.results.colours import TRACK_COLOURS

ON = ("ground", "panel")
TEXT = ("text", "quiet", "link", "warning")


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ffffff", 4.0), ("#123456", "#123456", 1)],
)
def test_known_contrasts(first, second, ratio):
    assert contrast(first, second) == pytest.approx(ratio, abs=0.005)
    assert contrast(second, first) == contrast(first, second)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_stands_out_from_what_it_stands_on(theme):
    for name in TEXT:
        for ground in ON:
            assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)


@pytest.mark.parametrize("dark", [False, True])
def test_tracks_stand_out_from_the_page(dark):
    names = [*TRACK_COLOURS, "ATAC", "H4K20me1"]
    variables = css_variables(names, dark=dark)
    for number in range(len(names)):
        assert contrast(variables[f"--track-{number}"], variables["--ground"]) >= 4.5
    assert len({variables[f"--track-{number}"] for number in range(8)}) == 8


def test_a_colour_that_stands_out_stays():
    assert visible("#002ce5", "#ffffff") == "#002ce5"
    assert visible("#002ce5", "#14171a") != "#002ce5"


def test_the_style_sheet_has_no_colour_of_its_own_and_loads_nothing():
    style = (files("epigept_batch.report") / "templates/report.css").read_text()
    assert not re.findall(r"#[0-9a-f]{3,8}\b", style)
    assert "url(" not in style
    assert "@import" not in style
    used = set(re.findall(r"var\((--[\w-]+)\)", style))
    assert used <= set(css_variables([], dark=True)) == set(css_variables([], dark=False))
    assert "@media print" in style
