"""The tracks of a run: a bigWig for each sample and track, and for the difference of a perturbed copy."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.inference.ports import SIGNAL
from epigept_batch.prediction.stitch import runs
from epigept_batch.provenance.run_record import DIFFERENCE, SampleFiles
from epigept_batch.tiling import select_bins
from epigept_batch.tracks.chosen import choose_tracks
from epigept_batch.tracks.writers import TrackWriters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.commands.run.product import Again, Assignment, NamedSample
    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.tiling import Region, Span, Tile


class Tracks:
    """The tracks of a run; see `commands.run.product.Product`.

    Args:
        tracks: Names of all tracks of the network.
        out: Output folder.
        bin_bp: Base pairs per bin.
        names: Names of the tracks; empty for all.
        space: `log1p` or `linear`.
        overlap: Base pairs shared by neighbouring windows.
        differences: Also write the difference of each perturbed copy from its sample.
        rounding: The type whose precision the values have; None for that of the network.

    Raises:
        InputError: The model has no such track, or one with the name of a difference.
    """

    outputs = (SIGNAL,)

    def __init__(
        self,
        tracks: Sequence[str],
        out: Path,
        *,
        bin_bp: int,
        names: Sequence[str],
        space: str,
        overlap: int,
        differences: bool,
        rounding: str | None = None,
    ) -> None:
        self.names = choose_tracks(tuple(names), tracks)
        self.compares_copies = differences
        if differences:
            _check_names(tracks)
        self.space, self.overlap, self._rounding = space, overlap, rounding
        self.bin_bp = bin_bp
        self._out = out
        self._all = tuple(tracks)
        self._numbers = [tracks.index(name) for name in self.names]

    def selection(self, regions: Sequence[Region]) -> dict[str, tuple[Span, ...]]:
        """Return the bins that overlap the regions."""
        return select_bins(regions, self.bin_bp)

    def written(self, sample: NamedSample) -> tuple[str, ...]:
        """Return the names of a sample's tracks, and behind them those of its differences if it has any."""
        return (*self.names, *map(_difference, self.names)) if self.has_differences(sample) else self.names

    def has_differences(self, sample: NamedSample) -> bool:
        """Whether differences are written of a sample."""
        return self.compares_copies and sample.copy_of is not None

    def files(self, sample: NamedSample) -> SampleFiles:
        """Return the bigWigs of a sample."""
        return SampleFiles(self._out, sample.name, self.written(sample))

    def leftovers(self, sample: NamedSample) -> Iterator[Path]:
        """Yield every path beside which a killed run may have left a hidden file; it may have had other tracks."""
        files = self.files(sample)
        yield from map(files.bigwig, (*self._all, *map(_difference, self._all)))
        yield from (files.record, files.changing)

    def inputs(self, sample: NamedSample) -> Mapping[str, Any]:
        """Return what the bigWigs also depend on."""
        return {
            "set of tracks": self.written(sample),
            "space": self.space,
            "overlap": self.overlap,
            "rounding of values": self._rounding,
        }

    def shape(self, tile: Tile) -> tuple[int, int]:
        """Return bins and tracks."""
        return sum(last - first for first, last in tile.spans), len(self.names)

    def kept(self, signal: TileSignal) -> NDArray[np.float32]:
        """Return the bins that are taken from a window, (samples, bins, tracks)."""
        taken = signal.taken(bin_bp=self.bin_bp)
        return taken[..., self._numbers] if taken.size else taken

    @contextmanager
    def work(self, assignment: Assignment) -> Iterator[TrackWork]:
        """Begin to write the bigWigs."""
        writers = TrackWriters(
            [path for sample in assignment.samples for path in self.files(sample).bigwigs],
            assignment.contigs,
            bin_bp=self.bin_bp,
            processes=assignment.processes,
        )
        try:
            yield TrackWork(self, writers, assignment)
        finally:
            writers.discard()


class TrackWork:
    """Tracks in the making; see `commands.run.product.Work`."""

    def __init__(self, tracks: Tracks, writers: TrackWriters, assignment: Assignment) -> None:
        self._tracks, self._writers, self._regions = tracks, writers, assignment.regions
        numbers = {sample.name: number for number, sample in enumerate(assignment.samples)}
        self._originals = [
            numbers[sample.copy_of] if sample.copy_of is not None and tracks.has_differences(sample) else None
            for sample in assignment.samples
        ]
        self._bins = np.zeros(len(assignment.samples), dtype=np.int64)
        self._written = [tracks.written(sample) for sample in assignment.samples]
        self._statistics: list[dict[str, Any]] = []

    @property
    def is_empty(self) -> bool:
        """Whether no bin has been written."""
        return not self._bins.any()

    def take(self, tile: Tile, kept: NDArray[np.float32]) -> None:
        """Send the values of a window to the writers."""
        for run in runs(tile, kept):
            self._bins += (~np.isnan(run.values).any(axis=2)).sum(axis=1)
            self._writers.write(run.contig, run.first_bin, self._by_track(run.values))

    def _by_track(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert (samples, bins, tracks) to the requested space, and return a row per bigWig, (bigWigs, bins)."""
        tracks = values.transpose(0, 2, 1)
        if self._tracks.space == "linear":
            tracks = np.expm1(tracks)
        rows = []
        for of_sample, original in zip(tracks, self._originals, strict=True):
            rows.append(of_sample)
            if original is not None:
                rows.append(of_sample - tracks[original])
        return np.concatenate(rows)

    def finish(self, again: Again) -> None:
        """Complete the bigWigs."""
        del again
        self._writers.close()
        found = iter(self._writers.statistics)
        self._statistics = [{name: next(found) for name in names} for names in self._written]

    def publish(self) -> None:
        """Give the bigWigs their names."""
        self._writers.publish()

    def facts(self, number: int) -> Mapping[str, Any]:
        """Return what a record says about the tracks."""
        return {
            "space": self._tracks.space,
            "regions": self._regions,
            "bins": int(self._bins[number]),
            "statistics": self._statistics[number],
        }

    def summary(self, number: int) -> str:
        """Return what was made."""
        tracks = len(self._tracks.names)
        made = f"{tracks} track{'s' if tracks > 1 else ''}"
        if self._originals[number] is not None:
            made += f" and {tracks} difference{'s' if tracks > 1 else ''}"
        return f"{made} of {self._bins[number]:,} bins"


def _difference(track: str) -> str:
    """Return the name of the difference of a track."""
    return f"{track}{DIFFERENCE}"


def _check_names(tracks: Sequence[str]) -> None:
    """Check that no track of a model has the name of a difference.

    Raises:
        InputError: One has.
    """
    for track in tracks:
        if _difference(track) in tracks:
            raise InputError(
                f"--differences: the model already has a track '{_difference(track)}', the name of the difference of "
                f"'{track}'; omit this option"
            )
