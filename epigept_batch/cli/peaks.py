"""`epigept-batch peaks`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.figures import aligned
from epigept_batch.cli.options import json_option, out_option, split_names
from epigept_batch.cli.progress import ProgressBar, quiet_option, show
from epigept_batch.intervals.cutoff import SMALLEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_ROWS = 24
HEADER = ("file", "peaks", "covered bp", "threshold, ln(1+x)", "precision of its bins")


@click.command(short_help="Call the peaks of a run's tracks.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--sample", "samples", multiple=True, metavar="NAME", help="Sample to call; repeatable.  [default: all]")
@click.option("--tracks", metavar="A,B", help="Tracks to call.  [default: all]")
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Thresholds from held-out cells: a file of `calibrate`. Takes the highest F1, unless --precision is given.",
)
@click.option(
    "--precision",
    type=float,
    metavar="P",
    help="With --calibration: the lowest threshold with this share of the bins that reach it in measured peaks.",
)
@click.option("--any-model", is_flag=True, help="Accept a calibration of another model file.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="[TRACK=]X",
    help="Threshold of ln(1 + signal), of all tracks or of one; repeatable.",
)
@click.option(
    "--top",
    type=int,
    metavar="N",
    help="Keep the N strongest peaks per track. Alone, also sets the threshold: the value that 5 % of the bins reach.",
)
@click.option("--narrow", multiple=True, metavar="TRACK", help="Call a track as narrow peaks; repeatable.")
@click.option("--broad", multiple=True, metavar="TRACK", help="Call a track as broad peaks; repeatable.")
@click.option(
    "--low",
    type=float,
    metavar="SHARE",
    help="Share of the threshold that the edges of a peak reach, of ln(1 + signal).  [default: 0.75; broad 0.5; with "
    "--calibration 1]",
)
@click.option(
    "--max-gap", type=int, metavar="BP", help="Longest stretch below that inside a peak.  [default: 0; broad 600]"
)
@click.option("--min-length", type=int, metavar="BP", help="Shortest peak.  [default: one bin; broad 500]")
@click.option(
    "--prominence",
    type=float,
    default=0.3,
    show_default=True,
    metavar="SHARE",
    help="Split narrow peaks at valleys lower than the lower summit by this share of its ln(1 + signal); 1: never.",
)
@click.option("--bigbed", is_flag=True, help="Also write bigBed, for genome browsers.")
@out_option("Output folder.  [default: DIR, where `view` and `plot` find peaks]", metavar="FOLDER")
@click.option("--force", is_flag=True, help="Replace peaks that were called differently, or by another program.")
@json_option("the records")
@quiet_option
def peaks(*, folder: Path, tracks: str | None, as_json: bool, **others: Any) -> None:  # noqa: ANN401 - the request's types
    """Call the peaks of a finished run: narrowPeak and broadPeak files per sample and track.

    DIR is the output folder of `genome`. The threshold comes from --calibration, --threshold or --top. DNase, CTCF,
    H3K4me3 and H3K27ac have narrow peaks, each with a summit. H3K36me3, H3K27me3, H3K9me3 and H3K4me1 have broad
    peaks. SAMPLE.peaks.json says by which rule the peaks are called, and what the rule means.

    \b
    Example:
      epigept-batch peaks tracks --calibration calibration.json --precision 0.8
    """
    from epigept_batch.commands.peaks.request import PeaksRequest
    from epigept_batch.commands.peaks.run import run_peaks

    names = () if tracks is None else split_names([tracks])
    request = PeaksRequest(folder=folder, tracks=names, **others)
    with ProgressBar("track") as progress:
        records = run_peaks(request, progress)
    if as_json:
        click.echo(json.dumps(records, indent=2))
    else:
        show(_table(records))


def _table(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a row per file: peaks, bases, threshold, and the precision of the bins that reach it, if known."""
    tracks = [track for record in records for track in record["tracks"].values()]
    rows = [HEADER, *(_row(track) for track in tracks[:MOST_ROWS])]
    yield from aligned(rows)
    if len(tracks) > MOST_ROWS:
        yield f"… and {len(tracks) - MOST_ROWS:,} more, whose figures are in the .peaks.json of each sample"


def _row(track: Mapping[str, Any]) -> tuple[str, ...]:
    share = "not known" if track.get("precision") is None else f"{track['precision']:.1%}"
    threshold = "above 0" if track["threshold"] <= SMALLEST else f"{track['threshold']:.4g}"
    return (track["file"], f"{track['peaks']:,}", f"{track['covered_bp']:,}", threshold, share)
