"""One colour per track, the same in the browser, hubs, reports and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TRACK_COLOURS = {
    "DNase": "#002ce5",
    "CTCF": "#910766",
    "H3K27ac": "#c2820f",
    "H3K4me3": "#a51e06",
    "H3K4me1": "#78423a",
    "H3K36me3": "#00a68a",
    "H3K27me3": "#838bb9",
    "H3K9me3": "#b839d3",
}
"""Colours that readers with protanopia, deuteranopia and tritanopia can tell apart, and that stand out from white.

Found by a random search for the largest smallest distance. Any two differ by at least 25 in CIE 1976 L*a*b*, with
normal vision and with each deficiency in full (matrices of Machado et al., IEEE TVCG 15:1291, 2009). Contrast with
white is at least 3, as WCAG 2.2 asks of graphics. `tests/results/test_colours.py` computes both."""
OTHERS = tuple(TRACK_COLOURS.values())
MEASURED = "#5b6066"
"""Colour of measured tracks."""
UP, DOWN = "#b2182b", "#2166ac"
"""Colours of differences above and below 0, which colour-blind readers can tell apart."""


def track_colours(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each track, `#rrggbb`. Tracks of other names get unused colours first, in order."""
    every = list(dict.fromkeys(names))
    known = {name: TRACK_COLOURS[name] for name in every if name in TRACK_COLOURS}
    free = [colour for colour in OTHERS if colour not in known.values()] or list(OTHERS)
    others = [name for name in every if name not in known]
    return {**known, **{name: free[number % len(free)] for number, name in enumerate(others)}}
