"""`epigept-batch plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from epigept_batch.cli.completion import completes_files
from epigept_batch.cli.options import out_option, space_option, split_names, zero_fill_option
from epigept_batch.cli.progress import ProgressBar, quiet_option
from epigept_batch.errors import InputError

OF_MEASURED = ("measured_space", "zero_fill")
"""Options that apply only to measured tracks."""


@click.command(short_help="Draw regions as figures for publication.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("region", metavar="[CHR:START-END]...", nargs=-1)
@out_option("Figure: a name that ends with .pdf, .svg or .png.", metavar="FILE", required=True)
@click.option(
    "--bed", type=click.Path(path_type=Path), multiple=True, help="BED file of regions, a page each; repeatable."
)
@click.option(
    "--sample", multiple=True, metavar="NAME", help="Sample to draw; repeatable, in this order.  [default: all]"
)
@click.option("--tracks", metavar="A,B", help="Tracks to draw.  [default: all]")
@click.option(
    "--measured",
    metavar="FILE",
    shell_complete=completes_files,
    help="Measured bigWigs, drawn below the predictions: a path with {sample} and {track} as placeholders.",
)
@space_option()
@zero_fill_option(otherwise="leave them blank")
@click.option(
    "--peaks",
    metavar="FILE",
    shell_complete=completes_files,
    help="BED or narrowPeak of peaks; {sample} and {track} are placeholders.  [default: SAMPLE.TRACK.*Peak in DIR]",
)
@click.option(
    "--genes", type=click.Path(path_type=Path), help="Gene models to draw: GTF, BED or a gene table of UCSC (refGene)."
)
@click.option("--no-contacts", is_flag=True, help="Leave out contact maps, of which DIR may have some.")
@click.option(
    "--scale",
    default="common",
    show_default=True,
    metavar="common|own|MAX",
    help="Scale of the signals: one per track, one per panel, or up to a value.",
)
@click.option("--title", help="Title.  [default: the region]")
@click.option("--width", "width_mm", type=float, default=180.0, show_default=True, metavar="MM", help="Width in mm.")
@click.option(
    "--font", default="DejaVu Sans", show_default=True, metavar="NAME", help="Font, such as Arial, if it is installed."
)
@quiet_option
@click.pass_context
def plot(
    context: click.Context,
    /,
    *,
    folder: Path,
    region: tuple[str, ...],
    bed: tuple[Path, ...],
    sample: tuple[str, ...],
    tracks: str | None,
    no_contacts: bool,
    scale: str,
    **others: Any,  # noqa: ANN401 - of the request's own names and types
) -> None:
    """Draw regions of a run: its tracks, contacts and peaks, with measured tracks and genes.

    DIR is an output folder of genome or contacts. Each region becomes a page of a PDF, or a numbered SVG or PNG.

    \b
    Example:
      epigept-batch plot tracks chr2:1,000,001-1,200,000 --out figure.pdf
    """
    from epigept_batch.commands.plot import PlotRequest, run_plot

    _check_together(context)
    request = PlotRequest(
        folder=folder,
        regions=region,
        beds=bed,
        samples=sample,
        tracks=() if tracks is None else split_names([tracks]),
        contacts=not no_contacts,
        scale=_scale(scale),
        **others,
    )
    with ProgressBar("page") as progress:
        run_plot(request, progress)


def _check_together(context: click.Context) -> None:
    """Check that options on measured tracks come with some.

    Raises:
        InputError: An option has no effect.
    """
    if context.params["measured"] is not None:
        return
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in OF_MEASURED and source not in {None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}:
            raise InputError(f"{option.opts[0]}: has no effect without --measured; add that, or remove this option")


def _scale(text: str) -> float | str:
    """Return `common`, `own`, or a number above 0.

    Raises:
        InputError: The text is none of them.
    """
    if text in {"common", "own"}:
        return text
    try:
        number = float(text) if "_" not in text else -1  # Python would read 1_0 as 10
    except ValueError:
        number = -1
    if not 0 < number < float("inf"):
        raise InputError(f"--scale {text}: not 'common', 'own' or a number above 0")
    return number
