"""Read the panels of a region from the output folder of a run, and from measured tracks beside it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from epigept_batch.contacts.contact_file import RAW, ContactFile
from epigept_batch.errors import InputError
from epigept_batch.figures.columns import read_columns
from epigept_batch.figures.panels import GenePanel, SignalPanel
from epigept_batch.figures.triangle import read_triangle
from epigept_batch.results.colours import MEASURED, track_colours
from epigept_batch.results.peaks import find_peaks
from epigept_batch.sequence.genes import read_genes
from epigept_batch.sequence.regions import bed_lines, read_intervals
from epigept_batch.tiling import Contig, Region, bins_of, clip_spans, select_bins
from epigept_batch.tracks.signal import BinnedTrack, SignalTrack
from epigept_batch.tracks.track_files import TrackFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.figures.columns import Columns, Series
    from epigept_batch.figures.panels import Panel, Stretch
    from epigept_batch.results.folder import ResultTrack, RunFolder

BIN_BP = 128
"""Bin size for tracks without any value."""
REGIONS_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What of a folder is drawn, and what beside it.

    Attributes:
        tracks: Names of tracks, with or without the ending of a difference, ignoring case; empty for all.
        measured: A path with {sample} and {track}; None for none.
        measured_space: `linear` or `log1p`.
        zero_fill: Whether bases without data have a measured signal of 0.
        peaks: BED files, a path with {sample} and {track}; None for the files of peaks in the folder.
        genes: File of gene models; None for none.
        contacts: Whether to draw the contact maps that the folder has.
        columns: Maximum number of columns of merged bins, and of anchors of contacts.
        whole: Maximum number of bins that are not merged.
    """

    tracks: tuple[str, ...] = ()
    measured: str | None = None
    measured_space: str = "linear"
    zero_fill: bool = False
    peaks: str | None = None
    genes: Path | None = None
    contacts: bool = True
    columns: int = 700
    whole: int = 2000


class _Predicted:
    """A predicted track or a difference, as it is in its file."""

    def __init__(self, track: SignalTrack, bin_bp: int) -> None:
        self._track, self._bin_bp = track, bin_bp

    def read(self, contig: Contig, first: int, bins: int) -> NDArray[np.float32]:
        """Return successive bins, float32, (bins,); NaN without data."""
        return self._track.bins(contig, first, bins, bin_bp=self._bin_bp)


class PanelReader:
    """Reads panels of one region after the other; a context manager that closes the files.

    Attributes:
        contigs: The contigs of the genome.
        missing: Files of measured tracks and peaks that do not exist.

    Args:
        folder: What the run left.
        shown: What of it is drawn.

    Raises:
        InputError: A track is not in the folder, a pattern lacks a placeholder, no measured file exists, or a file
            cannot be used.
        DeviceError: The folder has contacts, and hictkpy is not installed.
    """

    def __init__(self, folder: RunFolder, shown: Shown) -> None:
        self._folder, self._shown = folder, shown
        self._files = ExitStack()
        self.missing: list[Path] = []
        with self._files as files:
            self._tracks = self._chosen()
            self._maps = self._open_maps()
            if not self._tracks and not self._maps:
                raise InputError("nothing to draw: it has no tracks, only contacts; remove --no-contacts", folder.path)
            self.contigs = folder.contigs or next(file.contigs for file in self._maps.values())
            self._regions = {sample.name: _predicted_regions(sample.record) for sample in folder.samples}
            self._mapped = {
                sample.name: _predicted_regions(sample.contacts.record)
                for sample in folder.samples
                if sample.contacts is not None
            }
            self._colours = track_colours(folder.tracks)
            self._series = {track.path: self._open(track.path) for track in self._tracks}
            self._bin_bp = next((bp for file in self._series.values() if (bp := file.record_bp())), BIN_BP)
            self._measured = self._open_measured()
            self._peaks = dict(self._read_peaks())
            self._genes = None if shown.genes is None else read_genes(shown.genes, self.contigs)
            self._files = files.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def panels(self, region: Region) -> list[Panel]:
        """Return the panels of a region: contacts, then one track after the other, each of all samples; genes.

        Raises:
            InputError: Nothing was predicted there, or a file cannot be used.
        """
        contig = self._contig(region)
        genes = () if self._genes is None else self._genes.overlapping(region.contig, region.start, region.end)
        below = [] if self._genes is None else [GenePanel(tuple(genes))]
        return [*self._contacts(contig, region), *self.signals(region), *below]

    def signals(self, region: Region) -> list[SignalPanel]:
        """Return the panels of tracks alone.

        Raises:
            InputError: As in `panels`.
        """
        contig = self._contig(region)
        self._check_predicted(contig, region)
        return list(self._signals(contig, region))

    def _contig(self, region: Region) -> Contig:
        return next(contig for contig in self.contigs if contig.name == region.contig)

    def _chosen(self) -> list[ResultTrack]:
        """Return the tracks that are drawn, by track and then by sample."""
        every = list(self._folder.all_tracks())
        known = {name.casefold() for track in every for name in (track.name, track.label)}
        for name in self._shown.tracks:
            if name.casefold() not in known:
                has = ", ".join(dict.fromkeys(track.label for track in every)) or "no tracks, only contacts"
                raise InputError(f"--tracks: no track '{name}'; the folder has {has}", self._folder.path)
        wanted = {name.casefold() for name in self._shown.tracks}
        chosen = [one for one in every if not wanted or {one.name.casefold(), one.label.casefold()} & wanted]
        return sorted(chosen, key=lambda one: (self._folder.tracks.index(one.name), one.is_difference))

    def _open(self, path: Path) -> SignalTrack:
        track = SignalTrack(path)
        self._files.callback(track.close)
        return track

    def _open_maps(self) -> dict[str, ContactFile]:
        found = {}
        for sample in self._folder.samples if self._shown.contacts else ():
            if sample.contacts is not None:
                found[sample.name] = ContactFile(str(sample.contacts.cool), normalisation=RAW)
                self._files.callback(found[sample.name].close)
        return found

    def _open_measured(self) -> dict[tuple[str, str], BinnedTrack]:
        """Return the measured tracks that exist, by sample and track."""
        predicted = [track for track in self._tracks if not track.is_difference]
        if self._shown.measured is None:
            return {}
        files = TrackFiles(self._shown.measured)
        _check_places(files, predicted, "--measured")
        found = {}
        for track in predicted:
            path = files.path(sample=track.sample, track=track.name)
            if not path.is_file():
                self.missing.append(path)
                continue
            file = self._open(path)
            file.check_genome(self.contigs)
            found[track.sample, track.name] = BinnedTrack(
                file,
                bin_bp=self._bin_bp,
                space=self._shown.measured_space,
                wanted=self._folder.space,
                zero_fill=self._shown.zero_fill,
                otherwise="remove --measured-space log1p",
            )
        if not found:
            raise InputError("measured bigWig not found", next(iter(self.missing), files.pattern))
        return found

    def _read_peaks(self) -> Iterator[tuple[tuple[str, str], Sequence[Region]]]:
        """Yield the peaks of each predicted track that has a file of them."""
        predicted = [track for track in self._tracks if not track.is_difference]
        if self._shown.peaks is not None:
            files = TrackFiles(self._shown.peaks)
            _check_places(files, predicted, "--peaks")
            paths = {
                (track.sample, track.name): files.path(sample=track.sample, track=track.name) for track in predicted
            }
            there = {key: path for key, path in paths.items() if path.exists()}
            self.missing += [path for path in paths.values() if path not in there.values()]
            for key, path in (there or paths).items():
                yield key, read_intervals(path, self.contigs)
            return
        shown = {(track.sample, track.name) for track in predicted}
        for path, key in find_peaks(self._folder).items():
            if key in shown:
                shown.remove(key)  # of several files, the first counts
                yield key, [] if next(bed_lines(path), None) is None else read_intervals(path, self.contigs)

    def _check_predicted(self, contig: Contig, region: Region) -> None:
        every = [one for regions in (*self._regions.values(), *self._mapped.values()) for one in regions]
        if not any(one.contig == contig.name and one.start < region.end and region.start < one.end for one in every):
            has = self._folder.regions
            more = f" and {len(has) - REGIONS_SHOWN:,} more" if len(has) > REGIONS_SHOWN else ""
            some = ", ".join(has[:REGIONS_SHOWN]) + more
            raise InputError(f"{region}: not predicted in this folder, which has {some}", self._folder.path)

    def _contacts(self, contig: Contig, region: Region) -> Iterator[Panel]:
        for sample in self._folder.samples:
            if sample.name in self._maps and sample.contacts is not None:
                file = self._maps[sample.name]
                panel = read_triangle(file, sample.name, contig, region, most=self._shown.columns)
                spans = select_bins(self._mapped[sample.name], file.bin_bp).get(contig.name, ())
                yield replace(panel, absent=_absent(spans, region, contig, file.bin_bp))

    def _signals(self, contig: Contig, region: Region) -> Iterator[SignalPanel]:
        for track in self._tracks:
            key = (track.sample, track.name)
            spans = select_bins(self._regions[track.sample], self._bin_bp).get(contig.name, ())
            panel = SignalPanel(
                track.name,
                track.sample,
                self._columns(_Predicted(self._series[track.path], self._bin_bp), contig, region),
                self._colours[track.name],
                is_difference=track.is_difference,
                absent=_absent(spans, region, contig, self._bin_bp),
                peaks=None if track.is_difference else self._peaks_in(key, region),
            )
            yield panel
            if not track.is_difference and key in self._measured:
                columns = self._columns(self._measured[key], contig, region)
                yield replace(panel, columns=columns, colour=MEASURED, is_measured=True, absent=(), peaks=None)

    def _columns(self, series: Series, contig: Contig, region: Region) -> Columns:
        return read_columns(
            series, contig, region, bin_bp=self._bin_bp, most=self._shown.columns, whole=self._shown.whole
        )

    def _peaks_in(self, key: tuple[str, str], region: Region) -> tuple[Stretch, ...] | None:
        if key not in self._peaks:
            return None
        mine = ((peak.start, peak.end) for peak in self._peaks[key] if peak.contig == region.contig)
        return clip_spans(mine, region.start, region.end)


def _check_places(files: TrackFiles, tracks: Sequence[ResultTrack], option: str) -> None:
    """Check that no file would be shown beside several tracks.

    Raises:
        InputError: The pattern lacks a placeholder.
    """
    if lacking := files.lacking_places([(track.sample, track.name) for track in tracks]):
        raise InputError(
            f"{option} {files.pattern}: one file for {len(tracks)} predicted tracks; put {lacking} into "
            "the path in place of the names, or choose with --sample and --tracks"
        )


def _predicted_regions(record: Mapping[str, Any]) -> tuple[Region, ...]:
    """Return the regions that a record lists, which are 1-based and inclusive."""
    found = []
    for text in record.get("regions", ()):
        name, _, interval = text.rpartition(":")
        start, _, end = interval.partition("-")
        found.append(Region(name, int(start) - 1, int(end)))
    return tuple(found)


def _absent(spans: Sequence[Stretch], region: Region, contig: Contig, bin_bp: int) -> tuple[Stretch, ...]:
    """Return the parts of a region outside of the predicted bins, in bp."""
    at, found = region.start, []
    for first, last in clip_spans(spans, region.start // bin_bp, bins_of(region.end, bin_bp)):
        if first * bin_bp > at:
            found.append((at, first * bin_bp))
        at = max(at, min(last * bin_bp, contig.length))
    return (*found, *([(at, region.end)] if at < region.end else []))
