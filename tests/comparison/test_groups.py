"""Groups as users name them, and the differences between them."""

import pytest

from epigept_batch.comparison.groups import Group, make_contrasts, parse_groups
from epigept_batch.errors import InputError


def names(groups, **options):
    return [contrast.name for contrast in make_contrasts(groups, **{"control": None, "with_mean": False} | options)]


def test_samples_and_groups():
    assert parse_groups(["a", "b"], []) == [Group("a", ("a",)), Group("b", ("b",))]
    assert parse_groups([], ["case=a, b", "control=c"]) == [Group("case", ("a", "b")), Group("control", ("c",))]
    assert parse_groups([], ["case=a=1"]) == [Group("case", ("a=1",))]


@pytest.mark.parametrize(
    ("samples", "groups", "said"),
    [
        (["a"], ["x=b"], "not both"),
        ([], ["x"], "not of the form"),
        ([], ["x=a,,b"], "not of the form"),
        ([], ["=a"], "cannot be the name"),
        ([], ["x/y=a"], "cannot be the name"),
        ([], ["training-mean=a"], "cannot be the name"),
        ([], ["x=a", "x=b"], "a group with this name exists"),
        ([], ["x=a", "y=b,a"], "sample 'a' is named twice"),
        ([], ["x=a,a", "y=b"], "sample 'a' is named twice"),
        (["a", "b", "a"], [], "a: named twice"),
    ],
)
def test_groups_that_cannot_be(samples, groups, said):
    with pytest.raises(InputError, match=said):
        parse_groups(samples, groups)


def test_each_group_is_compared_with_the_last_or_the_named_one():
    groups = parse_groups(["a", "b", "c"], [])
    assert names(groups) == ["a-minus-c", "b-minus-c"]
    assert names(groups, control="a") == ["b-minus-a", "c-minus-a"]
    assert names(groups, with_mean=True) == [f"{name}-minus-training-mean" for name in "abc"]


@pytest.mark.parametrize(
    ("samples", "options", "said"),
    [
        (["a"], {}, "at least two"),
        ([], {}, "at least two"),
        (["a", "b"], {"control": "c"}, "groups, which are a, b"),
        (["a", "b"], {"control": "a", "with_mean": True}, "no effect with --mean"),
    ],
)
def test_differences_that_cannot_be(samples, options, said):
    with pytest.raises(InputError, match=said):
        names(parse_groups(samples, []), **options)


def test_what_is_tested():
    one, two, three = Group("a", ("a",)), Group("b", ("b", "c")), Group("d", ("d",))
    assert make_contrasts([one, two], control=None, with_mean=False)[0].why_no_test is None
    assert "replicates" in make_contrasts([one, three], control=None, with_mean=False)[0].why_no_test
    assert "replicates" in make_contrasts([two], control=None, with_mean=True)[0].why_no_test
