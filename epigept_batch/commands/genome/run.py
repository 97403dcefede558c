"""The run of `epigept-batch genome`: its stages, and which of them run ahead of which."""

from __future__ import annotations

import platform
import resource
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.commands.genome.plan import NO_BASE, GenomeRequest, Plan, Sample, make_plan
from epigept_batch.commands.genome.resume import RunJournals, forget
from epigept_batch.errors import EpiGePTError, InputError
from epigept_batch.expression.notes import said_once
from epigept_batch.files import make_folder, remove_leftovers
from epigept_batch.inference.device import Wanted
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.inference.session import Session, open_sessions
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.prediction.ahead import mapped
from epigept_batch.prediction.batches import in_batches
from epigept_batch.prediction.stitch import TileSignal, runs
from epigept_batch.prediction.windows import Window, WindowReader
from epigept_batch.timing import StageClock
from epigept_batch.tracks.run_record import SampleFiles, is_up_to_date, withdraw, write_record
from epigept_batch.tracks.writers import TrackWriters

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.progress import Progress
    from epigept_batch.tiling import Tile


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
    with ExitStack() as stack:
        with clock.stage("inputs"):
            plan = make_plan(request)
            stack.enter_context(plan.genome)
            due = [sample for sample in plan.samples if _is_due(request, sample)]
        _run(plan, due, clock=clock, progress=progress)
    return {sample.files.sample: sample.files for sample in plan.samples}


def _run(plan: Plan, due: Sequence[Sample], *, clock: StageClock, progress: Progress) -> None:
    """Say what there is to say of the inputs, and make the samples that are due."""
    for sentence in _notes(plan, frozenset(due)):
        progress.say(sentence)
    for sample in set(plan.samples).difference(due):
        forget(plan, sample)
    if due:
        with _folder(plan.request.out), RunJournals(plan, due, clock) as journals:
            for sample in due:
                _is_due(plan.request, sample)  # again: until the journals were locked, another run could finish it
                tracks = map(sample.files.bigwig, plan.spec.tracks)  # a run that was killed may have made others
                for path in (*tracks, sample.files.record, sample.files.changing):
                    remove_leftovers(path)
            try:
                _predict(plan, due, journals, clock=clock, progress=progress)
            except KeyboardInterrupt:
                if journals.kept:
                    progress.say(
                        f"{journals.kept:,} of {len(plan.tiles):,} windows are kept: the same command goes on with them"
                    )
                raise


def _notes(plan: Plan, due: AbstractSet[Sample]) -> Iterator[str]:
    """What to know of the network, the genome and the samples."""
    if not plan.spec.contiguous:
        yield (
            f"the {plan.spec.architecture} network was trained on open bins joined into windows; on contiguous "
            "sequence, as here, it extrapolates"
        )
    yield from said_once([(s.files.sample, s.source.sentences if s in due else ("up to date",)) for s in plan.samples])


def _is_due(request: GenomeRequest, sample: Sample) -> bool:
    """Whether a sample is to be made.

    Raises:
        OutputError: What is there was made from other inputs, and shall not be replaced.
    """
    return request.force or not is_up_to_date(sample.files, sample.inputs)


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """An output folder, which goes again if it was made for nothing."""
    was_there = path.exists()
    make_folder(path)
    try:
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                path.rmdir()  # only an empty one goes


ON_HOST = {"cpu", "openvino"}
"""Devices that are the processor, which also does everything else."""


@dataclass(frozen=True)
class Schedule:
    """What runs ahead of what.

    Attributes:
        readers: Threads that read and scan windows; 0 to do that between two calls of the network.
        windows_ahead: How many windows may be read before they are needed.
        callers: Threads that call the network, one a session; 0 to do that between two writes.
        batches_ahead: How many batches may be under way or wait, beside the one that is being written.
    """

    readers: int
    windows_ahead: int
    callers: int
    batches_ahead: int


ONE_AFTER_THE_OTHER = Schedule(readers=0, windows_ahead=0, callers=0, batches_ahead=0)


def make_schedule(sessions: Sequence[Session], *, threads: int, windows: int, scans: bool) -> Schedule:
    """What suits the sessions: a batch for each, another read, and on a CPU no more threads than it has cores.

    Args:
        sessions: Where the network runs.
        threads: How many the CPU may use.
        windows: Of a batch.
        scans: Whether the genome is scanned on the way.
    """
    on_cpu = sessions[0].device in ON_HOST
    if on_cpu and scans:
        return (
            ONE_AFTER_THE_OTHER  # scan and network each take all cores: side by side they wait for each other's threads
        )
    return Schedule(
        readers=1 if on_cpu else threads,
        windows_ahead=2 * windows * len(sessions) + (0 if on_cpu else threads),
        callers=len(sessions),
        batches_ahead=len(sessions),
    )


class Predictor:
    """Batches of windows to signals, each by whichever session is free; called by a thread a session.

    Args:
        sessions: Where the network runs.
        expression: float32, (samples, factors).
        tracks: Places of the wanted tracks in the network's output.
        clock: Told of the stage `model`.
    """

    def __init__(
        self, sessions: Sequence[Session], expression: NDArray[np.float32], tracks: Sequence[int], clock: StageClock
    ) -> None:
        self._free: SimpleQueue[Session] = SimpleQueue()
        for session in sessions:
            self._free.put(session)
        self._expression = expression
        self._tracks = list(tracks)
        self._clock = clock

    def __call__(self, batch: Sequence[Window]) -> list[TileSignal]:
        """What each window gives; one whose bins have no base is not computed.

        Raises:
            EpiGePTError: The network gave what is no number.
        """
        read = [(w.tokens, w.motif_scores) for w in batch if w.tokens is not None and w.motif_scores is not None]
        signals: Iterator[NDArray[np.float32]] = iter(())
        if read:
            tokens, motif_scores = zip(*read, strict=True)
            session = self._free.get()
            try:
                with self._clock.stage("model"):
                    signals = iter(session.run(tokens, motif_scores, self._expression)[..., self._tracks])
            finally:
                self._free.put(session)
        found = [TileSignal(w.tile, None if w.tokens is None else next(signals), w.has_bases) for w in batch]
        for signal in found:
            _check_finite(signal)
        return found


def _check_finite(signal: TileSignal) -> None:
    """See that a window's values are numbers.

    Raises:
        EpiGePTError: Some are not.
    """
    if signal.signal is not None and not np.isfinite(signal.signal).all():
        tile = signal.tile
        raise EpiGePTError(
            f"{tile.contig.name}:{tile.start + 1:,}: in the window that begins here the network gave values that are "
            "no numbers; none of it is written. Try another --device, or a model file in fp32"
        )


def _predict(
    plan: Plan, samples: Sequence[Sample], journals: RunJournals, *, clock: StageClock, progress: Progress
) -> None:
    """Compute the plan's windows for the samples that are due, and publish their files."""
    request, geometry = plan.request, plan.spec.geometry
    with ExitStack() as stack:
        with clock.stage("load"):
            wanted = Wanted(
                plan.spec.precision,
                threads=request.threads,
                batch_size=request.batch_size,
                samples=len(samples),
                digest=samples[0].inputs["model"],
            )
            sessions = open_sessions(request.model, request.device, wanted, say=progress.say)
            scores = plan.store or stack.enter_context(_scan(plan, progress))
        journals.begin(sessions[0])
        for note in plan.verdict.notes:
            progress.say(f"{request.fasta}: {note}")
        if journals.finished:
            progress.say(f"going on: {len(journals.finished):,} of {len(plan.tiles):,} windows are finished")
        progress.start(len(plan.tiles), done=len(journals.finished))
        bins_written = 0
        writers = TrackWriters(
            [path for sample in samples for path in sample.files.bigwigs],
            plan.genome.contigs,
            bin_bp=geometry.bin_bp,
            processes=_writing_processes(sessions[0], request.threads),
        )
        stack.callback(writers.discard)
        reader = WindowReader(plan.genome, scores, geometry=geometry, clock=clock)
        signals = stack.enter_context(closing(_signals(plan, samples, journals.due, sessions, reader, clock)))
        for signal in journals.joined(signals):
            with clock.stage("write"):
                for run in runs(signal, bin_bp=geometry.bin_bp):
                    bins_written += run.values.shape[1]
                    writers.write(run.contig, run.first_bin, _by_track(plan, run.values))
            if signal.tile.index not in journals.finished:
                progress.advance()
        if not bins_written:
            journals.remove()
            raise InputError(NO_BASE, request.fasta)
        plan.genome.check_unchanged()
        with clock.stage("write"):
            digests = {path: file_sha256(path) for path in dict.fromkeys(p for s in samples for p in s.source.paths)}
            _publish(writers, samples)
        for sample in samples:
            document = _record(plan, sample, sessions, clock, bins_written, digests)
            write_record(sample.files, {**document, "windows_resumed": len(journals.finished)})
            progress.finish(_summary(plan, sample, clock, bins_written))
        journals.remove()


def _publish(writers: TrackWriters, samples: Sequence[Sample]) -> None:
    """Put the tracks in the place of what earlier runs left; what can fail comes before that goes."""
    writers.close()
    for sample in samples:
        withdraw(sample.files)
    writers.publish()


def _by_track(plan: Plan, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(samples, bins, tracks) as (samples × tracks, bins), in the space asked for."""
    by_track = values.transpose(0, 2, 1).reshape(-1, values.shape[1])
    return np.expm1(by_track) if plan.request.space == "linear" else by_track


def _writing_processes(session: Session, threads: int) -> int:
    """One where the network itself takes the cores; it needs a hundredth of them."""
    return 1 if session.device in ON_HOST else threads


def _signals(
    plan: Plan,
    samples: Sequence[Sample],
    tiles: Sequence[Tile],
    sessions: Sequence[Session],
    reader: WindowReader,
    clock: StageClock,
) -> Generator[TileSignal, None, None]:
    """What each window gives, in genome order."""
    expression = np.stack([sample.expression for sample in samples])
    size = sessions[0].windows_a_call(len(samples))
    scans = plan.store is None
    schedule = make_schedule(sessions, threads=plan.request.threads, windows=size, scans=scans)
    windows = mapped(reader, tiles, workers=schedule.readers, ahead=schedule.windows_ahead)
    batches = in_batches(windows, size, counts=lambda window: window.tokens is not None)
    predictor = Predictor(sessions, expression, plan.track_numbers, clock)
    predicted = mapped(predictor, batches, workers=schedule.callers, ahead=schedule.batches_ahead)
    with closing(predicted):
        for batch in predicted:
            yield from batch


@contextmanager
def _scan(plan: Plan, progress: Progress) -> Iterator[GenomeScan]:
    """A scan of the genome on the way."""
    bin_bp, threads = plan.spec.geometry.bin_bp, plan.request.threads
    scanner = MotifScanner(plan.spec.motif_set, plan.spec.factors, bin_bp=bin_bp, threads=threads)
    with GenomeScan(plan.genome, scanner) as scan:
        scanner.compile(progress.say)
        yield scan


def _summary(plan: Plan, sample: Sample, clock: StageClock, bins_written: int) -> str:
    """One line on what a sample got."""
    tracks = f"{len(plan.tracks)} track{'s' if len(plan.tracks) > 1 else ''}"
    seconds = clock.seconds()["total"]
    return f"{sample.files.sample}: {tracks} of {bins_written:,} bins in {plan.request.out}/ after {seconds:.0f} s"


def _record(
    plan: Plan,
    sample: Sample,
    sessions: Sequence[Session],
    clock: StageClock,
    bins_written: int,
    digests: Mapping[Path, str],
) -> dict[str, Any]:
    """The provenance of a sample's files; `digests` has that of each table."""
    session = sessions[0]
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
            "expression": _one_or_all([digests[path] for path in sample.source.paths]),
        },
        "inputs": sample.inputs,
        "genome": plan.verdict.account(),
        "architecture": spec.architecture,
        "checkpoint_sha256": spec.checkpoint_sha256,
        "precision": spec.precision,
        "space": request.space,
        "device": ", ".join(dict.fromkeys(session.device for session in sessions)),
        "provider": session.provider,
        "arithmetic": session.arithmetic,
        "batch_size": session.batch_size,
        "threads": request.threads,
        "scores": None if plan.store is None else str(plan.store.path.resolve()),
        "regions": plan.regions,
        "factors": account["factors"],
        "expression": {key: account[key] for key in ("tables", "nearest_cell", "notes", "sheet")},
        "windows": len(plan.tiles),
        "bins": bins_written,
        "seconds": {stage: round(seconds, 3) for stage, seconds in clock.seconds().items()},
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _one_or_all(values: Sequence[str]) -> str | Sequence[str]:
    """The value of a sample's table; a list of them for replicates that were merged."""
    return values[0] if len(values) == 1 else values
