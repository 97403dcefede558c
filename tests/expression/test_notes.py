"""Sentences that hold for many samples, said once."""

import json

import pytest

from epigept_batch.expression.notes import Note, said_once, samples_in_words


@pytest.mark.parametrize(
    ("names", "total", "words"),
    [
        (["a"], 1, "a"),
        (["a"], 9, "a"),
        (["a", "b"], 2, "a and b"),
        (["a", "b", "c"], 9, "a, b and c"),
        (["a", "b", "c", "d"], 4, "all 4 samples"),
        (["a", "b", "c", "d"], 5, "a, b, c and 1 other"),
        ([f"s{n}" for n in range(1200)], 1201, "s0, s1, s2 and 1,197 others"),
        ([f"s{n}" for n in range(1200)], 1200, "all 1,200 samples"),
    ],
)
def test_samples_in_words(names, total, words):
    assert samples_in_words(names, total) == words


def test_each_sentence_is_said_once_in_the_order_in_which_they_come():
    notes = [("a", ["x", "y"]), ("b", ["y", "x", "x"]), ("c", ["z"]), ("d", ["x"])]
    assert list(said_once(notes)) == ["a, b and d: x", "a and b: y", "c: z"]
    assert list(said_once([])) == []


def test_figures_that_differ_become_a_range():
    sums = [Note("the sum is {} and that of TPM 1,000,000", figure) for figure in (930_000, 1_200_000.4, 910_000)]
    assert sums[0] == "the sum is 930,000 and that of TPM 1,000,000"
    said = said_once([(name, [note]) for name, note in zip("abc", sums, strict=True)])
    assert list(said) == ["a, b and c: the sum is 910,000 to 1,200,000 and that of TPM 1,000,000"]
    assert list(said_once([("a", sums[:1]), ("b", ["else"])])) == [f"a: {sums[0]}", "b: else"]
    assert list(said_once([("a", sums[:1]), ("b", sums[:1])])) == [f"a and b: {sums[0]}"]


def test_what_one_sample_says_more_is_left_out_for_many():
    notes = [Note("r is {}", r, form=".2f", one=f"r of {cell} is {r:.2f}") for cell, r in (("k", 0.211), ("h", 0.214))]
    assert list(said_once([("a", notes[:1])])) == ["a: r of k is 0.21"]
    assert list(said_once([("a", notes[:1]), ("b", notes[1:])])) == ["a and b: r is 0.21"]
    assert json.dumps(notes) == '["r of k is 0.21", "r of h is 0.21"]'
