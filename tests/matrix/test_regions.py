"""Rows of a matrix: regions in any order, and bins on the grid."""

import numpy as np
import pytest

from epigept_batch.matrix.regions import BinRows, RegionRows
from epigept_batch.tiling import Contig, Region

CONTIGS = (Contig("one", 1000), Contig("two", 250), Contig("three", 50))


def listed(rows):
    """The places of all rows, taken in two parts."""
    middle = len(rows) // 2
    found = []
    for first, last in ((0, middle), (middle, len(rows))):
        places = rows.places(first, last)
        found += zip(places.chroms, places.starts.tolist(), places.ends.tolist(), strict=True)
    return found


def by_contig(rows):
    """The places of the rows by number, from the contigs."""
    found = {}
    for there in rows.by_contig():
        assert (np.diff(there.starts) >= 0).all()
        for number, start, end in zip(np.arange(len(rows))[there.numbers], there.starts, there.ends, strict=True):
            found[int(number)] = (there.contig.name, int(start), int(end))
    return [found[number] for number in range(len(rows))]


def test_regions_keep_their_order():
    given = [("two", 5, 9), ("one", 500, 600), ("one", 0, 1000), ("two", 5, 9), ("one", 500, 501)]
    rows = RegionRows([Region(*place, f"n{n}" if n else "") for n, place in enumerate(given)], CONTIGS)
    assert listed(rows) == given
    assert by_contig(rows) == given
    assert rows.places(0, 2).names == [".", "n1"]
    assert rows.named
    assert [there.contig.name for there in rows.by_contig()] == ["one", "two"]


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ([Region("two", 0, 250)], [("two", 0, 100), ("two", 100, 200), ("two", 200, 250)]),
        ([Region("one", 99, 101)], [("one", 0, 100), ("one", 100, 200)]),
        ([Region("one", 100, 200)], [("one", 100, 200)]),
        (
            [Region("three", 10, 20), Region("one", 950, 1000), Region("one", 0, 1), Region("one", 5, 90)],
            [("one", 0, 100), ("one", 900, 1000), ("three", 0, 50)],
        ),
    ],
)
def test_bins_lie_on_the_grid(regions, expected):
    rows = BinRows(100, regions, CONTIGS)
    assert len(rows) == len(expected)
    assert listed(rows) == expected
    assert by_contig(rows) == expected
    assert rows.places(0, 1).names is None
    assert not rows.named
