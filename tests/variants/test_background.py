"""Random variants like those of a file."""

import numpy as np
import pytest

from epigept_batch.sequence.genome import Genome
from epigept_batch.tiling import Contig, Region
from epigept_batch.variants.background import (
    DISTANCES,
    Background,
    Drawing,
    Features,
    Strata,
    Stratum,
    percentiles,
    stratum_of,
)
from epigept_batch.variants.changes import Change
from epigept_batch.variants.variant import Variant, place

ONE = Contig("one", 20_000)


@pytest.mark.parametrize(
    ("change", "ref", "expected"),
    [
        (Change(5, 1, "G"), "a", "A>G"),
        (Change(5, 2, "GT"), "AC", "MNV 2"),
        (Change(5, 0, "A"), "", "insertion 1"),
        (Change(5, 0, "AAA"), "", "insertion 3-4"),
        (Change(5, 5, ""), "AAAAA", "deletion 5-8"),
        (Change(5, 9, ""), "AAAAAAAAA", "deletion 9-16"),
        (Change(5, 1, "GTA"), "A", "complex 2"),
    ],
)
def test_kinds(change, ref, expected):
    assert stratum_of(change, ref) == expected


def test_distances_to_the_nearest_feature_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    spans = [(int(a), int(a) + int(rng.integers(1, 900))) for a in rng.integers(0, 19_000, 12)]
    features = Features([Region("one", *span) for span in spans], [ONE, Contig("two", 9)])
    positions = rng.integers(0, 20_000, 400)
    expected = [min(max(a - p, p - b + 1, 0) for a, b in spans) for p in positions]
    np.testing.assert_array_equal(features.distance("one", positions), expected)
    classes = [sum(d > bound for bound in DISTANCES) for d in expected]
    np.testing.assert_array_equal(features.classes("one", positions), classes)
    assert (features.classes("two", np.arange(9)) == len(DISTANCES)).all()


def test_percentiles_count_the_smaller_ones():
    sizes = np.arange(100, dtype=np.float32)[:, None, None]
    assert percentiles(sizes, np.float32([[-10.0]])) == pytest.approx(10.5 / 101)
    assert percentiles(sizes, np.float32([[0.0]])) == pytest.approx(0.5 / 101)
    assert percentiles(sizes, np.float32([[500.0]])) == pytest.approx(100.5 / 101)
    assert np.isnan(percentiles(sizes[:99], np.float32([[1.0]])))


@pytest.fixture
def drawing(fasta):
    """Drawing for variants of all kinds, with features at 5,000 to 6,000."""
    with Genome(fasta) as genome:
        contigs = {contig.name: contig for contig in genome.contigs}
        strata = Strata(Features([Region("one", 5_000, 6_000)], genome.contigs))
        bases = genome.letters(contigs["one"], 0, 20_000).decode().upper()
        place_ = next(i for i in range(5_100, 6_000) if set(bases[i : i + 20]) <= set("ACGT"))
        ref = bases[place_ : place_ + 20]
        alts = {1: next(b for b in "ACGT" if b != ref[0])}
        rows = [(ref[0], alts[1]), (ref[:6], ref[0]), (ref[0], ref[0] + "ACGTA")]
        rows.append((ref[:3], "".join("ACGT"["TGCA".index(base)] for base in ref[:3])))
        placed = [
            place(Variant(number, "one", place_, ".", *row[:1], (row[1],)), contigs, genome, longest=1000)
            for number, row in enumerate(rows)
        ]
        for one in placed:
            strata.add(one)
        yield Drawing(genome, list(contigs.values()), strata, 5), strata, placed


def test_drawn_variants_are_of_the_stratum_on_bases_and_off_the_input(drawing):
    drawn, strata, placed = drawing
    contigs = {contig.name: contig for contig in drawn.contigs}
    assert len(strata.shapes) == 4
    for stratum in strata.shapes:
        assert stratum.distance == 0
        variants = drawn.draw(stratum, 50)
        assert len(variants) == 50
        assert len({(one.contig, one.position) for one in variants}) == 50
        assert drawn.draw(stratum, 50) == variants
        for one in variants:
            found = place(one, contigs, drawn.genome, longest=1000)
            assert [(kind, change is not None) for kind, change in strata.of(found)] == [(stratum, True)]
            assert 5_000 <= one.position < 6_000
            assert one.position != placed[0].variant.position


def test_a_stratum_that_is_too_rare_gives_fewer(drawing):
    drawn, strata, _ = drawing
    kind = next(one.kind for one in strata.shapes if ">" in one.kind)
    strata.shapes[Stratum(kind, 1)] = strata.shapes[Stratum(kind, 0)]
    assert len(drawn.draw(Stratum(kind, 0), 400)) < 400


def test_ranks_are_within_the_stratum(drawing):
    _, strata, placed = drawing
    first, second = (next(iter(strata.of(one)))[0] for one in placed[:2])
    small, large = np.full((100, 1, 2), 1, np.float32), np.full((150, 1, 2), 9, np.float32)
    background = Background.of(strata, {first: range(100), second: range(150)}, np.concatenate([small, -large]))
    found, counts = background.ranks(placed, np.full((4, 1, 2), -5, np.float32))
    assert counts.tolist() == [100, 150, 0, 0]
    np.testing.assert_allclose(found[:2, 0, 0], [100.5 / 101, 0.5 / 151], rtol=1e-6)
    assert np.isnan(found[2:]).all()
