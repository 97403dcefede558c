"""The files of a screen in an output folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ScreenFiles:
    """The tables of a screen; see `provenance.run_record.OutputFiles`.

    Attributes:
        folder: The output folder.
        compares: Whether two samples are compared.
    """

    folder: Path
    compares: bool
    sample: str = "screen"
    what: str = "tables"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All rows, the strongest ones, the summary, and of a comparison the remainders."""
        names = ("screen.parquet", "strongest.tsv", "summary.tsv", *(("remainder.tsv",) if self.compares else ()))
        return tuple(self.folder / name for name in names)

    @property
    def record(self) -> Path:
        """screen.run.json."""
        return self.folder / "screen.run.json"

    @property
    def journal(self) -> Path:
        """.screen.journal; another name than that of a sample called `screen`."""
        return self.folder / ".screen.screen-journal"

    @property
    def changing(self) -> Path:
        """The list of names while files change."""
        return self.folder / ".screen.screen-changing"

    def could_be_outputs(self) -> list[Path]:
        """Return those of the files that exist."""
        return [path for path in ScreenFiles(self.folder, compares=True).outputs if path.exists()]
