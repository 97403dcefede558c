"""Plots of an evaluation, as PNG; draws with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.evaluation.metrics import average_precision, precision_recall
from epigept_batch.files import make_folder, replacing

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
    "differences": "#999999",
}
"""Of Okabe and Ito, which the colour-blind can tell apart."""
TITLES = {
    "prediction": "prediction",
    "mean_of_training_cells": "mean of training cells",
    "nearest_training_cell": "nearest training cell",
    "differences": "differences from that mean",
}
DENSITY_CELLS = 120
R_LABEL = "Pearson r of ln(1 + signal)"


class Plotter:
    """Draws into a folder; a plot of the same name is replaced.

    Args:
        folder: Made where it is not there.

    Raises:
        DeviceError: matplotlib is not installed.
        OutputError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import matplotlib as mpl
        except ImportError as error:
            raise DeviceError("--figures needs matplotlib; install epigept-batch with its [figures] extra") from error
        mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
        make_folder(folder, option="--figures")
        self._folder = folder

    def draw_comparison(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """`comparison.png`: r of each track, beside what it is compared with."""
        figure, axes = _figure(1, width=max(5.0, 1.2 + 0.9 * len(documents)), height=3.8)
        shown = [name for name in TITLES if any(_r(document, name) is not None for document in documents)]
        width = 0.8 / len(shown)
        for number, name in enumerate(shown):
            values = [_r(document, name) for document in documents]
            places = np.arange(len(documents)) + (number - (len(shown) - 1) / 2) * width
            heights = [np.nan if value is None else value for value in values]
            axes[0].bar(places, heights, width, color=COLOURS[name], label=TITLES[name])
        samples = {document["sample"] for document in documents}
        labels = [f"{d['track']}\n{d['sample']}" if len(samples) > 1 else d["track"] for d in documents]
        axes[0].set_xticks(range(len(documents)), labels, rotation=90 if len(samples) > 1 else 0)
        axes[0].set_ylabel(R_LABEL)
        axes[0].axhline(0, color="black", linewidth=0.6)
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
        self._save(figure, "comparison.png")

    def draw_track(self, document: Mapping[str, Any], bins: ComparedBins) -> None:
        """`SAMPLE.TRACK.png`: predicted against measured, r by chromosome; with bins in peaks, precision and recall."""
        peaks = bins.peaks if bins.peaks is not None and bins.peaks.any() else None
        figure, axes = _figure(2 if peaks is None else 3, width=5.0, height=4.4)
        name = ".".join(part for part in (document["sample"], document["track"]) if part)
        figure.suptitle(f"{document['sample']} {document['track']}".rstrip())
        _draw_density(axes[0], bins.measured, bins.predictors["prediction"])
        _draw_chromosomes(axes[1], document)
        if peaks is not None:
            _draw_precision(axes[2], bins.predictors, peaks)
        self._save(figure, f"{name}.png")

    def _save(self, figure: Figure, name: str) -> None:
        with replacing(self._folder / name) as temporary:
            figure.savefig(temporary, format="png", dpi=150)


def _figure(panels: int, *, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    """A figure that belongs to no window, and its panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * panels, height), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, panels)))


def _r(document: Mapping[str, Any], name: str) -> float | None:
    """Correlation over all bins of a predictor, or of the differences from the mean."""
    whole = document["parts"][0]
    if name == "differences":
        differences: float | None = whole["pearson_of_differences"]
        return differences
    value: float | None = whole["predictors"].get(name, {}).get("pearson_log1p")
    return value


def _draw_density(axes: Axes, measured: NDArray[np.float32], predicted: NDArray[np.float32]) -> None:
    """How many bins lie where, on a logarithmic scale of colour."""
    from matplotlib.colors import LogNorm

    top = float(max(measured.max(), predicted.max(), 1e-3))
    edges = np.linspace(0, top, DENSITY_CELLS + 1)
    counts, _, _ = np.histogram2d(measured, predicted, bins=(edges, edges))
    filled = np.ma.masked_equal(counts.T, 0)
    mesh = axes.pcolormesh(edges, edges, filled, norm=LogNorm(vmin=1), cmap="viridis", rasterized=True)
    axes.plot([0, top], [0, top], color="black", linewidth=0.6, linestyle="dashed")
    axes.set_aspect("equal")
    axes.set_xlabel("measured, ln(1 + signal)")
    axes.set_ylabel("predicted, ln(1 + signal)")
    axes.figure.colorbar(mesh, ax=axes, label="bins", shrink=0.8)


def _draw_chromosomes(axes: Axes, document: Mapping[str, Any]) -> None:
    """Correlation by chromosome, of each predictor."""
    parts = document["parts"]
    chromosomes = [part for part in parts if part["kind"] == "contig"]
    for name, colour in COLOURS.items():
        values = [
            part["pearson_of_differences"]
            if name == "differences"
            else part["predictors"].get(name, {}).get("pearson_log1p")
            for part in chromosomes
        ]
        if any(value is not None for value in values):
            heights = [np.nan if value is None else value for value in values]
            axes.plot(heights, range(len(chromosomes)), "o", color=colour, label=TITLES[name], markersize=4)
    axes.set_yticks(range(len(chromosomes)), [part["part"] for part in chromosomes])
    axes.invert_yaxis()
    axes.set_xlabel(R_LABEL)
    axes.set_xlim(min(0, axes.get_xlim()[0]), 1.02)
    axes.grid(axis="x", linewidth=0.4)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def _draw_precision(axes: Axes, predictors: Mapping[str, NDArray[np.float32]], peaks: NDArray[np.bool_]) -> None:
    """Precision against recall at the peaks, of which there are some, of each predictor."""
    for name, values in predictors.items():
        recall, precision = precision_recall(values, peaks)
        label = f"{TITLES[name]}, {average_precision(values, peaks):.3f}"
        axes.step(recall, precision, where="pre", color=COLOURS[name], label=label)
    axes.axhline(peaks.mean(), color="black", linewidth=0.6, linestyle="dashed", label=f"chance, {peaks.mean():.3f}")
    axes.set_xlabel("recall of bins in peaks")
    axes.set_ylabel("precision")
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=8, title="area under the curve", title_fontsize=8)
