"""The mean of the training cells' tracks that `epigept-batch mean` keeps, one bigWig per track and one record."""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError, reason
from epigept_batch.tracks.signal import BinnedTrack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from epigept_batch.tracks.signal import SignalTrack

STEM, RECORD = "mean", "mean.json"
SPACE = "log1p"
"""Space of a kept mean: the mean over cells of ln(1 + signal)."""


@dataclass(frozen=True)
class KeptMean:
    """A bigWig of the mean of training cells, with what its record says.

    Attributes:
        path: The bigWig, which holds the mean of ln(1 + signal).
        track: Name of the track.
        cells: The bigWig of each cell in the mean, as it was called then, by cell.
        bin_bp: Base pairs per bin.
        zero_fill: Whether bases without data had a signal of 0.
        accounts: Of the same files, size in bytes and time of modification in ns.
    """

    path: Path
    track: str
    cells: Mapping[str, Path]
    bin_bp: int
    zero_fill: bool
    accounts: Mapping[str, tuple[int, int]]

    @property
    def changed(self) -> tuple[str, ...]:
        """The cells whose files are still there, but have another size or time of modification than in the mean."""
        present = {cell: path.stat() for cell, path in self.cells.items() if path.is_file()}
        return tuple(cell for cell, stat in present.items() if (stat.st_size, stat.st_mtime_ns) != self.accounts[cell])

    def notes(self) -> Iterator[str]:
        """Yield what the user should know about the mean itself."""
        if changed := self.changed:
            yield (
                f"{self.path}: changed since this mean was made: {', '.join(changed)}; to renew it, repeat "
                "epigept-batch mean with --force"
            )

    def holds(self, measured: Path) -> str | None:
        """Return the cell whose track in the mean is this file; None if there is none."""
        return next((cell for cell, path in self.cells.items() if path.exists() and path.samefile(measured)), None)

    def check(self, *, track: str, bin_bp: int, zero_fill: bool | None = None) -> None:
        """Check that the mean is of a track, and of bins of a size.

        Args:
            track: Name of the track; empty if it is not known.
            bin_bp: Base pairs per bin of what it is compared with.
            zero_fill: Whether bases without data count as 0 in what it is compared with; None if it does not matter.

        Raises:
            InputError: It is not, or treats bases without data otherwise.
        """
        if track and track != self.track:
            raise InputError(f"is the mean of {self.track}, not of {track}; put {{track}} into the path", self.path)
        if bin_bp != self.bin_bp:
            raise InputError(
                f"has bins of {self.bin_bp} bp instead of {bin_bp} bp; make it with epigept-batch mean --bin {bin_bp}",
                self.path,
            )
        if zero_fill is not None and zero_fill != self.zero_fill:
            how = "with" if self.zero_fill else "without"
            raise InputError(f"was made {how} --zero-fill; use that option for both, or for neither", self.path)

    def reader(self, track: SignalTrack) -> BinnedTrack:
        """Return a reader of the opened file, which gives ln(1 + signal)."""
        return BinnedTrack(track, bin_bp=self.bin_bp, space=SPACE, wanted=SPACE, finite=True)


def kept_mean(path: Path) -> KeptMean | None:
    """Return the mean that a bigWig holds, according to `mean.json` beside it; None if it is another track.

    Raises:
        InputError: The file has the name of a kept mean, but `mean.json` does not list it; or that is damaged, or the
            bigWig changed after it was written.
    """
    record = _read_record(path.parent / RECORD)
    if record is None or path.name not in record["files"]:
        if fnmatch.fnmatchcase(path.name, file_name("*")):
            raise InputError(
                f"not listed in a {RECORD} beside it, which says that it holds ln(1 + signal); keep both together, or "
                "rename this file if another program made it",
                path,
            )
        return None
    try:
        (track,) = (name for name in record["tracks"] if file_name(name) == path.name)
        files = record["inputs"]["tracks"][track]
        cells = {str(cell): Path(str(file["path"])) for cell, file in files.items()}
        accounts = {str(cell): (int(file["bytes"]), int(file["modified"])) for cell, file in files.items()}
        bin_bp, zero_fill, space = (record[key] for key in ("bin_bp", "zero_fill", "space"))
        size = record["files"][path.name]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError("damaged or edited; repeat epigept-batch mean with --force", path.parent / RECORD) from error
    if space != SPACE or not isinstance(bin_bp, int) or bin_bp < 1 or not isinstance(zero_fill, bool):
        raise InputError("damaged or edited; repeat epigept-batch mean with --force", path.parent / RECORD)
    if not path.is_file() or path.stat().st_size != size:
        raise InputError("changed after epigept-batch mean wrote it; repeat that with --force", path)
    return KeptMean(path, track, cells, bin_bp, zero_fill, accounts)


def is_kept_mean(path: Path) -> bool:
    """Whether `mean.json` beside a bigWig lists it, so that it is not the track of a cell.

    Raises:
        InputError: The record is damaged.
    """
    record = _read_record(path.parent / RECORD)
    return record is not None and path.name in record["files"]


def check_no_folder(training: str) -> None:
    """Check that --training is not a folder.

    Raises:
        InputError: It is. The message says what to pass instead.
    """
    folder = Path(training)
    if not folder.is_dir():
        return
    if _read_record(folder / RECORD) is not None:
        raise InputError(f"--training {training}: is a folder; pass '{folder / file_name('{track}')}'")
    raise InputError(
        f"--training {training}: is a folder; pass a path with {{cell}} and {{track}}, such as "
        f"'{folder / '{cell}.{track}.bw'}'"
    )


def file_name(track: str) -> str:
    """Return the name of a track's file."""
    return f"{STEM}.{track}.bw"


def _read_record(path: Path) -> Mapping[str, Any] | None:
    """Return the record of kept means; None if the file does not exist or is another's."""
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", path) from error
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON, or truncated; repeat epigept-batch mean with --force", path) from error
    known = isinstance(record, dict) and record.get("command") == STEM and isinstance(record.get("files"), dict)
    return record if known else None
