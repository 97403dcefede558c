"""The run of `epigept-batch calibrate`: counts what thresholds find in held-out cells, and writes it down."""

from __future__ import annotations

import platform
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.calibration.calibration_file import read_calibration, write_calibration
from epigept_batch.calibration.skill import block_bp_for
from epigept_batch.calibration.tally import Tally
from epigept_batch.commands.calibrate.plan import LEFT_OUT, make_plan
from epigept_batch.errors import InputError
from epigept_batch.evaluation.compared import mean_of
from epigept_batch.evaluation.selection import by_contig, half_covered, in_windows, overlapped
from epigept_batch.evaluation.training_mean import SPACE
from epigept_batch.files import make_folder
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.results.bins import blocks
from epigept_batch.sequence.regions import bed_lines, read_intervals
from epigept_batch.tiling import bins_of, ceil_div
from epigept_batch.tracks.signal import BinnedTrack, SignalTrack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.calibration.calibration_file import Calibration, TrackCalibration
    from epigept_batch.commands.calibrate.plan import CalibratePlan, TrackPlan
    from epigept_batch.commands.calibrate.request import CalibrateRequest
    from epigept_batch.progress import Progress
    from epigept_batch.results.folder import ResultTrack
    from epigept_batch.tiling import Contig

ONE_CELL = "measured in one cell only, so it does not show how much precision differs between cells"
FEW_IN_PEAKS = 200
"""Bins in peaks below which a note says that thresholds are uncertain."""


@dataclass
class Counts:
    """Numbers of selected bins of a track over all samples, by whether they are compared and why not.

    Attributes:
        asked: Bins in the regions that are not excluded.
        excluded: Bins in the regions that are excluded.
        in_training_windows: Bins asked for that are left out because the network was trained on their windows.
        without_prediction: Remaining bins that have no prediction.
        without_training: Remaining bins in which no training track has finite data.
        compared: The other bins.
    """

    asked: int = 0
    excluded: int = 0
    in_training_windows: int = 0
    without_prediction: int = 0
    without_training: int = 0
    compared: int = 0


def run_calibrate(request: CalibrateRequest, progress: Progress) -> Calibration:
    """Measure thresholds for the predicted tracks by the peaks of held-out cells, and write the calibration.

    Args:
        request: What to do.
        progress: Receives an update per contig of a track of a sample.

    Returns:
        The calibration, as it was written.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    plan = make_plan(request, progress)
    make_folder(request.out.parent)
    progress.start(sum(len(track.pairs) for track in plan.tracks) * len(plan.contigs))
    tracks: dict[str, TrackCalibration] = {}
    counted: dict[str, Counts] = {}
    compared: set[str] = set()
    for track in plan.tracks:
        counting = _Counting(request, plan, track)
        for predicted, peaks in track.pairs:
            compared |= counting.add(predicted, peaks, progress)
        _check(plan, track, counting.tally, counting.counts)
        tracks[track.name], counted[track.name] = counting.tally.finish(), counting.counts
    write_calibration(
        request.out,
        tracks,
        model=plan.model,
        samples=list(plan.seen),
        contigs=[contig.name for contig in plan.contigs if contig.name in compared],
        bin_bp=plan.bin_bp,
        account=_account(request, plan, counted, tracks),
    )
    progress.finish(f"calibration in {request.out}")
    return read_calibration(request.out)


class _Counting:
    """Counts the bins of a track.

    Args:
        request: What the user asks for.
        plan: The plan.
        track: The track's part of it.
    """

    def __init__(self, request: CalibrateRequest, plan: CalibratePlan, track: TrackPlan) -> None:
        self._plan = plan
        self._masks = _Masks(plan)
        self._mean = _mean(request, plan, track, self._masks) if track.cells else None
        self.tally = Tally(
            [predicted.sample for predicted, _ in track.pairs],
            blocks=self._masks.number_of_blocks,
            with_mean=self._mean is not None,
        )
        self.counts = Counts()

    def add(self, predicted: ResultTrack, peaks: Path, progress: Progress) -> set[str]:
        """Count the bins of a sample, and return the names of the contigs that have any."""
        plan = self._plan
        # A cell without peaks is a result too.
        intervals = [] if next(bed_lines(peaks), None) is None else read_intervals(peaks, plan.folder.contigs)
        in_peaks = by_contig(intervals)
        compared = set()
        with closing(SignalTrack(predicted.path)) as file:
            series = BinnedTrack(file, bin_bp=plan.bin_bp, space=plan.folder.space, wanted="log1p", finite=True)
            for contig in plan.contigs:
                positive = half_covered(in_peaks.get(contig.name, ()), contig, plan.bin_bp)
                selected = self._masks.selected(contig, self.counts)
                before = self.counts.compared
                for first, last in _parts(selected, plan.bin_bp):
                    self._add_part(predicted.sample, series, contig, slice(first, last), selected, positive)
                if self.counts.compared > before:
                    compared.add(contig.name)
                progress.advance()
        return compared

    def _add_part(
        self,
        sample: str,
        series: BinnedTrack,
        contig: Contig,
        part: slice,
        selected: NDArray[np.bool_],
        positive: NDArray[np.bool_],
    ) -> None:
        values = series.read(contig, part.start, part.stop - part.start)
        asked = selected[part]
        left = asked & ~np.isnan(values)
        self.counts.without_prediction += int(asked.sum()) - int(left.sum())
        mean = None if self._mean is None else self._mean[contig.name][part]
        if mean is not None:
            without = left & np.isnan(mean)
            self.counts.without_training += int(without.sum())
            left &= ~without
            mean = mean[left]
        self.counts.compared += int(left.sum())
        blocks_of = self._masks.blocks(contig, part)[left]
        self.tally.add(sample, values[left], positive[part][left], blocks=blocks_of, mean=mean)


def _parts(selected: NDArray[np.bool_], bin_bp: int) -> Iterator[tuple[int, int]]:
    """Yield blocks of a contig's bins with any that is selected."""
    for first, last in blocks([(0, len(selected))], bin_bp):
        if selected[first:last].any():
            yield first, last


class _Masks:
    """Which bins are selected, and to which block of the genome each belongs.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: CalibratePlan) -> None:
        self._plan = plan
        total = sum(contig.length for contig in plan.contigs)
        self._block_bp = block_bp_for(total)
        self._starts, start = {}, 0
        for contig in plan.contigs:
            self._starts[contig.name] = start
            start += contig.length
        self.number_of_blocks = max(1, ceil_div(total, self._block_bp))

    def selected(self, contig: Contig, counts: Counts | None = None) -> NDArray[np.bool_]:
        """Return which bins of a contig are compared if they have data, bool, (bins,); count why the others are not."""
        plan = self._plan
        wanted = overlapped(plan.wanted.get(contig.name, ()), contig, plan.bin_bp)
        excluded = wanted & overlapped(plan.excluded.get(contig.name, ()), contig, plan.bin_bp)
        left = wanted & ~excluded
        trained = np.zeros_like(left)
        if plan.windows == LEFT_OUT and plan.spec is not None:
            window_bp = plan.spec.geometry.window_bp
            trained = left & in_windows(plan.spec.training_windows, contig, bin_bp=plan.bin_bp, window_bp=window_bp)
        if counts is not None:
            counts.asked += int(left.sum())
            counts.excluded += int(excluded.sum())
            counts.in_training_windows += int(trained.sum())
        return left & ~trained

    def blocks(self, contig: Contig, part: slice) -> NDArray[np.int64]:
        """Return the block of each bin of a part of a contig, int64, (bins,)."""
        starts = self._starts[contig.name] + np.arange(part.start, part.stop, dtype=np.int64) * self._plan.bin_bp
        return starts // self._block_bp


def _mean(
    request: CalibrateRequest, plan: CalibratePlan, track: TrackPlan, masks: _Masks
) -> dict[str, NDArray[np.float32]]:
    """Return the mean ln(1 + signal) of the training cells by contig, float32, (bins,); NaN without finite data."""
    with ExitStack() as stack:
        cells = []
        for path in track.cells.values():
            file = stack.enter_context(closing(SignalTrack(path)))
            file.check_genome(plan.folder.contigs)
            cells.append(_training_reader(request, plan, file) if track.kept is None else track.kept.reader(file))
        found = {}
        for contig in plan.contigs:
            mean = np.full(bins_of(contig.length, plan.bin_bp), np.nan, dtype=np.float32)
            for first, last in _parts(masks.selected(contig), plan.bin_bp):
                mean[first:last] = mean_of(cells, contig, slice(first, last))[0]
            found[contig.name] = mean
        return found


def _training_reader(request: CalibrateRequest, plan: CalibratePlan, file: SignalTrack) -> BinnedTrack:
    """Return a reader of the track of a training cell, or of a mean that another program made."""
    return BinnedTrack(
        file,
        bin_bp=plan.bin_bp,
        space=request.training_space,
        wanted="log1p",
        zero_fill=request.zero_fill,
        otherwise="add --training-space linear",
    )


def _check(plan: CalibratePlan, track: TrackPlan, tally: Tally, counts: Counts) -> None:
    """Check that there is something to learn from.

    Raises:
        InputError: No bin is left, or all or none of them lie in peaks.
    """
    if not tally.bins:
        raise InputError(f"{track.name}: {_nothing(counts)}", plan.folder.path)
    if tally.in_peaks in {0, tally.bins}:
        which = "none" if not tally.in_peaks else "every one"
        raise InputError(
            f"{which} of the {tally.bins:,} compared bins lies in a peak, so there is nothing to calibrate; check that "
            f"these are peaks of {track.name} on the same assembly",
            track.pairs[0][1],
        )


def _nothing(counts: Counts) -> str:
    """Explain why no bin is left."""
    if not counts.asked:
        return "every selected bin is excluded" if counts.excluded else "no bin is selected"
    reasons = {
        "in windows that the network was trained on (--include-training-windows includes them)": (
            counts.in_training_windows
        ),
        "without a prediction": counts.without_prediction,
        "without data of training cells": counts.without_training,
    }
    said = ", ".join(f"{number:,} {what}" for what, number in reasons.items() if number)
    return f"no bin is left of {counts.asked:,}: {said}"


def _account(
    request: CalibrateRequest,
    plan: CalibratePlan,
    counted: Mapping[str, Counts],
    tracks: Mapping[str, TrackCalibration],
) -> dict[str, Any]:
    """Return what the file says about how it was made, JSON-compatible."""
    few = [
        f"{name}: only {track.in_peaks:,} bins in peaks, so its thresholds are uncertain"
        for name, track in tracks.items()
        if track.in_peaks < FEW_IN_PEAKS
    ]
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "epigept-batch": epigept_batch.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "assembly": plan.folder.assembly,
        "cells": {name: {"trained_on": cell.seen, "said": cell.sentence} for name, cell in plan.seen.items()},
        "training_windows": plan.windows,
        "regions": [*request.regions, *request.chromosomes, *map(str, request.beds)] or ["all"],
        "excluded": {str(path): file_sha256(path) for path in request.excludes},
        "counts": {name: asdict(counts) for name, counts in counted.items()},
        "inputs": {
            track.name: {
                "predicted": {predicted.sample: _file(predicted) for predicted, _ in track.pairs},
                "peaks": {
                    predicted.sample: {"path": str(path), "sha256": file_sha256(path)}
                    for predicted, path in track.pairs
                },
                "training": {cell: str(path) for cell, path in track.training.items()},
                "training_mean": None if track.kept is None else str(track.kept.path),
            }
            for track in plan.tracks
        },
        "training_space": _training_space(request, plan),
        "notes": [*plan.notes, *few, *_notes_on_cells(plan.tracks)],
    }


def _training_space(request: CalibrateRequest, plan: CalibratePlan) -> str | None:
    """Return what the training tracks hold; None without any. A kept mean knows it, whatever the options say."""
    if request.training is None:
        return None
    return SPACE if any(track.kept is not None for track in plan.tracks) else request.training_space


def _notes_on_cells(tracks: Sequence[TrackPlan]) -> Iterator[str]:
    """Yield a note on tracks that were measured in one cell."""
    alone = [track.name for track in tracks if len(track.pairs) == 1]
    if len(alone) == len(tracks):
        yield ONE_CELL
    elif alone:
        yield f"{', '.join(alone)}: {ONE_CELL}"


def _file(track: ResultTrack) -> dict[str, Any]:
    return {"path": str(track.path), "bytes": track.path.stat().st_size}
