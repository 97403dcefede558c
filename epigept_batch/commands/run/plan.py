"""The plan of a run: its inputs, which are read and checked before anything is written."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from epigept_batch.commands.run.product import NamedSample
from epigept_batch.commands.run.samples import read_inputs
from epigept_batch.errors import InputError
from epigept_batch.expression.perturb import check_factors
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.names import can_be_file_name
from epigept_batch.prediction.scores import open_store
from epigept_batch.provenance.made_from import GENOME
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.genome_verdict import accept_genome
from epigept_batch.sequence.regions import select_regions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.commands.run.product import Product
    from epigept_batch.commands.run.request import RunRequest
    from epigept_batch.expression.copies import NetworkInput, Perturbed
    from epigept_batch.expression.samples import SampleExpression
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.sequence.genome_verdict import Verdict
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region, Span, Tile
    from epigept_batch.variants.haplotype import Haplotype
    from epigept_batch.variants.personal import PersonalGenome


@dataclass(frozen=True, eq=False)
class Task:
    """What a command wants of a run.

    Attributes:
        products: What it makes of the windows. The first one's journal keeps the progress.
        tiles: Returns the windows, for the contigs of the FASTA and the selected regions.
        personal: Reads the personal genome whose haplotypes are predicted, for the FASTA and its selected contigs;
            None to predict the FASTA itself.
    """

    products: tuple[Product, ...]
    tiles: Callable[[Sequence[Contig], Sequence[Region]], list[Tile]]
    personal: Callable[[Genome, Sequence[Contig]], PersonalGenome] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample(NamedSample):
    """One sample of a run, a perturbed copy of one, or one haplotype of these.

    Attributes:
        source: Its expression, as read and not perturbed.
        expression: What the network reads, float32, (factors,); the same array for both haplotypes of a sample.
        inputs: What each product's outputs are made from, in the order of the products.
        perturbed: How a copy differs from its sample; None for the sample itself.
        haplotype: The haplotype; None for the FASTA itself.
    """

    source: SampleExpression
    expression: NDArray[np.float32]
    inputs: tuple[Mapping[str, Any], ...]
    perturbed: Perturbed | None = None
    haplotype: Haplotype | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user: on the table, or on what is changed in a copy."""
        return self.source.sentences if self.perturbed is None else self.perturbed.sentences


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
    personal: PersonalGenome | None = None

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
    check_factors(request.perturbations, spec.factors)
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
    read = read_inputs(request.samples, spec, request.perturbations, model=request.model)
    names = {region.contig for region in regions}
    model_sha256 = file_sha256(request.model)
    shared = {
        "model": model_sha256,
        GENOME: genome.md5s(contig for contig in genome.contigs if contig.name in names),
    }
    selections = tuple(product.selection(regions) for product in task.products)
    of_products = tuple(
        (product, {**shared, "selection of bins": selection})
        for product, selection in zip(task.products, selections, strict=True)
    )
    personal = None
    if task.personal is not None:
        personal = task.personal(genome, [contig for contig in genome.contigs if contig.name in names])
    haplotypes = (None,) if personal is None else personal.haplotypes
    samples = tuple(
        of_haplotype
        for source, with_copies in read
        for one in with_copies
        for of_haplotype in _haplotypes(
            _sample(source, one, of_products, normalised=request.samples.normalised), haplotypes
        )
    )
    return RunPlan(
        request, spec, model_sha256, genome, verdict, task.products, selections, tiles, samples, store, personal
    )


def _haplotypes(sample: Sample, haplotypes: Sequence[Haplotype | None]) -> Iterator[Sample]:
    """Yield the sample with each haplotype.

    Raises:
        InputError: A name is too long.
    """
    for haplotype in haplotypes:
        suffix, digest = ("", None) if haplotype is None else (haplotype.suffix, haplotype.sha256)
        name = f"{sample.name}{suffix}"
        if not can_be_file_name(name):
            raise InputError(
                f"sample '{sample.name}': the name is too long for its haplotypes; rename it with NAME=FILE"
            )
        yield replace(
            sample,
            name=name,
            copy_of=None if sample.copy_of is None else f"{sample.copy_of}{suffix}",
            inputs=tuple({**inputs, "haplotype": digest} for inputs in sample.inputs),
            haplotype=haplotype,
        )


def _sample(
    source: SampleExpression,
    read: NetworkInput,
    products: Sequence[tuple[Product, Mapping[str, Any]]],
    *,
    normalised: bool,
) -> Sample:
    """Return a sample or a copy, with what each product's outputs are made from."""
    named = NamedSample(read.name, None if read.perturbed is None else read.perturbed.sample)
    expression = expression_digest(source, read.perturbed, normalised=normalised)
    inputs = tuple({**shared, **product.inputs(named), "expression": expression} for product, shared in products)
    return Sample(
        named.name, named.copy_of, source=source, expression=read.values, inputs=inputs, perturbed=read.perturbed
    )


def expression_digest(
    source: SampleExpression, perturbed: Perturbed | None = None, *, normalised: bool
) -> dict[str, Any]:
    """Return what identifies the network's input for a sample or a copy, JSON-compatible."""
    digest = {"sha256": hashlib.sha256(source.tpm.by_factor.tobytes()).hexdigest(), "normalised": normalised}
    return digest if perturbed is None else {**digest, "set": str(perturbed.perturbation)}
