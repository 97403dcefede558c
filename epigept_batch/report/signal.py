"""What a report says about the tracks: distributions, chromosomes, correlation of samples, loci, differences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.report.drawing import MOST_CELLS, distribution_plot, heat_map, locus_plot
from epigept_batch.report.parts import UNKNOWN, Plots, Section, Table, Words, count, decimal, figure, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.report.loci import Locus
    from epigept_batch.report.survey import Survey, TrackSurvey
    from epigept_batch.results.folder import ResultTrack, RunFolder

MOST_CONTIGS = 30
QUANTILES = ("0.5", "0.99", "0.999")
OF_DIFFERENCES = ("0.001", "0.01", "0.5", "0.99", "0.999")
R_STEP = 20
"""The lower end of the colours of r is a multiple of 1 / R_STEP."""


def scope(survey: Survey) -> str:
    """Return which part of the predicted bins a survey read, in a sentence."""
    bins = f"{survey.bins_in_all:,} predicted bins of {survey.bin_bp} bp"
    if survey.is_complete:
        return f"From all {bins}."
    windows = f"{len(survey.windows):,} of {survey.windows_in_all:,} windows, evenly spread"
    return f"From {windows}: {survey.bins:,} of the {bins}."


def distribution_section(folder: RunFolder, survey: Survey) -> Section:
    """Return a histogram of each track, and the statistics of each file."""
    plots = [
        distribution_plot(track, folder.tracks, f"distribution-{number}") for number, track in enumerate(survey.tracks)
    ]
    files = [track for name in folder.tracks for track in folder.all_tracks() if _is(track, name)]
    unit = "ln(1 + signal)" if folder.space == "log1p" else "the signal"
    return Section(
        "distributions",
        "Distributions",
        [
            Words(f"{scope(survey)} Bins without bases are left out."),
            Plots(plots),
            Words(f"The table is of all bins, in the unit of the files, {unit}. Quantiles are exact to 1 %."),
            Table(
                "Statistics of each track",
                ("Track", "Sample", "Bins", "Mean", "Median", "99th percentile", "99.9th percentile", "Highest"),
                [(track.name, track.sample, *_statistics(track, QUANTILES, ("max",))) for track in files],
                frozenset({1}),
            ),
        ],
    )


def contig_section(folder: RunFolder, survey: Survey) -> Section:
    """Return the mean of each track on each contig."""
    del folder
    bins = np.stack([track.bins.max(axis=0) for track in survey.tracks]).max(axis=0)
    order = np.argsort(-bins, kind="stable")[:MOST_CONTIGS]
    shown = sorted(int(number) for number in order)
    several = any(len(track.samples) > 1 for track in survey.tracks)
    of_samples = ", over the samples, with the lowest and the highest sample" if several else ""
    rows = [
        (survey.contigs[number].name, count(int(bins[number])), *(_mean_cell(track, number) for track in survey.tracks))
        for number in shown
    ]
    more = len(survey.contigs) - len(shown)
    parts: list[Any] = [
        Words(
            f"Mean of ln(1 + signal) per contig{of_samples}. {scope(survey)}"
            + (f" Left out: {plural(more, 'contig')} with fewer bins." if more > 0 else "")
        ),
        Table("Mean per contig", ("Contig", "Bins read", *(track.name for track in survey.tracks)), rows),
    ]
    return Section("contigs", "Chromosomes", parts)


def correlation_section(folder: RunFolder, survey: Survey) -> Section | None:
    """Return how samples correlate, track by track; None where there are no two samples."""
    tracks = [track for track in survey.tracks if len(track.samples) > 1]
    if not tracks:
        return None
    lowest = lowest_colour(tracks)
    words = Words(
        f"Pearson r of ln(1 + signal) between samples, over the bins where both have data. {scope(survey)} Colours run "
        f"from {lowest:g}, dark, to 1, light, in all plots."
    )
    drawn = [track for track in tracks if len(track.samples) <= MOST_CELLS]
    plots = [heat_map(track, folder.tracks, f"correlation-{number}", lowest) for number, track in enumerate(drawn)]
    rows = [(track.name, *_pair_figures(track)) for track in tracks]
    table = Table(
        "Correlation over all pairs of samples", ("Track", "Pairs", "Lowest r", "Median r", "Highest r"), rows
    )
    parts: list[Any] = [words, *([Plots(plots)] if plots else []), table]
    if len(drawn) < len(tracks):
        parts.insert(1, Words(f"With more than {MOST_CELLS} samples, r is not drawn."))
    return Section("correlation", "Correlation of samples", parts)


def loci_section(folder: RunFolder, loci: Sequence[Locus], tops: Mapping[str, float], survey: Survey) -> Section | None:
    """Return the plots of loci; None without any."""
    if not loci:
        return None
    chosen = sum(locus.chosen for locus in loci)
    variable = len(loci) - chosen
    said = []
    if chosen:
        said.append(f"{plural(chosen, 'region')} of your choice.")
    if variable:
        which = "The locus" if variable == 1 else f"The {variable} loci"
        said.append(
            f"{which} where samples differ most: with the highest variance between samples, summed over tracks, each "
            f"relative to its scale. {scope(survey)}"
        )
    plots = [locus_plot(locus, tops, folder.tracks, f"locus-{number}") for number, locus in enumerate(loci)]
    return Section("loci", "Example loci", [Words(" ".join(said)), Plots(plots)])


def difference_section(folder: RunFolder) -> Section | None:
    """Return the perturbed copies, and the statistics of their differences; None without copies."""
    copies = [sample for sample in folder.samples if "perturbation" in sample.record]
    if not copies:
        return None
    parts: list[Any] = [
        Words(
            "A copy is its sample with other TPM of some factors. A difference is the copy minus its sample. These are "
            "changes of a prediction, not measured effects."
        ),
        Table(
            "Perturbed copies",
            ("Copy", "Sample", "Set", "Without effect on the network's input"),
            [
                (
                    copy.name,
                    str(copy.record["perturbation"].get("of", UNKNOWN)),
                    str(copy.record["perturbation"].get("set", UNKNOWN)),
                    ", ".join(
                        str(one.get("factor"))
                        for one in copy.record["perturbation"].get("changes", ())
                        if one.get("does_nothing")
                    )
                    or "none",
                )
                for copy in copies
            ],
            frozenset({1, 2, 3}),
        ),
    ]
    differences = [track for track in folder.all_tracks() if track.is_difference]
    if differences:
        unit = "ln(1 + signal)" if folder.space == "log1p" else "the signal"
        titles = ("Copy", "Track", "Bins", "Mean", "Lowest", "0.1th percentile", "1st percentile", "Median")
        parts.append(
            Table(
                f"Differences of {unit}, over all bins",
                (*titles, "99th percentile", "99.9th percentile", "Highest"),
                [
                    (track.sample, track.name, *_statistics(track, OF_DIFFERENCES, ("max",), before=("min",)))
                    for track in differences
                ],
                frozenset({1}),
            )
        )
    return Section("differences", "Perturbed copies", parts)


def lowest_colour(tracks: Sequence[TrackSurvey]) -> float:
    """Return the r at the lower end of the colours: the lowest of any pair, rounded down, and below 1."""
    lowest = [float(np.nanmin(r)) for r in (_pairs(track) for track in tracks) if not np.isnan(r).all()]
    return min(math.floor(min(lowest, default=0.0) * R_STEP), R_STEP - 1) / R_STEP


def _pairs(track: TrackSurvey) -> NDArray[np.float64]:
    """Return r of each pair of samples, once, float64, (pairs,)."""
    found: NDArray[np.float64] = track.correlation[np.triu_indices(len(track.samples), 1)]
    return found


def _pair_figures(track: TrackSurvey) -> tuple[str, ...]:
    r = _pairs(track)
    defined = r[~np.isnan(r)]
    if not len(defined):
        return (count(0), *[UNKNOWN] * 3)
    return (
        count(len(defined)),
        *(decimal(float(value)) for value in (defined.min(), np.median(defined), defined.max())),
    )


def _is(track: ResultTrack, name: str) -> bool:
    return track.name == name and not track.is_difference


def _statistics(
    track: ResultTrack, quantiles: Sequence[str], after: Sequence[str], before: Sequence[str] = ()
) -> list[str]:
    """Return the cells of a track's statistics."""
    found = track.statistics or {}
    of = found.get("quantiles") or {}
    values = [found.get("mean"), *map(found.get, before), *map(of.get, quantiles), *map(found.get, after)]
    return [count(found.get("bins")), *map(figure, values)]


def _mean_cell(track: TrackSurvey, contig: int) -> str:
    values = track.means[:, contig]
    known = values[~np.isnan(values)]
    if not len(known):
        return UNKNOWN
    mean = figure(float(known.mean()))
    return mean if len(known) == 1 else f"{mean} ({figure(float(known.min()))} to {figure(float(known.max()))})"
