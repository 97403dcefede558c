"""Letters of a genome, counted over a sample of it, against a count letter by letter."""

import random
import re

import pytest

from epigept_batch.sequence import composition
from epigept_batch.sequence.composition import LONG_RUN_BP, Composition, composition_of, count_letters
from epigept_batch.sequence.genome import Genome
from epigept_batch.tiling import Region


def naive(text):
    """The same, by regular expressions."""
    judged, no_base = len(text), 0
    for run in re.finditer("[^ACGTUacgtu]+", text):
        length = run.end() - run.start()
        if length >= LONG_RUN_BP or run.start() == 0 or run.end() == len(text):
            judged -= length
        else:
            no_base += length
    upper = text.upper()
    return Composition(len(text), judged, no_base, upper.count("T"), upper.count("U"))


CASES = {
    "bases": "ACGTacgt" * 9,
    "nothing": "",
    "all N": "N" * 50,
    "N at both ends": "NNN" + "ACGT" * 5 + "NN",
    "masked": "ACGTNNNNACnnGT" * 7,
    "masked by X": "ACGTXXXXACGT",
    "IUPAC": "ACGTRYACGT",
    "RNA": "ACGUacgu" * 3,
    "one U": "ACGTACGU",
    "a gap": "ACGT" + "N" * LONG_RUN_BP + "ACNGT",
    "no gap": "ACGT" + "N" * (LONG_RUN_BP - 1) + "ACNGT",
    "random": "".join(random.Random(3).choices("ACGTUNnacgtRX-", k=5000)),
}


@pytest.mark.parametrize("name", CASES)
def test_letters_are_counted(name):
    assert count_letters(CASES[name].encode()) == naive(CASES[name])


def test_shares():
    found = count_letters(b"ACGT" + b"N" * 6 + b"ACGTACGTAC")
    assert found.masked == pytest.approx(6 / 20)
    assert found.rna == 0
    assert count_letters(b"ACGUT").rna == 0.5
    assert count_letters(b"ACGUU").rna == 1
    assert (count_letters(b"NNN").masked, count_letters(b"").rna) == (0, 0)


@pytest.fixture
def genome(tmp_path):
    """Two contigs of 600 bp, the second half masked, in lines of 60."""
    masked = ("ACGTA" + "NNNNN") * 60
    path = tmp_path / "g.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in (("a", "ACGT" * 150), ("b", masked))))
    return Genome(path)


def test_short_regions_are_looked_at_whole_and_no_others(genome):
    found = composition_of(genome, [Region("a", 0, 600), Region("b", 0, 100)])
    assert (found.looked_at, found.no_base, found.judged) == (700, 45, 695)
    assert composition_of(genome, [Region("a", 10, 20)]).looked_at == 10
    assert composition_of(genome, []) == Composition()


def test_of_long_ones_windows_all_over_are(genome, monkeypatch):
    monkeypatch.setattr(composition, "WINDOWS", 12)
    monkeypatch.setattr(composition, "WINDOW_BP", 20)
    asked = []
    letters = Genome.letters
    monkeypatch.setattr(
        Genome,
        "letters",
        lambda self, contig, *place: asked.append((contig.name, *place)) or letters(self, contig, *place),
    )
    found = composition_of(genome, [Region("a", 0, 600), Region("b", 0, 600)])
    assert asked == [(name, start, start + 20) for name in "ab" for start in range(40, 600, 100)]
    assert found.looked_at == 240
    assert found.masked == pytest.approx(30 / 210)  # each window of b ends in a run that may go on
    asked.clear()
    composition_of(genome, [Region("b", 0, 300)])
    assert asked[0] == ("b", 2, 22)
    assert asked[-1] == ("b", 277, 297)
