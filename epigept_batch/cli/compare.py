"""`epigept-batch compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epigept_batch.cli.completion import completes_files
from epigept_batch.cli.figures import aligned
from epigept_batch.cli.options import json_option, out_option, split_names
from epigept_batch.cli.progress import ProgressBar, quiet_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@click.command(short_help="Find where samples or groups of samples differ.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("samples", metavar="[SAMPLE]...", nargs=-1)
@out_option("Output folder.", metavar="DIR", required=True)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=SAMPLE,SAMPLE",
    help="Group of samples, which are replicates; repeatable, instead of SAMPLE.",
)
@click.option("--control", metavar="NAME", help="Sample or group that is subtracted from the others.  [default: last]")
@click.option(
    "--mean",
    metavar="DIR|FILE",
    shell_complete=completes_files,
    help="Subtract the mean of the training cells: output folder of `mean`, or a path with {track}.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --mean: file of `calibrate`, to leave out bins where the prediction does not beat that mean.",
)
@click.option("--tracks", metavar="A,B", help="Tracks to compare.  [default: all]")
@click.option(
    "--bed", type=click.Path(path_type=Path), help="BED file of regions to compare, instead of those that are found."
)
@click.option(
    "--threshold",
    type=float,
    metavar="LEVEL",
    help="With replicates: mean ln(1 + signal) of all samples from which bins are tested.  [default: 99th percentile]",
)
@click.option(
    "--min-effect",
    type=float,
    metavar="LN",
    help="Smallest difference of ln(1 + signal).  [default: 0.69, a factor of two; with replicates, none]",
)
@click.option("--fdr", type=float, metavar="RATE", help="With replicates: false discovery rate.  [default: 0.05]")
@click.option("--force", is_flag=True, help="Replace differences of other inputs, and files of other programs.")
@json_option("the content of compare.json")
@quiet_option
def compare(*, tracks: str | None, as_json: bool, **others: Any) -> None:  # noqa: ANN401 - of the request's own names and types
    """Find where samples, or groups of samples, differ in their predicted tracks.

    DIR is an output folder of `genome`. Of two samples A and B, A-minus-B.TRACK.bw holds the difference of ln(1 +
    signal), and A-minus-B.TRACK.bed the intervals where it is large. With more samples, each is compared with the last.

    With --group, the means of groups are compared. If a group has replicates, regions are tested with limma's
    moderated t-test; this needs the [compare] extra. The false discovery rate is about the variance between replicates.
    It does not cover errors of the network.

    With --mean, each sample is compared with the mean of the training cells.

    \b
    Example:
      epigept-batch compare tracks --group case=s1,s2 --group control=s3,s4 --out differences
    """
    from epigept_batch.commands.compare.request import CompareRequest
    from epigept_batch.commands.compare.run import run_compare

    request = CompareRequest(
        tracks=() if tracks is None else split_names([tracks]),
        **others,
    )
    with ProgressBar("contig") as progress:
        files = run_compare(request, progress)
    text = files.record.read_text()
    if as_json:
        click.echo(text, nl=False)
        return
    for line in _report(json.loads(text)):
        click.echo(line)


def _report(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of the intervals of each difference and track, and why there is no test."""
    rows: list[tuple[str, ...]] = [("", "regions", "higher", "lower")]
    reasons: dict[str, None] = {}
    for name in document["differences"]:
        for track, facts in document["tracks"].items():
            found = facts["differences"][name]
            counts = (found[key] for key in ("regions", "intervals_higher", "intervals_lower"))
            rows.append((f"{name} {track}", *(f"{count:,}" for count in counts)))
            if found["no_test"] is not None:
                reasons[f"{name}: no test, because {found['no_test']}"] = None
    yield from aligned(rows)
    yield from reasons
    if document["mask"] is not None:
        yield document["mask"]
