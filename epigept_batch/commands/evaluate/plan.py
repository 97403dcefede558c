"""Plan of `epigept-batch evaluate`: which tracks are compared with each other, and in which regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.commands.evaluate.selected import find_regions
from epigept_batch.errors import InputError
from epigept_batch.evaluation.compared import Masks
from epigept_batch.evaluation.seen import trained_cells
from epigept_batch.evaluation.selection import by_contig, half_covered, in_windows, overlapped
from epigept_batch.evaluation.training_mean import check_no_folder, is_kept_mean, kept_mean
from epigept_batch.provenance.run_record import DIFFERENCE, read_records
from epigept_batch.sequence.regions import read_intervals
from epigept_batch.tracks.track_files import TrackFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from epigept_batch.commands.evaluate.request import EvaluateRequest
    from epigept_batch.evaluation.training_mean import KeptMean
    from epigept_batch.progress import Progress
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig, Region

NAMES_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Pair:
    """A predicted track and the measured track that it is compared with.

    Attributes:
        sample: Name.
        track: Name; empty if neither `run.json` nor the file name tells it.
        predicted: A bigWig.
        measured: A bigWig.
        record: The sample's `run.json`; None if there is none.
    """

    sample: str
    track: str
    predicted: Path
    measured: Path
    record: Mapping[str, Any] | None

    @property
    def nearest_cell(self) -> Mapping[str, Any] | None:
        """The nearest cell of the expression reference, as `run.json` records it."""
        nearest: Mapping[str, Any] | None = ((self.record or {}).get("expression") or {}).get("nearest_cell")
        return nearest


@dataclass(frozen=True, eq=False)
class Training:
    """The training cells' tracks that a pair is compared with.

    Attributes:
        cells: Files by cell.
        nearest: The nearest cell, if it has a training track; else None.
        given: Whether the user chose that cell with --nearest, regardless of its expression.
        notes: Notes on these tracks for the user.
        kept: The mean of the cells, if `epigept-batch mean` made the only file; else None.
    """

    cells: Mapping[str, Path]
    nearest: str | None = None
    notes: Sequence[str] = ()
    given: bool = False
    kept: KeptMean | None = None

    @property
    def number(self) -> int:
        """Number of training cells in the mean, as far as it is known."""
        return len(self.cells if self.kept is None else self.kept.cells)


def find_pairs(request: EvaluateRequest, progress: Progress) -> Iterator[Pair]:
    """Yield every predicted track that has a measured one, and report those without.

    Raises:
        InputError: There are no predicted or no measured tracks, or several predicted tracks share one measured file.
    """
    predicted = _predicted(request.predicted)
    files = TrackFiles(request.measured)
    if places := files.lacking_places(predicted):
        raise InputError(
            f"--measured {request.measured}: one file for {len(predicted)} predicted tracks; put "
            f"{places} into the path in place of the names, or pass a single bigWig as --predicted"
        )
    lacking = []
    for (sample, track), (path, record) in predicted.items():
        measured = files.path(sample=sample, track=track)
        if measured.is_file():
            yield Pair(sample, track, path, measured, record)
        else:
            lacking.append(measured)
    if len(lacking) == len(predicted):
        raise InputError("measured bigWig not found", lacking[0])
    if lacking:
        progress.say(f"skipped tracks whose measured bigWig does not exist: {', '.join(map(str, lacking))}")


def _predicted(path: Path) -> dict[tuple[str, str], tuple[Path, Mapping[str, Any] | None]]:
    """Return the predicted tracks by sample and track, each with the sample's `run.json`; no differences."""
    if not path.exists():
        raise InputError("folder or bigWig not found; pass the output of epigept-batch genome as --predicted", path)
    folder = path if path.is_dir() else path.parent
    found: dict[tuple[str, str], tuple[Path, Mapping[str, Any] | None]] = {}
    for sample, record in read_records(folder).items():
        for name in record["files"]:
            track = name.removeprefix(f"{sample}.").removesuffix(".bw")
            if "perturbation" not in record or not track.endswith(DIFFERENCE):
                found[sample, track] = (folder / name, record)
            elif name == path.name:
                raise InputError(
                    f"is a difference of two predictions; use {sample}.{track.removesuffix(DIFFERENCE)}.bw", path
                )
    if path.is_dir():
        if not found:
            raise InputError("contains no run.json of epigept-batch genome; pass its output folder, or a bigWig", path)
        return found
    mine = {key: value for key, value in found.items() if value[0].name == path.name}
    sample, _, track = path.name.removesuffix(path.suffix).rpartition(".")
    return mine or {(sample or track, track if sample else ""): (path, None)}


def find_training(request: EvaluateRequest, pair: Pair, spec: Spec | None) -> Training:
    """Find the training tracks for a pair's track, and the one of the nearest cell.

    Cells that the network was not trained on are left out, if the model names its training cells and the files use
    those names. The sample's own track is left out too: with it, the mean would contain what is to be predicted.

    Raises:
        InputError: There are no training tracks, or none of the cell that --nearest names.
    """
    if request.training is None:
        if request.nearest is not None:
            raise InputError(f"--nearest {request.nearest}: requires the training cells' tracks; add --training")
        return Training({})
    check_no_folder(request.training)
    files = TrackFiles(request.training)
    found = files.cells(pair.track)
    if not found:
        raise InputError(f"--training {request.training}: no bigWig found for {pair.track or pair.predicted}")
    kept = _kept(files, found)
    if kept is not None:
        return _training_of_kept(kept, request, pair, spec)
    cells, notes = _training_cells(found, pair, spec if files.names("cell") else None)
    if not cells:
        raise InputError(f"--training {request.training}: the measured track itself; pass the training cells' tracks")
    if request.nearest is not None:
        if request.nearest not in cells:
            raise InputError(f"--nearest {request.nearest}: no training track for {pair.track}")
        return Training(cells, request.nearest, notes, given=True)
    nearest = pair.nearest_cell
    if nearest is None or not files.names("cell"):
        return Training(cells, None, notes)
    if nearest["cell"] in cells:
        return Training(cells, nearest["cell"], notes)
    notes.append(f"the nearest training cell, {nearest['cell']}, has no training track for {pair.track}")
    return Training(cells, None, notes)


def _kept(files: TrackFiles, found: Mapping[str, Path]) -> KeptMean | None:
    """Return the mean that `epigept-batch mean` keeps, if a single file is given and is one.

    Raises:
        InputError: It is damaged, or is among the tracks of cells.
    """
    if not files.names("cell"):
        return kept_mean(next(iter(found.values())))
    if means := [path for path in found.values() if is_kept_mean(path)]:
        raise InputError(
            "is the mean that epigept-batch mean keeps, not a cell; pass only this file, or move it elsewhere", means[0]
        )
    return None


def _training_of_kept(kept: KeptMean, request: EvaluateRequest, pair: Pair, spec: Spec | None) -> Training:
    """Return a mean that was kept, with notes on its cells.

    Raises:
        InputError: A single cell is asked for.
    """
    if request.nearest is not None:
        raise InputError(f"--nearest {request.nearest}: {kept.path} holds only the mean; pass a path with {{cell}}")
    return Training({kept.path.stem: kept.path}, notes=list(_notes_on_kept(kept, pair, spec)), kept=kept)


def _notes_on_kept(kept: KeptMean, pair: Pair, spec: Spec | None) -> Iterator[str]:
    """Yield notes on the cells of a kept mean, from which no cell can be left out."""
    if (itself := kept.holds(pair.measured)) is not None:
        yield (
            f"the mean of training cells contains the measured track itself, as {itself}, which favours that mean; "
            f"for a mean without it, run epigept-batch mean with --exclude-cell {itself}"
        )
    yield from kept.notes()
    known = trained_cells(spec)
    strangers = sorted(set(kept.cells) - set(known))
    if known and strangers:
        yield f"cells in the mean that are not training cells of the model: {', '.join(strangers)}"


def _training_cells(found: Mapping[str, Path], pair: Pair, spec: Spec | None) -> tuple[dict[str, Path], list[str]]:
    """Return the tracks that belong in the mean, by cell, and notes on the others.

    Args:
        found: The tracks of --training, by cell.
        pair: The compared tracks.
        spec: Spec of the model; None if it is not available, or if the tracks are not named after cells.
    """
    itself = sorted(cell for cell, path in found.items() if path.samefile(pair.measured))
    notes = [f"the measured track itself, so excluded from the mean: {', '.join(itself)}"] if itself else []
    others = [cell for cell in found if cell not in itself]
    known = trained_cells(spec)
    strangers = sorted(set(others) - set(known))
    if known and others and len(strangers) == len(others):
        some = ", ".join(known[:NAMES_SHOWN])
        notes.append(
            f"none of the cells of --training is a training cell of the model ({some}, …), so all of them are used"
        )
    elif known and strangers:
        notes.append(f"not training cells, so excluded from their mean: {', '.join(strangers)}")
        others = [cell for cell in others if cell in known]
    return {cell: found[cell] for cell in others}, notes


@dataclass(frozen=True, eq=False)
class Areas:
    """Regions by contig.

    Attributes:
        wanted: Regions that are compared.
        excluded: Regions that are left out of the comparison.
        peaks: Peaks; None if no peaks were given.
    """

    wanted: Mapping[str, Sequence[Region]]
    excluded: Mapping[str, Sequence[Region]]
    peaks: Mapping[str, Sequence[Region]] | None

    def masks(self, contig: Contig, spec: Spec | None, *, bin_bp: int) -> Masks:
        """Return the masks of a contig's bins."""
        seen = None
        if spec is not None and spec.training_windows:
            seen = in_windows(spec.training_windows, contig, bin_bp=bin_bp, window_bp=spec.geometry.window_bp)
        return Masks(
            wanted=overlapped(self.wanted.get(contig.name, ()), contig, bin_bp),
            excluded=overlapped(self.excluded.get(contig.name, ()), contig, bin_bp),
            peaks=None if self.peaks is None else half_covered(self.peaks.get(contig.name, ()), contig, bin_bp),
            seen=seen,
        )


def find_areas(request: EvaluateRequest, pair: Pair, contigs: Sequence[Contig]) -> Areas:
    """Read the regions that are compared, those that are excluded, and the peaks.

    Raises:
        InputError: A region or a BED file cannot be used.
    """
    wanted, excluded = find_regions(request, contigs)
    peaks = None
    if request.peaks is not None:
        path = TrackFiles(request.peaks).path(sample=pair.sample, track=pair.track)
        peaks = by_contig(read_intervals(path, contigs))
    return Areas(wanted, excluded, peaks)
