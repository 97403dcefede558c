"""Bins with the sequence around them, against the FASTA's own text."""

import numpy as np
import pytest

from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.stretch import read_stretch
from epigept_batch.tiling import Geometry

LETTERS = "ACGTNNTTGACCATGACCATTACGGATCAGGATTACAGGCATTCAGGACTTACGACGATTAC"


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(f">c\n{LETTERS}\n")
    with Genome(path) as genome:
        yield genome


def tokens_of(start, end):
    """A 0, C 1, G 2, T 3, and 4 for any other and beyond the ends."""
    return [("ACGT".find(LETTERS[n]) if 0 <= n < len(LETTERS) else -1) % 5 for n in range(start, end)]


@pytest.mark.parametrize(("before", "after"), [(0, 0), (3, 7), (5, 0), (0, 6)])
@pytest.mark.parametrize(("first", "bins"), [(0, 2), (3, 4), (5, 5)])
def test_a_stretch_has_its_bins_and_what_lies_around_them(genome, before, after, first, bins):
    geometry = Geometry(4, 8, before, after)
    (contig,) = genome.contigs
    stretch = read_stretch(genome, contig, first, bins, geometry=geometry)
    start, end = first * 8, (first + bins) * 8
    assert geometry.reach(first, bins) == (start - before, end + after)
    np.testing.assert_array_equal(stretch.reach, tokens_of(start - before, end + after))
    np.testing.assert_array_equal(stretch.tokens, tokens_of(start, end))
