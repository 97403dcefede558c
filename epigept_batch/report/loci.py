"""The loci that a report shows: the regions that a user names, and the most variable between samples."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.results.bins import predicted_spans, read_bins
from epigept_batch.sequence.regions import parse_region
from epigept_batch.tiling import Region, bins_of, ceil_div
from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.report.survey import Survey
    from epigept_batch.results.folder import RunFolder
    from epigept_batch.tiling import Contig

MOST_VARIABLE = 4
LOCUS_BINS = 320
"""Bins of a variable locus: 40,960 bp at 128 bp per bin, the window in the middle and half of it on either side."""
COLUMNS = 320
"""Steps of a plot; a longer region is drawn as means of several bins."""
MOST_BP = 5_000_000
"""Longest region, because a plot shows at most COLUMNS steps."""


@dataclass(frozen=True, eq=False)
class Locus:
    """The tracks of a region.

    Attributes:
        region: The region, at the edges of its bins.
        chosen: Whether a user named it.
        variation: See `Survey.variation`; None if a user named it.
        bins_per_step: How many bins a step of the values averages.
        step_bp: Base pairs per step.
        samples: Names of the samples.
        values: float32, (samples, steps) by track: ln(1 + signal), the mean over the bins with data; NaN without any.
    """

    region: Region
    chosen: bool
    variation: float | None
    bins_per_step: int
    step_bp: int
    samples: tuple[str, ...]
    values: dict[str, NDArray[np.float32]]


def parse_regions(texts: Sequence[str], folder: RunFolder) -> list[Region]:
    """Read the regions that a user names.

    Raises:
        InputError: One cannot be read, is too long, or has no predicted bin.
    """
    contigs = {contig.name: contig for contig in folder.contigs}
    regions = [parse_region(text, contigs) for text in texts]
    for text, region in zip(texts, regions, strict=True):
        if region.end - region.start > MOST_BP:
            raise InputError(
                f"--region {text}: {region.end - region.start:,} bp; a plot shows at most {MOST_BP:,} bp, so choose a "
                "shorter region"
            )
    return regions


def check_predicted(regions: Sequence[Region], folder: RunFolder, bin_bp: int) -> None:
    """Check that each region has predicted bins.

    Raises:
        InputError: One has none.
    """
    contigs = {contig.name: contig for contig in folder.contigs}
    for region in regions:
        first, last = _bins(region, bin_bp)
        spans = (span for one in folder.samples for span in predicted_spans(one, contigs[region.contig]))
        if not any(start < last and first < end for start, end in spans):
            some = ", ".join(folder.regions[:3]) + (", …" if len(folder.regions) > 3 else "")  # noqa: PLR2004
            raise InputError(f"--region {region}: not predicted in {folder.path}, which has {some}")


def variable_loci(survey: Survey, taken: Sequence[Region]) -> list[tuple[Region, float]]:
    """Return the most variable loci and their variation, most variable first; none overlaps another or those taken."""
    found: list[tuple[Region, float]] = []
    for number in np.argsort(-survey.variation, kind="stable"):
        variation = float(survey.variation[number])
        if variation <= 0 or len(found) == MOST_VARIABLE:
            break
        window = survey.windows[number]
        region = _around(window.contig, window.first, window.last, survey.bin_bp)
        if not any(_overlap(region, other) for other in (*taken, *(one for one, _ in found))):
            found.append((region, variation))
    return found


def read_locus(region: Region, folder: RunFolder, *, bin_bp: int, variation: float | None = None) -> Locus:
    """Read the tracks of a region.

    Args:
        region: The region.
        folder: The folder.
        bin_bp: Base pairs per bin.
        variation: What made it a variable locus; None if a user named it.
    """
    contig = next(one for one in folder.contigs if one.name == region.contig)
    first, last = _bins(region, bin_bp)
    step = ceil_div(last - first, COLUMNS)
    values: dict[str, list[NDArray[np.float32]]] = {name: [] for name in folder.tracks}
    samples = tuple(one.name for one in folder.samples if one.tracks)
    for name, rows in values.items():
        files = {
            track.sample: track for track in folder.all_tracks() if (track.name, track.is_difference) == (name, False)
        }
        for sample in samples:
            if sample not in files:
                rows.append(np.full(ceil_div(last - first, step), np.nan, dtype=np.float32))
                continue
            with closing(SignalTrack(files[sample].path)) as file:
                bins = read_bins(file, contig, first, last - first, bin_bp=bin_bp, space=folder.space)
            rows.append(step_means(bins, step))
    shown = Region(region.contig, first * bin_bp, min(last * bin_bp, contig.length))
    return Locus(
        shown,
        variation is None,
        variation,
        step,
        step * bin_bp,
        samples,
        {name: np.stack(rows) for name, rows in values.items()},
    )


def step_means(bins: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return the means of successive bins with data, float32, (steps,); the last step may have fewer bins."""
    padded = np.full(ceil_div(len(bins), step) * step, np.nan, dtype=np.float64)
    padded[: len(bins)] = bins
    parts = padded.reshape(-1, step)
    known = ~np.isnan(parts)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, parts, 0).sum(axis=1) / known.sum(axis=1), dtype=np.float32)


def _around(contig: Contig, first: int, last: int, bin_bp: int) -> Region:
    """Return LOCUS_BINS bins around a window, within the contig."""
    bins = bins_of(contig.length, bin_bp)
    start = max(0, min((first + last - LOCUS_BINS) // 2, bins - LOCUS_BINS))
    return Region(contig.name, start * bin_bp, min((start + LOCUS_BINS) * bin_bp, contig.length))


def _bins(region: Region, bin_bp: int) -> tuple[int, int]:
    return region.start // bin_bp, ceil_div(region.end, bin_bp)


def _overlap(first: Region, second: Region) -> bool:
    return first.contig == second.contig and first.start < second.end and second.start < first.end
