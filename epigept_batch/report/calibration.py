"""What a report says about a calibration: what thresholds found in held-out cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from epigept_batch.calibration.calibration_file import RULE, read_calibration
from epigept_batch.errors import InputError
from epigept_batch.report.drawing import reliability_plot
from epigept_batch.report.parts import UNKNOWN, Facts, Plots, Section, Table, Words, count, decimal, listed, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from epigept_batch.calibration.calibration_file import Calibration, TrackCalibration
    from epigept_batch.calibration.curves import Threshold
    from epigept_batch.results.folder import RunFolder

PRECISIONS = (0.5, 0.7, 0.9)
"""Precisions whose thresholds the report lists."""
MOST_NAMES = 12
MEANING = (
    "Precision is the share of called bins that lie in measured peaks, and recall the share of bins in peaks that are "
    "called. Both are those of the cells below; in another cell they differ."
)


def read_fitting(path: Path, folder: RunFolder, *, bin_bp: int) -> Calibration:
    """Read the calibration of the model that made a run.

    Raises:
        InputError: It cannot be used, is of another model or bin size, or has no track of the run.
    """
    calibration = read_calibration(path)
    for sample in folder.samples:
        if sample.tracks:
            calibration.check_fits(str(sample.record["inputs"].get("model", UNKNOWN)), bin_bp=bin_bp)
    if not set(folder.tracks) & set(calibration.tracks):
        raise InputError(f"has thresholds for {', '.join(calibration.tracks)}, and for no track of {folder.path}", path)
    return calibration


def calibration_section(calibration: Calibration, folder: RunFolder) -> Section:
    """Return thresholds of each track of the run, and whether the prediction beat the mean of training cells."""
    tracks = {name: calibration.tracks[name] for name in folder.tracks if name in calibration.tracks}
    plots = [
        reliability_plot(name, track.prediction, track.mean, folder.tracks, f"reliability-{number}")
        for number, (name, track) in enumerate(tracks.items())
    ]
    return Section(
        "calibration",
        "Calibration",
        [
            Words(f"From {calibration.path}, SHA-256 {calibration.sha256}. {RULE[0].upper()}{RULE[1:]}. {MEANING}"),
            Facts(
                "What it was measured on",
                [
                    *_cells(calibration, list(tracks)),
                    ("Contigs", listed(calibration.contigs, MOST_NAMES)),
                    ("Windows that the network was trained on", str(calibration.account.get("training_windows"))),
                    ("Made", moment(calibration.account.get("finished"))),
                    *(("Note", note) for note in calibration.notes),
                ],
            ),
            Table(
                "Thresholds of ln(1 + signal)",
                ("Track", "Rule", "Threshold", "Precision", "Recall", "F1"),
                [row for name, track in tracks.items() for row in _thresholds(name, track)],
                frozenset({1}),
            ),
            Table(
                "The prediction beside the mean of training cells",
                (
                    "Track",
                    "Bins",
                    "Bins in peaks",
                    "Average precision",
                    "Average precision of the mean",
                    "Bins at levels where the prediction beats the mean",
                ),
                [_beside_the_mean(name, track) for name, track in tracks.items()],
            ),
            Plots(plots),
        ],
    )


def _cells(calibration: Calibration, tracks: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the cells that tracks were measured in; tracks with the same cells together."""
    by_cells: dict[str, list[str]] = {}
    for track in tracks:
        by_cells.setdefault(calibration.cells_of(track), []).append(track)
    for cells, of_cells in by_cells.items():
        yield ("Cells" if len(by_cells) == 1 else f"Cells of {listed(of_cells, MOST_NAMES)}", cells)


def _thresholds(name: str, track: TrackCalibration) -> Iterator[tuple[str, ...]]:
    curve = track.prediction.curve
    yield _row(name, "highest F1", curve.best())
    for precision in PRECISIONS:
        yield _row(name, f"precision {precision:g}", curve.reaching(precision))


def _row(name: str, rule: str, found: Threshold | None) -> tuple[str, ...]:
    if found is None:
        return (name, f"{rule}, not reached", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
    return (name, rule, *(decimal(value) for value in found))


def _beside_the_mean(name: str, track: TrackCalibration) -> tuple[str, ...]:
    of_mean, share = UNKNOWN, UNKNOWN
    if track.mean is not None and track.levels is not None:
        of_mean = decimal(track.mean.average_precision)
        share = f"{100 * track.levels.bins[track.levels.beats].sum() / max(1, track.levels.bins.sum()):.1f} %"
    return (name, count(track.bins), count(track.in_peaks), decimal(track.prediction.average_precision), of_mean, share)
