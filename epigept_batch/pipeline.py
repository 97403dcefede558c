"""The run of `epigept-batch genome`: the only file that names every stage."""

from __future__ import annotations

import hashlib
import platform
import resource
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import epigept_batch
from epigept_batch.errors import InputError
from epigept_batch.files import make_folder
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.session import AUTO, Device, Session, open_session
from epigept_batch.inputs.expression.samples import SampleExpression, read_samples
from epigept_batch.inputs.expression.vector import network_expression
from epigept_batch.inputs.genome import Genome
from epigept_batch.inputs.regions import select_regions
from epigept_batch.inputs.scan import GenomeScan, MotifScanner
from epigept_batch.inputs.scores import BLOCK_BINS, ScoreKey, ScoreStore
from epigept_batch.outputs.bigwig import BigWigWriter
from epigept_batch.outputs.provenance import SampleFiles, is_up_to_date, write_record
from epigept_batch.outputs.stitch import TileSignal, in_genome_order, runs
from epigept_batch.spec import NO_BASE
from epigept_batch.tiling import Tile, make_tiles, select_bins
from epigept_batch.timing import StageClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.progress import Progress
    from epigept_batch.sample_request import SampleRequest
    from epigept_batch.spec import ExpressionReference, Spec
    from epigept_batch.tiling import Contig, Span

SPACES = ("log1p", "linear")


@dataclass(frozen=True)
class GenomeRequest:
    """What a user asks for.

    Attributes:
        samples: Which samples of which tables.
        fasta: The genome.
        model: The model file.
        out: Folder of the outputs.
        regions: As samtools writes them.
        chromosomes: Names of whole contigs.
        beds: Files of intervals.
        all_contigs: Every contig of the FASTA.
        tracks: Names of the tracks to write; empty for all.
        space: `log1p` or `linear`.
        overlap: Base pairs shared by neighbouring windows.
        device: Where the network runs.
        threads: How many the CPU may use.
        scores: A store of motif scores; None to scan on the way.
        force: Replace outputs made from other inputs.
    """

    samples: SampleRequest
    fasta: Path
    model: Path
    out: Path
    regions: tuple[str, ...] = ()
    chromosomes: tuple[str, ...] = ()
    beds: tuple[Path, ...] = ()
    all_contigs: bool = False
    tracks: tuple[str, ...] = ()
    space: str = "log1p"
    overlap: int = 0
    device: Device = AUTO
    threads: int = 1
    scores: Path | None = None
    force: bool = False


class Scores(Protocol):
    """Where motif scores come from."""

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float16]:
        """Those of successive bins, float16, (factors, bins); 0 beyond the contig's end."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of a run."""

    source: SampleExpression
    expression: NDArray[np.float32]
    files: SampleFiles
    inputs: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Plan:
    """A request whose inputs have been read and found good."""

    request: GenomeRequest
    spec: Spec
    genome: Genome
    selection: Mapping[str, tuple[Span, ...]]
    tiles: Sequence[Tile]
    tracks: tuple[str, ...]
    samples: tuple[Sample, ...]
    store: ScoreStore | None

    @property
    def regions(self) -> list[str]:
        """The selected bins as samtools would write them, in genome order."""
        bin_bp = self.spec.geometry.bin_bp
        return [
            f"{contig.name}:{first * bin_bp + 1}-{min(last * bin_bp, contig.length)}"
            for contig in self.genome.contigs
            for first, last in self.selection.get(contig.name, ())
        ]

    @property
    def track_numbers(self) -> list[int]:
        """Places of the wanted tracks in the network's output."""
        return [self.spec.tracks.index(track) for track in self.tracks]


def run_genome(request: GenomeRequest, progress: Progress) -> dict[str, SampleFiles]:
    """Predict the tracks of every sample and write them.

    Everything that a user may have got wrong is found before the network is loaded, and before anything is written.

    Args:
        request: What to do.
        progress: Told of each window.

    Returns:
        The files of each sample, by name.

    Raises:
        EpiGePTError: What the user can mend, in one line.
    """
    clock = StageClock()
    with clock.stage("inputs"):
        plan = make_plan(request)
        due = [s for s in plan.samples if request.force or not is_up_to_date(s.files, s.inputs)]
    if not plan.spec.contiguous:
        progress.say(
            f"the {plan.spec.architecture} network was trained on open bins joined into windows; on contiguous "
            "sequence, as here, it extrapolates"
        )
    for sample in plan.samples:
        for note in sample.source.sentences if sample in due else ("up to date",):
            progress.say(f"{sample.files.sample}: {note}")
    if due:
        make_folder(request.out)
        _predict(plan, due, clock=clock, progress=progress)
    return {sample.files.sample: sample.files for sample in plan.samples}


def make_plan(request: GenomeRequest) -> Plan:
    """Read and check all inputs of a run."""
    spec = read_spec(request.model)
    tracks = _choose_tracks(request.tracks, spec)
    genome = Genome(request.fasta)
    regions = select_regions(
        genome.contigs,
        regions=request.regions,
        chromosomes=request.chromosomes,
        beds=request.beds,
        all_contigs=request.all_contigs,
    )
    selection = select_bins(regions, spec.geometry.bin_bp)
    tiles = make_tiles(genome.contigs, selection, geometry=spec.geometry, overlap=request.overlap)
    store = None if request.scores is None else _open_store(request.scores, request, spec, genome, tiles)
    normalised = request.samples.normalised
    reference = _reference(spec, request)
    distribution = None if normalised or reference is None else reference.distribution
    sources = read_samples(request.samples, spec.factors, reference)
    shared = {
        "model": file_sha256(request.model),
        "genome": {contig.name: genome.md5(contig) for contig in genome.contigs if contig.name in selection},
        "selection of bins": selection,
        "set of tracks": tracks,
        "space": request.space,
        "overlap": request.overlap,
    }
    samples = tuple(
        Sample(
            source=source,
            expression=network_expression(source.tpm.tpm, distribution),
            files=SampleFiles(request.out, source.name, tracks),
            inputs={**shared, "expression": _expression_digest(source, normalised=normalised)},
        )
        for source in sources
    )
    return Plan(request, spec, genome, selection, tiles, tracks, samples, store)


def _open_store(path: Path, request: GenomeRequest, spec: Spec, genome: Genome, tiles: Sequence[Tile]) -> ScoreStore:
    """The store that was given, if it has what the tiles need, for this model and this sequence."""
    store = ScoreStore.open(path)
    if difference := ScoreKey.of(spec).difference(store.key):
        raise InputError(f"has scores {difference}; make a store for this model by epigept-batch scan", path)
    needed: dict[Contig, set[int]] = {}
    for tile in tiles:
        first = tile.start // spec.geometry.bin_bp
        last = min(first + spec.geometry.bins, spec.geometry.bins_of(tile.contig.length))
        needed.setdefault(tile.contig, set()).update(range(first // BLOCK_BINS, -(-last // BLOCK_BINS)))
    lacking = []
    for contig, blocks in needed.items():
        if difference := store.difference(contig, genome.md5(contig)):
            raise InputError(f"{difference} as in {genome.path}; give the store of this genome", path)
        if missing := len(store.missing(contig, blocks)):
            lacking.append((contig.name, f"{missing:,} of {len(blocks):,} windows of {contig.name}"))
    if lacking:
        names = " ".join(f"--chromosome {name}" for name, _ in lacking)
        raise InputError(
            f"lacks {', '.join(words for _, words in lacking)}; complete it by: epigept-batch scan --fasta "
            f"{request.fasta} --model {request.model} --out {path} {names}",
            path,
        )
    return store


def _choose_tracks(wanted: Sequence[str], spec: Spec) -> tuple[str, ...]:
    """The wanted tracks, in the network's order."""
    by_name = {track.casefold(): track for track in spec.tracks}
    for name in wanted:
        if name.casefold() not in by_name:
            raise InputError(f"--tracks: the model has no track '{name}'; it has {', '.join(spec.tracks)}")
    chosen = {by_name[name.casefold()] for name in wanted}
    return tuple(track for track in spec.tracks if not wanted or track in chosen)


def _reference(spec: Spec, request: GenomeRequest) -> ExpressionReference | None:
    """The training cells' expression, which only tables that are normalised already can do without."""
    if spec.reference is None and not request.samples.normalised:
        raise InputError(
            "has no expression reference; convert the checkpoint with --expression-reference, or give tables of "
            "quantile-normalised TPM and --normalised",
            request.model,
        )
    return spec.reference


def _expression_digest(source: SampleExpression, *, normalised: bool) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(source.tpm.tpm.tobytes()).hexdigest(), "normalised": normalised}


def _predict(plan: Plan, samples: Sequence[Sample], *, clock: StageClock, progress: Progress) -> None:
    """Compute the plan's windows for the samples that are due, and publish their files."""
    request, geometry = plan.request, plan.spec.geometry
    with clock.stage("load"):
        session = open_session(
            request.model,
            request.device,
            precision=plan.spec.precision,
            threads=request.threads,
            say=progress.say,
        )
        scores = plan.store or _make_scan(plan, progress)
    progress.start(len(plan.tiles))
    bins_written = 0
    with ExitStack() as stack:
        writers = [_open_writers(plan, sample, stack) for sample in samples]
        signals = _signals(plan, samples, scores, session, clock)
        for signal in in_genome_order(signals):
            with clock.stage("write"):
                for run in runs(signal, bin_bp=geometry.bin_bp):
                    bins_written += run.values.shape[1]
                    values = np.expm1(run.values) if request.space == "linear" else run.values
                    for number, tracks in enumerate(writers):
                        for track, writer in zip(plan.track_numbers, tracks, strict=True):
                            writer.write(run.contig, run.first_bin, values[number, :, track])
            progress.advance()
        if not bins_written:
            raise InputError("there is no base but N in the selected regions: nothing to predict", request.fasta)
        with clock.stage("write"):
            for writer in (writer for tracks in writers for writer in tracks):
                writer.close()
        for sample, tracks in zip(samples, writers, strict=True):
            for writer in tracks:
                writer.publish()
            write_record(sample.files, _record(plan, sample, session, clock, bins_written))
            progress.finish(_summary(plan, sample, clock, bins_written))


def _open_writers(plan: Plan, sample: Sample, stack: ExitStack) -> list[BigWigWriter]:
    """A writer a track, each discarded with the stack unless it is published."""
    writers = []
    for path in sample.files.bigwigs:
        writers.append(BigWigWriter(path, plan.genome.contigs, bin_bp=plan.spec.geometry.bin_bp))
        stack.callback(writers[-1].discard)
    return writers


def _signals(
    plan: Plan, samples: Sequence[Sample], scores: Scores, session: Session, clock: StageClock
) -> Iterator[TileSignal]:
    """What each window gives; one whose bins have no base is not computed."""
    expression = np.stack([sample.expression for sample in samples])
    geometry = plan.spec.geometry
    for tile in plan.tiles:
        with clock.stage("sequence"):
            tokens = plan.genome.tokens(tile.contig, tile.start, tile.start + geometry.window_bp)
            has_bases = (tokens.reshape(geometry.bins, geometry.bin_bp) != NO_BASE).any(axis=1)
        first = tile.start // geometry.bin_bp
        if not any(has_bases[begin - first : end - first].any() for begin, end in tile.spans):
            yield TileSignal(tile, None, has_bases)
            continue
        with clock.stage("scan"):
            window_scores = scores.read(tile.contig, first, geometry.bins)
        with clock.stage("model"):
            signal = session.run(tokens[None], window_scores[None], expression)[0]
        yield TileSignal(tile, signal, has_bases)


def _make_scan(plan: Plan, progress: Progress) -> GenomeScan:
    """A scan of the genome on the way."""
    bin_bp, threads = plan.spec.geometry.bin_bp, plan.request.threads
    scanner = MotifScanner(plan.spec.motif_set, plan.spec.factors, bin_bp=bin_bp, threads=threads)
    scanner.compile(progress.say)
    return GenomeScan(plan.genome, scanner)


def _summary(plan: Plan, sample: Sample, clock: StageClock, bins_written: int) -> str:
    """One line on what a sample got."""
    tracks = f"{len(plan.tracks)} track{'s' if len(plan.tracks) > 1 else ''}"
    seconds = clock.seconds()["total"]
    return f"{sample.files.sample}: {tracks} of {bins_written:,} bins in {plan.request.out}/ after {seconds:.0f} s"


def _record(plan: Plan, sample: Sample, session: Session, clock: StageClock, bins_written: int) -> dict[str, Any]:
    """The provenance of a sample's files."""
    spec, request = plan.spec, plan.request
    account = sample.source.account()
    return {
        "sample": sample.files.sample,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "epigept-batch": epigept_batch.__version__,
            "python": platform.python_version(),
            "runtime": session.runtime,
            "numpy": np.__version__,
        },
        "paths": {
            "model": str(request.model.resolve()),
            "fasta": str(request.fasta.resolve()),
            "expression": _one_or_all([str(path.resolve()) for path in sample.source.paths]),
        },
        "sha256": {
            "model": sample.inputs["model"],
            "expression": _one_or_all([file_sha256(path) for path in sample.source.paths]),
        },
        "inputs": sample.inputs,
        "architecture": spec.architecture,
        "checkpoint_sha256": spec.checkpoint_sha256,
        "precision": spec.precision,
        "space": request.space,
        "device": session.device,
        "provider": session.provider,
        "threads": request.threads,
        "scores": None if plan.store is None else str(plan.store.path.resolve()),
        "regions": plan.regions,
        "factors": account["factors"],
        "expression": {key: account[key] for key in ("tables", "nearest_cell", "notes")},
        "windows": len(plan.tiles),
        "bins": bins_written,
        "seconds": {stage: round(seconds, 3) for stage, seconds in clock.seconds().items()},
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _one_or_all(values: Sequence[str]) -> str | Sequence[str]:
    """The value of a sample's table; a list of them for replicates that were merged."""
    return values[0] if len(values) == 1 else values
