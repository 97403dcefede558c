"""The run of `epigept-batch evaluate`: compares predicted tracks with measured ones and reports the figures."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.commands.evaluate.plan import Areas, Pair, Training, find_areas, find_pairs, find_training
from epigept_batch.errors import InputError
from epigept_batch.evaluation.compared import MATCH, MEASURED, ComparedBins, Comparison
from epigept_batch.evaluation.report import MEAN, NEAREST, PREDICTION, differs, figures
from epigept_batch.evaluation.seen import seen_cell, seen_genome
from epigept_batch.evaluation.table import check_table_path, finite_or_none, write_table
from epigept_batch.evaluation.training_mean import SPACE
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.sequence.genome_verdict import windows_not_known
from epigept_batch.tracks.signal import BinnedTrack, SignalTrack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from epigept_batch.commands.evaluate.request import EvaluateRequest
    from epigept_batch.evaluation.compared import Series
    from epigept_batch.progress import Progress
    from epigept_batch.sequence.genome_verdict import Verdict
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig

ODD_SCALE = 2.0
"""Ratio of mean signals, either way, beyond which a note is given."""
ABSURD_SCALE = 1000.0
"""Ratio beyond which a track was probably read in the wrong space: its logarithm as the signal, or the reverse."""
SIGNALS = {
    MEASURED: "the measured signal",
    PREDICTION: "the predicted signal",
    MEAN: "the mean of training cells",
    NEAREST: "the training cell",
}
"""What notes call each signal."""


@dataclass(frozen=True, eq=False)
class EvaluatePlan:
    """A pair with everything that its comparison requires.

    Attributes:
        pair: The tracks.
        spec: Spec of the model that made the prediction; None if it is not available.
        training: The training cells' tracks.
        areas: Regions in which they are compared.
        contigs: Contigs of the predicted track.
        bin_bp: Base pairs per bin.
        verdict: Verdict on the predicted track's genome.
        unknown: Why it is not known which bins the network was trained on; None if that is known, or if the training
            windows are not published.
    """

    pair: Pair
    spec: Spec | None
    training: Training
    areas: Areas
    contigs: tuple[Contig, ...]
    bin_bp: int
    verdict: Verdict
    unknown: str | None


def run_evaluate(request: EvaluateRequest, progress: Progress) -> list[dict[str, Any]]:
    """Compare every predicted track with the measured track of the same name.

    Args:
        request: What to compare.
        progress: Receives an update per contig.

    Returns:
        A JSON-compatible document per pair.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    if request.write is not None:
        check_table_path(request.write)
    draw = None if request.figures is None else _plotter(request.figures)
    plans = _plans(request, list(find_pairs(request, progress)))
    progress.start(sum(len(plan.contigs) for plan in plans))
    documents = []
    for plan in plans:
        bins = _compare(request, plan, progress)
        document = _document(request, plan, bins)
        documents.append(document)
        if draw is not None:
            draw.draw_track(document, bins)
    if draw is not None:
        draw.draw_comparison(documents)
    if request.write is not None:
        write_table(request.write, documents)
    return documents


def _plotter(folder: Path) -> Any:  # noqa: ANN401 - its type is in a module that loads a plotting library
    from epigept_batch.evaluation.figures import Plotter

    return Plotter(folder)


def _specs(request: EvaluateRequest, pairs: Sequence[Pair]) -> dict[str, Spec | None]:
    """Return the spec of the model that made each sample's prediction; None if it is not available."""
    if request.model is not None:
        return dict.fromkeys((pair.sample for pair in pairs), read_spec(request.model))
    made_by = {pair.sample: _model_of(pair) for pair in pairs}
    known = {model: _spec_of(*model) for model in set(made_by.values()) if model is not None}
    return {sample: None if model is None else known[model] for sample, model in made_by.items()}


def _model_of(pair: Pair) -> tuple[str, str] | None:
    """Path and digest of the model that made a prediction."""
    if pair.record is None:
        return None
    path, digest = (pair.record.get(key, {}).get("model") for key in ("paths", "inputs"))
    return (path, digest) if path and digest else None


def _spec_of(path: str, sha256: str) -> Spec | None:
    """Return the spec of a model file, if the file still exists and is unchanged."""
    file = Path(path)
    return read_spec(file) if file.is_file() and file_sha256(file) == sha256 else None


def _plans(request: EvaluateRequest, pairs: Sequence[Pair]) -> list[EvaluatePlan]:
    """Plan all comparisons, and find every error that can be found before the tracks are read."""
    specs = _specs(request, pairs)
    plans = []
    for pair in pairs:
        spec = specs[pair.sample]
        training = find_training(request, pair, spec)
        with closing(SignalTrack(pair.predicted)) as track:
            contigs, bin_bp = track.contigs, request.bin_bp or track.record_bp()
        for path in (pair.measured, *training.cells.values()):
            with closing(SignalTrack(path)) as other:
                other.check_genome(contigs)
        if bin_bp is None:
            raise InputError("contains no data", pair.predicted)
        if training.kept is not None:
            training.kept.check(track=pair.track, bin_bp=bin_bp, zero_fill=request.zero_fill)
        areas = find_areas(request, pair, contigs)
        verdict = seen_genome(contigs, pair.record, spec)
        compared = [contig for contig in contigs if contig.name in areas.wanted]
        unknown = None if spec is None else windows_not_known(contigs, compared, spec)
        plans.append(EvaluatePlan(pair, spec, training, areas, contigs, bin_bp, verdict, unknown))
    return plans


def _compare(request: EvaluateRequest, plan: EvaluatePlan, progress: Progress) -> ComparedBins:
    """Read the tracks of one pair, bin by bin."""
    pair, training = plan.pair, plan.training
    with ExitStack() as stack:

        def opened(path: Path, space: str, *, zero_fill: bool, finite: bool) -> BinnedTrack:
            track = SignalTrack(path)
            stack.callback(track.close)
            return BinnedTrack(
                track, bin_bp=plan.bin_bp, space=space, wanted="log1p", zero_fill=zero_fill, finite=finite
            )

        def opened_measured(path: Path) -> BinnedTrack:
            return opened(path, request.measured_space, zero_fill=request.zero_fill, finite=False)

        space = request.predicted_space or (pair.record or {}).get("space", "log1p")
        predictors: dict[str, Sequence[Series]] = {
            PREDICTION: [opened(pair.predicted, space, zero_fill=False, finite=True)]
        }
        measured = opened_measured(pair.measured)
        if training.kept is not None:
            cells = {MEAN: opened(training.kept.path, SPACE, zero_fill=False, finite=True)}
        else:
            cells = {cell: opened_measured(path) for cell, path in training.cells.items()}
        if cells:
            predictors[MEAN] = list(cells.values())
        if training.nearest is not None:
            predictors[NEAREST] = [cells[training.nearest]]
        comparison = Comparison(measured, predictors, bin_bp=plan.bin_bp)
        with_windows = plan.spec if plan.unknown is None else None
        for contig in plan.contigs:
            comparison.add(contig, plan.areas.masks(contig, with_windows, bin_bp=plan.bin_bp))
            progress.advance()
        try:
            return comparison.finish(request.scale)
        except InputError as error:
            raise InputError(str(error), f"{pair.predicted} and {pair.measured}") from error


def _document(request: EvaluateRequest, plan: EvaluatePlan, bins: ComparedBins) -> dict[str, Any]:
    """Return the JSON document of a pair."""
    pair, training = plan.pair, plan.training
    cell = seen_cell(pair.sample, pair.nearest_cell, plan.spec)
    return {
        "sample": pair.sample,
        "track": pair.track,
        "predicted": str(pair.predicted),
        "measured": str(pair.measured),
        "bin_bp": plan.bin_bp,
        "bins": asdict(bins.counts),
        "infinite": asdict(bins.infinite),
        "scale": {
            "factor": bins.scales[MEASURED],
            "factors": dict(bins.scales),
            "matched": request.scale == MATCH,
            "predicted_over_measured": finite_or_none(bins.ratios[MEASURED]),
            "predicted_over": {name: finite_or_none(ratio) for name, ratio in bins.ratios.items()},
        },
        "training": {"cells": training.number, "nearest": training.nearest, "nearest_given": training.given},
        "cell_seen": cell.seen,
        "genome": plan.verdict.account(),
        "parts": list(figures(bins)),
        "notes": [*_notes(request, bins, plan), cell.sentence],
    }


def _notes(request: EvaluateRequest, bins: ComparedBins, plan: EvaluatePlan) -> Iterator[str]:
    """Yield the notes on a pair's figures."""
    for remark in plan.verdict.remarks:
        if remark.aloud and remark.said != plan.unknown:
            yield remark.said
    yield from _notes_on_infinite(bins)
    yield from _notes_on_scale(request, bins)
    if bins.peaks is not None and not bins.peaks.any():
        yield "none of the compared bins lies in a peak, so AUROC and AUPRC are not defined"
    elif bins.peaks is not None and bins.peaks.all():
        yield "every compared bin lies in a peak, so AUROC is not defined, and AUPRC is 1 for any prediction"
    yield from plan.training.notes
    if plan.unknown is not None:
        yield f"cannot tell which bins lie in windows that the network was trained on, because {plan.unknown}"
    elif plan.spec is not None and not plan.spec.training_windows:
        yield "the training windows of this network are not published, so bins in them are not reported separately"
    elif bins.seen is not None and not bins.seen.any():
        yield "no bin lies in a window that the network was trained on"
    elif bins.seen is not None and bins.seen.all():
        yield "every bin lies in a window that the network was trained on, so the figures are optimistic"


def _notes_on_infinite(bins: ComparedBins) -> Iterator[str]:
    """Yield notes on tracks with infinite values, which ratios to a signal of 0 have."""
    why = "for example as a ratio to 0"
    if number := bins.infinite.measured:
        yield f"the measured signal is infinite in {_bins(number)}, {why}; treated there as without a measurement"
    if number := bins.infinite.training:
        yield f"a training track is infinite in {_bins(number)}, {why}; treated there as without data"


def _bins(number: int) -> str:
    return f"{number:,} bin{'' if number == 1 else 's'}"


def _notes_on_scale(request: EvaluateRequest, bins: ComparedBins) -> Iterator[str]:
    """Yield notes on the signals, mainly on their means."""
    if bins.counts.compared == 1:
        yield "r is not defined for a single bin"
    else:
        yield from _notes_on_constants(bins)
    yield from _notes_on_factors(request, bins)
    if 0 < bins.ratios[MEASURED] < np.inf:
        yield from _notes_on_depth(request, bins)


def _notes_on_factors(request: EvaluateRequest, bins: ComparedBins) -> Iterator[str]:
    """Yield a note on the factors that signals were multiplied by."""
    names = [SIGNALS[name] for name in bins.scales]
    several = names[0] if names[1:] == [] else f"{', '.join(names[:-1])} and {names[-1]}"
    if request.scale == MATCH:
        factors = ", ".join(f"{factor:.4g}" for factor in bins.scales.values())
        each = ", so that each has" if names[1:] else ", so that it has"
        yield f"{several} {_were(names)} multiplied by {factors}{each} the mean of the predicted signal"
    elif request.scale != 1:
        yield f"{several} {_were(names)} multiplied by {bins.scales[MEASURED]:.4g}"


def _were(names: Sequence[str]) -> str:
    return "were" if names[1:] else "was"


def _notes_on_depth(request: EvaluateRequest, bins: ComparedBins) -> Iterator[str]:
    """Yield notes if the signals seem to differ in depth, judged by their means in the files."""
    ratio = bins.ratios[MEASURED]
    said = f"the predicted signal is on average {ratio:.3g} times the measured"
    if _beyond(ABSURD_SCALE, ratio):
        yield (
            f"{said}, which sequencing depth cannot explain; check that --predicted-space and --measured-space match "
            "what the tracks contain, ln(1 + signal) or the signal itself"
        )
    elif request.scale != MATCH and _beyond(ODD_SCALE, ratio):
        yield (
            f"{said}, perhaps because of a different sequencing depth; r and MSE of ln(1 + signal) depend on it, and "
            "--scale match corrects it"
        )
    of_mean = bins.ratios.get(MEAN, ratio) / ratio
    said = f"the measured signal is on average {of_mean:.3g} times the mean of training cells"
    if _beyond(ABSURD_SCALE, of_mean):
        yield (
            f"{said}, which sequencing depth cannot explain; check that all of these tracks contain what "
            "--measured-space says"
        )
    elif request.scale != MATCH and _beyond(ODD_SCALE, of_mean):
        yield (
            f"{said}, perhaps because of a different sequencing depth, which counts against that mean; --scale match "
            "corrects it"
        )


def _beyond(limit: float, ratio: float) -> bool:
    """Whether a ratio is beyond a limit, either way; an infinite ratio is not."""
    return ratio < 1 / limit or limit < ratio < np.inf


def _notes_on_constants(bins: ComparedBins) -> Iterator[str]:
    """Yield notes on signals that do not vary, and on those that equal the mean of the training cells."""
    series = {MEASURED: bins.measured, **bins.predictors}
    for name, values in series.items():
        if (values == values[0]).all():
            r = "r" if name in {MEASURED, PREDICTION} else "its r"
            yield f"{SIGNALS[name]} is {np.expm1(values[0]):.4g} in every compared bin, so {r} is not defined"
    for name in (MEASURED, PREDICTION) if MEAN in series else ():
        if not differs(series[name], series[MEAN]):
            yield (
                f"{SIGNALS[name]} does not differ from the mean of training cells in any bin, so r of the differences "
                "is not defined"
            )
