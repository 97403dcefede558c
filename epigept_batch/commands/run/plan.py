"""The plan of a run: its inputs, which are read and checked before anything is written."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.expression.samples import SampleExpression, read_samples
from epigept_batch.expression.vector import network_expression
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.prediction.scores import open_store
from epigept_batch.provenance.made_from import GENOME
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.genome_verdict import accept_genome
from epigept_batch.sequence.regions import select_regions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.commands.run.product import Product
    from epigept_batch.commands.run.request import RunRequest
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.sequence.genome_verdict import Verdict
    from epigept_batch.spec import ExpressionReference, Spec
    from epigept_batch.tiling import Contig, Region, Span, Tile


@dataclass(frozen=True, eq=False)
class Task:
    """What a command wants of a run.

    Attributes:
        products: What it makes of the windows. The first one's journal keeps the progress.
        tiles: Returns the windows, for the contigs of the FASTA and the selected regions.
    """

    products: tuple[Product, ...]
    tiles: Callable[[Sequence[Contig], Sequence[Region]], list[Tile]]


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of a run.

    Attributes:
        name: Its name.
        source: Its expression, as read.
        expression: What the network reads, float32, (factors,).
        inputs: What each product's outputs are made from, in the order of the products.
    """

    name: str
    source: SampleExpression
    expression: NDArray[np.float32]
    inputs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, eq=False)
class RunPlan:
    """A request whose inputs have been read and checked."""

    request: RunRequest
    spec: Spec
    model_sha256: str
    genome: Genome
    verdict: Verdict
    products: tuple[Product, ...]
    selections: tuple[Mapping[str, tuple[Span, ...]], ...]
    tiles: Sequence[Tile]
    samples: tuple[Sample, ...]
    store: ScoreStore | None

    def regions(self, product: int) -> tuple[str, ...]:
        """Return the bins selected for a product, by its number, as regions in samtools notation, in genome order."""
        bin_bp, selection = self.products[product].bin_bp, self.selections[product]
        return tuple(
            f"{contig.name}:{first * bin_bp + 1}-{min(last * bin_bp, contig.length)}"
            for contig in self.genome.contigs
            for first, last in selection.get(contig.name, ())
        )


def make_plan(request: RunRequest, make_task: Callable[[Spec], Task]) -> RunPlan:
    """Read and check all inputs of a run; the genome stays open.

    Args:
        request: What a user asks for.
        make_task: Returns what the command wants of the run, for the spec of the model file.
    """
    spec = read_spec(request.model)
    task = make_task(spec)
    with ExitStack() as stack:
        genome = stack.enter_context(Genome(request.fasta))
        plan = _plan(request, spec, task, genome)
        stack.pop_all()
    return plan


def _plan(request: RunRequest, spec: Spec, task: Task, genome: Genome) -> RunPlan:
    """Make the rest of the plan once the model and the genome are open."""
    regions = select_regions(
        genome.contigs,
        regions=request.regions,
        chromosomes=request.chromosomes,
        beds=request.beds,
        all_contigs=request.all_contigs,
    )
    chosen = request.all_contigs or bool(request.regions or request.chromosomes or request.beds)
    verdict = accept_genome(genome, regions, spec, chosen=chosen, any_genome=request.any_genome)
    tiles = task.tiles(genome.contigs, regions)
    store = None if request.scores is None else open_store(request.scores, spec, genome, tiles, model=request.model)
    normalised = request.samples.normalised
    reference = _reference(spec, request)
    distribution = request.samples.distribution(reference)
    sources = read_samples(request.samples, spec.factors, reference)
    names = {region.contig for region in regions}
    model_sha256 = file_sha256(request.model)
    shared = {
        "model": model_sha256,
        GENOME: genome.md5s(contig for contig in genome.contigs if contig.name in names),
    }
    selections = tuple(product.selection(regions) for product in task.products)
    of_products = tuple(
        {**shared, "selection of bins": selection, **product.inputs()}
        for product, selection in zip(task.products, selections, strict=True)
    )
    samples = tuple(
        Sample(
            name=source.name,
            source=source,
            expression=network_expression(source.tpm.by_factor, distribution),
            inputs=tuple(
                {**inputs, "expression": expression_digest(source, normalised=normalised)} for inputs in of_products
            ),
        )
        for source in sources
    )
    return RunPlan(request, spec, model_sha256, genome, verdict, task.products, selections, tiles, samples, store)


def _reference(spec: Spec, request: RunRequest) -> ExpressionReference | None:
    """Return the training cells' expression, which only tables that are already normalised do not require."""
    if spec.reference is None and not request.samples.normalised:
        raise InputError(
            "has no expression reference; convert the checkpoint with --expression-reference, or pass tables of "
            "quantile-normalised TPM with --normalised",
            request.model,
        )
    return spec.reference


def expression_digest(source: SampleExpression, *, normalised: bool) -> dict[str, Any]:
    """Return what identifies a sample's expression, JSON-compatible."""
    return {"sha256": hashlib.sha256(source.tpm.by_factor.tobytes()).hexdigest(), "normalised": normalised}
