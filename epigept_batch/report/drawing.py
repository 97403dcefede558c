"""The plots of a report, drawn with matplotlib as SVG: 360 px wide, so that a phone shows their text at its size."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.report.parts import UNKNOWN, Plot
from epigept_batch.report.svg import inline_svg
from epigept_batch.report.theme import contrast, variables_of
from epigept_batch.results.colours import track_colours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from epigept_batch.calibration.calibration_file import Series
    from epigept_batch.report.loci import Locus
    from epigept_batch.report.survey import TrackSurvey

INK, RULE = "#010203", "#020304"
"""Colours of the drawing that become those of the page's text and rules."""
WIDTH = 5.0
"""Inches of 72 px."""
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "epigept-batch",
    "text.parse_math": False,
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": RULE,
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
LINE_STYLES = ("solid", "dashed", "dotted", "dashdot")
"""Styles of samples in a histogram; with more samples than styles, all lines are thin and solid."""
MOST_NUMBERS, MOST_CELLS = 8, 60
"""Most samples whose r is written into a heat map, and most samples of a heat map."""
NAME_LENGTH = 18
ROW_INCHES, HEAD_INCHES, AXIS_INCHES = 0.3, 0.22, 0.42
DRAWN_SAMPLES = 4
"""Samples that are drawn of a locus; a band shows the range of all."""
BAND_SHARE = 0.25
LABEL_INCHES = 0.85


def check_library() -> None:
    """Check that matplotlib can be imported.

    Raises:
        DeviceError: It cannot.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise DeviceError("a report requires matplotlib; install epigept-batch with its [report] extra") from error
    del mpl


def distribution_plot(survey: TrackSurvey, tracks: Sequence[str], key: str) -> Plot:
    """Draw the histogram of a track, a line per sample."""
    colour = track_colours(tracks)[survey.name]
    several = len(survey.samples) > 1
    caption = f"Share of bins by ln(1 + signal){', a line per sample' if several else ''}."

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        few = len(survey.samples) <= len(LINE_STYLES)
        for number, (name, counts) in enumerate(zip(survey.samples, survey.histogram, strict=True)):
            shares = np.where(counts > 0, 100 * counts / max(1, counts.sum()), np.nan)
            axes.plot(
                np.repeat(survey.edges, 2)[1:-1],
                np.repeat(shares, 2),
                color=colour,
                linewidth=1.4 if few else 0.8,
                linestyle=LINE_STYLES[number] if few else "solid",
                label=shortened(name),
            )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        axes.minorticks_off()
        axes.set_xlim(0, survey.edges[-1])
        axes.set_xlabel("ln(1 + signal)")
        axes.set_ylabel("share of bins")
        if several and few:
            axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=1 if len(survey.samples) <= 2 else 2)  # noqa: PLR2004

    title = f"Distribution of {survey.name}"
    return Plot(_svg(draw, 2.3, tracks, key, title, caption), title, caption)


def reliability_plot(name: str, prediction: Series, mean: Series | None, tracks: Sequence[str], key: str) -> Plot:
    """Draw the share of bins in peaks by value, of the prediction and of the mean of training cells.

    Args:
        name: The track.
        prediction: What its values say; drawn with a band for the 95 % interval.
        mean: What the mean of training cells says; None for none.
        tracks: All tracks.
        key: Begins the ids of the plot.
    """
    colour = track_colours(tracks)[name]
    also = ", and of the mean of training cells (dashed)" if mean is not None else ""
    caption = (
        f"Share of bins in measured peaks, by ln(1 + signal) of the prediction{also}. The band is the 95 % interval, "
        "for bins that are independent of each other."
    )

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for series, shade, style in ((prediction, colour, "solid"), (mean, INK, "dashed")):
            if series is None:
                continue
            curve = series.reliability
            places = np.append((curve.lower[:-1] + curve.lower[1:]) / 2, curve.lower[-1])
            axes.plot(places, 100 * curve.share, color=shade, linestyle=style, linewidth=1.4)
            if series is prediction:
                low, high = curve.interval
                axes.fill_between(places, 100 * low, 100 * high, color=shade, alpha=0.25, linewidth=0)
        axes.set_ylim(0, 100)
        axes.set_xlim(0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        axes.set_xlabel("ln(1 + signal)")
        axes.set_ylabel("bins in peaks")

    title = f"Reliability of {name}"
    return Plot(_svg(draw, 2.3, tracks, key, title, caption), title, caption)


def heat_map(survey: TrackSurvey, tracks: Sequence[str], key: str, lowest: float) -> Plot:
    """Draw the correlation of samples.

    Args:
        survey: At least two and at most MOST_CELLS samples.
        tracks: All tracks.
        key: Begins the ids of the plot.
        lowest: The r at the lower end of the colours.
    """
    r, names = survey.correlation, [shortened(name) for name in survey.samples]
    number = len(names)
    title = f"Correlation of samples, {survey.name}"
    caption = _correlation_caption(survey)

    def draw(figure: Figure) -> None:
        from matplotlib import colormaps
        from matplotlib.colors import Normalize, to_hex
        from matplotlib.patches import Rectangle

        axes = figure.add_subplot()
        norm, colours = Normalize(lowest, 1), colormaps["cividis"]
        for row in range(number):
            for column in range(number):
                value = r[row, column]
                shade = RULE if np.isnan(value) else to_hex(colours(norm(value)))
                axes.add_artist(Rectangle((column, row), 0.96, 0.96, facecolor=shade, edgecolor="none"))
                if number <= MOST_NUMBERS:
                    ink = INK if np.isnan(value) else max(("#000000", "#ffffff"), key=lambda one: contrast(one, shade))
                    said = UNKNOWN if np.isnan(value) else f"{value:.2f}" if number > 4 else f"{value:.3f}"  # noqa: PLR2004
                    axes.text(column + 0.48, row + 0.5, said, ha="center", va="center", fontsize=8, color=ink)
        axes.set(xlim=(0, number), ylim=(number, 0))
        axes.set_xticks(np.arange(number) + 0.48, names, rotation=90 if number > 3 else 0)  # noqa: PLR2004
        axes.set_yticks(np.arange(number) + 0.48, names)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    height = min(5.0, 0.9 + max(0.3 * number, 0.9))
    return Plot(_svg(draw, height, tracks, key, title, caption), title, caption)


def _correlation_caption(survey: TrackSurvey) -> str:
    """Return the pair with the lowest r and the one with the highest, in words."""
    pairs = [
        (float(survey.correlation[first, second]), survey.samples[first], survey.samples[second])
        for first in range(len(survey.samples))
        for second in range(first)
        if not np.isnan(survey.correlation[first, second])
    ]
    if not pairs:
        return "No two samples have an r of this track that is defined."
    (low, *least), (high, *most) = min(pairs), max(pairs)
    lowest = f"r is {low:.3f} between {least[1]} and {least[0]}"
    return f"{lowest}." if len(pairs) == 1 else f"Lowest {lowest}; highest {high:.3f} between {most[1]} and {most[0]}."


def locus_plot(locus: Locus, tops: Mapping[str, float], tracks: Sequence[str], key: str) -> Plot:
    """Draw the tracks of a locus below each other, up to DRAWN_SAMPLES samples per track.

    Args:
        locus: The locus.
        tops: The highest value that is drawn of each track, as ln(1 + signal).
        tracks: All tracks.
        key: Begins the ids of the plot.
    """
    drawn = drawn_samples(locus, tops)
    region = f"{locus.region.contig}:{locus.region.start + 1:,}-{locus.region.end:,}"
    title = f"Tracks at {region}"
    caption = " ".join(_locus_sentences(locus, len(drawn)))
    height = AXIS_INCHES + len(tracks) * (HEAD_INCHES + ROW_INCHES * len(drawn))

    def draw(figure: Figure) -> None:
        axes = figure.add_axes(
            (LABEL_INCHES / WIDTH, AXIS_INCHES / height, 1 - (LABEL_INCHES + 0.12) / WIDTH, 1 - AXIS_INCHES / height)
        )
        _draw_rows(axes, locus, drawn, tops, tracks)
        _style_locus(axes, locus)

    return Plot(_svg(draw, height, tracks, key, title, caption, own_layout=True), title, caption)


def drawn_samples(locus: Locus, tops: Mapping[str, float]) -> list[int]:
    """Return the samples that are drawn: all, or those that differ most from the mean of all samples, in order."""
    if len(locus.samples) <= DRAWN_SAMPLES:
        return list(range(len(locus.samples)))
    distance = np.zeros(len(locus.samples))
    for name, values in locus.values.items():
        filled = np.nan_to_num(values.astype(np.float64)) / tops[name]
        distance += ((filled - filled.mean(axis=0)) ** 2).sum(axis=1)
    return sorted(int(number) for number in np.argsort(-distance, kind="stable")[:DRAWN_SAMPLES])


def _locus_sentences(locus: Locus, drawn: int) -> Iterator[str]:
    samples = len(locus.samples)
    yield f"ln(1 + signal) of {samples} sample{'s' if samples > 1 else ''}; each track has one scale."
    if drawn < samples:
        yield f"The {drawn} samples are drawn that differ most from the mean of all here; the band spans all {samples}."
    if locus.bins_per_step > 1:
        yield f"Each step is the mean of {locus.bins_per_step} bins, {locus.step_bp:,} bp."


def _draw_rows(
    axes: Axes, locus: Locus, drawn: Sequence[int], tops: Mapping[str, float], tracks: Sequence[str]
) -> None:
    colours = track_colours(tracks)
    steps = next(iter(locus.values.values())).shape[1]
    edges = locus.region.start + locus.step_bp * np.arange(steps + 1)
    edges[-1] = min(edges[-1], locus.region.end)
    top = 0.0
    for name in tracks:
        axes.text(edges[0], top + HEAD_INCHES - 0.05, name, fontsize=8, fontweight="bold", va="baseline")
        axes.text(edges[-1], top + HEAD_INCHES - 0.05, f"0 to {tops[name]:.3g}", fontsize=7, va="baseline", ha="right")
        top += HEAD_INCHES
        for number in drawn:
            base = top + ROW_INCHES * 0.94
            heights = np.clip(locus.values[name] / tops[name], 0, 1) * ROW_INCHES * 0.88
            if len(drawn) < len(locus.samples):
                low, high = np.nan_to_num(_ranges(heights))
                _steps(axes, edges, base - high, base - low, RULE)
            _steps(axes, edges, base - np.nan_to_num(heights[number]), np.full(steps, base), colours[name])
            axes.text(
                -0.02, base - 0.02, shortened(locus.samples[number], 12), fontsize=7, ha="right", va="baseline",
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
            axes.plot(edges[[0, -1]], [base, base], color=RULE, linewidth=0.5)
            top += ROW_INCHES
    axes.set_ylim(top + 0.02, 0)


def _ranges(heights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the lowest and the highest of all samples, float32, (2, steps); NaN where no sample has data."""
    known = ~np.isnan(heights)
    low = np.where(known, heights, np.inf).min(axis=0)
    high = np.where(known, heights, -np.inf).max(axis=0)
    return np.where(known.any(axis=0), np.stack([low, high]), np.nan).astype(np.float32)


def _steps(
    axes: Axes, edges: NDArray[np.int64], upper: NDArray[np.floating], lower: NDArray[np.floating], colour: str
) -> None:
    """Fill between two step lines."""
    from matplotlib.patches import Polygon

    across = np.repeat(edges, 2)[1:-1]
    outline = np.concatenate([np.repeat(upper, 2), np.repeat(lower, 2)[::-1]])
    corners = np.column_stack([np.concatenate([across, across[::-1]]), outline])
    # Not `fill`, which looks for the limits of the plot in every corner, and takes longer than all else.
    axes.add_artist(Polygon(corners, facecolor=colour, edgecolor="none"))


def _style_locus(axes: Axes, locus: Locus) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(locus.region.start, locus.region.end)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"position on {shortened(locus.region.contig)}, bp", fontsize=8)


def shortened(name: str, length: int = NAME_LENGTH) -> str:
    """Return a name, with an ellipsis in the middle if it is long."""
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[head + 1 - length :]}"


def _svg(
    draw: Callable[[Figure], None],
    height: float,
    tracks: Sequence[str],
    key: str,
    title: str,
    description: str,
    *,
    own_layout: bool = False,
) -> str:
    """Draw a figure, and return it as an element of the page."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    variables = {colour: f"var({variables_of(tracks)[name]})" for name, colour in track_colours(tracks).items()}
    out = io.StringIO()
    with rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # the reader's browser has a font
        figure = Figure(figsize=(WIDTH, height), layout=None if own_layout else "constrained")
        figure.patch.set_visible(False)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_visible(False)
        figure.savefig(out, format="svg", metadata=NO_METADATA)
    colours = {INK: "currentColor", RULE: "var(--rule)", **variables}
    return inline_svg(out.getvalue(), key=key, title=title, description=description, colours=colours)
