"""Find the peaks of a run's tracks: narrowPeak and broadPeak files beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from epigept_batch.results.folder import RunFolder

    Track = tuple[str, str]
    """A sample and a track."""

FORMATS = ("narrowPeak", "broadPeak")
RECORD, RUN = ".peaks.json", ".run.json"
"""Endings of the records of peaks, and of tracks."""
RUN_FINISHED = "run_finished"
"""In the record of peaks: when the run of their tracks finished, as its own record says."""


def find_peaks(folder: RunFolder) -> dict[Path, Track]:
    """Return the peak files by path, each with its sample and track, without those of an earlier prediction.

    Their names begin with SAMPLE.TRACK and a dot. Where names of several tracks fit, SAMPLE.TRACK.narrowPeak and
    SAMPLE.TRACK.broadPeak are of that track; otherwise the longest name counts, also of samples that are not chosen.
    """
    stale = set(stale_peaks(folder))
    return {path: track for path, track in _found(folder) if path not in stale}


def stale_peaks(folder: RunFolder) -> list[Path]:
    """Return the peak files whose tracks were predicted again after `peaks` called them, according to its record."""
    finished = {sample.name: sample.record.get("finished") for sample in folder.samples}
    called = {sample: _record(folder.path / f"{sample}{RECORD}") for sample in finished}
    return [
        path
        for path, (sample, _) in _found(folder)
        if path.name in called[sample].get("files", {})
        and RUN_FINISHED in called[sample]
        and called[sample][RUN_FINISHED] != finished[sample]
    ]


def _found(folder: RunFolder) -> Iterator[tuple[Path, Track]]:
    chosen = {(track.sample, track.name) for track in folder.all_tracks() if not track.is_difference}
    samples = {path.name.removesuffix(RUN) for path in folder.path.glob(f"*{RUN}")}
    every = chosen | {(sample, track) for sample in samples for track in folder.tracks}
    by_length = sorted(every, key=lambda track: (-len(".".join(track)), track))
    for path in sorted(path for form in FORMATS for path in folder.path.glob(f"*.{form}")):
        exact = (track for track in sorted(chosen) if ".".join(track) == path.name.rpartition(".")[0])
        fitting = (track for track in by_length if path.name.startswith(f"{'.'.join(track)}."))
        track = next(exact, None) or next(fitting, None)
        if path.is_file() and track in chosen:
            yield path, track


def _record(path: Path) -> dict[str, Any]:
    """Return a record of peaks; empty if there is none that can be read."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("files"), dict) else {}
