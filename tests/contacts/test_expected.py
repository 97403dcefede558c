"""SAMPLE.expected.tsv."""

import gzip

import numpy as np
import pandas as pd
import pytest

from epigept_batch.contacts.expected import Expected, read_expected, write_expected
from epigept_batch.errors import InputError


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "s.expected.tsv"
    own = np.array([0.1, 1 / 3, np.nan])
    write_expected(
        found, Expected(256, np.array([0.2, 2 / 3, 7e-7])), pixels=np.array([5, 3, 0]), mean=own, about="s: what it is"
    )
    return found


def test_it_is_a_table_of_distance_pixels_mean_and_expected(path):
    table = pd.read_csv(path, sep="\t", comment="#")
    assert table.columns.tolist() == ["distance_bp", "pixels", "mean", "expected"]
    assert table["distance_bp"].tolist() == [0, 256, 512]
    assert table["pixels"].tolist() == [5, 3, 0]
    np.testing.assert_array_equal(table["mean"], [0.1, 1 / 3, np.nan])
    assert path.read_text().startswith("# s: what it is\n# bin_bp\t256\n")


def test_it_is_read_as_it_was_written(path):
    found = read_expected(path)
    assert found.bin_bp == 256
    np.testing.assert_array_equal(found.values, [0.2, 2 / 3, 7e-7])
    packed = path.with_suffix(".tsv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_expected(packed).values, found.values)


def test_between_known_distances_it_is_interpolated():
    expected = Expected(100, np.array([0.5, 0.25, np.nan, 0.05]))
    found = expected.at(np.array([0.0, 50, 100, 200, 300, 999]))
    np.testing.assert_allclose(found, [0.5, 0.375, 0.25, 0.15, 0.05, 0.05])


@pytest.mark.parametrize(
    ("values", "distances", "known"),
    [
        *(([1, 2], 2, True), ([1, 2], 1, True), ([1, 2], 3, False), ([1, 0], 2, False)),
        *(([1, np.nan], 2, False), ([1, np.nan], 1, True)),
    ],
)  # fmt: skip
def test_what_is_known_of_the_first_distances(values, distances, known):
    assert Expected(256, np.array(values, float)).known(distances) == known


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:0], "not a SAMPLE.expected.tsv of epigept-batch contacts"),
        (lambda text: text.replace("# bin_bp\t256\n", ""), "not a SAMPLE.expected.tsv"),
        (lambda text: text.replace("# bin_bp\t256", "# bin_bp\tx"), "not a SAMPLE.expected.tsv"),
        (lambda text: text.replace("# bin_bp\t256", "# bin_bp\t0"), "not a SAMPLE.expected.tsv"),
        (lambda text: text.replace("distance_bp\t", "distance\t"), "not a SAMPLE.expected.tsv"),
        (lambda text: text.replace("256\t3\t", "512\t3\t"), ":5: a row must have the distance 256, pixels, mean and"),
        (lambda text: text.replace("256\t3\t", "256\t"), ":5: a row must have the distance 256"),
        (lambda text: text.replace("\t0.2\n", "\tx\n"), ":4: a row must have the distance 0"),
        (lambda text: text.replace("\t0.2\n", "\t-0.2\n"), ":4: a row must have the distance 0"),
        (lambda text: text.replace("\t0.2\n", "\tinf\n"), ":4: a row must have the distance 0"),
        (lambda text: text.partition("0\t5")[0], "has no expected contact"),
    ],
)
def test_another_table_is_refused(path, change, said):
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=said):
        read_expected(path)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(InputError, match="absent.tsv: expected contacts cannot be read: No such file"):
        read_expected(tmp_path / "absent.tsv")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="binary: expected contacts cannot be read: not a text table"):
        read_expected(tmp_path / "binary")
