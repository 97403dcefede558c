"""The run of `epigept-batch variants`."""

from __future__ import annotations

import resource
from contextlib import ExitStack, closing
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.commands.run.journal import Journal
from epigept_batch.commands.run.record import account_of_run
from epigept_batch.commands.run.resume import Syncs
from epigept_batch.commands.variants.files import PARQUET, VCF, ScoreFiles
from epigept_batch.commands.variants.plan import make_plan
from epigept_batch.errors import InputError
from epigept_batch.expression.notes import said_once
from epigept_batch.files import make_folder, publish, remove_leftovers, temporary_beside
from epigept_batch.inference.device import RunOptions
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.inference.session import open_sessions
from epigept_batch.prediction.effects import predict_effects
from epigept_batch.provenance.run_record import is_up_to_date, withdraw, write_record
from epigept_batch.timing import StageClock
from epigept_batch.variants.annotation import KEY, annotations_of, description_of
from epigept_batch.variants.background import LEAST, Background
from epigept_batch.variants.chunks import DIFFERENCE, FIELDS
from epigept_batch.variants.score_table import Layout, frame_of, write_parquet, write_tsv
from epigept_batch.variants.vcf import check_not_annotated, write_annotated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.commands.variants.plan import VariantsPlan
    from epigept_batch.commands.variants.request import VariantsRequest
    from epigept_batch.inference.session import Session
    from epigept_batch.progress import Progress
    from epigept_batch.variants.chunks import Chunk


def run_variants(request: VariantsRequest, progress: Progress) -> ScoreFiles:
    """Score the variants of a file for every sample.

    Errors in the user's inputs are found before the network is loaded, and before anything is written.

    Args:
        request: What to do.
        progress: Receives an update per chunk of variants.

    Returns:
        The files that were written.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    clock, files = StageClock(), ScoreFiles(request.out)
    kind = files.format
    _check_not_an_input(request)
    if kind == VCF:
        check_not_annotated(request.variants, KEY)
    with ExitStack() as stack:
        with clock.stage("inputs"):
            plan = make_plan(request, progress.say)
            stack.enter_context(plan.genome)
        for sentence in _notes(plan):
            progress.say(sentence)
        if not request.force and is_up_to_date(files, plan.inputs):
            progress.say(f"{request.out}: up to date")
            return files
        make_folder(files.folder)
        inputs = {**plan.inputs, "version of epigept-batch": epigept_batch.__version__}
        journal = stack.enter_context(Journal(files.journal, inputs, fresh=request.fresh))
        for path in (files.out, files.record, files.changing):
            remove_leftovers(path)
        try:
            _run(plan, files, journal, clock=clock, progress=progress)
        except KeyboardInterrupt:
            if journal.tiles:
                progress.say(f"{_kept(plan, journal):,} variants are saved; rerun the same command to resume")
            raise
    return files


def _check_not_an_input(request: VariantsRequest) -> None:
    """Check that the scores do not replace an input.

    Raises:
        InputError: They would.
    """
    samples = request.samples
    optional = (request.features, samples.sheet, samples.tx2gene)
    inputs = [request.variants, request.fasta, request.model, *(path for _, path in samples.tables)]
    inputs += [path for path in optional if path is not None]
    if request.out.exists() and any(path.exists() and path.samefile(request.out) for path in inputs):
        raise InputError("is also an input; choose another --out", request.out)


def _notes(plan: VariantsPlan) -> Iterator[str]:
    """Yield the notes on the network, the genome and the samples."""
    if plan.spec.caution is not None:
        yield plan.spec.caution
    for note in plan.verdict.notes:
        yield f"{plan.request.fasta}: {note}"
    for stratum, drawn in plan.drawn.items():
        if len(drawn) < LEAST:
            yield (
                f"background: only {len(drawn)} random variants like {stratum}, so no percentile is given for these; "
                f"at least {LEAST} are needed"
            )
    yield from said_once([(sample.name, sample.notes) for sample in plan.samples])


def _total(plan: VariantsPlan) -> int:
    """Return the number of variants to score, with those of the background."""
    return plan.span[1] - plan.span[0] + sum(map(len, plan.drawn.values()))


def _kept(plan: VariantsPlan, journal: Journal) -> int:
    """Return about how many variants are finished."""
    return min(len(journal.tiles) * plan.chunk_size, _total(plan))


def _run(plan: VariantsPlan, files: ScoreFiles, journal: Journal, *, clock: StageClock, progress: Progress) -> None:
    """Score the variants that are due, and publish the scores."""
    request = plan.request
    with clock.stage("load"):
        options = RunOptions(
            plan.spec.precision,
            threads=request.threads,
            batch_size=request.batch_size,
            samples=len(plan.samples),
            digest=plan.model_sha256,
        )
        sessions = open_sessions(request.model, request.device, options, say=progress.say)
    journal.begin({"kind of device": sessions[0].provider, "arithmetic": sessions[0].arithmetic})
    resumed = _kept(plan, journal)
    if resumed:
        progress.say(f"resuming: {resumed:,} of {_total(plan):,} variants are already finished")
    progress.start(_total(plan), done=resumed)
    _score(plan, journal, sessions, clock=clock, progress=progress)
    plan.genome.check_unchanged()
    if file_sha256(request.variants) != plan.inputs["file of variants"]:
        raise InputError("was changed during the run; rerun with --fresh", request.variants)
    with clock.stage("write"):
        temporary = temporary_beside(files.out)
        try:
            _write(plan, files, journal, temporary)
            withdraw(files)
            publish(temporary, files.out)
        finally:
            temporary.unlink(missing_ok=True)
    write_record(files, _record(plan, sessions, clock, resumed))
    journal.remove()
    seconds = clock.seconds()["total"]
    variants, samples = plan.span[1] - plan.span[0], len(plan.samples)
    progress.finish(f"{files.out}: {_count(variants, 'variant')} for {_count(samples, 'sample')} after {seconds:.0f} s")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _score(
    plan: VariantsPlan, journal: Journal, sessions: list[Session], *, clock: StageClock, progress: Progress
) -> None:
    """Predict the chunks that are not in the journal, and add them."""
    effects = predict_effects(
        plan.genome,
        (chunk for chunk in chain(plan.chunks(), plan.background_chunks()) if chunk.index not in journal),
        np.stack([sample.expression for sample in plan.samples]),
        sessions,
        spec=plan.spec,
        scoring=plan.scoring,
        store=plan.store,
        tracks=[plan.spec.tracks.index(track) for track in plan.tracks],
        threads=plan.request.threads,
        say=progress.say,
        clock=clock,
    )
    syncs = Syncs([journal])
    with closing(effects):
        for chunk, values in effects:
            with clock.stage("journal"):
                journal.add(chunk.index, values.reshape(-1, len(FIELDS)))
                syncs.sync_if_due()
            progress.advance(len(chunk.placed))


def _write(plan: VariantsPlan, files: ScoreFiles, journal: Journal, temporary: Path) -> None:
    """Write the file of scores from the journal."""
    samples = tuple(sample.name for sample in plan.samples)

    def values_of(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, NDArray[np.float32]]]:
        for chunk in chunks:
            yield chunk, journal.read(chunk.index).reshape(chunk.alleles, len(samples), len(plan.tracks), len(FIELDS))

    background = None
    if plan.drawn:
        differences = [values[..., DIFFERENCE] for _, values in values_of(plan.background_chunks())]
        nothing = np.zeros((0, len(samples), len(plan.tracks)), dtype=np.float32)
        background = Background.of(plan.strata, plan.drawn, np.concatenate([nothing, *differences]))
    layout = Layout(samples, plan.tracks, averaged=len(plan.scoring.views) > 1, background=background)
    found = values_of(plan.chunks())
    if files.format == VCF:
        write_annotated(
            plan.request.variants,
            temporary,
            (of_variant for chunk, values in found for of_variant in annotations_of(chunk, values, layout)),
            key=KEY,
            description=description_of(layout),
            first=plan.span[0],
            packed=files.is_packed,
        )
        return
    frames = (frame_of(chunk, values, layout) for chunk, values in found)
    if files.format == PARQUET:
        rows = temporary_beside(files.out)
        try:
            write_parquet(frames, temporary, rows)
        finally:
            rows.unlink(missing_ok=True)
    else:
        write_tsv(frames, temporary, packed=files.is_packed)


def _record(plan: VariantsPlan, sessions: list[Session], clock: StageClock, resumed: int) -> dict[str, Any]:
    """Return the provenance of the scores, JSON-compatible."""
    run = account_of_run(plan, sessions)
    return {
        **run,
        "paths": {**run["paths"], "variants": str(plan.request.variants.resolve())},
        "inputs": plan.inputs,
        "samples": {sample.name: sample.account() for sample in plan.samples},
        "tracks": plan.tracks,
        "space": plan.spec.space,
        "views": [{"shift_bins": view.shift, "reverse_complement": view.reverse} for view in plan.scoring.views],
        "background_variants": {str(stratum): len(drawn) for stratum, drawn in plan.drawn.items()},
        **plan.tally.account(),
        "records": plan.span,
        "variants_resumed": resumed,
        "seconds": {stage: round(seconds, 3) for stage, seconds in clock.seconds().items()},
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
