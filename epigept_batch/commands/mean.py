"""The run of `epigept-batch mean`: averages the tracks of training cells once, for all later comparisons."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import epigept_batch
from epigept_batch.assemblies import names_of
from epigept_batch.errors import InputError
from epigept_batch.evaluation.compared import READ_BP, mean_of
from epigept_batch.evaluation.seen import trained_cells
from epigept_batch.evaluation.training_mean import SPACE, STEM, check_no_folder, file_name, is_kept_mean
from epigept_batch.files import in_words, output_folder, temporary_beside
from epigept_batch.inference.model_file import read_spec
from epigept_batch.names import LONGEST_TRACK, can_be_file_name
from epigept_batch.provenance.output_set import OutputSet, discard
from epigept_batch.provenance.run_record import is_up_to_date
from epigept_batch.tiling import bins_of
from epigept_batch.tracks.bigwig import BigWigWriter
from epigept_batch.tracks.signal import BinnedTrack, SignalTrack
from epigept_batch.tracks.statistics import BinStatistics
from epigept_batch.tracks.track_files import TrackFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from epigept_batch.progress import Progress
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig

BIN_BP = 128
"""Bin size without --bin and --model: that of the published networks for hg38 and hg19."""
NAMES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class MeanRequest:
    """What a user asks for.

    Attributes:
        training: Tracks of the cells: a path with {cell}, and with {track} for several tracks.
        out: Output folder.
        tracks: Names of tracks; empty for all.
        cells: Names of cells; empty for all.
        exclude_cells: Names of cells that are left out.
        model: A model file, whose training cells are the only ones used; None for all cells.
        measured_space: `log1p` or `linear`: what the cells' tracks hold.
        zero_fill: Whether bases without data have a signal of 0.
        bin_bp: Base pairs per bin; None for those of the model, else 128.
        force: Replace files that were made from other inputs, or by another program.
    """

    training: str
    out: Path
    tracks: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    exclude_cells: tuple[str, ...] = ()
    model: Path | None = None
    measured_space: str = "linear"
    zero_fill: bool = False
    bin_bp: int | None = None
    force: bool = False


def run_mean(request: MeanRequest, progress: Progress) -> OutputSet:
    """Write `mean.TRACK.bw` for each track, and `mean.json`.

    A bin is the mean, over the cells that have data there, of ln(1 + signal), which is what `evaluate --training` takes
    of the same files. Infinite bins of a cell count as without data. Nothing is written unless all tracks are done.

    Args:
        request: What to do.
        progress: Receives an update per contig of a track.

    Returns:
        The files.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    spec = None if request.model is None else read_spec(request.model)
    bin_bp = request.bin_bp or (BIN_BP if spec is None else spec.geometry.bin_bp)
    chosen = _chosen(request, spec, progress)
    files = OutputSet(request.out, STEM, tuple(map(file_name, chosen)), "means")
    _check_files(request, files, chosen)
    inputs = {
        "tracks": {
            track: {cell: _account(path) for cell, path in sorted(cells.items())} for track, cells in chosen.items()
        },
        "measured_space": request.measured_space,
        "zero_fill": request.zero_fill,
        "bin_bp": bin_bp,
    }
    if not request.force and is_up_to_date(files, inputs):
        progress.say("mean: up to date")
        return files
    contigs = {track: _contigs(list(cells.values())) for track, cells in chosen.items()}
    progress.start(sum(map(len, contigs.values())))
    temporaries: dict[str, Path] = {}
    with output_folder(request.out), ExitStack() as stack:
        stack.callback(discard, temporaries)
        facts = {}
        for track, cells in chosen.items():
            name = file_name(track)
            temporaries[name] = temporary_beside(request.out / name)
            writer = BigWigWriter(request.out / name, contigs[track], bin_bp=bin_bp, temporary=temporaries[name])
            facts[track] = _average(request, cells, contigs[track], writer, bin_bp=bin_bp, progress=progress)
        files.publish(temporaries, _document(request, facts, inputs, bin_bp=bin_bp))
    size = sum(path.stat().st_size for path in files.outputs)
    progress.finish(f"{request.out}: mean of {len(_every_cell(chosen))} cells, {len(chosen)} tracks, {in_words(size)}")
    return files


def _document(
    request: MeanRequest, facts: Mapping[str, Any], inputs: Mapping[str, Any], *, bin_bp: int
) -> dict[str, Any]:
    """Return the record, JSON-compatible."""
    return {
        "command": STEM,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"epigept-batch": epigept_batch.__version__, "numpy": np.__version__},
        "values": "mean of ln(1 + signal) over the cells that have data in a bin",
        "space": SPACE,
        "bin_bp": bin_bp,
        "measured_space": request.measured_space,
        "zero_fill": request.zero_fill,
        "tracks": facts,
        "inputs": inputs,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _every_cell(chosen: Mapping[str, Mapping[str, Path]]) -> list[str]:
    return sorted({cell for cells in chosen.values() for cell in cells})


def _account(path: Path) -> dict[str, Any]:
    """Return what tells whether a file is still the same; bigWigs of genomes are too large for checksums."""
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError("cannot be read", path) from error
    return {"path": str(path.resolve()), "bytes": stat.st_size, "modified": stat.st_mtime_ns}


def _chosen(request: MeanRequest, spec: Spec | None, progress: Progress) -> dict[str, dict[str, Path]]:
    """Return the files to average, by track and cell.

    Raises:
        InputError: There are none, or not those of a named track or cell.
    """
    where = f"--training {request.training}"
    files = _pattern(request)
    every = _of_tracks(files, request.tracks) if request.tracks else files.every_cell()
    for track in every:
        if not can_be_file_name(track, longest=LONGEST_TRACK):
            raise InputError(f"--tracks: '{track}' cannot be part of a file name")
    if not every:
        raise InputError(f"{where}: no bigWig found")
    for track, cells in every.items():
        if not cells:
            raise InputError(f"{where}: no bigWig found for {track}")
    kept = _kept_cells(request, spec, _every_cell(every), progress)
    chosen = {track: {cell: path for cell, path in cells.items() if cell in kept} for track, cells in every.items()}
    if lacking := [track for track, cells in chosen.items() if not cells]:
        raise InputError(f"{where}: no bigWig of the chosen cells for {', '.join(lacking)}; name others with --tracks")
    return chosen


def _pattern(request: MeanRequest) -> TrackFiles:
    """Return the files of --training.

    Raises:
        InputError: It has other places than {cell} and {track}.
    """
    where = f"--training {request.training}"
    check_no_folder(request.training)
    files = TrackFiles(request.training)
    if not files.names("cell"):
        raise InputError(f"{where}: must contain {{cell}} in place of the cells' names")
    if files.names("sample"):
        raise InputError(f"{where}: contains {{sample}}; use {{cell}} and {{track}}")
    if not files.names("track") and len(request.tracks) != 1:
        raise InputError(f"{where}: no {{track}} in the path; add it, or name the one track with --tracks")
    return files


def _of_tracks(files: TrackFiles, names: Sequence[str]) -> dict[str, dict[str, Path]]:
    """Return the files of named tracks, by track and cell; where no file has a name, its case is ignored."""
    exact = {name: files.cells(name) for name in dict.fromkeys(names)}
    if not files.names("track"):
        return exact
    every = {} if all(exact.values()) else files.every_cell()
    by_name = {track.casefold(): track for track in every}
    found = {}
    for name, cells in exact.items():
        track = name if cells else by_name.get(name.casefold(), name)
        found[track] = cells or every.get(track, {})
    return found


def _check_files(request: MeanRequest, files: OutputSet, chosen: Mapping[str, Mapping[str, Path]]) -> None:
    """Check that no input would be replaced, and that neither an earlier mean nor this one passes for a cell.

    Raises:
        InputError: It would.
    """
    every = [path for cells in chosen.values() for path in cells.values()]
    files.check_inputs(every)
    if means := [path for path in every if is_kept_mean(path)]:
        raise InputError("is itself a mean that epigept-batch mean keeps, not a cell; move it elsewhere", means[0])
    if any(TrackFiles(request.training).fits(path) for path in files.outputs):
        raise InputError(
            f"--out {request.out}: its files would fit --training {request.training}, so the next run would take the "
            "mean for a cell; choose another --out"
        )


def _kept_cells(request: MeanRequest, spec: Spec | None, found: Sequence[str], progress: Progress) -> set[str]:
    """Return the cells that belong in the mean, and say which are left out.

    Raises:
        InputError: A named cell is not there, or no cell is left.
    """
    for option, names in (("--cell", request.cells), ("--exclude-cell", request.exclude_cells)):
        for name in names:
            if name not in found:
                some = ", ".join(found[:NAMES_SHOWN]) + (", …" if len(found) > NAMES_SHOWN else "")
                raise InputError(f"{option} {name}: no bigWig of this cell; found {some}")
    kept = set(request.cells or found) - set(request.exclude_cells)
    if not kept:
        raise InputError("--exclude-cell: leaves no cell")
    known = set(trained_cells(spec))
    if spec is not None and not known:
        raise InputError("names no training cells; choose them with --cell", request.model)
    if known and not kept & known:
        raise InputError("none of the cells is a training cell of this model; choose them with --cell", request.model)
    if known and (strangers := sorted(kept - known)):
        progress.say(f"not training cells, so excluded from the mean: {', '.join(strangers)}")
        kept &= known
    return kept


def _contigs(paths: Sequence[Path]) -> list[Contig]:
    """Return the contigs of all files: those of the first file in its order, then others of the next.

    Raises:
        InputError: A contig has another length in another file.
    """
    contigs: list[Contig] = []
    by_name: dict[str, tuple[Contig, Path]] = {}
    for path in paths:
        track = SignalTrack(path)
        for contig in track.contigs:
            known, first = next((by_name[name] for name in names_of(contig) if name in by_name), (None, path))
            if known is None:
                contigs.append(contig)
                by_name[contig.name] = (contig, path)
            elif known.name == contig.name and known.length != contig.length:
                raise InputError(
                    f"{contig.name} has {contig.length:,} bp, but {known.length:,} in {first}; use one genome",
                    path,
                )
        track.close()
    return contigs


def _average(
    request: MeanRequest,
    cells: Mapping[str, Path],
    contigs: Sequence[Contig],
    writer: BigWigWriter,
    *,
    bin_bp: int,
    progress: Progress,
) -> dict[str, Any]:
    """Write the mean of a track; return what was counted.

    Raises:
        InputError: No cell has data.
    """
    statistics, infinite, step = BinStatistics(), 0, max(1, READ_BP // bin_bp)
    with ExitStack() as stack:
        series = []
        for path in cells.values():
            track = SignalTrack(path)
            stack.callback(track.close)
            space, zero_fill = request.measured_space, request.zero_fill
            otherwise = "use --measured-space linear"
            series.append(
                BinnedTrack(track, bin_bp=bin_bp, space=space, wanted=SPACE, zero_fill=zero_fill, otherwise=otherwise)
            )
        for contig in contigs:
            bins = bins_of(contig.length, bin_bp)
            for first in range(0, bins, step):
                values, odd = mean_of(series, contig, slice(first, min(first + step, bins)))
                infinite += int(odd.sum())
                if len(known := values[np.isfinite(values)]):
                    statistics.add(known)
                    writer.write_known(contig, first, values)
            progress.advance()
    writer.close()
    account = statistics.account()
    if not account["bins"]:
        raise InputError(f"no data in any of the {len(cells)} tracks of {next(iter(cells.values())).name}")
    return {"cells": len(cells), "infinite_bins": infinite, "statistics": account}
