"""Plan of `epigept-batch compare`: what is compared, by which rule, and whether the samples can be compared."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.calibration.calibration_file import read_calibration
from epigept_batch.comparison.columns import bins_of_some, common_spans
from epigept_batch.comparison.groups import make_contrasts, parse_groups
from epigept_batch.comparison.moderated_t import check_library
from epigept_batch.errors import InputError
from epigept_batch.evaluation.training_mean import RECORD, file_name, kept_mean
from epigept_batch.inference.model_file import file_sha256
from epigept_batch.provenance.output_set import OutputSet
from epigept_batch.results.bins import bin_bp_of
from epigept_batch.results.folder import read_run_folder
from epigept_batch.sequence.regions import read_bed
from epigept_batch.tracks.signal import SignalTrack
from epigept_batch.tracks.track_files import TrackFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.calibration.calibration_file import Calibration
    from epigept_batch.commands.compare.request import CompareRequest
    from epigept_batch.comparison.groups import Contrast, Group
    from epigept_batch.evaluation.training_mean import KeptMean
    from epigept_batch.results.folder import ResultTrack, RunFolder, SampleResults
    from epigept_batch.tiling import Contig, Region, Span

STEM = "compare"
MIN_EFFECT = math.log(2)
"""Least difference of ln(1 + signal) without a test: 1 + signal is twice as high."""
FDR = 0.05
QUANTILE = "0.99"
"""Quantile of a track's bins from which bins are tested, by default: the key of `statistics` in run.json."""
SAME = {"model": "model", "overlap": "--overlap"}
"""Inputs of runs that must be the same, and what messages call them."""


@dataclass(frozen=True, eq=False)
class ComparePlan:
    """What is compared.

    Attributes:
        request: The options.
        folder: The run, with the compared samples in the order of the groups.
        groups: The groups.
        contrasts: The differences.
        tracks: Names of the tracks.
        unbeaten: Names of tracks that are left out, because the prediction beats the training mean nowhere.
        bin_bp: Base pairs per bin.
        uncommon: Number of bins that some of the samples, but not all, were predicted for.
        means: The kept mean of each track; empty without.
        calibration: Where the prediction beats it; None for all bins.
        regions: Regions to compare in genome order; None to find them.
        levels: Of each track, the mean over all samples from which bins are tested; empty without a test.
        notes: What the user should know about these samples.
    """

    request: CompareRequest
    folder: RunFolder
    groups: Sequence[Group]
    contrasts: Sequence[Contrast]
    tracks: Sequence[str]
    unbeaten: Sequence[str]
    bin_bp: int
    uncommon: int
    means: Mapping[str, KeptMean]
    calibration: Calibration | None
    regions: Sequence[Region] | None
    levels: Mapping[str, float]
    notes: Sequence[str]

    def columns_of(self, group: Group | None) -> NDArray[np.intp]:
        """Return the columns of a group's samples; of None, the column of the training mean."""
        names = [sample.name for sample in self.folder.samples]
        return np.array([len(names)] if group is None else [names.index(name) for name in group.samples], dtype=np.intp)

    def tracks_named(self, name: str) -> list[ResultTrack]:
        """Return the track of each sample with a name."""
        return [
            next(track for track in sample.tracks if track.name == name and not track.is_difference)
            for sample in self.folder.samples
        ]

    def spans(self) -> dict[Contig, list[Span]]:
        """Return the compared bins of each contig that has any."""
        found = {contig: common_spans(self.folder.samples, contig, self.bin_bp) for contig in self.folder.contigs}
        return {contig: spans for contig, spans in found.items() if spans}

    @property
    def files(self) -> OutputSet:
        """The files."""
        names = [
            name
            for contrast in self.contrasts
            for track in self.tracks
            for name in names_of_outputs(contrast, track, with_table=self.has_table(contrast))
        ]
        return OutputSet(self.request.out, STEM, tuple(names), "differences")

    def is_tested(self, contrast: Contrast) -> bool:
        """Whether a difference is tested between replicates."""
        return contrast.why_no_test is None

    def has_table(self, contrast: Contrast) -> bool:
        """Whether a table of all compared regions is written."""
        return self.regions is not None or self.is_tested(contrast)

    @property
    def inputs(self) -> dict[str, Any]:
        """What a later run is compared with."""
        request = self.request
        return {
            "samples": {sample.name: _digest(sample.record) for sample in self.folder.samples},
            "groups": {group.name: list(group.samples) for group in self.groups},
            "differences": [contrast.name for contrast in self.contrasts],
            "tracks": list(self.tracks),
            "training mean": {
                track: [str(mean.path.resolve()), _changed(mean.path)] for track, mean in self.means.items()
            },
            "calibration": None if self.calibration is None else self.calibration.sha256,
            "regions": None if request.bed is None else file_sha256(request.bed),
            "threshold": request.threshold,
            "min_effect": request.min_effect,
            "fdr": request.fdr,
        }


def names_of_outputs(contrast: Contrast, track: str, *, with_table: bool) -> list[str]:
    """Return the names of a difference's files: the bigWig, the BED and, if there is one, the table."""
    stem = f"{contrast.name}.{track}"
    return [f"{stem}.bw", f"{stem}.bed", *([f"{stem}.regions.tsv"] if with_table else [])]


def make_plan(request: CompareRequest) -> ComparePlan:
    """Plan the comparison, and find every error that can be found before the tracks are read.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    folder, groups = _read_groups(request)
    contrasts = make_contrasts(groups, control=request.control, with_mean=request.mean is not None)
    tested = any(contrast.why_no_test is None for contrast in contrasts)
    _check_options(request, tested=tested)
    if tested:
        check_library()
    _check_same(folder)
    bin_bp = bin_bp_of(folder)
    asked = _tracks(request, folder)
    calibration = None if request.calibration is None else _calibration(request.calibration, folder, asked, bin_bp)
    tracks = asked if calibration is None else _beaten(calibration, asked)
    unbeaten = [track for track in asked if track not in tracks]
    means = {} if request.mean is None else _means(request.mean, folder, tracks, bin_bp=bin_bp)
    regions = None
    if request.bed is not None:
        order = {contig.name: number for number, contig in enumerate(folder.contigs)}
        found = read_bed(request.bed, {contig.name: contig for contig in folder.contigs})
        regions = sorted(found, key=lambda region: (order[region.contig], region.start, region.end))
    uncommon = sum(bins_of_some(folder.samples, contig, bin_bp) for contig in folder.contigs)
    plan = ComparePlan(
        request=request,
        folder=folder,
        groups=groups,
        contrasts=contrasts,
        tracks=tracks,
        unbeaten=unbeaten,
        bin_bp=bin_bp,
        uncommon=uncommon,
        means=means,
        calibration=calibration,
        regions=regions,
        levels=_levels(request, folder, tracks) if tested and regions is None else {},
        notes=[
            *_notes(folder, groups, contrasts, means),
            *_notes_on_what_is_left_out(groups, calibration, unbeaten, uncommon),
        ],
    )
    plan.files.check_inputs(_paths(plan))
    return plan


def _paths(plan: ComparePlan) -> Iterator[Path]:
    """Yield the input files."""
    yield from (path for path in (plan.request.bed, plan.request.calibration) if path is not None)
    yield from (mean.path for mean in plan.means.values())
    yield from (track.path for track in plan.folder.all_tracks())


def _read_groups(request: CompareRequest) -> tuple[RunFolder, list[Group]]:
    """Read the folder, and find the samples of each group.

    Raises:
        InputError: A group or a sample cannot be used.
    """
    groups = parse_groups(request.samples, request.groups)
    names = [name for group in groups for name in group.samples]
    if not names and request.mean is None:
        raise InputError("name at least two samples or groups, or pass --mean to compare with the training cells")
    folder = read_run_folder(request.folder, names)
    if not groups:
        groups = parse_groups([sample.name for sample in folder.samples], ())
    return folder, groups


def _check_options(request: CompareRequest, *, tested: bool) -> None:
    """Check that no option is without effect, and that numbers can be used.

    Raises:
        InputError: One is not.
    """
    if request.calibration is not None and request.mean is None:
        raise InputError("--calibration: has no effect without --mean; add that, or remove this option")
    for option, value in (("--threshold", request.threshold), ("--fdr", request.fdr)):
        if value is not None and not tested:
            raise InputError(f"{option}: applies to tests between replicates, and no group has any; remove this option")
    if request.threshold is not None and request.bed is not None:
        raise InputError("--threshold: has no effect with --bed, which names the regions; remove one of them")
    for option, value in (("--threshold", request.threshold), ("--min-effect", request.min_effect)):
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"{option} {value:g}: must be a number above 0")
    if request.fdr is not None and not 0 < request.fdr < 1:
        raise InputError(f"--fdr {request.fdr:g}: must be a number between 0 and 1")


def _check_same(folder: RunFolder) -> None:
    """Check that all samples were predicted by one model in one way.

    Raises:
        InputError: They were not.
    """
    for key, name in SAME.items():
        values = {sample.name: sample.record.get("inputs", {}).get(key) for sample in folder.samples}
        first, *others = values
        if other := next((one for one in others if values[one] != values[first]), None):
            raise InputError(
                f"{first} and {other} were predicted with a different {name}, so they differ for that reason; predict "
                "all samples alike",
                folder.path,
            )


def _tracks(request: CompareRequest, folder: RunFolder) -> list[str]:
    """Return the names of the tracks.

    Raises:
        InputError: A sample does not have one, or none is common.
    """
    own = {sample.name: _names(sample) for sample in folder.samples}
    common = [track for track in folder.tracks if all(track in names for names in own.values())]
    if not common:
        raise InputError("the samples have no track in common", folder.path)
    by_name = {track.casefold(): track for track in common}
    for name in request.tracks:
        if name.casefold() not in by_name:
            raise InputError(f"--tracks: not every sample has a track '{name}'; common tracks are {', '.join(common)}")
    chosen = {by_name[name.casefold()] for name in request.tracks}
    return [track for track in common if not chosen or track in chosen]


def _names(sample: SampleResults) -> set[str]:
    return {track.name for track in sample.tracks if not track.is_difference}


def _means(given: str, folder: RunFolder, tracks: Sequence[str], *, bin_bp: int) -> dict[str, KeptMean]:
    """Return the kept mean of each track.

    Raises:
        InputError: One is missing, was not made by `mean`, or has other bins or another genome.
    """
    pattern = str(Path(given) / file_name("{track}")) if Path(given).is_dir() else given
    files, means = TrackFiles(pattern), {}
    if not files.names("track") and not Path(given).exists():
        raise InputError(f"--mean {given}: not found; pass the output folder of epigept-batch mean")
    if len(tracks) > 1 and not files.names("track"):
        raise InputError(f"--mean {given}: one file for {len(tracks)} tracks; put {{track}} into the path")
    for track in tracks:
        path = files.path(track=track)
        with_file = SignalTrack(path)
        try:
            with_file.check_genome(folder.contigs)
        finally:
            with_file.close()
        mean = kept_mean(path)
        if mean is None:
            raise InputError(f"not listed in a {RECORD} beside it; make it with epigept-batch mean", path)
        mean.check(track=track, bin_bp=bin_bp)
        means[track] = mean
    return means


def _calibration(path: Path, folder: RunFolder, tracks: Sequence[str], bin_bp: int) -> Calibration:
    """Read a calibration, and check that it is of this model and knows these tracks.

    Raises:
        InputError: It is not, or does not.
    """
    calibration = read_calibration(path)
    calibration.check_fits(str(folder.samples[0].record.get("inputs", {}).get("model")), bin_bp=bin_bp)
    for track in tracks:
        calibration.beats_mean(track, np.zeros(1))
    return calibration


def _beaten(calibration: Calibration, tracks: Sequence[str]) -> list[str]:
    """Return the tracks of which the prediction beats the training mean at any level of that mean.

    Raises:
        InputError: There are none.
    """
    of_tracks = {track: calibration.track(track).levels for track in tracks}
    beaten = [track for track, levels in of_tracks.items() if levels is not None and levels.beats.any()]
    if not beaten:
        raise InputError(
            f"says of no bin of {', '.join(tracks)} that the prediction beats the training mean; choose other tracks "
            "with --tracks, or leave out --calibration",
            calibration.path,
        )
    return beaten


def _levels(request: CompareRequest, folder: RunFolder, tracks: Sequence[str]) -> dict[str, float]:
    """Return the mean over all samples from which bins are tested, by track.

    By default it is the mean over the samples of their 99th percentiles. It does not depend on how samples are grouped.

    Raises:
        InputError: The records do not have it, or it is 0.
    """
    if request.threshold is not None:
        return dict.fromkeys(tracks, request.threshold)
    levels = {}
    for name in tracks:
        found = []
        for sample in folder.samples:
            track = next(one for one in sample.tracks if one.name == name and not one.is_difference)
            quantiles = (track.statistics or {}).get("quantiles") or {}
            if QUANTILE not in quantiles:
                raise InputError(
                    f"has no statistics of {name}; pass --threshold", folder.path / f"{sample.name}.run.json"
                )
            found.append(float(quantiles[QUANTILE]))
        values = np.log1p(found) if folder.space == "linear" else np.array(found)
        levels[name] = float(values.mean())
        if not levels[name] > 0:
            raise InputError(f"the 99th percentile of {name} is 0; pass --threshold or --bed", folder.path)
    return levels


def _notes(
    folder: RunFolder, groups: Sequence[Group], contrasts: Sequence[Contrast], means: Mapping[str, KeptMean]
) -> Iterator[str]:
    """Yield what the user should know about the samples."""
    records = {sample.name: sample.record for sample in folder.samples}
    for group in groups:
        copies = [
            name for name in group.samples if records[name].get("perturbation") or records[name].get("personal_genome")
        ]
        if group.has_replicates and copies:
            yield (
                f"{group.name}: {', '.join(copies)} are perturbed copies or haplotypes of a sample, not replicates, so "
                "p-values and FDR do not hold"
            )
    for contrast in contrasts:
        if contrast.subtrahend is not None and contrast.why_no_test is None:
            for group in (contrast.minuend, contrast.subtrahend):
                if not group.has_replicates:
                    yield (
                        f"{contrast.name}: {group.name} has one sample, so the test assumes that replicates of it "
                        "would vary as the other samples do"
                    )
    arithmetic = {json.dumps([record.get("precision"), record.get("provider")]) for record in records.values()}
    if len(arithmetic) > 1:
        yield "the samples were predicted with different precisions or devices, so small differences may be due to that"
    cells = {cell.casefold() for mean in means.values() for cell in mean.cells}
    if inside := [name for name in records if name.casefold() in cells]:
        yield f"the mean of the training cells contains {', '.join(inside)}"
    for mean in means.values():
        yield from mean.notes()


def _notes_on_what_is_left_out(
    groups: Sequence[Group], calibration: Calibration | None, unbeaten: Sequence[str], uncommon: int
) -> Iterator[str]:
    """Yield which tracks and how many bins are not compared."""
    if unbeaten and calibration is not None:
        yield (
            f"left out, because {calibration.path} says that the prediction beats the training mean nowhere: "
            f"{', '.join(unbeaten)}"
        )
    if uncommon:
        several = len(groups) > 2  # noqa: PLR2004 - the bins of a pair would be its own
        yield (
            f"{uncommon:,} bins were predicted for some samples, but not for all, so they are not compared"
            + ("; all groups are compared on the same bins" if several else "")
        )


def _digest(record: Mapping[str, Any]) -> str:
    """Return a checksum of a sample's record, which changes when its tracks are predicted again."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
