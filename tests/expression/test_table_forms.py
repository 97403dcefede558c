"""A matrix in every layout is read right or refused, never wrong."""

from collections import Counter

import pytest

from table_forms import every_form, judge, number_of_forms, some_forms

TRIED, SEEDS = 80, (1, 2, 3)
MOST_REFUSED = 0.15


def test_there_are_as_many_forms_as_choices():
    assert number_of_forms() == sum(1 for _ in every_form()) == 230_400


@pytest.mark.parametrize("seed", SEEDS)
def test_a_matrix_in_any_form_is_read_right_or_refused(seed, tmp_path):
    """Every choice is tried 10 times or more a seed; `benchmarks/tables.py` tries all combinations."""
    forms = some_forms(TRIED, seed)
    found = {form: judge(form, number, tmp_path / "t.tsv") for number, form in enumerate(forms)}
    assert [(str(form), said) for form, (verdict, said) in found.items() if verdict == "wrong"] == []
    counts = Counter(verdict for verdict, _ in found.values())
    assert counts["right"] + counts["refused"] == len(forms) == TRIED
    assert counts["refused"] <= MOST_REFUSED * TRIED
