"""Statistics of regions, against values per base and against pybigtools."""

import numpy as np
import pybigtools
import pytest

from epigept_batch.matrix.regions import ContigRows
from epigept_batch.matrix.statistic import STATISTICS, merged, statistic_of
from epigept_batch.tiling import Contig
from epigept_batch.tracks.records import Records

LENGTH = 4000


def random_records(rng, longest):
    """Disjoint records with gaps, some of which touch."""
    starts, ends, at = [], [], int(rng.integers(0, 50))
    while at < LENGTH - longest:
        end = at + int(rng.integers(1, longest + 1))
        starts.append(at)
        ends.append(end)
        at = end + int(rng.integers(1, 60) if rng.random() < 0.3 else 0)
    values = rng.normal(size=len(starts)).astype(np.float32)
    return Records(np.array(starts), np.array(ends), values)


def random_rows(rng, number):
    starts = np.sort(rng.integers(0, LENGTH - 1, number))
    longest = np.where(rng.random(number) < 0.5, 30, LENGTH)
    ends = np.minimum(starts + 1 + (rng.random(number) * longest).astype(int), LENGTH)
    return rows_of(starts, ends)


def rows_of(starts, ends):
    return ContigRows(Contig("one", LENGTH), slice(0, len(starts)), np.array(starts), np.array(ends))


def in_parts(records, size):
    for first in range(0, len(records.starts), size):
        part = slice(first, first + size)
        yield Records(records.starts[part], records.ends[part], records.values[part])


def naive(records, rows, statistic):
    bases = np.full(LENGTH, np.nan)
    for start, end, value in zip(records.starts, records.ends, records.values, strict=True):
        bases[start:end] = value
    found = []
    for start, end in zip(rows.starts, rows.ends, strict=True):
        part = bases[start:end]
        known = part[~np.isnan(part)]
        if statistic == "coverage":
            found.append(len(known) / len(part))
        elif not len(known):
            found.append(np.nan)
        else:
            found.append(known.mean() if statistic == "mean" else known.max())
    return np.array(found)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("longest", [1, 20, 128])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_every_base_counts_once(statistic, longest, size):
    rng = np.random.default_rng(longest)
    for _ in range(4):
        records, rows = random_records(rng, longest), random_rows(rng, 200)
        found = statistic_of(in_parts(records, size), rows, statistic)
        np.testing.assert_allclose(found, naive(records, rows, statistic), rtol=1e-12, atol=1e-13)


def test_regions_by_hand():
    records = Records(np.array([10, 20, 40]), np.array([20, 30, 50]), np.array([1, 3, -2], dtype=np.float32))
    starts, ends = [0, 0, 5, 12, 15, 15, 25, 30, 30, 45, 49, 50], [10, 11, 60, 13, 20, 25, 45, 40, 41, 46, 70, 60]
    expected = {
        "mean": [np.nan, 1, 20 / 30, 1, 1, 2, 0.5, np.nan, -2, -2, -2, np.nan],
        "max": [np.nan, 1, 3, 1, 1, 3, 3, np.nan, -2, -2, -2, np.nan],
        "coverage": [0, 1 / 11, 30 / 55, 1, 1, 1, 0.5, 0, 1 / 11, 1, 1 / 21, 0],
    }
    for statistic, values in expected.items():
        found = statistic_of([records], rows_of(starts, ends), statistic)
        np.testing.assert_allclose(found, values, rtol=1e-15)
        assert found.dtype == np.float64
    assert np.isnan(statistic_of([], rows_of([0], [9]), "mean")).all()


def test_a_small_region_beside_large_values_is_exact():
    values = np.full(1000, 1e6, dtype=np.float32)
    values[500] = 1e-4
    records = Records(np.arange(1000), np.arange(1, 1001), values)
    found = statistic_of([records], rows_of([499, 500], [502, 501]), "mean")
    np.testing.assert_allclose(found, [(2e6 + float(values[500])) / 3, float(values[500])], rtol=1e-15)


def test_the_mean_is_that_of_average_over_bed(tmp_path):
    rng = np.random.default_rng(5)
    records, rows = random_records(rng, 40), random_rows(rng, 300)
    path, bed = tmp_path / "t.bw", tmp_path / "r.bed"
    written = zip(records.starts.tolist(), records.ends.tolist(), records.values.tolist(), strict=True)
    pybigtools.open(str(path), "w").write({"one": LENGTH}, (("one", *record) for record in written))
    places = zip(rows.starts, rows.ends, strict=True)
    bed.write_text("".join(f"one\t{start}\t{end}\tr{n}\n" for n, (start, end) in enumerate(places)))
    with pybigtools.open(str(path)) as file:
        theirs = list(file.average_over_bed(str(bed), stats=["mean", "max", "bases"]))
    covered = np.array([bases for _, _, bases in theirs])
    means, most = (np.where(covered > 0, [row[column] for row in theirs], np.nan) for column in (0, 1))
    np.testing.assert_allclose(statistic_of([records], rows, "mean"), means, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(statistic_of([records], rows, "max"), most)
    np.testing.assert_allclose(statistic_of([records], rows, "coverage"), covered / (rows.ends - rows.starts))


def test_intervals_are_joined():
    starts, ends = merged(np.array([1, 2, 5, 9, 9, 20]), np.array([8, 3, 6, 12, 10, 21]))
    assert (starts.tolist(), ends.tolist()) == ([1, 9, 20], [8, 12, 21])
    starts, ends = merged(np.array([1, 4]), np.array([4, 5]))  # which touch
    assert (starts.tolist(), ends.tolist()) == ([1], [5])
