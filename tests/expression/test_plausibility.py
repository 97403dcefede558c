"""What values are taken for."""

import numpy as np
import pytest

from epigept_batch.expression.plausibility import Tally, is_normalised, judge_normalised, judge_tpm
from epigept_batch.spec import ExpressionReference
from quantifications import generate_genes

TPM = generate_genes().tpm


def judged(values):
    """The verdict, on values in one column of two and in two batches."""
    table = np.column_stack([np.full(len(values), 7.5), values])
    tally = Tally(2)
    tally.add(table[: len(table) // 3])
    tally.add(table[len(table) // 3 :])
    return judge_tpm(tally, 1)


@pytest.mark.parametrize(
    ("values", "kind", "refused"),
    [
        (TPM, "TPM", False),
        (TPM * 1.005, "TPM", False),
        (TPM * 0.992, "TPM", False),
        (TPM.round(), "TPM", False),
        (TPM * 0.56, "FPKM, or TPM of some genes", False),
        (TPM * 1.37, "perhaps FPKM", False),
        (TPM[:3000], "TPM of some genes", False),
        (TPM[:3000] * 9, "perhaps FPKM", False),
        (TPM[:100], "too few to judge", False),
        ((TPM * 20).round(), "counts", True),
        ((TPM / 20).round(), "counts", True),
        (TPM * 20.1, "counts", True),
        ((TPM[:3000] * 20).round(), "counts", False),
        (np.log2(TPM + 1), "log2(TPM + 1)", True),
        (np.log2(TPM + 1).round(3), "log2(TPM + 1)", True),
        (np.log1p(TPM), "ln(TPM + 1)", True),
        (np.log10(TPM + 1), "log10(TPM + 1)", True),
        (np.log2(TPM * 0.6 + 1), "logarithms", True),
        (np.log2(TPM[:3000] + 1), "logarithms", False),
        (np.linspace(0, 19.9, 3000), "logarithms", False),
        (np.linspace(0, 20.1, 3000), "TPM of some genes", False),  # log2 of a million is 19.9
        (np.linspace(0, 29, 16000), "logarithms", True),
    ],
)
def test_verdicts(values, kind, refused):
    verdict = judged(values)
    assert (verdict.kind, verdict.refused) == (kind, refused)
    assert bool(verdict.note) == (kind not in {"TPM", "too few to judge", "TPM of some genes"})


@pytest.fixture
def reference():
    return ExpressionReference(tuple("abc"), np.random.default_rng(4).gamma(0.3, 30, (711, 3)))


def test_normalised_values_are_those_of_the_reference(reference):
    rng = np.random.default_rng(5)
    values = rng.permutation(reference.distribution)
    assert is_normalised(values, reference)
    assert is_normalised(values.round(3), reference)
    assert not is_normalised(values * 1.1, reference)
    assert not is_normalised(TPM[:711], reference)
    flat = ExpressionReference(("a",), np.ones((1, 1)))
    assert is_normalised(np.ones(1), flat)
    assert not is_normalised(np.full(1, 2.0), flat)


def test_what_is_given_as_normalised_and_is_not(reference):
    values = np.random.default_rng(5).permutation(reference.distribution)
    whole, part = judged(TPM), judged(TPM[:3000])
    assert judge_normalised(values, whole, reference).kind == "quantile-normalised"
    raw = judge_normalised(TPM[:711], whole, reference)
    assert raw.refused
    assert raw.note.endswith("omit --normalised")
    assert judge_normalised(values * 2, part, reference).refused
    assert judge_normalised(np.log1p(values), part, reference).refused
    few = np.where(np.arange(711) < 3, values, 0)
    assert not is_normalised(few, reference)  # zeros say nothing
