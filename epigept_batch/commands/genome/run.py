"""The run of `epigept-batch genome`: its stages, and which of them run ahead of others."""

from __future__ import annotations

import platform
import resource
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.commands.genome.plan import GenomePlan, GenomeRequest, Sample, make_plan
from epigept_batch.commands.genome.resume import RunJournals, forget
from epigept_batch.errors import InputError
from epigept_batch.expression.notes import said_once
from epigept_batch.files import make_folder, remove_leftovers
from epigept_batch.inference.device import RunOptions
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.inference.session import Session, open_sessions
from epigept_batch.prediction.predict import predict_tiles
from epigept_batch.prediction.stitch import runs
from epigept_batch.sequence.genome_verdict import NOTHING_TO_PREDICT
from epigept_batch.timing import StageClock
from epigept_batch.tracks.run_record import SampleFiles, is_up_to_date, withdraw, write_record
from epigept_batch.tracks.writers import TrackWriters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.progress import Progress


def run_genome(request: GenomeRequest, progress: Progress) -> dict[str, SampleFiles]:
    """Predict the tracks of every sample and write them.

    Errors in the user's inputs are found before the network is loaded, and before anything is written.

    Args:
        request: What to do.
        progress: Receives an update per window.

    Returns:
        The files of each sample, by name.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    clock = StageClock()
    with ExitStack() as stack:
        with clock.stage("inputs"):
            plan = make_plan(request)
            stack.enter_context(plan.genome)
            due = [sample for sample in plan.samples if _is_due(request, sample)]
        _run(plan, due, clock=clock, progress=progress)
    return {sample.files.sample: sample.files for sample in plan.samples}


def _run(plan: GenomePlan, due: Sequence[Sample], *, clock: StageClock, progress: Progress) -> None:
    """Report the notes on the inputs, and predict the samples that are due."""
    for sentence in _notes(plan, frozenset(due)):
        progress.say(sentence)
    for sample in set(plan.samples).difference(due):
        forget(plan, sample)
    if due:
        with _folder(plan.request.out), RunJournals(plan, due, clock) as journals:
            for sample in due:
                _is_due(plan.request, sample)  # again: before the journals were locked, another run could finish it
                tracks = map(sample.files.bigwig, plan.spec.tracks)  # all: a killed run may have had other tracks
                for path in (*tracks, sample.files.record, sample.files.changing):
                    remove_leftovers(path)
            try:
                _predict(plan, due, journals, clock=clock, progress=progress)
            except KeyboardInterrupt:
                if journals.kept:
                    progress.say(
                        f"{journals.kept:,} of {len(plan.tiles):,} windows are saved; rerun the same command to resume"
                    )
                raise


def _notes(plan: GenomePlan, due: AbstractSet[Sample]) -> Iterator[str]:
    """Yield the notes on the network and the samples."""
    if plan.spec.caution is not None:
        yield plan.spec.caution
    yield from said_once([(s.files.sample, s.source.sentences if s in due else ("up to date",)) for s in plan.samples])


def _is_due(request: GenomeRequest, sample: Sample) -> bool:
    """Whether a sample must be predicted.

    Raises:
        OutputError: Its existing outputs were made from other inputs, and --force is not set.
    """
    return request.force or not is_up_to_date(sample.files, sample.inputs)


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Make an output folder; remove it afterwards if it was made here and is empty."""
    was_there = path.exists()
    make_folder(path)
    try:
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                path.rmdir()  # removes an empty folder only


def _predict(
    plan: GenomePlan, samples: Sequence[Sample], journals: RunJournals, *, clock: StageClock, progress: Progress
) -> None:
    """Compute the plan's windows for the samples that are due, and publish their files."""
    with clock.stage("load"):
        sessions = _open_sessions(plan, samples, progress)
    journals.begin(sessions[0])
    for note in plan.verdict.notes:
        progress.say(f"{plan.request.fasta}: {note}")
    if journals.finished:
        progress.say(f"resuming: {len(journals.finished):,} of {len(plan.tiles):,} windows are already finished")
    progress.start(len(plan.tiles), done=len(journals.finished))
    writers = TrackWriters(
        [path for sample in samples for path in sample.files.bigwigs],
        plan.genome.contigs,
        bin_bp=plan.spec.geometry.bin_bp,
        processes=_writing_processes(sessions[0], plan.request.threads),
    )
    with ExitStack() as stack:
        stack.callback(writers.discard)
        signals = predict_tiles(
            plan.genome,
            journals.due,
            np.stack([sample.expression for sample in samples]),
            sessions,
            spec=plan.spec,
            store=plan.store,
            tracks=plan.track_numbers,
            threads=plan.request.threads,
            say=progress.say,
            clock=clock,
        )
        joined = journals.joined(stack.enter_context(closing(signals)))
        bins_written = _write(plan, joined, writers, journals, clock=clock, progress=progress)
        if not bins_written:
            journals.remove()
            raise InputError(NOTHING_TO_PREDICT, plan.request.fasta)
        plan.genome.check_unchanged()
        with clock.stage("write"):
            digests = {path: file_sha256(path) for path in dict.fromkeys(p for s in samples for p in s.source.paths)}
            _publish(writers, samples)
        for sample in samples:
            document = _record(plan, sample, sessions, clock, bins_written, digests)
            write_record(sample.files, {**document, "windows_resumed": len(journals.finished)})
            progress.finish(_summary(plan, sample, clock, bins_written))
        journals.remove()


def _open_sessions(plan: GenomePlan, samples: Sequence[Sample], progress: Progress) -> list[Session]:
    """Open sessions of the network on the requested device."""
    options = RunOptions(
        plan.spec.precision,
        threads=plan.request.threads,
        batch_size=plan.request.batch_size,
        samples=len(samples),
        digest=samples[0].inputs["model"],
    )
    return open_sessions(plan.request.model, plan.request.device, options, say=progress.say)


def _write(
    plan: GenomePlan,
    signals: Iterable[TileSignal],
    writers: TrackWriters,
    journals: RunJournals,
    *,
    clock: StageClock,
    progress: Progress,
) -> int:
    """Send the values of each window to the writers, and return the number of bins."""
    bins_written = 0
    for signal in signals:
        with clock.stage("write"):
            for run in runs(signal, bin_bp=plan.spec.geometry.bin_bp):
                bins_written += run.values.shape[1]
                writers.write(run.contig, run.first_bin, _by_track(plan, run.values))
        if signal.tile.index not in journals.finished:
            progress.advance()
    return bins_written


def _publish(writers: TrackWriters, samples: Sequence[Sample]) -> None:
    """Replace the outputs of earlier runs with the new tracks; the steps that can fail come before any are removed."""
    writers.close()
    for sample in samples:
        withdraw(sample.files)
    writers.publish()


def _by_track(plan: GenomePlan, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reshape (samples, bins, tracks) to (samples × tracks, bins), and convert to the requested space."""
    by_track = values.transpose(0, 2, 1).reshape(-1, values.shape[1])
    return np.expm1(by_track) if plan.request.space == "linear" else by_track


def _writing_processes(session: Session, threads: int) -> int:
    """Number of processes that write: 1 if the network runs on the CPU, because writing needs 1 % of its cores."""
    return 1 if session.on_host else threads


def _summary(plan: GenomePlan, sample: Sample, clock: StageClock, bins_written: int) -> str:
    """Summarise a sample's outputs in one line."""
    tracks = f"{len(plan.tracks)} track{'s' if len(plan.tracks) > 1 else ''}"
    seconds = clock.seconds()["total"]
    return f"{sample.files.sample}: {tracks} of {bins_written:,} bins in {plan.request.out}/ after {seconds:.0f} s"


def _record(
    plan: GenomePlan,
    sample: Sample,
    sessions: Sequence[Session],
    clock: StageClock,
    bins_written: int,
    digests: Mapping[Path, str],
) -> dict[str, Any]:
    """Return the provenance of a sample's files; `digests` has the digest of each table."""
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
    """Return the value of a sample's table; for merged replicates, the list of all values."""
    return values[0] if len(values) == 1 else values
