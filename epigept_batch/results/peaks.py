"""Find the peaks of a run's tracks: narrowPeak and broadPeak files beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from epigept_batch.results.folder import RunFolder

FORMATS = ("narrowPeak", "broadPeak")


def find_peaks(folder: RunFolder) -> dict[Path, tuple[str, str]]:
    """Return the peak files by path, each with its sample and track.

    Their names begin with SAMPLE.TRACK and a dot. Where names of several tracks fit, the longest counts.
    """
    tracks = [(track.sample, track.name) for track in folder.all_tracks() if not track.is_difference]
    tracks.sort(key=lambda track: -len(".".join(track)))
    found = {}
    for path in sorted(path for form in FORMATS for path in folder.path.glob(f"*.{form}")):
        fitting = (track for track in tracks if path.name.startswith(f"{'.'.join(track)}."))
        if path.is_file() and (track := next(fitting, None)) is not None:
            found[path] = track
    return found
