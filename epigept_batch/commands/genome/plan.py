"""The options of `epigept-batch genome`, and its inputs, which are read and checked before anything is written."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.expression.samples import SampleExpression, read_samples
from epigept_batch.expression.vector import network_expression
from epigept_batch.inference.device import AUTO, Device
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.prediction.scores import open_store
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.genome_verdict import accept_genome
from epigept_batch.sequence.regions import select_regions
from epigept_batch.tiling import make_tiles, select_bins
from epigept_batch.tracks.chosen import choose_tracks
from epigept_batch.tracks.made_from import GENOME
from epigept_batch.tracks.run_record import SampleFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.expression.request import SampleRequest
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.sequence.genome_verdict import Verdict
    from epigept_batch.spec import ExpressionReference, Spec
    from epigept_batch.tiling import Span, Tile


@dataclass(frozen=True)
class GenomeRequest:
    """What a user asks for.

    Attributes:
        samples: Which samples of which tables.
        fasta: The genome.
        model: The model file.
        out: Output folder.
        regions: Regions in samtools notation.
        chromosomes: Names of whole contigs.
        beds: Files of intervals.
        all_contigs: Predict every contig of the FASTA.
        any_genome: Accept a genome that the network was not trained for.
        tracks: Names of the tracks to write; empty for all.
        space: `log1p` or `linear`.
        overlap: Base pairs shared by neighbouring windows.
        device: Device on which the network runs.
        batch_size: Number of (window, sample) pairs that the network computes at once; None to suit the device.
        threads: Number of CPU threads.
        scores: A store of motif scores; None to scan during the run.
        force: Replace outputs that were made from other inputs.
        fresh: Discard the progress of an interrupted run and start over.
    """

    samples: SampleRequest
    fasta: Path
    model: Path
    out: Path
    regions: tuple[str, ...] = ()
    chromosomes: tuple[str, ...] = ()
    beds: tuple[Path, ...] = ()
    all_contigs: bool = False
    any_genome: bool = False
    tracks: tuple[str, ...] = ()
    space: str = "log1p"
    overlap: int = 0
    device: Device = AUTO
    batch_size: int | None = None
    threads: int = 1
    scores: Path | None = None
    force: bool = False
    fresh: bool = False


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of a run."""

    source: SampleExpression
    expression: NDArray[np.float32]
    files: SampleFiles
    inputs: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class GenomePlan:
    """A request whose inputs have been read and checked."""

    request: GenomeRequest
    spec: Spec
    genome: Genome
    verdict: Verdict
    selection: Mapping[str, tuple[Span, ...]]
    tiles: Sequence[Tile]
    tracks: tuple[str, ...]
    samples: tuple[Sample, ...]
    store: ScoreStore | None

    @property
    def regions(self) -> list[str]:
        """The selected bins as regions in samtools notation, in genome order."""
        bin_bp = self.spec.geometry.bin_bp
        return [
            f"{contig.name}:{first * bin_bp + 1}-{min(last * bin_bp, contig.length)}"
            for contig in self.genome.contigs
            for first, last in self.selection.get(contig.name, ())
        ]

    @property
    def track_numbers(self) -> list[int]:
        """Indices of the requested tracks in the network's output."""
        return [self.spec.tracks.index(track) for track in self.tracks]


def make_plan(request: GenomeRequest) -> GenomePlan:
    """Read and check all inputs of a run; the genome stays open."""
    spec = read_spec(request.model)
    tracks = choose_tracks(request.tracks, spec)
    with ExitStack() as stack:
        genome = stack.enter_context(Genome(request.fasta))
        plan = _plan(request, spec, tracks, genome)
        stack.pop_all()
    return plan


def _plan(request: GenomeRequest, spec: Spec, tracks: tuple[str, ...], genome: Genome) -> GenomePlan:
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
    selection = select_bins(regions, spec.geometry.bin_bp)
    tiles = make_tiles(genome.contigs, selection, geometry=spec.geometry, overlap=request.overlap)
    store = None if request.scores is None else open_store(request.scores, spec, genome, tiles, model=request.model)
    normalised = request.samples.normalised
    reference = _reference(spec, request)
    distribution = request.samples.distribution(reference)
    sources = read_samples(request.samples, spec.factors, reference)
    shared = {
        "model": file_sha256(request.model),
        GENOME: genome.md5s(contig for contig in genome.contigs if contig.name in selection),
        "selection of bins": selection,
        "set of tracks": tracks,
        "space": request.space,
        "overlap": request.overlap,
    }
    samples = tuple(
        Sample(
            source=source,
            expression=network_expression(source.tpm.by_factor, distribution),
            files=SampleFiles(request.out, source.name, tracks),
            inputs={**shared, "expression": _expression_digest(source, normalised=normalised)},
        )
        for source in sources
    )
    return GenomePlan(request, spec, genome, verdict, selection, tiles, tracks, samples, store)


def _reference(spec: Spec, request: GenomeRequest) -> ExpressionReference | None:
    """Return the training cells' expression, which only tables that are already normalised do not require."""
    if spec.reference is None and not request.samples.normalised:
        raise InputError(
            "has no expression reference; convert the checkpoint with --expression-reference, or pass tables of "
            "quantile-normalised TPM with --normalised",
            request.model,
        )
    return spec.reference


def _expression_digest(source: SampleExpression, *, normalised: bool) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(source.tpm.by_factor.tobytes()).hexdigest(), "normalised": normalised}
