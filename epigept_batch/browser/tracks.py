"""The tracks of the page as igv.js describes them, grouped by mark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.browser.measured import drawn_as, find_measured
from epigept_batch.results.colours import MEASURED, track_colours
from epigept_batch.results.peaks import find_peaks
from epigept_batch.results.scales import common_scales

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from epigept_batch.browser.allowed import AllowedFiles
    from epigept_batch.results.folder import ContactMap, ResultTrack, RunFolder

CONTACTS = "contacts"
"""Group of the contact maps."""
PREDICTED, MEASURED_KIND, DIFFERENCE, PEAKS, ARCS = "predicted", "measured", "difference", "peaks", "contacts"
"""Kinds of tracks, which the page switches on and off."""
HEIGHT, PEAKS_HEIGHT, ARCS_HEIGHT = 42, 36, 90
"""Heights in pixels."""
ARC_COLOUR = "#3d5a80"


@dataclass(frozen=True)
class ShownTrack:
    """A track of the page.

    Attributes:
        sample: Name of the sample.
        group: The mark, or `CONTACTS`.
        kind: Such as `PREDICTED`.
        config: What igv.js reads, with `order`, the place on the page.
    """

    sample: str
    group: str
    kind: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """Measured tracks that the user has.

    Attributes:
        pattern: Path of the bigWigs with {sample} and {track}.
        space: What they hold, `linear` or `log1p`.
    """

    pattern: str
    space: str = "linear"


class TrackList:
    """Makes the tracks of a run; each file is allowed as it is described.

    Args:
        folder: The run.
        measured: The measured tracks; None without.
        allowed: The files of the tracks are added.

    Attributes:
        colours: The colour of each mark.
        scales: The limits of each mark, by label.
        measured_paths: The measured bigWigs by sample and track.

    Raises:
        InputError: The measured tracks cannot be used.
    """

    def __init__(self, folder: RunFolder, measured: Measured | None, allowed: AllowedFiles) -> None:
        self._folder, self._allowed = folder, allowed
        self._space = "linear" if measured is None else measured.space
        self.colours = track_colours(folder.tracks)
        self.scales = common_scales(folder)
        self.measured_paths: Mapping[tuple[str, str], Path] = (
            {} if measured is None else find_measured(measured.pattern, folder)
        )
        self._peaks = find_peaks(folder)
        # The mean of logarithms is not the logarithm of a mean, but the highest value is the same in both.
        on_two_scales = bool(self.measured_paths) and self._space != folder.space
        self._pixel = "max" if on_two_scales else "mean"

    def tracks(self) -> tuple[ShownTrack, ...]:
        """Return all tracks in the order of the page: mark by mark, within a mark sample by sample, contacts last."""
        found = [track for name in self._folder.tracks for track in self._of_mark(name)]
        found += [self._arcs(sample.contacts) for sample in self._folder.samples if sample.contacts is not None]
        for order, track in enumerate(found, 1):
            track.config.update(order=order, id=f"{track.sample}/{track.group}/{track.kind}/{order}")
        return tuple(found)

    def _of_mark(self, name: str) -> Iterator[ShownTrack]:
        for sample in self._folder.samples:
            for track in sample.tracks:
                if track.name == name:
                    yield self._signal(track)
                    if not track.is_difference:
                        yield from self._beside(sample.name, name)

    def _beside(self, sample: str, name: str) -> Iterator[ShownTrack]:
        """Yield what belongs to a prediction: its measured track, its peaks."""
        if (sample, name) in self.measured_paths:
            yield self._measured(sample, name)
        for path, track in self._peaks.items():
            if track == (sample, name):
                yield self._peaks_of(path, sample, name)

    def _signal(self, track: ResultTrack) -> ShownTrack:
        low, high = self.scales[track.label]
        kind = DIFFERENCE if track.is_difference else PREDICTED
        title = f"{track.sample} {track.name}" + (" difference" if track.is_difference else "")
        config = self._wig(title, track.path, self.colours[track.name], low, high)
        if track.is_difference:
            config["windowFunction"] = "mean"
        return ShownTrack(track.sample, track.name, kind, config)

    def _measured(self, sample: str, name: str) -> ShownTrack:
        drawn = drawn_as(self.scales[name][1], predicted=self._folder.space, measured=self._space)
        path = self.measured_paths[sample, name]
        title = f"{sample} {name} measured" + (f" ({drawn.words})" if drawn.words else "")
        config = self._wig(title, path, MEASURED, 0, drawn.high)
        return ShownTrack(sample, name, MEASURED_KIND, config | {"logScale": drawn.log_scale})

    def _wig(self, title: str, path: Path, colour: str, low: float, high: float) -> dict[str, Any]:
        return {
            "type": "wig",
            "format": "bigwig",
            "name": title,
            "url": self._allowed.add(path, "bw"),
            "color": colour,
            "altColor": colour,
            "overflowColor": colour,  # cut off at the limit, as in other browsers, instead of a pink cap
            "min": low,
            "max": high,
            "autoscale": False,
            "windowFunction": self._pixel,
            "height": HEIGHT,
        }

    def _peaks_of(self, path: Path, sample: str, name: str) -> ShownTrack:
        form = path.suffix.removeprefix(".")
        words = path.name.removeprefix(f"{sample}.{name}.").removesuffix(form).rstrip(".")
        config = {
            "type": "annotation",
            "format": form.lower(),
            "name": f"{sample} {name} peaks" + (f" ({words})" if words else ""),
            "url": self._allowed.add(path, form),
            "color": self.colours[name],
            "displayMode": "COLLAPSED",
            "height": PEAKS_HEIGHT,
            "searchable": False,
        }
        return ShownTrack(sample, name, PEAKS, config)

    def _arcs(self, contacts: ContactMap) -> ShownTrack:
        config = {
            "type": "interact",
            "format": "interact",
            "delimiter": "\t",
            "name": f"{contacts.sample} strongest contacts (attention)",
            "url": self._allowed.add(contacts.interact, "interact"),
            "arcType": "nested",
            "color": ARC_COLOUR,
            "useScore": True,
            "height": ARCS_HEIGHT,
            "searchable": False,
        }
        return ShownTrack(contacts.sample, CONTACTS, ARCS, config)
