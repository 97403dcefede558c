"""Plan of `epigept-batch calibrate`: which tracks and peaks are compared, and what the network has seen of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from epigept_batch.calibration.calibration_file import is_calibration
from epigept_batch.commands.evaluate.selected import find_regions
from epigept_batch.errors import InputError, OutputError
from epigept_batch.evaluation.seen import seen_cell, seen_genome, trained_cells
from epigept_batch.evaluation.training_mean import check_no_folder, is_kept_mean, kept_mean
from epigept_batch.files import check_is_no_input
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.names import some
from epigept_batch.results.bins import bin_bp_of
from epigept_batch.results.folder import read_run_folder
from epigept_batch.sequence.genome_verdict import windows_not_known
from epigept_batch.tracks.track_files import TrackFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from epigept_batch.commands.calibrate.request import CalibrateRequest
    from epigept_batch.evaluation.seen import SeenCell
    from epigept_batch.evaluation.training_mean import KeptMean
    from epigept_batch.progress import Progress
    from epigept_batch.results.folder import ResultTrack, RunFolder, SampleResults
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region

LEFT_OUT, INCLUDED, NOT_KNOWN = "left out", "included", "not known"
"""What became of training windows."""


@dataclass(frozen=True, eq=False)
class TrackPlan:
    """What is compared of a track.

    Attributes:
        name: Its name.
        pairs: The predicted tracks, each with its file of measured peaks.
        cells: The training cells' tracks by cell, or the file of their mean; empty if none are given.
        kept: The mean of the training cells, if `epigept-batch mean` made that file; else None.
    """

    name: str
    pairs: Sequence[tuple[ResultTrack, Path]]
    cells: Mapping[str, Path]
    kept: KeptMean | None = None

    @property
    def training(self) -> Mapping[str, Path]:
        """The training cells' tracks by cell, also those of a kept mean, as they were called then."""
        return self.cells if self.kept is None else self.kept.cells


@dataclass(frozen=True, eq=False)
class CalibratePlan:
    """Everything that a calibration requires.

    Attributes:
        folder: The predictions.
        model: SHA-256 of the model file that made them.
        spec: Its spec; None if it is not available.
        tracks: What is compared.
        seen: By sample, whether the network was trained on its cell.
        wanted: The regions that are compared, by contig.
        excluded: The regions that are left out, by contig.
        windows: What becomes of training windows.
        bin_bp: Base pairs per bin.
        notes: What the user should know.
    """

    folder: RunFolder
    model: str
    spec: Spec | None
    tracks: Sequence[TrackPlan]
    seen: Mapping[str, SeenCell]
    wanted: Mapping[str, Sequence[Region]]
    excluded: Mapping[str, Sequence[Region]]
    windows: str
    bin_bp: int
    notes: Sequence[str]

    @property
    def contigs(self) -> list[Contig]:
        """The contigs of the genome with regions that are compared."""
        return [contig for contig in self.folder.contigs if contig.name in self.wanted]


def make_plan(request: CalibrateRequest, progress: Progress) -> CalibratePlan:
    """Find every error that can be found before tracks are read.

    Raises:
        InputError: An input cannot be used, or the network was trained on a sample's cell.
        OutputError: The output is there and is not a calibration.
    """
    _check_out(request)
    folder = read_run_folder(request.folder, request.samples)
    samples = [sample for sample in folder.samples if sample.tracks and "perturbation" not in sample.record]
    if not samples:
        raise InputError("no tracks of unperturbed samples; pass an output folder of epigept-batch genome", folder.path)
    model = _model_of(samples, folder)
    spec = _spec_of(request, samples, model)
    notes: list[str] = []
    bin_bp = bin_bp_of(folder)
    tracks = _tracks(request, folder, samples, spec, notes, progress, bin_bp=bin_bp)
    used = dict.fromkeys(track.sample for plan in tracks for track, _ in plan.pairs)
    seen = _seen_cells(request, [sample for sample in samples if sample.name in used], spec)
    wanted, excluded = find_regions(request, folder.contigs)
    notes += [f"{name}: {cell.sentence}" for name, cell in seen.items() if cell.seen is not False]
    verdict = seen_genome(folder.contigs, samples[0].record, spec)
    notes += [remark.said for remark in verdict.remarks if remark.aloud]
    compared = [contig for contig in folder.contigs if contig.name in wanted]
    windows = _windows(request, folder, compared, spec, notes)
    _check_is_no_input(request, tracks)
    return CalibratePlan(
        folder=folder,
        model=model,
        spec=spec,
        tracks=tracks,
        seen=seen,
        wanted=wanted,
        excluded=excluded,
        windows=windows,
        bin_bp=bin_bp,
        notes=list(dict.fromkeys(notes)),
    )


def _check_out(request: CalibrateRequest) -> None:
    if request.out.is_dir():
        raise OutputError("is a folder; name a file with --out", request.out)
    if request.out.exists() and not request.force and not is_calibration(request.out):
        raise OutputError(
            "exists and is not a calibration; move it away, choose another --out, or replace it with --force",
            request.out,
        )


def _check_is_no_input(request: CalibrateRequest, tracks: Sequence[TrackPlan]) -> None:
    """Check that no input would be replaced, not even with --force.

    Raises:
        OutputError: One would.
    """
    read = [path for track in tracks for _, path in track.pairs]
    read += [path for track in tracks for path in track.cells.values()]
    check_is_no_input(
        request.out, [*read, *request.excludes, *request.beds, *([request.model] if request.model else [])]
    )


def _model_of(samples: Sequence[SampleResults], folder: RunFolder) -> str:
    """Return the digest of the model that made all predictions.

    Raises:
        InputError: Several models did, or the records do not say which.
    """
    made_by = {str(sample.record["inputs"].get("model", "")): sample.name for sample in samples}
    if len(made_by) > 1:
        raise InputError(
            f"samples were predicted with different models, such as {some(made_by.values())}; calibrate each model by "
            "itself, with --sample",
            folder.path,
        )
    if not (model := next(iter(made_by))):
        raise InputError("its records do not say which model made the predictions; rerun genome", folder.path)
    return model


def _spec_of(request: CalibrateRequest, samples: Sequence[SampleResults], model: str) -> Spec | None:
    """Return the spec of the model that made the predictions; None if its file is not where it was, or has changed.

    Raises:
        InputError: The file that the user names is another one.
    """
    if request.model is not None:
        spec = read_spec(request.model)
        if file_sha256(request.model) != model:
            raise InputError(
                f"is not the model file that made the predictions, which has sha256 {model[:12]}…; pass that file",
                request.model,
            )
        return spec
    paths = (Path(path) for sample in samples if (path := sample.record.get("paths", {}).get("model")))
    return next((read_spec(path) for path in paths if path.is_file() and file_sha256(path) == model), None)


def _seen_cells(request: CalibrateRequest, samples: Sequence[SampleResults], spec: Spec | None) -> dict[str, SeenCell]:
    """Return whether the network was trained on each sample's cell.

    Raises:
        InputError: It was, or that cannot be told without the model, and the user did not allow it.
    """
    found = {
        sample.name: seen_cell(sample.name, (sample.record.get("expression") or {}).get("nearest_cell"), spec)
        for sample in samples
    }
    if request.include_training_cells:
        return found
    if spec is None:
        raise InputError(
            "the model that made the predictions is not available, so it is not known which cells it was trained on; "
            "provide it with --model, or add --include-training-cells and --include-training-windows"
        )
    if trained := [name for name, cell in found.items() if cell.seen]:
        raise InputError(
            f"not held out: {some(trained)}, because {found[trained[0]].sentence}; choose other cells with --sample, "
            "or add --include-training-cells"
        )
    return found


def _windows(
    request: CalibrateRequest, folder: RunFolder, compared: Sequence[Contig], spec: Spec | None, notes: list[str]
) -> str:
    """Return what becomes of training windows, and note why.

    Raises:
        InputError: It is not known which they are, because the model is not available, and the user did not allow it.
    """
    if request.include_training_windows:
        notes.append("bins in windows that the network was trained on are included, so the figures may be optimistic")
        return INCLUDED
    if spec is None:
        raise InputError(
            "the model that made the predictions is not available, so it is not known which windows it was trained on; "
            "provide it with --model, or add --include-training-windows"
        )
    if not spec.training_windows:
        notes.append(
            "the training windows of this network are not published, so bins in them are included, and the figures may "
            "be optimistic"
        )
        return NOT_KNOWN
    if (unknown := windows_not_known(folder.contigs, compared, spec)) is not None:
        notes.append(f"cannot tell which bins lie in windows that the network was trained on, because {unknown}")
        return NOT_KNOWN
    return LEFT_OUT


def _tracks(
    request: CalibrateRequest,
    folder: RunFolder,
    samples: Sequence[SampleResults],
    spec: Spec | None,
    notes: list[str],
    progress: Progress,
    *,
    bin_bp: int,
) -> list[TrackPlan]:
    """Return what is compared of each track, and report tracks without peaks.

    Raises:
        InputError: There are no peaks, or a pattern lacks a placeholder.
    """
    every = [track for sample in samples for track in sample.tracks if not track.is_difference]
    names = _chosen(request, folder)
    chosen = {(track.sample, track.name): track for track in every if track.name in names}
    files = TrackFiles(request.peaks)
    if places := files.lacking_places(chosen):
        raise InputError(
            f"--peaks {request.peaks}: one file for {len(chosen)} predicted tracks; put {places} into the path in "
            "place of the names, or choose with --sample and --tracks"
        )
    peaks = {key: files.path(sample=key[0], track=key[1]) for key in chosen}
    lacking = [path for path in peaks.values() if not path.is_file()]
    if len(lacking) == len(peaks):
        raise InputError("peaks not found", lacking[0])
    if lacking:
        progress.say(f"skipped tracks whose peaks do not exist: {some(map(str, lacking))}")
    plans = []
    for name in names:
        pairs = [(chosen[key], path) for key, path in peaks.items() if key[1] == name and path.is_file()]
        if pairs:
            held_out = {sample.name for sample in samples}
            cells = _training(request, name, held_out, spec, notes)
            kept = _kept(request, name, cells, held_out, bin_bp=bin_bp)
            notes += () if kept is None else kept.notes()
            plans.append(TrackPlan(name, pairs, cells, kept))
    _check_mean(request, plans)
    return plans


def _chosen(request: CalibrateRequest, folder: RunFolder) -> list[str]:
    """Return the names of the tracks that are wanted, in the order of the model.

    Raises:
        InputError: The folder has no track of a name.
    """
    has = {track.casefold() for track in folder.tracks}
    for name in request.tracks:
        if name.casefold() not in has:
            raise InputError(f"--tracks: no track '{name}'; the folder has {', '.join(folder.tracks)}", folder.path)
    wanted = {name.casefold() for name in request.tracks}
    return [track for track in folder.tracks if not wanted or track.casefold() in wanted]


def _training(
    request: CalibrateRequest, track: str, held_out: set[str], spec: Spec | None, notes: list[str]
) -> dict[str, Path]:
    """Return the tracks whose mean is compared, by cell: of training cells, and of none of the samples.

    Raises:
        InputError: There is none, or one of them is the mean of the others.
    """
    if request.training is None:
        return {}
    check_no_folder(request.training)
    files = TrackFiles(request.training)
    found = files.cells(track)
    if not found:
        raise InputError(f"--training {request.training}: no bigWig found for {track}")
    if not files.names("cell"):
        return found
    if means := [path for path in found.values() if is_kept_mean(path)]:
        raise InputError(
            "is the mean that epigept-batch mean keeps, not a cell; pass only this file, or move it elsewhere", means[0]
        )
    names = {name.casefold() for name in held_out}
    cells = {cell: path for cell, path in found.items() if cell.casefold() not in names}
    if len(cells) < len(found):
        notes.append(f"samples of this calibration, so excluded from the mean: {some(sorted(set(found) - set(cells)))}")
    known = {cell for cell in cells if cell in trained_cells(spec)}
    if known and len(known) < len(cells):
        notes.append(f"not training cells, so excluded from their mean: {some(sorted(set(cells) - known))}")
        cells = {cell: cells[cell] for cell in known}
    elif cells and trained_cells(spec) and not known:
        notes.append("none of the cells of --training is a training cell of the model, so all of them are used")
    if not cells:
        raise InputError(f"--training {request.training}: only samples of this calibration; pass the training cells")
    return cells


def _kept(
    request: CalibrateRequest, track: str, cells: Mapping[str, Path], held_out: set[str], *, bin_bp: int
) -> KeptMean | None:
    """Return the mean that `epigept-batch mean` made, if that is the only file of a track; None otherwise.

    Raises:
        InputError: It is of another track or other bins, or contains a sample.
    """
    if request.training is None or TrackFiles(request.training).names("cell"):
        return None
    (path,) = cells.values()
    kept = kept_mean(path)
    if kept is not None:
        kept.check(track=track, bin_bp=bin_bp, zero_fill=request.zero_fill)
        names = {name.casefold() for name in held_out}
        if inside := sorted(cell for cell in kept.cells if cell.casefold() in names):
            raise InputError(
                f"contains samples of this calibration: {some(inside)}; run epigept-batch mean with --exclude-cell",
                path,
            )
    return kept


def _check_mean(request: CalibrateRequest, plans: Sequence[TrackPlan]) -> None:
    """Check that no training track is taken for several tracks.

    Raises:
        InputError: One is.
    """
    if request.training is not None and len(plans) > 1 and not TrackFiles(request.training).names("track"):
        raise InputError(
            f"--training {request.training}: one file for {len(plans)} tracks; put {{track}} into the path in place of "
            "the name, or choose one with --tracks"
        )
