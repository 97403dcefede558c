"""Plots of an evaluation, as PNG, drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.evaluation.metrics import average_precision, precision_recall
from epigept_batch.files import make_folder, replacing
from epigept_batch.tiling import ceil_div

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from epigept_batch.evaluation.compared import ComparedBins

COLOURS = {
    "prediction": "#0072b2",
    "mean_of_training_cells": "#e69f00",
    "nearest_training_cell": "#009e73",
    "given_the_mean": "#999999",
}
"""Colours of Okabe and Ito, which colour-blind readers can tell apart."""
TITLES = {
    "prediction": "prediction",
    "mean_of_training_cells": "mean of training cells",
    "nearest_training_cell": "nearest training cell",
    "given_the_mean": "prediction, given the mean",
}
METRICS = {"pearson_log1p": "r of ln(1 + signal)", "pearson_linear": "r of the signal", "spearman": "Spearman's r"}
"""The metrics of the report whose best value is 1 in every comparison."""
DENSITY_CELLS = 120
R_LABEL = "Pearson r of ln(1 + signal) with the measured track"
BAR_INCHES, GAP_INCHES, AROUND_INCHES = 0.19, 0.16, 1.3
"""Height of a bar, of the gap between groups of bars, and of the figure around them."""
THICKEST_INCHES = 0.3
"""Maximum thickness of a bar."""
PANEL_INCHES = 4.4
MOST_NAMES = 50
"""Maximum number of names in a panel; with more chromosomes, some are not labelled."""
DPI = 150
LEAST_INCHES, MOST_INCHES = 2.8, 400.0
"""Limits for the height of a figure; more than 2 ** 16 pixels cannot be drawn."""


class Plotter:
    """Draws into a folder; a plot of the same name is replaced.

    Args:
        folder: The folder; created if it does not exist.

    Raises:
        DeviceError: matplotlib is not installed.
        OutputError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import matplotlib as mpl
        except ImportError as error:
            raise DeviceError(
                "--figures requires matplotlib; install epigept-batch with its [figures] extra"
            ) from error
        mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
        make_folder(folder, option="--figures")
        self._folder = folder

    def draw_comparison(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Draw `comparison.png`: r of each track, beside its baselines."""
        defined = [name for name in TITLES if any(_r(document, name) is not None for document in documents)]
        shown = defined or ["prediction"]
        samples = {document["sample"] for document in documents}
        names = [_name(document, sample=len(samples) > 1) for document in documents]
        height = AROUND_INCHES + len(documents) * (len(shown) * BAR_INCHES + GAP_INCHES)
        height = min(max(height, LEAST_INCHES), MOST_INCHES)
        figure, axes = _figure(1, width=7.0, height=height)
        series = {name: [_r(document, name) for document in documents] for name in shown}
        _draw_bars(axes[0], series, names, inches=height - AROUND_INCHES)
        axes[0].set_xlabel(R_LABEL)
        if len(samples) == 1:
            figure.suptitle(*samples)
        self._save(figure, "comparison.png")

    def draw_track(self, document: Mapping[str, Any], bins: ComparedBins) -> None:
        """Draw `SAMPLE.TRACK.png`: predicted against measured, r by chromosome, and precision and recall with peaks."""
        peaks = bins.peaks if bins.peaks is not None and bins.peaks.any() else None
        figure, axes = _figure(2 if peaks is None else 3, width=5.0, height=PANEL_INCHES)
        name = ".".join(part for part in (document["sample"], document["track"]) if part)
        figure.suptitle(f"{document['sample']} {document['track']}".rstrip())
        _draw_density(axes[0], bins.measured, bins.predictors["prediction"])
        if len(bins.contigs) > 1:
            _draw_chromosomes(axes[1], document)
        else:
            _draw_metrics(axes[1], document)
        if peaks is not None:
            _draw_precision(axes[2], bins.predictors, peaks)
        self._save(figure, f"{name}.png")

    def _save(self, figure: Figure, name: str) -> None:
        with replacing(self._folder / name) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI)


def _figure(panels: int, *, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    """Make a figure without a window, and its panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * panels, height), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, panels)))


def _r(document: Mapping[str, Any], name: str) -> float | None:
    """Return the correlation over all bins of a predictor, or of the prediction given the mean."""
    whole = document["parts"][0]
    if name == "given_the_mean":
        partial: float | None = whole["partial_pearson"]
        return partial
    value: float | None = whole["predictors"].get(name, {}).get("pearson_log1p")
    return value


def _name(document: Mapping[str, Any], *, sample: bool) -> str:
    """Return the label of a row of bars, with or without its sample."""
    track: str = document["track"] or document["sample"]
    return f"{document['sample']} {document['track']}".rstrip() if sample else track


def _draw_bars(axes: Axes, series: Mapping[str, Sequence[float | None]], rows: Sequence[str], *, inches: float) -> None:
    """Draw groups of bars below each other, in so many inches, each with its value or "not defined"."""
    thickness = min(0.84 / len(series), THICKEST_INCHES * len(rows) / inches)
    for number, (name, values) in enumerate(series.items()):
        places = np.arange(len(rows)) + (number - (len(series) - 1) / 2) * thickness
        lengths = [0.0 if value is None else value for value in values]
        axes.barh(places, lengths, thickness * 0.92, color=COLOURS[name], label=TITLES[name])
        for place, value in zip(places, values, strict=True):
            said = "not defined" if value is None else f"{value:.3f}"
            axes.text(max(value or 0.0, 0.0) + 0.01, place, said, va="center", fontsize=7)
    least = min((value for values in series.values() for value in values if value is not None), default=0.0)
    axes.set_xlim(min(0.0, 1.05 * least), 1.12)
    axes.set_xticks([tick for tick in np.linspace(-1, 1, 11) if tick >= axes.get_xlim()[0]])
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.grid(axis="x", linewidth=0.4)
    axes.set_axisbelow(True)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def _draw_metrics(axes: Axes, document: Mapping[str, Any]) -> None:
    """Draw each kind of correlation of each predictor, for bins that all lie on one chromosome."""
    predictors = document["parts"][0]["predictors"]
    series: dict[str, list[float | None]] = {
        name: [metrics[metric] for metric in METRICS] for name, metrics in predictors.items()
    }
    _draw_bars(axes, series, list(METRICS.values()), inches=PANEL_INCHES - AROUND_INCHES)
    axes.set_xlabel("correlation with the measured signal")


def _draw_density(axes: Axes, measured: NDArray[np.float32], predicted: NDArray[np.float32]) -> None:
    """Draw the density of bins, predicted against measured, on a logarithmic colour scale."""
    from matplotlib.colors import LogNorm

    top = float(max(measured.max(), predicted.max(), 1e-3))
    edges = np.linspace(0, top, DENSITY_CELLS + 1)
    counts, _, _ = np.histogram2d(measured, predicted, bins=(edges, edges))
    filled = np.ma.masked_equal(counts.T, 0)
    mesh = axes.pcolormesh(edges, edges, filled, norm=LogNorm(vmin=1), cmap="viridis", rasterized=True)
    axes.plot([0, top], [0, top], color="black", linewidth=0.6, linestyle="dashed")
    axes.set_aspect("equal")
    axes.set_title(f"{len(measured):,} bin{'' if len(measured) == 1 else 's'}", fontsize=9)
    axes.set_xlabel("measured, ln(1 + signal)")
    axes.set_ylabel("predicted, ln(1 + signal)")
    axes.figure.colorbar(mesh, ax=axes, label="bins", shrink=0.8)


def _draw_chromosomes(axes: Axes, document: Mapping[str, Any]) -> None:
    """Draw the correlation of each predictor by chromosome."""
    parts = document["parts"]
    chromosomes = [part for part in parts if part["kind"] == "contig"]
    for name, colour in COLOURS.items():
        values = [
            part["partial_pearson"]
            if name == "given_the_mean"
            else part["predictors"].get(name, {}).get("pearson_log1p")
            for part in chromosomes
        ]
        if any(value is not None for value in values):
            heights = [np.nan if value is None else value for value in values]
            axes.plot(heights, range(len(chromosomes)), "o", color=colour, label=TITLES[name], markersize=4)
    named = range(0, len(chromosomes), ceil_div(len(chromosomes), MOST_NAMES))
    axes.set_yticks(named, [chromosomes[number]["part"] for number in named])
    axes.set_ylim(len(chromosomes) - 0.5, -0.5)
    axes.set_xlabel(R_LABEL)
    axes.set_xlim(min(0, axes.get_xlim()[0]), 1.02)
    axes.grid(axis="x", linewidth=0.4)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def _draw_precision(axes: Axes, predictors: Mapping[str, NDArray[np.float32]], peaks: NDArray[np.bool_]) -> None:
    """Draw precision against recall of each predictor at the peaks, of which there is at least one."""
    for name, values in predictors.items():
        recall, precision = precision_recall(values, peaks)
        label = f"{TITLES[name]}, {average_precision(values, peaks):.3f}"
        axes.step(recall, precision, where="pre", color=COLOURS[name], label=label)
    axes.axhline(peaks.mean(), color="black", linewidth=0.6, linestyle="dashed", label=f"chance, {peaks.mean():.3f}")
    axes.set_xlabel("recall of bins in peaks")
    axes.set_ylabel("precision")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=8, title="area under the curve", title_fontsize=8)
