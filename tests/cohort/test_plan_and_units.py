"""The plan as a file, and which values belong to which unit."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cohort_plans import CONTIGS, PLAN
from epigept_batch.cohort.plan import CohortPlan, Computation, Places, Shape
from epigept_batch.cohort.units import Units, default_unit, tiles_of
from epigept_batch.errors import InputError
from epigept_batch.tiling import Geometry, make_tiles

GEOMETRY = Geometry(20, 128)


def test_a_plan_is_read_as_it_was_written():
    read = CohortPlan.of_json(PLAN.to_json().encode(), "plan.json")
    assert read.to_json() == PLAN.to_json()
    assert (read.contigs, read.selection, read.shape) == (PLAN.contigs, PLAN.selection, PLAN.shape)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"genome": {"one": "a", "three": "c"}},
        {"selection": {"one": ((3, 51),)}},
        {"overlap": 128},
        {"tracks": ("CTCF", "DNase")},
        {"samples": 6},
        {"sample_digest": "t"},
        {"expression_digest": "f"},
        {"dtype": "float32"},
        {"shape": Shape(2, 20, 2, 20)},
        {"computation": Computation("cpu", "fp32", 1, 2, 2)},
    ],
)
def test_the_digest_covers_all_that_values_depend_on(change):
    assert replace(PLAN, **change).digest != PLAN.digest


def test_the_digest_does_not_cover_where_inputs_lie():
    assert replace(PLAN, places=Places("x", "y", "z")).digest == PLAN.digest


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda document: document | {"dtype": "float32"}, "the plan was edited after init"),
        (lambda document: document | {"format_version": 2}, "plan has format 2, but this version reads format 1"),
        (lambda document: {key: value for key, value in document.items() if key != "model"}, "the plan is damaged"),
        (lambda document: document | {"contigs": [["one"]]}, "the plan is damaged"),
        (lambda document: document | {"shape": {}}, "the plan is damaged"),
        (lambda document: document | {"further": 1}, "the plan is damaged"),
        (lambda _: {}, "not the plan of a cohort"),
        (lambda _: [], "not the plan of a cohort"),
    ],
)
def test_an_edited_or_damaged_plan_is_refused(edit, said):
    text = json.dumps(edit(json.loads(PLAN.to_json()))).encode()
    with pytest.raises(InputError, match=f"^here/plan.json: {said}"):
        CohortPlan.of_json(text, "here/plan.json")


def test_every_selected_value_belongs_to_one_unit():
    units = Units(PLAN)
    assert [unit.number for unit in units] == list(range(len(units)))
    counts = {contig.name: np.zeros((5, -(-contig.length // 128)), dtype=int) for contig in CONTIGS}
    for unit in units:
        assert unit.bins[0] == unit.block * 40
        assert unit.samples[0] == unit.group * 2
        for tile in tiles_of(PLAN, unit, GEOMETRY):
            for first, last in tile.spans:
                assert unit.bins[0] <= first < last <= unit.bins[1]
                counts[unit.contig.name][slice(*unit.samples), first:last] += 1
    for name, count in counts.items():
        expected = np.zeros_like(count)
        for first, last in PLAN.selection.get(name, ()):
            expected[:, first:last] = 1
        np.testing.assert_array_equal(count, expected)
    # Bins 80 to 120 of "one" have no selected bin, so they have no unit.
    assert [(unit.contig.name, unit.block) for unit in units[::3]] == [("one", 0), ("one", 1), ("one", 3), ("three", 0)]
    assert units[11].samples == (4, 5)
    assert units[8].bins == (120, 157)


@pytest.mark.parametrize("overlap", [0, 512, 1280])
def test_windows_of_units_are_those_of_a_whole_run(overlap):
    plan = replace(PLAN, overlap=overlap)
    whole = make_tiles(CONTIGS, plan.selection, geometry=GEOMETRY, overlap=overlap)
    owner = {(tile.contig, bin_): tile.start for tile in whole for span in tile.spans for bin_ in range(*span)}
    found = {
        (tile.contig, bin_): tile.start
        for unit in Units(plan)[:: Units(plan).groups]
        for tile in tiles_of(plan, unit, GEOMETRY)
        for span in tile.spans
        for bin_ in range(*span)
    }
    assert found == owner


@pytest.mark.parametrize("parts", [1, 2, 5, 12, 40])
def test_partitions_share_the_units(parts):
    units = Units(PLAN)
    shares = [units.share(part, parts) for part in range(1, parts + 1)]
    assert sorted(number for share in shares for number in share) == list(range(12))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_unit_that_is_not_there_is_an_index_error():
    for number in (-1, 12):
        with pytest.raises(IndexError):
            Units(PLAN)[number]


@pytest.mark.parametrize(
    ("samples", "on_gpu", "expected"),
    [
        (1, False, 1),
        (15, False, 15),
        (16, False, 16),
        (500, False, 16),
        (15, True, 15),
        (17, True, 32),
        (900, True, 64),
    ],
)
def test_units_hold_few_samples_or_whole_chunks_of_them(samples, on_gpu, expected):
    assert default_unit(samples, on_gpu=on_gpu)[1] == expected
