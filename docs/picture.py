"""Draw `docs/images/demo.png` from the folder that `epigept-batch demo` makes.

    epigept-batch demo && python docs/picture.py epigept-demo

Each row shows a track over one region: the prediction as an area, the truth and the mean of training cells as lines.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pyBigWig

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTIG, START, END = "sim27", 1_600_000, 1_700_000
SAMPLE, CELLS = "cell40", 32
# The palette of Okabe and Ito, which colour-blind readers can tell apart.
COLOURS = {"DNase": "#0072B2", "CTCF": "#E69F00", "H3K27ac": "#009E73", "H3K4me3": "#D55E00", "H3K27me3": "#CC79A7"}
OUT = Path(__file__).parent / "images/demo.png"


def values(path: Path, *, linear: bool) -> NDArray[np.float64]:
    """Return ln(1 + signal) of the region, float64, (bins,), from a track of signal or of its logarithm."""
    with pyBigWig.open(str(path)) as track:
        bins = track.stats(CONTIG, START, END, nBins=(END - START) // 128)
    found = np.array([np.nan if value is None else value for value in bins])
    return np.log1p(found) if linear else found


def mean_of_cells(folder: Path, track: str) -> NDArray[np.float64]:
    """Return ln(1 + mean signal of the training cells), float64, (bins,)."""
    cells = [np.expm1(values(folder / f"training/cell{n}.{track}.bw", linear=True)) for n in range(1, CELLS + 1)]
    return np.log1p(np.mean(cells, axis=0))


def main(folder: Path) -> None:
    """Draw the figure."""
    figure, rows = plt.subplots(len(COLOURS), sharex=True, figsize=(9, 4.6), layout="constrained")
    for axes, (track, colour) in zip(rows, COLOURS.items(), strict=True):
        predicted = values(folder / f"tracks/{SAMPLE}.{track}.bw", linear=False)
        positions = (START + 128 * np.arange(len(predicted))) / 1e6
        axes.fill_between(positions, predicted, color=colour, alpha=0.55, lw=0, label="predicted")
        axes.plot(positions, values(folder / f"measured/{SAMPLE}.{track}.bw", linear=True), "k", lw=0.9, label="truth")
        axes.plot(positions, mean_of_cells(folder, track), color="0.45", lw=0.9, ls=":", label="mean of training cells")
        axes.set_ylabel(track, rotation=0, ha="right", va="center")
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    rows[0].legend(ncols=3, loc="upper right", bbox_to_anchor=(1, 1.5), frameon=False)
    rows[-1].set_xlabel(f"{CONTIG}, Mb (values are ln(1 + signal) per bin of 128 bp)")
    rows[-1].set_xlim(START / 1e6, END / 1e6)
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
