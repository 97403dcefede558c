"""Which windows and cells are trained on and held out."""

from types import SimpleNamespace

import numpy as np
import pytest

from epigept_batch.errors import InputError
from epigept_batch.tiling import Contig

pytest.importorskip("lightning")

from epigept_export.training.config import SplitConfig
from epigept_export.training.split import Window, split_data

BP = 1000
ONE, TWO = Contig("one", 9_500), Contig("two", 3_000)
WINDOWS = [*(Window(ONE, n) for n in range(10)), *(Window(TWO, n) for n in range(3))]
CELLS = ("a", "b", "c", "d")


def split(tmp_path, *, has_tracks=(True, True, True, True), **lists):
    config = SimpleNamespace(path=tmp_path / "train.toml", split=SplitConfig(**lists))
    parts = split_data(config, WINDOWS, CELLS, np.array(has_tracks), window_bp=BP)
    return [(list(part.windows), list(part.cells)) for part in parts]


def test_contigs_and_cells(tmp_path):
    lists = {"validation_contigs": ("two",), "validation_cells": ("b",), "test_cells": ("d",)}
    assert split(tmp_path, **lists) == [(list(range(10)), [0, 2]), ([10, 11, 12], [1])]


def test_a_window_with_any_base_in_a_region_is_held_out(tmp_path):
    lists = {"validation_regions": ("one:2001-3001",), "test_regions": ("one:8,000-8,001", "two:3000")}
    training, validation = split(tmp_path, validation_cells=("b",), **lists)
    # 1-based: base 2,001 is the first of window 2 and 3,001 of window 3; 8,000 is the last of window 7.
    assert validation == ([2, 3], [1])
    assert training == ([0, 1, 4, 5, 6, 9, 10, 11], [0, 2, 3])


def test_a_region_without_its_borders_ends_at_the_window(tmp_path):
    training, validation = split(tmp_path, validation_regions=("one:2001-3000",), validation_cells=("b",))
    assert validation[0] == [2]
    assert 2 not in training[0]


def test_a_window_for_validation_and_tests_is_for_tests(tmp_path):
    lists = {"validation_regions": ("one:1-3000",), "test_regions": ("one:1500-1600",), "test_contigs": ("two",)}
    training, validation = split(tmp_path, validation_cells=("b",), **lists)
    assert validation[0] == [0, 2]
    assert training[0] == [3, 4, 5, 6, 7, 8, 9]


def test_without_validation_cells_the_trained_ones_are_validated(tmp_path):
    assert split(tmp_path, validation_contigs=("two",), test_cells=("a",)) == [
        (list(range(10)), [1, 2, 3]),
        ([10, 11, 12], [1, 2, 3]),
    ]


def test_cells_without_tracks_are_in_no_part(tmp_path):
    has_tracks = (True, False, True, False)
    lists = {"validation_contigs": ("two",), "validation_cells": ("c", "d")}
    assert [cells for _, cells in split(tmp_path, has_tracks=has_tracks, **lists)] == [[0], [2]]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({}, "split leaves no window to validate on"),
        ({"validation_contigs": ("one", "two")}, "split leaves no window to train on"),
        ({"validation_contigs": ("two",), "test_cells": CELLS}, "split leaves no cell with a track to train on"),
        (
            {"validation_contigs": ("two",), "validation_cells": ("d",), "has_tracks": (True, True, True, False)},
            "split leaves no cell with a track to validate on",
        ),
        ({"validation_regions": ("three:1-10",)}, "split.validation_regions three:1-10"),
        ({"test_regions": ("one:20-10",)}, "split.test_regions one:20-10"),
    ],
)
def test_what_cannot_be_split(tmp_path, lists, message):
    with pytest.raises(InputError) as error:
        split(tmp_path, **lists)
    assert str(error.value).startswith(str(tmp_path / "train.toml"))
    assert message in str(error.value)
