"""How far a cohort is, from times of which the rate is known."""

import pytest

from epigept_batch.cohort.marker import Marker
from epigept_batch.cohort.standing import standing_of


def markers(ends, process=1):
    return [Marker(0, "p", {}, {"host": "h", "process": str(process), "device": "cpu"}, end, {}, 3) for end in ends]


@pytest.mark.parametrize(
    ("ends", "rate"),
    [
        ([], None),
        ([5.0], None),
        ([5.0, 5.0], None),
        ([0.0, 20.0, 10.0], 2 / 20),
        # Ten slow units and ten fast ones: the rate is that of the last 15 minutes.
        ([*(1000.0 * n for n in range(10)), *(9000.0 + 10 * n for n in range(1, 11))], 10 / 100),
        # One unit in the last 15 minutes says little: the rate is that of the last eight.
        ([*(10.0 * n for n in range(20)), *(1000.0 * n for n in range(1, 13))], 7 / 7000),
    ],
)
def test_the_rate_is_that_of_the_latest_units(ends, rate):
    standing = standing_of(markers(ends), 100)
    assert standing.rate == (None if rate is None else pytest.approx(rate))
    assert (standing.done, standing.pairs, standing.last) == (len(ends), 3 * len(ends), max(ends, default=None))
    left = None if rate is None else pytest.approx((100 - len(ends)) / rate)
    assert standing.seconds_left == left


def test_nothing_is_left_when_all_is_done():
    assert standing_of(markers([5.0]), 1).seconds_left == 0


def test_workers_are_counted_most_first():
    standing = standing_of(markers([1.0], process=1) + markers([2.0, 3.0], process=2), 5)
    assert list(standing.workers.items()) == [("h:2 cpu", 2), ("h:1 cpu", 1)]
    nameless = Marker(0, "p", {}, {}, 1.0, {}, 1)
    assert standing_of([nameless], 2).workers == {"?:? ?": 1}
