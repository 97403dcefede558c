"""The plan of a run over variants: its inputs, which are read and checked before anything is written."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from epigept_batch.commands.run.samples import read_inputs
from epigept_batch.errors import InputError
from epigept_batch.expression.perturb import check_factors
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.prediction.effects import Scoring, reference_tiles, views_of
from epigept_batch.prediction.scores import open_store
from epigept_batch.provenance.made_from import GENOME
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.genome_verdict import accept_genome
from epigept_batch.sequence.regions import by_any_name
from epigept_batch.tiling import Region, ceil_div
from epigept_batch.tracks.chosen import choose_tracks
from epigept_batch.variants.background import Drawing, Strata, read_features
from epigept_batch.variants.chunks import chunk_size, in_chunks
from epigept_batch.variants.tally import Tally
from epigept_batch.variants.variant import place
from epigept_batch.variants.variant_file import read_variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.commands.variants.request import VariantsRequest
    from epigept_batch.expression.copies import Perturbed
    from epigept_batch.expression.samples import SampleExpression
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.sequence.genome_verdict import Verdict
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig
    from epigept_batch.variants.background import Features, Stratum
    from epigept_batch.variants.chunks import Chunk
    from epigept_batch.variants.variant import Placed


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of a run.

    Attributes:
        name: Its name, or that of a perturbed copy.
        source: Its expression, as read.
        expression: What the network reads, float32, (factors,).
        perturbed: How a perturbed copy differs from its sample; None for the sample itself.
    """

    name: str
    source: SampleExpression
    expression: NDArray[np.float32]
    perturbed: Perturbed | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user, one sentence each."""
        return self.source.sentences if self.perturbed is None else self.perturbed.sentences

    def account(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        account = self.source.account()
        found = {key: account[key] for key in ("factors", "tables", "nearest_cell", "notes", "sheet")}
        return found if self.perturbed is None else {**found, "perturbation": self.perturbed.account()}


@dataclass(frozen=True, eq=False)
class VariantsPlan:
    """A request whose inputs have been read and checked.

    Attributes:
        request: What a user asks for.
        spec: The spec of the model file.
        model_sha256: Digest of the model file.
        genome: The genome, open.
        verdict: Whether it suits the network.
        contigs: Its contigs by every name that a file may use for them.
        tally: What becomes of the variants of the file.
        span: The variants [first, last) of the file that this run scores: its shard.
        tracks: Names of the tracks.
        samples: The samples.
        scoring: How variants are scored.
        strata: The kinds of variants of the file.
        drawn: Random variants of each kind, as a background.
        store: Motif scores of the genome; None to scan during the run.
        inputs: What the scores are made from, JSON-compatible.
    """

    request: VariantsRequest
    spec: Spec
    model_sha256: str
    genome: Genome
    verdict: Verdict
    contigs: Mapping[str, Contig]
    tally: Tally
    span: tuple[int, int]
    tracks: tuple[str, ...]
    samples: tuple[Sample, ...]
    scoring: Scoring
    strata: Strata
    drawn: Mapping[Stratum, tuple[Placed, ...]]
    store: ScoreStore | None
    inputs: Mapping[str, Any]

    @property
    def chunk_size(self) -> int:
        """Number of variants that are scored and kept together."""
        return chunk_size(len(self.samples), len(self.scoring.views))

    def chunks(self) -> Iterator[Chunk]:
        """Yield the variants of the shard in chunks, read from the file."""
        placed = _placed(self.request, self.genome, self.contigs, self.scoring)
        return in_chunks(islice(placed, *self.span), self.chunk_size)

    def background_chunks(self) -> Iterator[Chunk]:
        """Yield the random variants in chunks, which are numbered after those of `chunks`."""
        placed = (one for of_stratum in self.drawn.values() for one in of_stratum)
        return in_chunks(placed, self.chunk_size, first=ceil_div(self.span[1] - self.span[0], self.chunk_size))


def make_plan(request: VariantsRequest, say: Callable[[str], None]) -> VariantsPlan:
    """Read and check all inputs of a run; the genome stays open.

    Args:
        request: What a user asks for.
        say: Called with a sentence for the user.
    """
    spec = read_spec(request.model)
    check_factors(request.perturbations, spec.factors)
    with ExitStack() as stack:
        genome = stack.enter_context(Genome(request.fasta))
        plan = _plan(request, spec, genome, say)
        stack.pop_all()
    return plan


def _plan(request: VariantsRequest, spec: Spec, genome: Genome, say: Callable[[str], None]) -> VariantsPlan:
    """Make the rest of the plan once the model and the genome are open."""
    tracks = choose_tracks(request.tracks, spec.tracks)
    if request.grid and request.average:
        raise InputError("--grid gives the difference of two genome runs, which has no average; remove --average")
    views = views_of(request.average, spec.geometry)
    scoring = Scoring(spec.geometry, spec.motif_set.window, grid=request.grid, views=views)
    contigs = by_any_name(genome.contigs)
    samples = _samples(request, spec)
    tally = Tally()
    strata = Strata(_features(request, genome))
    for placed in _placed(request, genome, contigs, scoring):
        tally.add(placed)
        if request.background:
            strata.add(placed)
    tally.check(request.variants, request.fasta, allow_mismatch=request.allow_mismatch)
    for sentence in tally.sentences():
        say(f"{request.variants}: {sentence}")
    chosen = [contig for contig in genome.contigs if contig.name in tally.contigs]
    regions = [Region(contig.name, 0, contig.length) for contig in chosen]
    verdict = accept_genome(genome, regions, spec, chosen=True, any_genome=request.any_genome)
    drawing = Drawing(genome, chosen, strata, request.seed)
    drawn = drawing.draw_all(request.background, contigs, longest=scoring.longest)
    part, parts = request.shard
    span = (tally.variants * (part - 1) // parts, tally.variants * part // parts)
    store = None
    if request.scores is not None:
        placed_here = islice(_placed(request, genome, contigs, scoring), *span)
        tiles = reference_tiles(chain(placed_here, *drawn.values()), scoring)
        store = open_store(request.scores, spec, genome, tiles, model=request.model)
    model_sha256 = file_sha256(request.model)
    inputs = {
        "model": model_sha256,
        GENOME: genome.md5s(chosen),
        "file of variants": file_sha256(request.variants),
        "set of samples": [
            {"name": sample.name, "sha256": hashlib.sha256(sample.expression.tobytes()).hexdigest()}
            for sample in samples
        ],
        "set of tracks": tracks,
        "choice of windows": "grid" if request.grid else "around each variant",
        "average": request.average,
        "shard": request.shard,
        "background": _background_inputs(request),
    }
    return VariantsPlan(
        request,
        spec,
        model_sha256,
        genome,
        verdict,
        contigs,
        tally,
        span,
        tracks,
        samples,
        scoring,
        strata,
        drawn,
        store,
        inputs,
    )


def _samples(request: VariantsRequest, spec: Spec) -> tuple[Sample, ...]:
    """Read the samples, each followed by its perturbed copies."""
    read = read_inputs(request.samples, spec, request.perturbations, model=request.model)
    return tuple(
        Sample(one.name, source, one.values, one.perturbed) for source, with_copies in read for one in with_copies
    )


def _placed(
    request: VariantsRequest, genome: Genome, contigs: Mapping[str, Contig], scoring: Scoring
) -> Iterator[Placed]:
    """Yield all variants of the file on the genome."""
    return (place(one, contigs, genome, longest=scoring.longest) for one in read_variants(request.variants))


def _background_inputs(request: VariantsRequest) -> dict[str, Any] | None:
    """Return what a background is made from; None without one."""
    if not request.background:
        return None
    features = None if request.features is None else file_sha256(request.features)
    return {"variants": request.background, "features": features, "seed": request.seed}


def _features(request: VariantsRequest, genome: Genome) -> Features | None:
    """Return the features to which variants have a distance.

    Raises:
        InputError: The file cannot be read, or has no use.
    """
    if request.features is None:
        return None
    if not request.background:
        raise InputError(f"--background-bed {request.features}: has no effect without --background N")
    return read_features(request.features, genome.contigs)
