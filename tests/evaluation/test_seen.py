"""What is said of a sample's cell."""

import pytest

from epigept_batch.evaluation.seen import seen_cell
from epigept_batch.inference.model_file import read_spec


@pytest.fixture
def spec(small_model):
    return read_spec(small_model)


def with_cells(spec, *cells):
    from dataclasses import replace

    return replace(spec, training_cells=cells)


@pytest.mark.parametrize(
    ("sample", "nearest", "trained", "seen"),
    [
        ("liver", {"cell": "a", "r": 0.5}, (), False),
        ("A", {"cell": "b", "r": 0.5}, (), True),
        ("liver", {"cell": "a", "r": 0.9995}, (), True),
        ("liver", {"cell": "a", "r": 0.9995}, ("b", "c"), False),
        ("liver", {"cell": "a", "r": 0.9995}, ("a", "c"), True),
        ("liver", {"cell": "a", "r": 0.9995}, ("K562", "H9"), True),
        ("k562", None, ("K562",), True),
        ("liver", None, (), None),
    ],
)
def test_a_cell_is_seen_by_name_or_by_expression(spec, sample, nearest, trained, seen):
    assert seen_cell(sample, nearest, with_cells(spec, *trained)).seen is seen


def test_without_the_model_nothing_is_known():
    found = seen_cell("a", {"cell": "a", "r": 1.0}, None)
    assert found.seen is None
    assert "--model" in found.sentence
