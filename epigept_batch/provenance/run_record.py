"""The record of a sample's outputs: how and from what they were made, and whether they are up to date."""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from epigept_batch.errors import OutputError
from epigept_batch.files import replacing, sync_folder
from epigept_batch.provenance.made_from import as_different, differing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


DIFFERENCE = ".difference"
"""Ending of the name of a track that holds a perturbed sample minus the unperturbed one."""


class OutputFiles(Protocol):
    """The files that a command makes of one sample in an output folder, and the hidden ones that it needs meanwhile."""

    @property
    def folder(self) -> Path:
        """The output folder."""

    @property
    def sample(self) -> str:
        """Name of the sample."""

    @property
    def what(self) -> str:
        """What the outputs are called in messages, a plural."""

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The outputs."""

    @property
    def record(self) -> Path:
        """The provenance record, written last."""

    @property
    def journal(self) -> Path:
        """The journal of finished windows while the outputs are made."""

    @property
    def changing(self) -> Path:
        """A list of old and new output names, kept while outputs may exist without their provenance record."""

    def could_be_outputs(self) -> list[Path]:
        """Return every file with a name that an output of this sample could have."""


@dataclass(frozen=True)
class SampleFiles:
    """The tracks of one sample in an output folder; see `OutputFiles`."""

    folder: Path
    sample: str
    tracks: tuple[str, ...]
    what: str = "tracks"

    def bigwig(self, track: str) -> Path:
        """Return the bigWig of a track."""
        return self.folder / f"{self.sample}.{track}.bw"

    @property
    def bigwigs(self) -> tuple[Path, ...]:
        """The bigWigs of all tracks, in order."""
        return tuple(self.bigwig(track) for track in self.tracks)

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The bigWigs."""
        return self.bigwigs

    @property
    def record(self) -> Path:
        """SAMPLE.run.json."""
        return self.folder / f"{self.sample}.run.json"

    @property
    def journal(self) -> Path:
        """.SAMPLE.journal."""
        return self.folder / f".{self.sample}.journal"

    @property
    def changing(self) -> Path:
        """.SAMPLE.changing."""
        return self.folder / f".{self.sample}.changing"

    def could_be_outputs(self) -> list[Path]:
        """Return every file with the name pattern of the sample's bigWigs."""
        return list(self.folder.glob(f"{glob.escape(self.sample)}.*.bw"))


def is_up_to_date(files: OutputFiles, inputs: Mapping[str, Any]) -> bool:
    """Whether the sample's files exist, are complete, and were made from these inputs.

    Args:
        files: The paths of the files.
        inputs: The inputs, as passed to `write_record`.

    Raises:
        OutputError: Files with these names exist that were made from other inputs, or by another program.
    """
    present = [path for path in (*files.outputs, files.record) if path.exists()]
    if not present:
        return False
    record = _read_record(files)
    if record is None and (files.journal.exists() or files.changing.exists()):
        return False  # a run was stopped while it renamed its files
    if record is None:
        raise OutputError(
            f"file exists without a {files.record.name} that says what it was made from; move it away, or replace it "
            "with --force",
            present[0],
        )
    changed = differing(record["inputs"], json.loads(json.dumps(inputs)))
    if changed:
        raise OutputError(
            f"existing {files.what} were made with {as_different(changed)}; choose another --out, or replace them with "
            "--force",
            files.record,
        )
    return bool(record["files"] == _sizes(files))


def names_to_replace(files: OutputFiles) -> set[str]:
    """Return the names of the files that `withdraw` removes if they exist, without that of the record."""
    earlier = _read_record(files)
    names = {*(earlier["files"] if earlier else ()), *_noted(files)}
    return {*names, *(path.name for path in files.outputs)}


def withdraw(files: OutputFiles) -> None:
    """Remove the files of an earlier run of the sample, provenance first, before new files get their names.

    So an output never exists beside a record that contradicts it, or beside one of another run. The names of the
    outputs are listed until `write_record`, so that the next run knows them if this one is stopped in between.

    Args:
        files: The files that will replace them.
    """
    names = names_to_replace(files)
    with replacing(files.changing) as temporary:
        temporary.write_text(json.dumps(sorted(names)))
    files.record.unlink(missing_ok=True)
    sync_folder(files.folder)  # the record goes before the outputs, even if the machine crashes
    for path in files.could_be_outputs():
        if path.name in names:
            path.unlink()


def write_record(files: OutputFiles, document: Mapping[str, Any]) -> None:
    """Write the provenance of finished files.

    Args:
        files: The files; all outputs must have their final names.
        document: The record. Later runs compare `document["inputs"]`; sizes in bytes are added as `files`.
    """
    with replacing(files.record) as temporary:
        temporary.write_text(json.dumps({**document, "files": _sizes(files)}, indent=2) + "\n")
    files.changing.unlink(missing_ok=True)


def _noted(files: OutputFiles) -> Iterable[str]:
    """Return the names that `withdraw` listed in a run that was stopped."""
    try:
        names = json.loads(files.changing.read_text())
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of the tracks of every sample in a folder, sorted by sample name."""
    suffix = ".run.json"
    names = sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}"))
    records = {name: _read_record(SampleFiles(folder, name, ())) for name in names}
    # Other records, such as that of a screen, are not of a sample.
    return {name: record for name, record in records.items() if record is not None and "sample" in record}


def _sizes(files: OutputFiles) -> dict[str, int]:
    """Return the size in bytes of each existing output, by name."""
    return {path.name: path.stat().st_size for path in files.outputs if path.exists()}


def _read_record(files: OutputFiles) -> dict[str, Any] | None:
    """Read the provenance; None if it is missing or not ours."""
    try:
        record = json.loads(files.record.read_text())
    except (OSError, ValueError):
        return None
    known = isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("inputs", "files"))
    return record if known else None
