"""What the network reads of a sample, and what it would read of each factor after its change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.expression.perturb import Perturbation, Setting, perturb
from epigept_batch.expression.vector import network_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.expression.factor_tpm import FactorTPM

NAMES_SHOWN = 5


@dataclass(frozen=True, eq=False)
class FactorInputs:
    """A sample, and a change of each factor of a screen, made one at a time.

    Attributes:
        sample: Name of the sample.
        factors: Names of the screened factors, in the network's order.
        numbers: int64, (screened,): their places among all factors of the network.
        unperturbed: float32, (all factors,): what the network reads of the sample.
        after: float32, (screened,): what it reads of each factor after the change.
        tpm: float64, (2, screened): TPM before and after; NaN where it is not known.
    """

    sample: str
    factors: tuple[str, ...]
    numbers: NDArray[np.int64]
    unperturbed: NDArray[np.float32]
    after: NDArray[np.float32]
    tpm: NDArray[np.float64]

    @property
    def before(self) -> NDArray[np.float32]:
        """What the network reads of each factor before the change, float32, (screened,)."""
        return self.unperturbed[self.numbers]

    @property
    def differ(self) -> NDArray[np.bool_]:
        """Whether the change of a factor changes what the network reads, bool, (screened,)."""
        differ: NDArray[np.bool_] = self.before != self.after
        return differ

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return expression vectors, float32, (rows, all factors).

        Args:
            rows: 0 for the unperturbed sample, n + 1 for the change of screened factor n.
        """
        vectors = np.tile(self.unperturbed, (len(rows), 1))
        changed = np.flatnonzero(rows)
        factors = rows[changed] - 1
        vectors[changed, self.numbers[factors]] = self.after[factors]
        return vectors


def numbers_of(factors: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Return the places of some factors among all."""
    places = {name: number for number, name in enumerate(known)}
    return np.array([places[name] for name in factors], dtype=np.int64)


def set_each(
    sample: str,
    tpm: FactorTPM,
    distribution: NDArray[np.float64] | None,
    *,
    factors: Sequence[str],
    value: float | None,
) -> FactorInputs:
    """Set each factor of a sample to a TPM.

    Args:
        sample: Name of the sample.
        tpm: Its TPM.
        distribution: See `expression.vector.quantile_normalise`; None if the values are normalised already.
        factors: The factors to set, one at a time.
        value: The TPM; None for a network input of 0.
    """
    numbers = numbers_of(factors, tpm.factors)
    changes = [perturb(tpm, distribution, Perturbation((Setting(factor, "=", value),)))[1][0] for factor in factors]
    return FactorInputs(
        sample,
        tuple(factors),
        numbers,
        unperturbed=network_expression(tpm.by_factor, distribution),
        after=np.array([change.network_input[1] for change in changes], dtype=np.float32),
        tpm=np.array([change.tpm for change in changes], dtype=np.float64).reshape(-1, 2).T,
    )


def compared_samples(between: Sequence[str], samples: Sequence[str], vectors: NDArray[np.float32]) -> list[int]:
    """Return the numbers of the two samples that are compared.

    Args:
        between: Their names.
        samples: Names of all samples.
        vectors: float32, (samples, all factors): what the network reads of all.

    Raises:
        InputError: One is not there, both are the same, or nothing distinguishes them.
    """
    for name in between:
        if name not in samples:
            shown = ", ".join(samples[:NAMES_SHOWN]) + (", …" if len(samples) > NAMES_SHOWN else "")
            raise InputError(f"--between {name}: no table has a sample with this name; they have {shown}")
    first, second = (samples.index(name) for name in between)
    if first == second:
        raise InputError(f"--between {between[0]} {between[1]}: must be two different samples")
    if np.array_equal(vectors[first], vectors[second]):
        raise InputError(
            f"--between {between[0]} {between[1]}: the network reads the same for both samples, so nothing differs; "
            "check the tables"
        )
    return [first, second]


def exchange(
    samples: tuple[str, str],
    vectors: NDArray[np.float32],
    tpm: NDArray[np.float64],
    *,
    numbers: NDArray[np.int64],
    factors: Sequence[str],
) -> tuple[FactorInputs, FactorInputs]:
    """Set, in each of two samples, each factor's network input to that of the other sample.

    Args:
        samples: Their names.
        vectors: float32, (2, all factors): what the network reads of them.
        tpm: float64, (2, all factors): their TPM.
        numbers: Places of the factors to exchange.
        factors: Their names.
    """
    one, other = (
        FactorInputs(
            samples[own],
            tuple(factors),
            numbers,
            unperturbed=vectors[own],
            after=vectors[1 - own][numbers],
            tpm=tpm[[own, 1 - own]][:, numbers],
        )
        for own in (0, 1)
    )
    return one, other
