"""The run of `epigept-batch compare`: writes differences between groups of samples, and where they differ."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.commands.compare.plan import FDR, MIN_EFFECT, STEM, ComparePlan, make_plan, names_of_outputs
from epigept_batch.comparison.columns import Columns
from epigept_batch.comparison.differences import LOW_SHARE, Difference, IntervalFinder, overall
from epigept_batch.comparison.groups import TRAINING_MEAN
from epigept_batch.comparison.moderated_t import group_means, moderated_t, residual_variances, why_not
from epigept_batch.comparison.region_means import RegionMeans
from epigept_batch.comparison.tables import ComparedRegions, write_bed, write_table
from epigept_batch.errors import InputError
from epigept_batch.files import output_folder, temporary_beside
from epigept_batch.intervals.hysteresis import Rule
from epigept_batch.provenance.output_set import discard
from epigept_batch.provenance.run_record import is_up_to_date
from epigept_batch.tracks.bigwig import BigWigWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.commands.compare.request import CompareRequest
    from epigept_batch.comparison.groups import Contrast
    from epigept_batch.comparison.moderated_t import Tests
    from epigept_batch.progress import Progress
    from epigept_batch.provenance.output_set import OutputSet
    from epigept_batch.tiling import Contig, Region, Span

WHAT_FDR_MEANS = (
    "expected share of false discoveries among the intervals, given the variance between replicates; it does not cover "
    "errors of the network, which all replicates share"
)


def run_compare(request: CompareRequest, progress: Progress) -> OutputSet:
    """Write the differences of a run's samples or groups, and the intervals where they differ.

    Nothing is written unless all is done.

    Args:
        request: What to do.
        progress: Receives an update per contig, twice for each track.

    Returns:
        The files.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    plan = make_plan(request)
    files = plan.files
    if not request.force and is_up_to_date(files, plan.inputs):
        progress.say("compare: up to date")
        return files
    for note in plan.notes:
        progress.say(note)
    spans = plan.spans()
    progress.start(2 * len(spans) * len(plan.tracks))
    temporaries: dict[str, Path] = {}
    with output_folder(request.out), ExitStack() as stack:
        stack.callback(discard, temporaries)
        for name in files.names:
            temporaries[name] = temporary_beside(request.out / name)
        facts = {track: _compare_track(plan, track, spans, temporaries, progress) for track in plan.tracks}
        _check_tested(plan, facts)
        notes = list(_notes_on_tests(facts))
        for note in notes:
            progress.say(note)
        files.publish(temporaries, _document(plan, facts, notes))
    number = len(plan.contrasts) * len(plan.tracks)
    progress.finish(f"{request.out}: {number} difference{'s' if number > 1 else ''}")
    return files


def _check_tested(plan: ComparePlan, facts: Mapping[str, Any]) -> None:
    """Check that an FDR that the user asked for applies to anything.

    Raises:
        InputError: Nothing could be tested.
    """
    tests = [found["test"] for of_track in facts.values() for found in of_track["differences"].values()]
    if plan.request.fdr is not None and not any(tests):
        raise InputError(
            f"--fdr {plan.request.fdr:g}: no region to test; lower --threshold, or pass regions with data as --bed"
        )


def _notes_on_tests(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield in how many regions replicates do not differ."""
    for track, of_track in facts.items():
        for name, found in of_track["differences"].items():
            if found["test"] is not None and (lost := found["test"]["regions_without_variance"]):
                yield (
                    f"{name} {track}: {lost:,} of {found['regions']:,} regions are not tested, because replicates do "
                    "not differ there"
                )


def _compare_track(
    plan: ComparePlan,
    track: str,
    spans: Mapping[Contig, Sequence[Span]],
    temporaries: Mapping[str, Path],
    progress: Progress,
) -> dict[str, Any]:
    """Write all differences of a track; return what was found, by name of the difference."""
    with Columns(
        plan.tracks_named(track),
        bin_bp=plan.bin_bp,
        space=plan.folder.space,
        mean=plan.means.get(track),
        calibration=plan.calibration,
    ) as columns:
        differences = {contrast: _difference(plan, contrast, track, temporaries) for contrast in plan.contrasts}
        candidates, counts = _candidates(plan, track), np.zeros(2, dtype=np.int64)
        takers: list[Difference | IntervalFinder] = [
            *differences.values(),
            *([] if candidates is None else [candidates]),
        ]
        for contig, of_contig in spans.items():
            for block in columns.read(contig, of_contig):
                counts += block.known, int((~np.isnan(block.values[:, 0])).sum())
                for difference in differences.values():
                    difference.add(contig, block.first, block.values)
                if candidates is not None:
                    candidates.add(contig, block.first, overall(block.values))
            for taker in takers:
                taker.end(contig)
            progress.advance()
        if not counts[1]:
            raise InputError(_nothing(track, int(counts[0])), plan.folder.path)
        regions = {contrast: _regions(plan, difference, candidates) for contrast, difference in differences.items()}
        means = _region_means(plan, columns, regions, spans, progress)
    facts: dict[str, Any] = {"bins": {"with_data": int(counts[0]), "compared": int(counts[1])}, "differences": {}}
    for contrast, difference in differences.items():
        difference.close()
        compared, no_test = _compared(plan, contrast, track, regions[contrast], means[contrast])
        chosen, rule = _chosen(plan, compared)
        names = names_of_outputs(contrast, track, with_table=plan.has_table(contrast))
        write_bed(temporaries[names[1]], compared, chosen, track=track, rule=rule)
        if plan.has_table(contrast):
            write_table(temporaries[names[2]], compared)
        facts["differences"][contrast.name] = {
            "rule": rule,
            "intervals_higher": int((compared.effects[chosen] > 0).sum()),
            "intervals_lower": int((compared.effects[chosen] < 0).sum()),
            "no_test": no_test,
            **_account(compared.tests, len(compared.regions), plan.levels.get(track)),
            "statistics": difference.account(),
        }
    return facts


def _nothing(track: str, known: int) -> str:
    if known:
        return (
            f"the calibration says of no bin of {track} that the prediction beats the training mean; choose other "
            "tracks with --tracks"
        )
    return f"no bin of {track} has data in all compared tracks; predict the samples on the same regions"


def _difference(plan: ComparePlan, contrast: Contrast, track: str, temporaries: Mapping[str, Path]) -> Difference:
    """Return a difference, which writes its bigWig; intervals are looked for if no regions are given or tested."""
    name = names_of_outputs(contrast, track, with_table=False)[0]
    writer = BigWigWriter(plan.request.out / name, plan.folder.contigs, bin_bp=plan.bin_bp, temporary=temporaries[name])
    return Difference(
        plan.columns_of(contrast.minuend),
        plan.columns_of(contrast.subtrahend),
        writer,
        least_effect=None if plan.has_table(contrast) else _min_effect(plan),
        bin_bp=plan.bin_bp,
    )


def _min_effect(plan: ComparePlan) -> float:
    return MIN_EFFECT if plan.request.min_effect is None else plan.request.min_effect


def _candidates(plan: ComparePlan, track: str) -> IntervalFinder | None:
    """Return what finds the regions to test; None if no difference is tested, or regions are given."""
    if track not in plan.levels:
        return None
    level = plan.levels[track]
    return IntervalFinder(Rule(high=level, low=level), bin_bp=plan.bin_bp)


def _regions(plan: ComparePlan, difference: Difference, candidates: IntervalFinder | None) -> Sequence[Region]:
    """Return the regions of a difference, in genome order."""
    if plan.regions is not None:
        return plan.regions
    if not difference.finds and candidates is not None:
        return candidates.regions
    order = {contig.name: number for number, contig in enumerate(plan.folder.contigs)}
    return sorted(difference.intervals, key=lambda region: (order[region.contig], region.start))


def _region_means(
    plan: ComparePlan,
    columns: Columns,
    regions: Mapping[Contrast, Sequence[Region]],
    spans: Mapping[Contig, Sequence[Span]],
    progress: Progress,
) -> dict[Contrast, RegionMeans]:
    """Read the means of the regions of each difference; differences with the same regions share them."""
    number = len(plan.folder.samples) + bool(plan.means)
    by_list = {id(of): RegionMeans(of, number, bin_bp=plan.bin_bp) for of in regions.values()}
    for contig, of_contig in spans.items():
        due = [means for means in by_list.values() if means.on(contig)]
        for block in columns.read(contig, of_contig) if due else ():
            for means in due:
                means.add(contig, block.first, block.values)
        progress.advance()
    return {contrast: by_list[id(of)] for contrast, of in regions.items()}


def _compared(
    plan: ComparePlan, contrast: Contrast, track: str, regions: Sequence[Region], means: RegionMeans
) -> tuple[ComparedRegions, str | None]:
    """Return the regions with data and what was found there, and why they are not tested.

    Raises:
        InputError: The user asks for an FDR, and there are regions that cannot be tested.
    """
    known = np.flatnonzero(means.bases)
    values = means.means[known]
    of = group_means(values, [plan.columns_of(contrast.minuend), plan.columns_of(contrast.subtrahend)])
    tests, no_test = None, contrast.why_no_test
    if contrast.subtrahend is not None and no_test is None:
        groups = [plan.columns_of(group) for group in plan.groups]
        no_test = why_not(residual_variances(values, groups)[0])
        if no_test is None:
            minuend, subtrahend = (plan.groups.index(group) for group in (contrast.minuend, contrast.subtrahend))
            tests = moderated_t(values, groups, minuend=minuend, subtrahend=subtrahend)
        elif plan.request.fdr is not None and len(known):
            raise InputError(
                f"--fdr {plan.request.fdr:g}: {contrast.name} {track}: no test, because {no_test}, or remove --fdr"
            )
    kept = [regions[number] for number in known.tolist()]
    return ComparedRegions(contrast, kept, means.bases[known], of, tests), no_test


def _chosen(plan: ComparePlan, compared: ComparedRegions) -> tuple[NDArray[np.intp], str]:
    """Return the numbers of the regions that differ, and the rule in words."""
    sizes, least = np.abs(compared.effects), plan.request.min_effect
    if compared.tests is not None:
        fdr = FDR if plan.request.fdr is None else plan.request.fdr
        passing = compared.tests.fdr <= fdr
        rule = f"moderated t-test between replicates, FDR at most {fdr:g}"
        if least is not None:
            passing &= sizes >= least
            rule += f", and a mean difference of at least {least:.4g}"
        return np.flatnonzero(passing), rule
    if plan.has_table(compared.contrast):
        return np.flatnonzero(
            sizes >= _min_effect(plan)
        ), f"mean difference of at least {_min_effect(plan):.4g}, no test"
    low = LOW_SHARE * _min_effect(plan)
    rule = (
        f"successive bins that differ by at least {low:.4g}, one of them by at least {_min_effect(plan):.4g}, no test"
    )
    return np.arange(len(sizes)), rule


def _account(tests: Tests | None, regions: int, level: float | None) -> dict[str, Any]:
    """Return what was tested, JSON-compatible."""
    if tests is None:
        return {"regions": regions, "test": None}
    return {
        "regions": regions,
        "test": {
            "least_mean_of_all_samples": level,
            "regions_tested": tests.tested,
            "regions_without_variance": regions - tests.tested,
            "df_residual": tests.df_residual,
            "prior_df": tests.prior.df if np.isfinite(tests.prior.df) else "infinite",
            "prior_variance": tests.prior.variance,
        },
    }


def _document(plan: ComparePlan, facts: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    """Return the record, JSON-compatible."""
    tested = any(one["test"] is not None for track in facts.values() for one in track["differences"].values())
    return {
        "command": STEM,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"epigept-batch": epigept_batch.__version__, "numpy": np.__version__},
        "run": str(plan.folder.path.resolve()),
        "values": "mean ln(1 + signal) of the first group minus that of the second",
        "bin_bp": plan.bin_bp,
        "groups": {group.name: list(group.samples) for group in plan.groups},
        "differences": {
            contrast.name: {"minuend": contrast.minuend.name, "subtrahend": contrast.other}
            for contrast in plan.contrasts
        },
        "fdr_means": WHAT_FDR_MEANS if tested else None,
        "mask": _mask(plan),
        TRAINING_MEAN: {
            track: {"path": str(mean.path), "cells": sorted(mean.cells)} for track, mean in plan.means.items()
        },
        "tracks_left_out": list(plan.unbeaten),
        "bins_not_of_all_samples": plan.uncommon,
        "notes": [*plan.notes, *notes],
        "tracks": facts,
        "inputs": plan.inputs,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _mask(plan: ComparePlan) -> str | None:
    """Return a sentence on which bins are left out of differences from the training mean; None without that mean."""
    if not plan.means:
        return None
    if plan.calibration is None:
        return "no bins are left out, because only --calibration tells where the prediction beats the training mean"
    return (
        f"bins are left out where the prediction has not beaten the training mean, according to {plan.calibration.path}"
    )
