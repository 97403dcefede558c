"""The files of the peaks of a sample in an output folder."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.intervals.peaks import BROAD, NARROW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BIGBED = "bb"


@dataclass(frozen=True)
class PeakFiles:
    """The peaks of a sample; see `provenance.run_record.OutputFiles`.

    Attributes:
        folder: The output folder.
        sample: Name of the sample.
        forms: Format of the peaks of each track.
        bigbed: Whether there are bigBeds too.
    """

    folder: Path
    sample: str
    forms: Mapping[str, str]
    bigbed: bool
    what: str = "peaks"

    def lines(self, track: str) -> Path:
        """Return the narrowPeak or broadPeak of a track."""
        return self.folder / f"{self.sample}.{track}.{self.forms[track]}"

    def big(self, track: str) -> Path:
        """Return the bigBed of a track."""
        return self.lines(track).with_name(f"{self.lines(track).name}.{BIGBED}")

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files of peaks."""
        lines = [self.lines(track) for track in self.forms]
        return (*lines, *(map(self.big, self.forms) if self.bigbed else ()))

    @property
    def record(self) -> Path:
        """SAMPLE.peaks.json."""
        return self.folder / f"{self.sample}.peaks.json"

    @property
    def journal(self) -> Path:
        """A name that no file has: peaks are called in one go."""
        return self.folder / f".{self.sample}.peaks-journal"

    @property
    def changing(self) -> Path:
        """The list of names while files change."""
        return self.folder / f".{self.sample}.peaks-changing"

    def could_be_outputs(self) -> list[Path]:
        """Return every file with the name pattern of the sample's peaks."""
        endings = (NARROW, BROAD, f"{NARROW}.{BIGBED}", f"{BROAD}.{BIGBED}")
        name = glob.escape(self.sample)
        return [path for ending in endings for path in self.folder.glob(f"{name}.*.{ending}")]
