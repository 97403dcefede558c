"""The run over the windows of a genome: its stages, and the order in which files get their names."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.commands.run.plan import RunPlan, Sample, Task, make_plan
from epigept_batch.commands.run.product import Assignment
from epigept_batch.commands.run.record import make_record
from epigept_batch.commands.run.resume import RunJournals, forget
from epigept_batch.errors import InputError
from epigept_batch.expression.notes import said_once
from epigept_batch.files import output_folder, remove_leftovers
from epigept_batch.inference.device import RunOptions
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.inference.session import Session, open_sessions
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from epigept_batch.prediction.haplotypes import predict_haplotypes
from epigept_batch.prediction.predict import predict_tiles
from epigept_batch.provenance.run_record import is_up_to_date, withdraw, write_record
from epigept_batch.sequence.genome_verdict import NOTHING_TO_PREDICT
from epigept_batch.timing import StageClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.commands.run.product import Again, Work
    from epigept_batch.commands.run.request import RunRequest
    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.progress import Progress
    from epigept_batch.provenance.run_record import OutputFiles
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Tile

AGAIN = "up to date, but predicted again, because differences are taken of values of the same run"
"""Note on a sample that only its copies need."""


def run_task(
    request: RunRequest, make_task: Callable[[Spec], Task], progress: Progress
) -> list[dict[str, OutputFiles]]:
    """Predict the windows for every sample and write what is made of them.

    Errors in the user's inputs are found before the network is loaded, and before anything is written.

    Args:
        request: What to do.
        make_task: Returns what the command wants of the run, for the spec of the model file.
        progress: Receives an update per window.

    Returns:
        The files of each sample by name, for each product.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    clock = StageClock()
    with ExitStack() as stack:
        with clock.stage("inputs"):
            plan = make_plan(request, make_task)
            stack.enter_context(plan.genome)
            due = _due(plan)
        _run(plan, due, clock=clock, progress=progress)
    return [{sample.name: product.files(sample) for sample in plan.samples} for product in plan.products]


def _run(plan: RunPlan, due: Mapping[Sample, tuple[str, ...]], *, clock: StageClock, progress: Progress) -> None:
    """Report the notes on the inputs, and predict the samples that are due."""
    for sentence in _notes(plan, due):
        progress.say(sentence)
    for sample in set(plan.samples).difference(due):
        forget(plan, sample)
    if due:
        with output_folder(plan.request.out), RunJournals(plan, list(due), clock) as journals:
            for sample in due:
                _is_due(plan, sample)  # again: before the journals were locked, another run could finish it
                for product in plan.products:
                    for path in product.leftovers(sample):
                        remove_leftovers(path)
            try:
                _predict(plan, list(due), journals, clock=clock, progress=progress)
            except KeyboardInterrupt:
                if journals.kept:
                    progress.say(
                        f"{journals.kept:,} of {len(plan.tiles):,} windows are saved; rerun the same command to resume"
                    )
                raise


def _notes(plan: RunPlan, due: Mapping[Sample, tuple[str, ...]]) -> Iterator[str]:
    """Yield the notes on the network and the samples."""
    if plan.spec.caution is not None:
        yield plan.spec.caution
    if plan.personal is not None:
        yield from (f"{plan.personal.path}: {note}" for note in plan.personal.notes())
    yield from said_once([(sample.name, due.get(sample, ("up to date",))) for sample in plan.samples])


def _due(plan: RunPlan) -> dict[Sample, tuple[str, ...]]:
    """Return the samples that must be predicted, in order, with the notes on each.

    Where a product compares copies with their samples, the sample of a copy that is due is predicted again, even if its
    outputs are up to date: only values of the same run are rounded alike.
    """
    due = {sample for sample in plan.samples if _is_due(plan, sample)}
    needed: set[str | None] = set()
    if any(product.compares_copies for product in plan.products):
        needed = {sample.copy_of for sample in due}
    notes = {sample: sample.notes if sample in due else (AGAIN,) for sample in plan.samples}
    return {sample: notes[sample] for sample in plan.samples if sample in due or sample.name in needed}


def _is_due(plan: RunPlan, sample: Sample) -> bool:
    """Whether a sample must be predicted.

    Raises:
        OutputError: Its existing outputs were made from other inputs, and --force is not set.
    """
    if plan.request.force:
        return True
    finished = [
        is_up_to_date(product.files(sample), inputs)
        for product, inputs in zip(plan.products, sample.inputs, strict=True)
    ]
    return not all(finished)


def _predict(
    plan: RunPlan, samples: Sequence[Sample], journals: RunJournals, *, clock: StageClock, progress: Progress
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
    with ExitStack() as stack:
        works = [
            stack.enter_context(product.work(_assignment(plan, samples, number, sessions[0])))
            for number, product in enumerate(plan.products)
        ]
        _take(plan, samples, journals, sessions, works, clock=clock, progress=progress)
        if all(work.is_empty for work in works):
            journals.remove()
            raise InputError(NOTHING_TO_PREDICT, plan.request.fasta)
        plan.genome.check_unchanged()
        with clock.stage("write"):
            digests = {path: file_sha256(path) for path in _paths(plan, samples)}
            for number, work in enumerate(works):
                work.finish(_again(journals, number))
            _publish(plan, samples, works)
        _write_records(plan, samples, works, sessions, digests, len(journals.finished), clock=clock, progress=progress)
        journals.remove()


def _paths(plan: RunPlan, samples: Sequence[Sample]) -> list[Path]:
    """Return the files of samples whose digests the records have, each once."""
    tables = dict.fromkeys(path for sample in samples for path in sample.source.paths)
    return [*tables] if plan.personal is None else [*tables, plan.personal.path]


def _assignment(plan: RunPlan, samples: Sequence[Sample], product: int, session: Session) -> Assignment:
    """Return what a product is made of. On a CPU, one process writes, because that takes 1 % of its cores."""
    return Assignment(
        samples=tuple(samples),
        contigs=plan.genome.contigs,
        regions=plan.regions(product),
        processes=1 if session.on_host else plan.request.threads,
        model_sha256=plan.model_sha256,
    )


def _open_sessions(plan: RunPlan, samples: Sequence[Sample], progress: Progress) -> list[Session]:
    """Open sessions of the network on the requested device; on a GPU that scans, unless it edits windows first."""
    edits = any(sample.haplotype is not None for sample in samples)
    scans = plan.request.scan_on_gpu and plan.store is None and not edits
    options = RunOptions(
        plan.spec.precision,
        threads=plan.request.threads,
        batch_size=plan.request.batch_size,
        samples=len(_vectors(samples)),
        digest=plan.model_sha256,
        outputs=tuple(dict.fromkeys(name for product in plan.products for name in product.outputs)),
        scan=GpuScanMaker(plan.spec, threads=plan.request.threads) if scans else None,
    )
    return open_sessions(plan.request.model, plan.request.device, options, say=progress.say)


def _take(
    plan: RunPlan,
    samples: Sequence[Sample],
    journals: RunJournals,
    sessions: Sequence[Session],
    works: Sequence[Work],
    *,
    clock: StageClock,
    progress: Progress,
) -> None:
    """Pass every window to the products, in genome order."""
    signals = _signals(plan, samples, journals.due, sessions, clock=clock, progress=progress)
    with closing(signals):
        for tile, parts in journals.joined(signals):
            with clock.stage("write"):
                for work, part in zip(works, parts, strict=True):
                    work.take(tile, part)
            if tile.index not in journals.finished:
                progress.advance()


def _signals(
    plan: RunPlan,
    samples: Sequence[Sample],
    tiles: Sequence[Tile],
    sessions: Sequence[Session],
    *,
    clock: StageClock,
    progress: Progress,
) -> Generator[TileSignal, None, None]:
    """Yield the signals of windows, with a row per sample."""
    options: dict[str, Any] = {
        "spec": plan.spec,
        "store": plan.store,
        "tracks": range(len(plan.spec.tracks)),
        "threads": plan.request.threads,
        "say": progress.say,
        "clock": clock,
    }
    vectors = _vectors(samples)
    numbers = {key: number for number, key in enumerate(vectors)}
    rows = [(one.haplotype, numbers[id(one.expression)]) for one in samples if one.haplotype is not None]
    expression = np.stack(list(vectors.values()))
    if rows:
        return predict_haplotypes(plan.genome, tiles, expression, rows, sessions, **options)
    return predict_tiles(plan.genome, tiles, expression, sessions, **options)


def _vectors(samples: Sequence[Sample]) -> dict[int, NDArray[np.float32]]:
    """Return what the network reads of samples by its identity, because the haplotypes of a sample share it."""
    return {id(sample.expression): sample.expression for sample in samples}


def _again(journals: RunJournals, product: int) -> Again:
    """Return a function that yields what a product kept of each window, for a sample."""

    def again(sample: int) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        return ((tile, parts[product]) for tile, parts in journals.again(sample))

    return again


def _publish(plan: RunPlan, samples: Sequence[Sample], works: Sequence[Work]) -> None:
    """Replace the outputs of earlier runs with the new ones."""
    for sample in samples:
        for product in plan.products:
            withdraw(product.files(sample))
    for work in works:
        work.publish()


def _write_records(
    plan: RunPlan,
    samples: Sequence[Sample],
    works: Sequence[Work],
    sessions: Sequence[Session],
    digests: Mapping[Path, str],
    resumed: int,
    *,
    clock: StageClock,
    progress: Progress,
) -> None:
    """Write the provenance of every sample and product, and report them."""
    for number, sample in enumerate(samples):
        for index, (product, work) in enumerate(zip(plan.products, works, strict=True)):
            document = make_record(plan, sample, index, work.facts(number), sessions, clock, digests)
            write_record(product.files(sample), {**document, "windows_resumed": resumed})
        seconds = clock.seconds()["total"]
        made = " and ".join(work.summary(number) for work in works)
        progress.finish(f"{sample.name}: {made} in {plan.request.out}/ after {seconds:.0f} s")
