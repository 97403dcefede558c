"""Colours of tracks, as readers with colour-vision deficiencies see them."""

from itertools import combinations

import numpy as np
import pytest

from epigept_batch.results.colours import MEASURED, TRACK_COLOURS, track_colours
from epigept_export.architectures import TRACKS

SEEN = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB."""
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1, 1.08883])


def linear(colour):
    """Return linear RGB of `#rrggbb`."""
    rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE 1976 L*a*b* of linear RGB."""
    ratio = XYZ @ np.clip(rgb, 0, 1) / WHITE
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", SEEN)
def test_tracks_can_be_told_apart(vision):
    seen = {name: lab(np.array(SEEN[vision]) @ linear(colour)) for name, colour in TRACK_COLOURS.items()}
    for first, second in combinations(seen, 2):
        assert np.linalg.norm(seen[first] - seen[second]) >= 25, (first, second)


@pytest.mark.parametrize("colour", [*TRACK_COLOURS.values(), MEASURED])
def test_contrast_with_white(colour):
    assert 1.05 / (XYZ[1] @ linear(colour) + 0.05) >= 3


def test_every_published_track_has_its_colour():
    assert set(TRACKS) == set(TRACK_COLOURS)
    assert track_colours(TRACKS) == TRACK_COLOURS


def test_other_tracks_get_colours_that_are_not_in_use():
    found = track_colours(["mine", "DNase", "yours", "mine"])
    assert sorted(found) == ["DNase", "mine", "yours"]
    assert found["DNase"] == TRACK_COLOURS["DNase"]
    assert len(set(found.values())) == 3
    many = track_colours(f"t{number}" for number in range(20))
    assert set(many.values()) == set(TRACK_COLOURS.values())
    assert len(set(track_colours([*TRACKS, "more"]).values())) == 8
