"""The network's inputs for samples and their perturbed copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.expression.perturb import check_factors, perturb
from epigept_batch.expression.vector import network_expression
from epigept_batch.names import LONGEST_SAMPLE, can_be_file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.expression.factor_tpm import FactorTPM
    from epigept_batch.expression.perturb import FactorChange, Perturbation

ADVICE = "rename the sample with --tpm NAME=FILE"


@dataclass(frozen=True)
class Perturbed:
    """How a perturbed copy differs from its sample.

    Attributes:
        sample: Name of the unperturbed sample.
        perturbation: What was asked for.
        changes: What it does, for each setting.
    """

    sample: str
    perturbation: Perturbation
    changes: tuple[FactorChange, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What changes, one sentence for each factor."""
        return tuple(map(str, self.changes))

    def account(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        changes = [change.account() for change in self.changes]
        return {"of": self.sample, "set": str(self.perturbation), "changes": changes}


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """What the network reads of a sample or of a perturbed copy.

    Attributes:
        name: Name of the sample, or of the copy, such as `liver+GATA1-0`.
        values: float32, (factors,): ln(1 + normalised TPM).
        perturbed: How a copy differs from its sample; None for the sample itself.
    """

    name: str
    values: NDArray[np.float32]
    perturbed: Perturbed | None = None


def network_inputs(
    samples: Sequence[tuple[str, FactorTPM]],
    distribution: NDArray[np.float64] | None,
    perturbations: Sequence[Perturbation],
    *,
    taken: Iterable[str] = (),
) -> list[list[NetworkInput]]:
    """Return for each sample what the network reads of it, then of its perturbed copies.

    Args:
        samples: Name and TPM of each sample.
        distribution: See `expression.vector.quantile_normalise`; None if the values are normalised already.
        perturbations: The copies wanted of each sample.
        taken: Further names that a copy must not have.

    Raises:
        InputError: The network lacks a factor, a multiple is asked of a missing factor, or a copy's name cannot be used
            or belongs to another sample.
    """
    if samples:
        check_factors(perturbations, samples[0][1].factors)
    names = {*taken, *(name for name, _ in samples)}
    found = []
    for name, tpm in samples:
        inputs = [NetworkInput(name, network_expression(tpm.by_factor, distribution))]
        for perturbation in perturbations:
            copy = perturbation.of(name)
            _check_name(copy, perturbation, names)
            names.add(copy)
            values, changes = perturb(tpm, distribution, perturbation)
            inputs.append(NetworkInput(copy, values, Perturbed(name, perturbation, changes)))
        found.append(inputs)
    return found


def _check_name(name: str, perturbation: Perturbation, taken: set[str]) -> None:
    """Check the name of a copy.

    Raises:
        InputError: It cannot be part of a file name, or a sample has it.
    """
    if name in taken:
        raise InputError(f"--set {perturbation}: another sample is already named '{name}'; {ADVICE}")
    if can_be_file_name(name):
        return
    size = len(name.encode(errors="replace"))
    if size > LONGEST_SAMPLE:
        raise InputError(
            f"--set {perturbation}: the copy's name '{name}' has {size} bytes, but {LONGEST_SAMPLE} are allowed; "
            f"{ADVICE}, or change fewer factors together"
        )
    raise InputError(f"--set {perturbation}: the copy's name '{name}' cannot be used in a file name; {ADVICE}")
