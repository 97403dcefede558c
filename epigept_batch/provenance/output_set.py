"""Outputs of a command that belong together, and the record beside them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import InputError
from epigept_batch.files import publish
from epigept_batch.provenance.run_record import names_to_replace, withdraw, write_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class OutputSet:
    """Files that a command makes in an output folder, all at once; see `run_record.OutputFiles`.

    Attributes:
        folder: The output folder.
        sample: What the record is called, without its ending.
        names: Names of the files.
        what: What the files are called in messages, a plural.
    """

    folder: Path
    sample: str
    names: tuple[str, ...]
    what: str

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files."""
        return tuple(self.folder / name for name in self.names)

    @property
    def record(self) -> Path:
        """The record."""
        return self.folder / f"{self.sample}.json"

    @property
    def journal(self) -> Path:
        """A file that does not exist, because these outputs are made anew when a run is repeated."""
        return self.folder / f".{self.sample}.set-journal"

    @property
    def changing(self) -> Path:
        """The list of names while files change."""
        return self.folder / f".{self.sample}.set-changing"

    def could_be_outputs(self) -> list[Path]:
        """Return all files of the folder."""
        return [path for path in self.folder.iterdir() if path.is_file()]

    def check_inputs(self, inputs: Iterable[Path]) -> None:
        """Check that no input would be replaced or removed.

        Raises:
            InputError: One would be.
        """
        outputs = [self.record, *(self.folder / name for name in sorted(names_to_replace(self)))]
        present = [path for path in outputs if path.exists()]
        for path in inputs:
            if path.exists() and any(path.samefile(output) for output in present):
                raise InputError("is an input, but would be replaced; choose another --out, or move this file", path)

    def publish(self, finished: Mapping[str, Path], document: Mapping[str, Any]) -> None:
        """Give finished files their names, and write the record. Files of an earlier run are removed first.

        Args:
            finished: The temporary file of each name.
            document: The record, with `inputs`; sizes in bytes are added as `files`.
        """
        withdraw(self)
        for name in self.names:
            publish(finished[name], self.folder / name)
        write_record(self, document)


def discard(temporaries: Mapping[str, Path]) -> None:
    """Remove the temporary files that were not published."""
    for path in temporaries.values():
        with suppress(OSError):
            path.unlink(missing_ok=True)
