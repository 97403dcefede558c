"""The strongest pairs, against pandas."""

import numpy as np
import pandas as pd
import pytest

from epigept_batch.contacts import strongest
from epigept_batch.contacts.strongest import Candidates, Rule, Strongest, write_bedpe, write_interact
from epigept_batch.tiling import Contig

CONTIGS = (Contig("one", 10_000), Contig("two", 5_100))


def made(number, seed=1):
    rng = np.random.default_rng(seed)
    contig = np.sort(rng.integers(0, 2, number))
    first = rng.integers(0, 10, number)
    # Few different values, so that many are equal.
    observed = rng.integers(1, 6, number) / 4
    return Candidates(contig, first, first + rng.integers(0, 9, number), observed, np.full(number, 0.5))


@pytest.mark.parametrize("waiting", [0, 7, 1 << 16])
@pytest.mark.parametrize(("number", "least"), [(1, 0), (10, 3), (40, 3), (1000, 3), (5, 20)])
def test_they_are_those_with_the_highest_ratio_the_first_of_equal_ones_in_genome_order(
    monkeypatch, waiting, number, least
):
    monkeypatch.setattr(strongest, "WAITING", waiting)
    every, chosen = made(200), Strongest(number, least)
    for begin in range(0, 200, 13):
        chosen.add(every.chosen(np.arange(begin, min(begin + 13, 200))))
    table = pd.DataFrame({**every._asdict(), "ratio": every.ratio})
    far = table[table["second"] - table["first"] >= least]
    expected = far.sort_values("ratio", ascending=False, kind="stable").head(number).sort_index()
    found = chosen.pairs()
    for name in Candidates._fields:
        np.testing.assert_array_equal(getattr(found, name), expected[name])


@pytest.mark.parametrize(("share", "candidates", "number"), [(0.001, 0, 0), (0.001, 10, 1), (0.5, 10, 5), (1, 7, 7)])
def test_the_number_is_a_share_of_the_candidates_and_at_least_one(share, candidates, number):
    assert Rule("s", share, 1024, candidates, 512).number == number


@pytest.fixture
def rule():
    return Rule("my sample", 0.25, 1024, 8, 512)


@pytest.fixture
def pairs():
    return Candidates(*map(np.array, ([0, 1], [3, 7], [6, 9], [0.3, 0.6], [0.2, 0.15])))


def test_bedpe_has_the_rule_and_its_threshold_in_the_header(tmp_path, rule, pairs):
    path = tmp_path / "s.bedpe"
    write_bedpe(path, CONTIGS, pairs, rule)
    lines = path.read_text().splitlines()
    assert "not measured contacts" in lines[0]
    assert lines[1] == (
        "# the strongest 0.25 of 8 pairs of 512 bp bins at least 1,024 bp apart: 2 pairs, "
        "observed/expected of at least 1.5"
    )
    assert lines[2].startswith("#chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tname\tscore")
    assert [line.split("\t") for line in lines[3:]] == [
        ["one", "1536", "2048", "one", "3072", "3584", "my sample_1", "1.5", ".", ".", "0.3", "0.2"],
        ["two", "3584", "4096", "two", "4608", "5100", "my sample_2", "4", ".", ".", "0.6", "0.15"],
    ]


def test_interact_has_eighteen_columns_with_scores_up_to_1000(tmp_path, rule, pairs):
    path = tmp_path / "s.interact"
    write_interact(path, CONTIGS, pairs, rule)
    lines = path.read_text().splitlines()
    assert lines[0].startswith(
        'track type=interact name="my sample contacts" description="my sample: the strongest 0.25'
    )
    assert "at least 1.5" in lines[0]
    first, second = (line.split("\t") for line in lines[2:])
    assert first == [
        *("one", "1536", "3584", "my sample_1", "375", "1.5", "my_sample", "0"),
        *("one", "1536", "2048", ".", ".", "one", "3072", "3584", ".", "."),
    ]
    assert (second[4], second[2], second[15]) == ("1000", "5100", "5100")
    assert len(first) == len(second) == 18


def test_without_any_pair_the_files_say_so(tmp_path, rule):
    none = Strongest(0, 1).pairs()
    for write in (write_bedpe, write_interact):
        write(tmp_path / "empty", CONTIGS, none, rule)
        lines = (tmp_path / "empty").read_text().splitlines()
        assert any("0 pairs, none" in line for line in lines)
        assert all(line.startswith(("#", "track")) for line in lines)
