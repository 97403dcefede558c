"""The colours of a report on a light and on a dark ground, as CSS variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from epigept_batch.results.colours import track_colours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LIGHT = {
    "ground": "#ffffff",
    "panel": "#f5f6f8",
    "text": "#1a1d21",
    "quiet": "#545b64",
    "rule": "#d3d7dd",
    "link": "#0b4fb0",
    "warning": "#8a3b00",
}
DARK = {
    "ground": "#14171a",
    "panel": "#1d2125",
    "text": "#e8eaed",
    "quiet": "#a9b0b8",
    "rule": "#3a4047",
    "link": "#8ab8ff",
    "warning": "#ffb77a",
}
"""Colours by what they are for. Text, quiet text, links and warnings stand on the ground or on a panel."""
LEAST_CONTRAST = 4.5
"""Contrast of text with what it stands on, WCAG 2.2, 1.4.3."""
STEP = 0.05
CHANNELS = (0.2126, 0.7152, 0.0722)
LINEAR_BELOW = 0.04045


def css_variables(tracks: Iterable[str], *, dark: bool) -> dict[str, str]:
    """Return the value of each CSS variable: `--ground`, …, and `--track-0`, … for the tracks in order."""
    theme = DARK if dark else LIGHT
    colours = track_colours(tracks).values()
    own = [visible(colour, theme["ground"]) for colour in colours]
    return {f"--{name}": value for name, value in theme.items()} | {
        f"--track-{number}": value for number, value in enumerate(own)
    }


def variables_of(tracks: Iterable[str]) -> Mapping[str, str]:
    """Return the name of the CSS variable of each track."""
    return {name: f"--track-{number}" for number, name in enumerate(track_colours(tracks))}


def visible(colour: str, ground: str) -> str:
    """Return a colour mixed with black or white until its contrast with the ground is that of text."""
    towards = "#000000" if luminance(ground) > luminance("#777777") else "#ffffff"
    share = 0.0
    while contrast(found := mixed(colour, towards, share), ground) < LEAST_CONTRAST:
        share += STEP
    return found


def mixed(colour: str, other: str, share: float) -> str:
    """Return a colour with a share of another, in sRGB."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round((first * (1 - share) + second * share) * 255):02x}" for first, second in pairs)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, from 0 to 1, as WCAG 2.2 defines it."""
    linear = [one / 12.92 if one <= LINEAR_BELOW else ((one + 0.055) / 1.055) ** 2.4 for one in _channels(colour)]
    return sum(weight * one for weight, one in zip(CHANNELS, linear, strict=True))


def _channels(colour: str) -> list[float]:
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
