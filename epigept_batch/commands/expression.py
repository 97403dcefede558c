"""Run `epigept-batch expression`: describe a user's tables, without FASTA or network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import epigept_batch
from epigept_batch.errors import InputError
from epigept_batch.expression.gene_ids import published_factors
from epigept_batch.expression.samples import read_samples
from epigept_batch.expression.vector import network_expression, quantile_normalise
from epigept_batch.expression.vector_file import VectorRow, check_vector_path, write_vector
from epigept_batch.inference.model_file import read_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from epigept_batch.expression.request import SampleRequest
    from epigept_batch.expression.samples import SampleExpression
    from epigept_batch.spec import ExpressionReference


@dataclass(frozen=True)
class ExpressionRequest:
    """What a user asks for.

    Attributes:
        samples: Which samples of which tables.
        model: The model file, for its factors and its training cells; None for the published factors.
        write: File for the vector of the single sample; None to write none.
    """

    samples: SampleRequest
    model: Path | None = None
    write: Path | None = None


def run_expression(request: ExpressionRequest) -> list[dict[str, Any]]:
    """Read the tables, and write the vector that the network reads.

    Args:
        request: What to do.

    Returns:
        A description of each sample that JSON can hold.

    Raises:
        EpiGePTError: An error that the user can fix, in one line.
    """
    spec = None if request.model is None else read_spec(request.model)
    reference = None if spec is None else spec.reference
    if request.write is not None:
        if reference is None and not request.samples.normalised:
            raise InputError(f"--out {request.write}: requires the expression reference of a model; add --model FILE")
        check_vector_path(request.write)
    samples = read_samples(request.samples, spec.factors if spec else published_factors(), reference)
    if request.write is not None:
        if len(samples) > 1:
            raise InputError(
                f"--out {request.write}: requires one sample, but there are {len(samples)}; pick one with --sample, "
                "or average them with --merge"
            )
        distribution = None if request.samples.normalised or reference is None else reference
        write_vector(request.write, list(_comments(samples[0])), list(_rows(samples[0], distribution)))
    return [sample.account() for sample in samples]


def _comments(sample: SampleExpression) -> Iterator[str]:
    """Yield comments on the origin of the vector."""
    yield f"epigept-batch {epigept_batch.__version__} expression of {sample.name}"
    for path in sample.paths:
        yield f"from {path.resolve()}"
    yield from sample.sentences


def _rows(sample: SampleExpression, reference: ExpressionReference | None) -> Iterator[VectorRow]:
    """Yield each factor's values after each step."""
    tpm = sample.tpm
    normalised = tpm.by_factor if reference is None else quantile_normalise(tpm.by_factor, reference.distribution)
    for row in zip(
        tpm.factors, tpm.found_as, tpm.by_factor, normalised, network_expression(normalised, None), strict=True
    ):
        yield VectorRow(*row)
