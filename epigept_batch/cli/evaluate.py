"""`epigept-batch evaluate`."""

from __future__ import annotations

import json
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from epigept_batch.cli.completion import completes_files
from epigept_batch.cli.figures import aligned
from epigept_batch.cli.options import json_option, out_option, region_options, space_option, zero_fill_option
from epigept_batch.cli.progress import ProgressBar, quiet_option
from epigept_batch.errors import InputError
from epigept_batch.names import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

METRICS = {
    "pearson_log1p": "r, ln(1+x)",
    "pearson_linear": "r, linear",
    "spearman": "Spearman",
    "mse_log1p": "MSE, ln(1+x)",
    "mse_linear": "MSE, linear",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}
BEYOND_THE_MEAN = {
    "partial_pearson": "prediction, given the mean",
    "pearson_of_differences": "differences from the mean",
}


OF_TRACKS = ("training", "nearest", "peaks", "scale", "model", "by_chromosome", "figures")
"""Options that do not apply to contacts."""
OF_CONTACTS = ("contacts", "accessibility", "predicted_accessibility")
"""Options that apply only to contacts."""
OF_MEASURED_SIGNAL = ("measured_space", "zero_fill")
"""Options on measured tracks, of which accessibility is the only one among contacts."""


@click.command(short_help="Compare predicted tracks with measured ones.")
@click.option(
    "--predicted",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR|FILE",
    help="Output folder of `genome`, or one bigWig; with --contacts, output folder of `contacts`, or one .cool.",
)
@click.option(
    "--measured",
    metavar="FILE",
    shell_complete=completes_files,
    help="Measured bigWig. For several tracks, a path with {sample} and {track} as placeholders.",
)
@click.option(
    "--contacts",
    metavar="FILE",
    shell_complete=completes_files,
    help="Measured contacts to compare predicted ones with: a map (.cool, .mcool, .hic), loops (BEDPE), or tested "
    "enhancer-gene pairs (TSV). {sample} is a placeholder.",
)
@click.option(
    "--accessibility",
    metavar="FILE",
    shell_complete=completes_files,
    help="With --contacts: bigWig of measured DNase or ATAC, for a baseline. {sample} is a placeholder.",
)
@click.option(
    "--predicted-accessibility",
    metavar="FILE",
    shell_complete=completes_files,
    help="With --contacts: bigWig of predicted DNase.  [default: SAMPLE.DNase.bw beside the map]",
)
@click.option(
    "--training",
    metavar="FILE",
    shell_complete=completes_files,
    help="Tracks of the training cells, a path with {cell} and {track}; or one bigWig of their mean.",
)
@click.option(
    "--nearest",
    metavar="CELL",
    help="Training cell to compare with.  [default: the nearest by expression, as in run.json]",
)
@click.option(
    "--peaks",
    metavar="FILE",
    shell_complete=completes_files,
    help="BED or narrowPeak of peaks, for AUROC and AUPRC; {sample} and {track} are placeholders.",
)
@click.option(
    "--exclude",
    type=click.Path(path_type=Path),
    multiple=True,
    help="BED of regions to leave out, such as the ENCODE blacklist; repeatable.",
)
@region_options
@click.option(
    "--predicted-space",
    type=click.Choice(SPACES),
    help="Space of the predicted track.  [default: as in run.json, else log1p]",
)
@space_option("measured and training")
@zero_fill_option()
@click.option(
    "--scale",
    default="1",
    show_default=True,
    metavar="NUMBER|match",
    help="Factor for the measured and training signals. 'match' gives each the mean of the predicted signal.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model file, for its training windows and cells.  [default: as in run.json]",
)
@click.option(
    "--bin",
    "bin_bp",
    type=click.IntRange(min=1),
    metavar="BP",
    help="Bin size.  [default: that of the predicted track]",
)
@click.option("--by-chromosome", is_flag=True, help="Also print the figures of each chromosome.")
@out_option("Write all figures to a table.", name="write", aliases=("--write",), metavar="FILE")
@click.option(
    "--figures", type=click.Path(path_type=Path), metavar="DIR", help="Folder for plots; needs the [figures] extra."
)
@json_option("all figures")
@quiet_option
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    *,
    exclude: tuple[Path, ...],
    region: tuple[str, ...],
    chromosome: tuple[str, ...],
    bed: tuple[Path, ...],
    scale: str,
    by_chromosome: bool,
    as_json: bool,
    **others: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Compare predicted tracks with measured ones, bin by bin.

    With --training, also reports two baselines: the mean of the training cells' tracks, and the track of the nearest
    training cell. The partial correlation, given that mean, shows whether sample-specific signal is predicted. Training
    windows and cells are reported separately.

    With --contacts, compares predicted contacts with a measured map, with loops, or with tested enhancer-gene pairs.
    The baselines are distance alone, and distance times the accessibility of both anchors.

    \b
    Example:
      epigept-batch evaluate --predicted tracks --measured 'encode/{sample}.{track}.bw' \\
        --training 'training/{cell}.{track}.bw' --exclude hg38-blacklist.v2.bed.gz
    """
    from epigept_batch.commands.evaluate.request import EvaluateRequest
    from epigept_batch.commands.evaluate.run import run_evaluate

    _check_together(context)
    if others["contacts"] is not None:
        _evaluate_contacts(
            {"excludes": exclude, "regions": region, "chromosomes": chromosome, "beds": bed, **others}, as_json=as_json
        )
        return
    request = EvaluateRequest(
        excludes=exclude,
        regions=region,
        chromosomes=chromosome,
        beds=bed,
        scale=_scale(scale),
        **{name: value for name, value in others.items() if name not in OF_CONTACTS},
    )
    with ProgressBar("contig") as progress:
        documents = run_evaluate(request, progress)
    if as_json:
        click.echo(json.dumps(documents, indent=2))
        return
    for line in _reports(documents, by_chromosome=by_chromosome):
        click.echo(line)


def _check_together(context: click.Context) -> None:
    """Check that exactly one kind of measurement is given, and only options that apply to it.

    Raises:
        InputError: An option has no effect.
    """

    def given(name: str) -> bool:
        source = context.get_parameter_source(name)
        return source is not None and source not in {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}

    contacts = given("contacts")
    if contacts == given("measured"):
        raise InputError("pass either --measured, to compare tracks, or --contacts, to compare contacts")
    for option in context.command.params:
        name = option.name or ""
        if given(name) and name in (OF_TRACKS if contacts else OF_CONTACTS):
            raise InputError(
                f"{option.opts[0]}: has no effect {'with' if contacts else 'without'} --contacts; remove it"
            )
        if contacts and given(name) and name in OF_MEASURED_SIGNAL and not given("accessibility"):
            raise InputError(
                f"{option.opts[0]}: has no effect without --accessibility; add that, or remove this option"
            )


def _evaluate_contacts(options: Mapping[str, Any], *, as_json: bool) -> None:
    """Compare contacts, and print the report."""
    from epigept_batch.cli.evaluate_contacts import reports
    from epigept_batch.commands.evaluate.contacts import run_evaluate_contacts
    from epigept_batch.commands.evaluate.request import EvaluateContactsRequest

    request = EvaluateContactsRequest(
        **{key: value for key, value in options.items() if key not in {*OF_TRACKS, "measured"}}
    )
    with ProgressBar("contig") as progress:
        documents = run_evaluate_contacts(request, progress)
    if as_json:
        click.echo(json.dumps(documents, indent=2))
        return
    for line in reports(documents):
        click.echo(line)


def _scale(text: str) -> float | str:
    """Return a number above 0, or `match`.

    Raises:
        InputError: The text is neither.
    """
    if text == "match":
        return text
    try:
        number = float(text) if "_" not in text else -1  # Python would read 1_0 as 10
    except ValueError:
        number = -1
    if not 0 < number < float("inf"):
        raise InputError(f"--scale {text}: not a number above 0, and not 'match'")
    return number


def _reports(documents: Sequence[Mapping[str, Any]], *, by_chromosome: bool) -> Iterator[str]:
    """Yield the figures of all pairs. Notes on all tracks, or on all of a sample, come once and first."""
    of_all = _common(documents)
    yield from _said_once("all tracks", of_all)
    for sample, group in groupby(documents, key=itemgetter("sample")):
        of_sample = list(group)
        shared = [fact for fact in _common(of_sample) if fact not in of_all]
        yield from _said_once(f"all tracks of {sample}", shared)
        for document in of_sample:
            facts = [fact for fact in _facts(document) if fact not in {*of_all, *shared}]
            yield from _report(document, facts, by_chromosome=by_chromosome)


def _facts(document: Mapping[str, Any]) -> list[str]:
    """Return the notes on a pair."""
    counts = document["bins"]
    return [f"{_bins(counts['compared'])} of {document['bin_bp']} bp{_left_out(counts)}", *document["notes"]]


def _common(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the notes that several pairs share."""
    first, *others = map(_facts, documents)
    return [fact for fact in first if all(fact in facts for facts in others)] if others else []


def _said_once(of: str, facts: Sequence[str]) -> Iterator[str]:
    if facts:
        yield of
        yield from (f"  {fact}" for fact in facts)
        yield ""


def _bins(number: int) -> str:
    return f"{number:,} bin{'' if number == 1 else 's'}"


def _report(document: Mapping[str, Any], facts: Sequence[str], *, by_chromosome: bool) -> Iterator[str]:
    """Yield the figures of a pair, a block per part."""
    yield f"{document['sample']} {document['track']}".rstrip()
    yield from (f"  {fact}" for fact in facts)
    parts = [part for part in document["parts"] if by_chromosome or part["kind"] != "contig"]
    shown = [key for key in METRICS if any(_value(part, key) is not None for part in parts)]
    rows = [("", *(METRICS[key] for key in shown))]
    for part in parts:
        rows += _rows(part, shown, _names_of(document["training"]))
    yield from aligned(rows)
    yield ""


def _value(part: Mapping[str, Any], metric: str) -> float | None:
    value: float | None = part["predictors"]["prediction"][metric]
    return value


def _left_out(counts: Mapping[str, int]) -> str:
    reasons = {
        "excluded": counts["excluded"],
        "without a prediction": counts["without_prediction"],
        "without a measurement": counts["without_measurement"],
        "without training data": counts["without_training"],
    }
    words = ", ".join(f"{number:,} {what}" for what, number in reasons.items() if number)
    return f"; left out: {words}" if words else ""


def _names_of(training: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of each predictor. A cell chosen with --nearest is not called the nearest."""
    nearest = "chosen training cell" if training["nearest_given"] else "nearest training cell"
    return {
        "prediction": "prediction",
        "mean_of_training_cells": f"mean of training cells ({training['cells']})",
        "nearest_training_cell": f"{nearest} ({training['nearest']})",
    }


def _rows(part: Mapping[str, Any], shown: Sequence[str], names: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Yield a row per predictor of a part, and the correlations that leave the mean out."""
    share = f", {part['bins_in_peaks']:,} in peaks" if part["bins_in_peaks"] is not None else ""
    yield (f"{part['part']}, {_bins(part['bins'])}{share}", *("" for _ in shown))
    for predictor, metrics in part["predictors"].items():
        yield (f"  {names[predictor]}", *(_number(metrics[key]) for key in shown))
    for key, name in BEYOND_THE_MEAN.items():
        if part[key] is not None:
            yield (f"  {name}", *(_number(part[key]) if metric == "pearson_log1p" else "" for metric in shown))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"  # noqa: PLR2004
