"""`epigept-batch calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.completion import completes_files
from epigept_batch.cli.figures import aligned
from epigept_batch.cli.options import (
    json_option,
    out_option,
    region_options,
    space_option,
    split_names,
    zero_fill_option,
)
from epigept_batch.cli.progress import ProgressBar, quiet_option
from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from epigept_batch.calibration.calibration_file import Calibration, Levels, TrackCalibration
    from epigept_batch.calibration.curves import Threshold

PRECISIONS = (0.5, 0.7, 0.9)
"""Precisions whose thresholds are printed."""
LEFT_OUT = {
    "excluded": "excluded",
    "in_training_windows": "in training windows",
    "without_prediction": "without a prediction",
    "without_training": "without training data",
}


@click.command(short_help="Measure what thresholds find, by the peaks of held-out cells.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--peaks",
    metavar="FILE",
    required=True,
    shell_complete=completes_files,
    help="Measured peaks: BED, narrowPeak or broadPeak. For several tracks, a path with {sample} and {track} as "
    "placeholders.",
)
@out_option("The calibration, a JSON file.", metavar="FILE", required=True)
@click.option(
    "--training",
    metavar="FILE",
    shell_complete=completes_files,
    help="Tracks of the training cells, a path with {cell} and {track}; or of their mean, as `mean` keeps it, a path "
    "with {track}.",
)
@space_option("training", name="--training-space")
@zero_fill_option("training")
@click.option(
    "--exclude",
    type=click.Path(path_type=Path),
    multiple=True,
    help="BED of regions to leave out, such as the ENCODE blacklist; repeatable.",
)
@region_options
@click.option("--sample", multiple=True, metavar="NAME", help="Sample to use; repeatable.  [default: all]")
@click.option("--tracks", metavar="A,B", help="Tracks to calibrate.  [default: all that have peaks]")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model file, for its training windows and cells.  [default: as in run.json]",
)
@click.option("--include-training-cells", is_flag=True, help="Accept samples that the network was trained on.")
@click.option(
    "--include-training-windows", is_flag=True, help="Include bins in windows that the network was trained on."
)
@click.option("--force", is_flag=True, help="Replace a file that is not a calibration.")
@json_option("the calibration")
@quiet_option
def calibrate(
    *,
    exclude: tuple[Path, ...],
    region: tuple[str, ...],
    chromosome: tuple[str, ...],
    bed: tuple[Path, ...],
    sample: tuple[str, ...],
    tracks: str | None,
    training: str | None,
    zero_fill: bool,
    as_json: bool,
    **others: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Measure what thresholds find: precision and recall by track, from the peaks of held-out cells.

    DIR is the output folder of `genome`, with cells that the network was not trained on. The calibration says how many
    bins above a threshold lie in measured peaks, and how many bins in peaks lie above it. `peaks` and `report` read it.
    With --training, it also says where the prediction tells more than the mean of the training cells.

    \b
    Example:
      epigept-batch calibrate tracks --peaks 'encode/{sample}.{track}.narrowPeak.gz' \\
        --training 'training/{cell}.{track}.bw' --exclude hg38-blacklist.v2.bed.gz --out calibration.json
    """
    from epigept_batch.commands.calibrate.request import CalibrateRequest
    from epigept_batch.commands.calibrate.run import run_calibrate

    if zero_fill and training is None:
        raise InputError("--zero-fill: has no effect without --training; add that, or remove this option")
    request = CalibrateRequest(
        excludes=exclude,
        regions=region,
        chromosomes=chromosome,
        beds=bed,
        samples=sample,
        tracks=() if tracks is None else split_names([tracks]),
        training=training,
        zero_fill=zero_fill,
        **others,
    )
    with ProgressBar("contig") as progress:
        calibration = run_calibrate(request, progress)
    if as_json:
        click.echo(calibration.path.read_text(encoding="utf-8"), nl=False)
        return
    for line in _lines(calibration):
        click.echo(line)


def _lines(calibration: Calibration) -> Iterator[str]:
    """Yield the notes, and a block per track."""
    yield from calibration.account["notes"]
    for name, track in calibration.tracks.items():
        yield ""
        yield name
        yield f"  {_bins_of(calibration, name, track)}"
        yield from _thresholds(track)
        yield from (f"  {sentence}" for sentence in _sentences(calibration, name, track))


def _bins_of(calibration: Calibration, name: str, track: TrackCalibration) -> str:
    counts = calibration.account["counts"][name]
    reasons = ", ".join(f"{counts[key]:,} {what}" for key, what in LEFT_OUT.items() if counts[key])
    share = f"{track.in_peaks:,} in peaks ({100 * track.in_peaks / track.bins:.2g} %)"
    bins = f"{track.bins:,} bins of {calibration.bin_bp} bp in {_plural(len(track.samples), 'sample')}, {share}"
    return f"{bins}; left out: {reasons}" if reasons else bins


def _plural(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _thresholds(track: TrackCalibration) -> Iterator[str]:
    """Yield a row per threshold, with the lowest and the highest precision of a sample."""
    curve = track.prediction.curve
    rows: list[tuple[str, ...]] = [("", "threshold", "precision", "recall", "F1", "precision by sample")]
    rows.append(("  highest F1", *_cells(curve.best(), track)))
    for precision in PRECISIONS:
        found = curve.reaching(precision)
        name = f"  precision {precision:g}"
        rows.append((name, "not reached", "", "", "", "") if found is None else (name, *_cells(found, track)))
    yield from aligned(rows)


def _cells(found: Threshold, track: TrackCalibration) -> tuple[str, ...]:
    by_sample = track.precision_by_sample(found.value).values()
    known = [value for value in by_sample if value == value]  # noqa: PLR0124 - NaN where a sample has no called bin
    spread = f"{min(known):.3f} to {max(known):.3f}" if len(known) > 1 else ""
    return (f"{found.value:.4g}", *(f"{value:.3f}" for value in (found.precision, found.recall, found.f1)), spread)


def _sentences(calibration: Calibration, name: str, track: TrackCalibration) -> Iterator[str]:
    """Yield the average precision, and the comparison with the mean of the training cells."""
    of_prediction = f"average precision {track.prediction.average_precision:.3f}"
    if track.mean is None or track.levels is None:
        yield of_prediction
        return
    cells = _plural(len(calibration.account["inputs"][name]["training"]), "training track")
    yield f"{of_prediction}; the mean of training cells ({cells}) has {track.mean.average_precision:.3f}"
    yield _beaten(track.levels)


def _beaten(levels: Levels) -> str:
    number = int(levels.beats.sum())
    if not number:
        return "the prediction does not beat that mean at any of its levels"
    share = 100 * levels.bins[levels.beats].sum() / levels.bins.sum()
    in_peaks = 100 * levels.in_peaks[levels.beats].sum() / levels.in_peaks.sum()
    return (
        f"the prediction beats that mean at {number} of {_plural(len(levels.lower), 'level')} of the mean, which have "
        f"{share:.2g} % of the bins and {in_peaks:.2g} % of those in peaks"
    )
