"""The run of `epigept-batch screen`."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.commands.run.journal import OtherRunError
from epigept_batch.commands.screen.files import ScreenFiles
from epigept_batch.commands.screen.plan import ScreenPlan, make_screen_plan
from epigept_batch.commands.screen.record import make_screen_record
from epigept_batch.commands.screen.resume import ScreenJournal
from epigept_batch.errors import InputError, OutputError, reason
from epigept_batch.expression.notes import said_once
from epigept_batch.files import output_folder, remove_leftovers
from epigept_batch.inference.device import RunOptions
from epigept_batch.inference.session import open_sessions
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.prediction.scores import scores_for
from epigept_batch.prediction.windows import WindowReader
from epigept_batch.provenance.run_record import is_up_to_date, withdraw, write_record
from epigept_batch.screen.attribution import Attribution
from epigept_batch.screen.changes import gather
from epigept_batch.screen.tables import AttributionTables, ChangeTables, TableFiles
from epigept_batch.screen.windows import HEAD, ROWS, ScreenedWindows
from epigept_batch.sequence.genome_verdict import NOTHING_TO_PREDICT
from epigept_batch.timing import StageClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from epigept_batch.commands.screen.request import ScreenRequest
    from epigept_batch.inference.session import Session
    from epigept_batch.progress import Progress
    from epigept_batch.screen.changes import Changes

ROWS_AT_ONCE = 1 << 18
"""Number of rows of the tables that are made at once, which bounds the memory."""


def run_screen(request: ScreenRequest, progress: Progress) -> ScreenFiles:
    """Set each factor of each sample in turn to a value, and write how the signal of regions changes.

    Errors in the user's inputs are found before the network is loaded, and before anything is written.

    Args:
        request: What to do.
        progress: Receives an update per evaluation of the network.

    Returns:
        The files.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    clock = StageClock()
    with ExitStack() as stack:
        with clock.stage("inputs"):
            plan = make_screen_plan(request)
            stack.enter_context(plan.run.genome)
            is_due = _is_due(plan)
        if not is_due:
            _forget(plan)
            progress.say("screen: up to date")
            return plan.files
        stack.enter_context(output_folder(request.out))
        journal = stack.enter_context(ScreenJournal(plan))
        for sentence in _notes(plan):
            progress.say(sentence)
        if _is_due(plan):  # again: before the journal was locked, another run could finish it
            files = ScreenFiles(request.out, compares=True)
            for path in (*files.outputs, files.record, files.changing):
                remove_leftovers(path)
            try:
                _screen(plan, journal, clock=clock, progress=progress)
            except KeyboardInterrupt:
                if journal.kept:
                    progress.say(
                        f"{journal.kept:,} of {journal.total:,} parts are saved; rerun the same command to resume"
                    )
                raise
    return plan.files


def _is_due(plan: ScreenPlan) -> bool:
    """Whether the screen must run.

    Raises:
        OutputError: Its existing tables were made from other inputs, and --force is not set.
    """
    return plan.request.force or not is_up_to_date(plan.files, plan.inputs)


def _forget(plan: ScreenPlan) -> None:
    """Remove what a run that was stopped at its very end left of a complete screen."""
    if plan.files.journal.exists():
        try:
            ScreenJournal(plan).remove()
        except OtherRunError:
            return
    plan.files.changing.unlink(missing_ok=True)


def _notes(plan: ScreenPlan) -> Iterator[str]:
    """Yield the notes on the network and the samples, and what the screen costs."""
    if plan.run.spec.caution is not None:
        yield plan.run.spec.caution
    yield from said_once([(sample.name, sample.source.sentences) for sample in plan.sources])
    for note in plan.run.verdict.notes:
        yield f"{plan.request.fasta}: {note}"
    yield from plan.notes()
    samples = " + ".join(f"{1 + int(sample.differ.sum()):,}" for sample in plan.samples)
    yield (
        f"the network must run up to {plan.most_evaluations:,} times: {_counted(len(plan.areas.tiles), 'window')} × "
        f"({samples}) for each sample and its changes; factors without a motif hit in a window are left out there"
    )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _screen(plan: ScreenPlan, journal: ScreenJournal, *, clock: StageClock, progress: Progress) -> None:
    """Compute what is missing, and write the tables."""
    with clock.stage("load"):
        sessions = _open_sessions(plan, progress)
    journal.begin(sessions[0])
    evaluations = _compute(plan, journal, sessions, clock=clock, progress=progress)
    counts = [journal.read(tile, HEAD)[0] for tile in plan.areas.tiles]
    if not any(count.any() for count in counts):
        journal.remove()
        raise InputError(NOTHING_TO_PREDICT, plan.request.fasta)
    plan.run.genome.check_unchanged()
    with ExitStack() as stack:
        files = TableFiles(stack)
        with clock.stage("write"):
            try:
                facts = _write(plan, journal, files, progress)
            except OSError as error:
                raise OutputError(
                    f"cannot be written: {reason(error)}; free some space and rerun the same command: finished windows "
                    "are kept",
                    plan.files.outputs[0],
                ) from error
            document = make_screen_record(plan, sessions, {**facts, "evaluations": evaluations})
            withdraw(plan.files)
            files.publish()
        seconds = {stage: round(value, 3) for stage, value in clock.seconds().items()}
        write_record(plan.files, {**document, "parts_resumed": journal.resumed, "seconds": seconds})
    journal.remove()
    made = f"{_counted(plan.layout.factors, 'factor')} in {_counted(facts['regions_with_bases'], 'region')}"
    seconds_in_all = clock.seconds()["total"]
    progress.finish(
        f"{made}, from {evaluations:,} runs of the network, in {plan.request.out}/ after {seconds_in_all:.0f} s"
    )


def _open_sessions(plan: ScreenPlan, progress: Progress) -> list[Session]:
    """Open sessions of the network on the requested device."""
    options = RunOptions(
        plan.run.spec.precision,
        threads=plan.request.threads,
        batch_size=plan.request.batch_size,
        samples=min(ROWS, 1 + plan.layout.factors),
        digest=plan.run.model_sha256,
    )
    return open_sessions(plan.request.model, plan.request.device, options, say=progress.say)


def _compute(
    plan: ScreenPlan, journal: ScreenJournal, sessions: Sequence[Session], *, clock: StageClock, progress: Progress
) -> int:
    """Compute the parts that are missing; return how often the network ran for all parts, also in runs before."""
    spec, request = plan.run.spec, plan.request
    evaluations, done = _of_earlier_runs(plan, journal)
    if journal.kept:
        progress.say(f"resuming: {journal.kept:,} of {journal.total:,} parts are already finished")
    progress.start(plan.most_evaluations, done=done)
    tracks = [spec.tracks.index(name) for name in plan.tracks]
    windows = ScreenedWindows(plan.areas, plan.samples, sessions, tracks=tracks, clock=clock)
    with ExitStack() as stack:
        with clock.stage("load"):
            scores = stack.enter_context(
                scores_for(spec, sessions[0].ports, plan.run.store, threads=request.threads, say=progress.say)
            )
        parts = windows.parts(
            WindowReader(plan.run.genome, scores, geometry=spec.geometry, clock=clock),
            journal.due(),
            threads=request.threads,
            scans=isinstance(scores, MotifScanner),
        )
        for part in stack.enter_context(closing(parts)):
            with clock.stage("journal"):
                journal.add(part)
            evaluations += part.evaluations
            progress.advance(_most_evaluations(plan, part.number))
    return evaluations


def _of_earlier_runs(plan: ScreenPlan, journal: ScreenJournal) -> tuple[int, int]:
    """Return how often the network ran for the finished parts, and how often it could have had to."""
    evaluations = done = 0
    for part, values in journal.finished():
        evaluations += int((~np.isnan(values[:, 0])).sum())
        done += _most_evaluations(plan, part)
    return evaluations, done


def _most_evaluations(plan: ScreenPlan, part: int) -> int:
    """Return how often the network must run at most for a part."""
    if part == HEAD:
        return 0
    number, rows = plan.layout.place(part)
    return int(np.concatenate([[True], plan.samples[number].differ])[rows.start : rows.stop].sum())


def _write(plan: ScreenPlan, journal: ScreenJournal, files: TableFiles, progress: Progress) -> dict[str, Any]:
    """Write the tables under hidden names; return what the record says about them."""
    write = _write_changes if plan.request.between is None else _write_attribution
    facts = write(plan, journal, files, progress)
    regions, with_bases = len(plan.areas.regions), facts["regions_with_bases"]
    if with_bases < regions:
        progress.say(f"{_counted(regions - with_bases, 'region')} without any base (only N), left out of the tables")
    return {"regions": regions, **facts}


def _blocks(plan: ScreenPlan) -> Iterator[range]:
    """Yield numbers of regions, as many as are put into tables at once."""
    regions = len(plan.areas.regions)
    step = max(1, ROWS_AT_ONCE // (plan.layout.factors * len(plan.tracks)))
    return (range(first, min(first + step, regions)) for first in range(0, regions, step))


def _changes(plan: ScreenPlan, journal: ScreenJournal, samples: Sequence[int], regions: range) -> Changes:
    """Return the changes of some samples, by number, in some regions."""
    chosen = [(number, plan.samples[number]) for number in samples]
    return gather(journal.read, plan.areas, plan.layout, chosen, regions=regions, tracks=plan.tracks)


def _write_changes(plan: ScreenPlan, journal: ScreenJournal, files: TableFiles, _: Progress) -> dict[str, Any]:
    tables = ChangeTables(plan.files.outputs, files, plan.request.strongest)
    with_bases = 0
    for number in range(len(plan.samples)):
        with_bases = 0  # the same for each sample
        for regions in _blocks(plan):
            changes = _changes(plan, journal, [number], regions)
            with_bases += int((changes.bins > 0).sum())
            tables.add(changes)
    tables.finish(plan.tracks, plan.areas.regions)
    return {"rows": tables.tables.rows, "regions_with_bases": with_bases}


def _write_attribution(
    plan: ScreenPlan, journal: ScreenJournal, files: TableFiles, progress: Progress
) -> dict[str, Any]:
    tables = AttributionTables(
        plan.files.outputs, files, plan.request.strongest, samples=plan.samples, tracks=plan.tracks
    )
    with_bases = 0
    for regions in _blocks(plan):
        changes = _changes(plan, journal, [0, 1], regions)
        with_bases += int((changes.bins > 0).sum())
        tables.add(Attribution(changes))
    remainder = []
    first, second = (sample.sample for sample in plan.samples)
    for track, difference, explained, rest in tables.finish(plan.areas.regions):
        progress.say(
            f"{track}: {second} minus {first} is {difference:.4g}, mean over the regions; single factors add up to "
            f"{explained:.4g}, and {rest:.4g} remain"
        )
        remainder.append({"track": track, "difference": difference, "sum_of_effects": explained, "remainder": rest})
    return {"rows": tables.tables.rows, "regions_with_bases": with_bases, "remainder": remainder}
