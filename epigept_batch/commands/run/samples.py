"""Read the samples of a request as the network's inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from epigept_batch.errors import InputError
from epigept_batch.expression.copies import network_inputs
from epigept_batch.expression.samples import read_samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from epigept_batch.expression.copies import NetworkInput
    from epigept_batch.expression.perturb import Perturbation
    from epigept_batch.expression.request import SampleRequest
    from epigept_batch.expression.samples import SampleExpression
    from epigept_batch.spec import Spec


def read_inputs(
    request: SampleRequest, spec: Spec, perturbations: Sequence[Perturbation], *, model: Path
) -> list[tuple[SampleExpression, list[NetworkInput]]]:
    """Return each sample with what the network reads of it, and behind that of its perturbed copies.

    Args:
        request: The samples and tables.
        spec: The spec of the model file.
        perturbations: The copies wanted of each sample.
        model: The model file, for messages.

    Raises:
        InputError: A table cannot be read, the model has no expression reference, or a copy cannot be made.
    """
    if spec.reference is None and not request.normalised:
        raise InputError(
            "has no expression reference; convert the checkpoint with --expression-reference, or pass tables of "
            "quantile-normalised TPM with --normalised",
            model,
        )
    sources = read_samples(request, spec.factors, spec.reference)
    distribution = request.distribution(spec.reference)
    read = network_inputs([(source.name, source.tpm) for source in sources], distribution, perturbations)
    return list(zip(sources, read, strict=True))
