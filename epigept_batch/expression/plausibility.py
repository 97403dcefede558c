"""Judge whether the values of a table really are TPM, and not logarithms, counts or FPKM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.expression.notes import Note

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from epigept_batch.spec import ExpressionReference

MILLION = 1e6
ROUNDING = 0.01
"""Relative deviation allowed for rounding: TPM of all genes sum to a million; with two decimals, 5e-7 was measured."""
WHOLE_ROUNDING = 0.05
"""The same for TPM without decimals."""
FULL = 15_000
"""Rows from which a table has all genes, so that sums are informative; about 20,000 genes code for proteins."""
FEW = 200
"""Rows below which values cannot be judged."""
LARGEST_LOGARITHM = 30.0
"""Largest value of logarithms: TPM of 15,000 genes average 67 and reach thousands; log2 of a million is 20."""
LARGEST_LOG2_TPM = 20.0
"""The same for a table of some genes, which may all be low: log2 of a million."""
LEAST_COUNTS = 3 * MILLION
"""Smallest sum of counts: FPKM of a sample sum to 0.2 to 2 million, and a sequencing run has more reads."""
LOGARITHMS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "log2": np.exp2,
    "ln": np.exp,
    "log10": lambda values: np.power(10.0, values),
}

NEAR = 1e-3
"""Relative distance within which a value equals one of the reference distribution, for example after rounding to four
digits."""
MOST, LEAST_VALUES = 0.99, 0.25


class Tally:
    """Sums over the rows of a table, one per column."""

    def __init__(self, samples: int) -> None:
        self.rows = 0
        self.totals = np.zeros(samples)
        self.largest = np.zeros(samples)
        self.whole = np.ones(samples, dtype=bool)
        self.unlogged = {name: np.zeros(samples) for name in LOGARITHMS}

    def add(self, values: NDArray[np.float64]) -> None:
        """Add rows, float64, (rows, samples)."""
        self.rows += len(values)
        self.totals += values.sum(axis=0)
        self.largest = np.maximum(self.largest, values.max(axis=0, initial=0))
        self.whole[self.whole] = (values[:, self.whole] % 1 == 0).all(axis=0)
        low = np.flatnonzero(self.largest <= LARGEST_LOGARITHM)
        for name, inverse in LOGARITHMS.items():
            self.unlogged[name][low] += inverse(values[:, low]).sum(axis=0) - len(values)


@dataclass(frozen=True)
class Verdict:
    """What the values of a sample are.

    Attributes:
        kind: What they are, in a few words.
        note: Note for the user; empty if there is nothing to note.
        refused: Whether the values cannot be used.
        of_one_scale: Whether they can be averaged with values of another sample, whatever genes each has.
        can_be_part: Whether they may be TPM of some genes, and can be averaged with TPM of the same genes.
    """

    kind: str
    note: str = ""
    refused: bool = False
    of_one_scale: bool = True
    can_be_part: bool = True


def judge_tpm(tally: Tally, sample: int) -> Verdict:
    """Judge values that a table presents as TPM.

    Only a table of all genes is refused. For a table of some genes, the same finding is only a note.

    Args:
        tally: Sums over all rows of the table.
        sample: Number of the sample's column in the sums.
    """
    total = float(tally.totals[sample])
    is_full = tally.rows >= FULL
    if tally.rows < FEW:
        return Verdict("too few to judge")
    if abs(total / MILLION - 1) <= (WHOLE_ROUNDING if tally.whole[sample] else ROUNDING):
        return Verdict("TPM", of_one_scale=is_full)  # TPM of some genes were scaled to a million
    if tally.largest[sample] <= (LARGEST_LOGARITHM if is_full else LARGEST_LOG2_TPM):
        return _logarithms(tally, sample, refused=is_full)
    if tally.whole[sample] or total >= LEAST_COUNTS:
        whole = "whole numbers, " if tally.whole[sample] else ""
        said = Note(
            f"looks like counts: {whole}the sum is {{}}, not 1,000,000 as for TPM; counts depend on gene length: "
            "provide TPM",
            total,
        )
        return Verdict("counts", said, refused=is_full, of_one_scale=False, can_be_part=False)
    if is_full or total > MILLION:
        kind = "perhaps FPKM" if total > MILLION else "FPKM, or TPM of some genes"
        said = Note(
            f"{kind}: the sum is {{}}, not 1,000,000 as for TPM; used anyway, because only the rank order of the "
            "factors matters, and it is the same",
            total,
        )
        return Verdict(kind, said, of_one_scale=False, can_be_part=total <= MILLION)
    return Verdict("TPM of some genes")


def _logarithms(tally: Tally, sample: int, *, refused: bool) -> Verdict:
    largest = float(tally.largest[sample])
    fit = {name: abs(sums[sample] / MILLION - 1) for name, sums in tally.unlogged.items()}
    best = min(fit, key=lambda name: fit[name])
    kind = f"{best}(TPM + 1)" if fit[best] <= ROUNDING else "logarithms"
    advice = "provide untransformed TPM" if refused else "used anyway, because only the factors' rank order matters"
    said = Note(f"looks like {kind}: the largest value is {{}}; {advice}", largest, form=".4g")
    return Verdict(kind, said, refused=refused, of_one_scale=False, can_be_part=False)


def judge_normalised(tpm: NDArray[np.float64], verdict: Verdict, reference: ExpressionReference) -> Verdict:
    """Judge values that a user declares quantile-normalised; others are refused.

    Args:
        tpm: float64, (factors,).
        verdict: The verdict on the whole table as TPM.
        reference: The model's expression reference.
    """
    if is_normalised(tpm, reference):
        return Verdict("quantile-normalised")
    said = (
        "is not quantile-normalised: the factors' values are not those of the model's expression reference; omit "
        "--normalised"
    )
    return Verdict(verdict.kind, said, refused=True)


def is_normalised(tpm: NDArray[np.float64], reference: ExpressionReference) -> bool:
    """Whether nearly all values above 0 are values of the reference distribution.

    Zeros do not count: many factors may share the value 0 in any table.

    Args:
        tpm: float64, (factors,).
        reference: The model's expression reference.
    """
    known = reference.distribution
    tpm = tpm[tpm > 0]
    if len(tpm) < LEAST_VALUES * len(reference.matrix):
        return False
    right = np.searchsorted(known, tpm).clip(max=len(known) - 1)
    distance = np.minimum(np.abs(known[right] - tpm), np.abs(known[np.maximum(right - 1, 0)] - tpm))
    return bool((distance <= NEAR * np.maximum(tpm, 1)).mean() >= MOST)
