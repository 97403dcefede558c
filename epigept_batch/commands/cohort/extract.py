"""`epigept-batch cohort extract`: bigWigs of some samples and tracks of a cube, as `genome` writes them."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.cohort.cube import Cube
from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.storage import open_storage
from epigept_batch.commands.cohort.finalise import read_record
from epigept_batch.commands.genome.tracks import Tracks
from epigept_batch.commands.run.product import Assignment, NamedSample
from epigept_batch.errors import InputError
from epigept_batch.files import output_folder, remove_leftovers
from epigept_batch.names import some
from epigept_batch.provenance.run_record import is_up_to_date, withdraw, write_record
from epigept_batch.sequence.regions import select_regions
from epigept_batch.tiling import Tile, clip_spans, select_bins
from epigept_batch.timing import StageClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.commands.cohort.request import ExtractRequest
    from epigept_batch.progress import Progress
    from epigept_batch.provenance.run_record import OutputFiles
    from epigept_batch.tiling import Contig, Span


@dataclass(frozen=True, eq=False)
class Extraction:
    """What is taken from a cube.

    Attributes:
        cohort: The cohort.
        record: The record that `finalise` wrote.
        tracks: The tracks, as `genome` writes them.
        samples: Numbers of the samples.
        spans: The bins, by contig.
    """

    cohort: Cohort
    record: Mapping[str, Any]
    tracks: Tracks
    samples: Sequence[int]
    spans: Mapping[str, tuple[Span, ...]]

    @property
    def regions(self) -> tuple[str, ...]:
        """The bins as regions in samtools notation, in genome order."""
        bin_bp = self.cohort.plan.bin_bp
        return tuple(
            f"{contig.name}:{first * bin_bp + 1}-{min(last * bin_bp, contig.length)}"
            for contig in self.cohort.plan.contigs
            for first, last in self.spans.get(contig.name, ())
        )

    def name(self, number: int) -> str:
        """Return the name of a sample."""
        name: str = self.cohort.samples[number]["sample"]
        return name

    def inputs(self, number: int) -> dict[str, Any]:
        """Return what the tracks of a sample are made from, JSON-compatible."""
        return {
            **self.cohort.samples[number]["inputs"],
            **self.tracks.inputs(NamedSample(self.name(number))),
            "selection of bins": self.spans,
        }


def run_extract(request: ExtractRequest, progress: Progress) -> dict[str, OutputFiles]:
    """Write SAMPLE.TRACK.bw and SAMPLE.run.json of the samples that are wanted.

    Args:
        request: What to do.
        progress: Receives an update per sample.

    Returns:
        The files of each sample, by name.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    if request.bin_bp is not None or request.statistic != "mean":
        option = "--bins" if request.bin_bp is not None else "--statistic"
        raise InputError(f"{option} is for a matrix; name its file, such as --out matrix.tsv", request.out)
    taken = open_extraction(request)
    due = [number for number in taken.samples if request.force or not _is_up_to_date(taken, number)]
    for number in sorted(set(taken.samples).difference(due)):
        progress.say(f"{taken.name(number)}: up to date")
    if due:
        progress.start(len(taken.samples), done=len(taken.samples) - len(due))
        with output_folder(request.out):
            for group in _groups(taken, due):
                _write(taken, group, request.threads)
                progress.advance(len(group))
        bins = sum(last - first for spans in taken.spans.values() for first, last in spans)
        progress.finish(f"{len(due):,} samples × {len(taken.tracks.names)} tracks × {bins:,} bins in {request.out}/")
    return {taken.name(number): taken.tracks.files(NamedSample(taken.name(number))) for number in taken.samples}


def open_extraction(request: ExtractRequest, *, regions: bool = True) -> Extraction:
    """Read the cohort, and check that it has what is wanted.

    Args:
        request: What a user asks for.
        regions: Whether the regions of the request choose the bins.

    Raises:
        InputError: The cohort is not finalised, or lacks a sample, a track or all bins of the regions.
    """
    cohort = Cohort(open_storage(request.location))
    record, plan = read_record(cohort), cohort.plan
    tracks = Tracks(
        plan.tracks,
        request.out,
        bin_bp=plan.bin_bp,
        names=request.tracks,
        space=request.space,
        overlap=plan.overlap,
        differences=False,
        rounding=plan.dtype if plan.dtype == "float16" else None,
    )
    numbers = {sample["sample"]: number for number, sample in enumerate(cohort.samples)}
    lacking = [name for name in request.samples if name not in numbers]
    if lacking:
        raise InputError(f"--sample {lacking[0]}: no such sample; the cohort has {some(numbers)}")
    samples = [numbers[name] for name in dict.fromkeys(request.samples)] or list(numbers.values())
    spans: Mapping[str, tuple[Span, ...]] = plan.selection
    if regions and (request.regions or request.chromosomes or request.beds):
        chosen = select_regions(
            plan.contigs, regions=request.regions, chromosomes=request.chromosomes, beds=request.beds
        )
        wanted = select_bins(chosen, plan.bin_bp)
        spans = {name: _both(of, wanted.get(name, ())) for name, of in plan.selection.items()}
        spans = {name: of for name, of in spans.items() if of}
        if not spans:
            raise InputError("the cohort has no values in the regions that are wanted; choose others", request.location)
    return Extraction(cohort, record, tracks, samples, spans)


def _both(spans: Sequence[Span], others: Sequence[Span]) -> tuple[Span, ...]:
    """Return what spans have in common with others; each disjoint and in order."""
    return tuple(part for first, last in others for part in clip_spans(spans, first, last))


def _is_up_to_date(taken: Extraction, number: int) -> bool:
    return is_up_to_date(taken.tracks.files(NamedSample(taken.name(number))), taken.inputs(number))


def _groups(taken: Extraction, due: Sequence[int]) -> Iterator[list[int]]:
    """Yield samples whose values lie in the same chunks."""
    step = taken.cohort.plan.shape.chunk_samples
    by_chunk: dict[int, list[int]] = {}
    for number in due:
        by_chunk.setdefault(number // step, []).append(number)
    yield from by_chunk.values()


def _write(taken: Extraction, group: Sequence[int], threads: int) -> None:
    """Write the files of some samples."""
    clock, plan = StageClock(), taken.cohort.plan
    samples = tuple(NamedSample(taken.name(number)) for number in group)
    for sample in samples:
        for path in taken.tracks.leftovers(sample):
            remove_leftovers(path)
    assignment = Assignment(samples, plan.contigs, taken.regions, max(1, threads - 1), plan.model)
    with taken.tracks.work(assignment) as work:
        for tile, values in _values(taken, group, clock):
            with clock.stage("write"):
                work.take(tile, values)
        with clock.stage("write"):
            work.finish(lambda _: iter(()))
            for sample in samples:
                withdraw(taken.tracks.files(sample))
            work.publish()
        for index, (number, sample) in enumerate(zip(group, samples, strict=True)):
            write_record(taken.tracks.files(sample), _record(taken, number, work.facts(index), clock))


def _values(taken: Extraction, group: Sequence[int], clock: StageClock) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
    """Yield values as the windows of a run give them, (samples, bins, tracks), a block of bins at a time."""
    cohort, plan = taken.cohort, taken.cohort.plan
    cube = Cube(cohort.storage, plan, cohort.units)
    rows = (min(group), max(group) + 1)
    wanted = [number - rows[0] for number in group]
    for contig in plan.contigs:
        for first, last in taken.spans.get(contig.name, ()):
            for span in _blocks(first, last, plan.shape.chunk_bins):
                with clock.stage("read"):
                    values = np.stack(
                        [cube.read(track, contig, rows, span)[wanted] for track in taken.tracks.names], axis=-1
                    )
                yield _tile(contig, span, plan.bin_bp), values


def _blocks(first: int, last: int, step: int) -> Iterator[Span]:
    """Cut a span at multiples of `step`."""
    while first < last:
        end = min(last, (first // step + 1) * step)
        yield first, end
        first = end


def _tile(contig: Contig, span: Span, bin_bp: int) -> Tile:
    return Tile(0, contig, span[0] * bin_bp, (span,))


def _record(taken: Extraction, number: int, facts: Mapping[str, Any], clock: StageClock) -> dict[str, Any]:
    """Return the record of the tracks of a sample, JSON-compatible."""
    plan, how, makers = taken.cohort.plan, taken.cohort.plan.computation, taken.record["computed_by"]
    account = dict(taken.cohort.samples[number])
    return {
        "sample": account.pop("sample"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"epigept-batch": epigept_batch.__version__},
        **account,
        "scores": plan.places.scores,
        "inputs": taken.inputs(number),
        "device": how.device,
        "arithmetic": ", ".join(dict.fromkeys(maker["arithmetic"] for maker in makers)),
        "batch_size": how.windows * how.samples,
        "threads": how.threads,
        "cohort": {
            "location": taken.cohort.storage.where(),
            "plan": plan.digest,
            "version": plan.version,
            "finalised": taken.record["finalised"],
            "dtype": plan.dtype,
            "computed_by": makers,
        },
        **facts,
        "seconds": {stage: round(seconds, 3) for stage, seconds in clock.seconds().items()},
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
