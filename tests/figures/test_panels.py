"""Scales of panels."""

import numpy as np
import pytest

from epigept_batch.figures.columns import Columns
from epigept_batch.figures.panels import SignalPanel, highest, with_limits


def panel(values, track="DNase", *, is_difference=False):
    found = np.array(values, dtype=np.float32)
    edges = np.arange(len(found) + 1)
    return SignalPanel(track, "a", Columns(edges, found, found, found, 1), "#000000", is_difference=is_difference)


@pytest.mark.parametrize(("values", "size"), [([-3, 1], 3), ([-1, 3], 3), ([np.nan, -0.25], 0.25)])
def test_a_difference_has_the_larger_side_on_both(values, size):
    one = panel(values, is_difference=True)
    for scale in ("common", "own"):
        (found,) = with_limits([one], scale, highest([[one]]))
        assert found.limits == (-size, size)


def test_tracks_and_their_differences_have_scales_of_their_own():
    pages = [[panel([1, 2]), panel([9], "CTCF")], [panel([5]), panel([-7], is_difference=True)]]
    tops = highest(pages)
    assert [one.limits for one in with_limits(pages[0], "common", tops)] == [(0, 5), (0, 9)]
    assert [one.limits for one in with_limits(pages[1], "common", tops)] == [(0, 5), (-7, 7)]
    assert [one.limits for one in with_limits(pages[0], "own", tops)] == [(0, 2), (0, 9)]
    assert [one.limits for one in with_limits(pages[1], 4.0, tops)] == [(0, 4), (-4, 4)]


def test_infinite_values_and_no_data_do_not_set_a_scale():
    one, two = panel([1, np.inf]), panel([np.nan], "CTCF")
    found = with_limits([one, two], "common", highest([[one, two]]))
    assert [panel.limits for panel in found] == [(0, 1), (0, 1)]
