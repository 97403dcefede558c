"""Contacts of a region, against loops over the pixels."""

import numpy as np
import pytest

from contact_files import write_cool
from epigept_batch.contacts.contact_file import RAW, ContactFile
from epigept_batch.figures.triangle import read_triangle
from epigept_batch.tiling import Contig, Region

LENGTHS = {"a": 30_000, "b": 100_500}
BIN = 1000


@pytest.fixture(scope="module")
def pixels():
    """Pixels of contig b, by its own bins."""
    rng = np.random.default_rng(5)
    return {
        (i, j): float(rng.gamma(2, 1)) for i in range(101) for j in range(i, min(101, i + 20)) if rng.random() < 0.7
    }


@pytest.fixture(scope="module")
def path(pixels, tmp_path_factory):
    about = {"epigept-batch": {"values": "observed/expected", "window_bp": 20_000}}
    rows = [(i + 30, j + 30, value) for (i, j), value in sorted(pixels.items())]
    return write_cool(tmp_path_factory.mktemp("map") / "s.contacts.cool", LENGTHS, BIN, rows, metadata=about)


def read(path, start, end, most=1000):
    file = ContactFile(str(path), normalisation=RAW)
    panel = read_triangle(file, "s", Contig("b", 100_500), Region("b", start, end), most=most)
    file.close()
    return panel


def found(panel):
    rows = zip(panel.first.tolist(), panel.distance.tolist(), panel.values.tolist(), strict=True)
    return {(first, distance): value for first, distance, value in rows}


@pytest.mark.parametrize(("start", "end"), [(0, 100_500), (12_345, 60_001), (90_000, 100_500), (5000, 5500)])
def test_pixels_of_the_bins_that_overlap_the_region(path, pixels, start, end):
    first, last = start // BIN, -(-end // BIN)
    expected = {(i * BIN, (j - i) * BIN): value for (i, j), value in pixels.items() if first <= i and j < last}
    panel = read(path, start, end)
    assert found(panel) == pytest.approx(expected)
    assert panel.is_ratio
    assert (panel.bin_bp, panel.merged) == (BIN, 1)
    assert panel.reach == min(20, last - first) * BIN


def test_many_bins_are_merged_to_the_mean_of_the_pixels_that_are_there(path, pixels, monkeypatch):
    monkeypatch.setattr("epigept_batch.figures.triangle.ROWS_AT_ONCE", 7)
    panel = read(path, 3000, 100_500, most=40)
    groups = {}
    for (i, j), value in pixels.items():
        if i >= 3:
            row, column = (i - 3) // 3, (j - 3) // 3
            groups.setdefault((3000 + row * 3000, (column - row) * 3000), []).append(value)
    assert panel.merged == 3
    assert found(panel) == pytest.approx({place: np.mean(values) for place, values in groups.items()})


def test_a_contig_without_contacts(path):
    file = ContactFile(str(path), normalisation=RAW)
    panel = read_triangle(file, "s", Contig("a", 30_000), Region("a", 0, 30_000), most=100)
    assert len(panel.values) == 0
    assert len(read_triangle(file, "s", Contig("z", 30_000), Region("z", 0, 30_000), most=100).values) == 0
    file.close()
