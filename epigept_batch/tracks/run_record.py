"""SAMPLE.run.json: how and from what a sample's tracks were made, and whether they are up to date."""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import OutputError
from epigept_batch.files import replacing, sync_folder
from epigept_batch.tracks.made_from import differing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class SampleFiles:
    """The files of one sample in an output folder."""

    folder: Path
    sample: str
    tracks: tuple[str, ...]

    def bigwig(self, track: str) -> Path:
        """Return the bigWig of a track."""
        return self.folder / f"{self.sample}.{track}.bw"

    @property
    def bigwigs(self) -> tuple[Path, ...]:
        """The bigWigs of all tracks, in order."""
        return tuple(self.bigwig(track) for track in self.tracks)

    @property
    def record(self) -> Path:
        """The provenance record, written last."""
        return self.folder / f"{self.sample}.run.json"

    @property
    def journal(self) -> Path:
        """The journal of finished windows while the tracks are made."""
        return self.folder / f".{self.sample}.journal"

    @property
    def changing(self) -> Path:
        """A list of old and new bigWig names, kept while bigWigs may exist without their provenance record."""
        return self.folder / f".{self.sample}.changing"


def is_up_to_date(files: SampleFiles, inputs: Mapping[str, Any]) -> bool:
    """Whether the sample's files exist, are complete, and were made from these inputs.

    Args:
        files: The paths of the files.
        inputs: The inputs, as passed to `write_record`.

    Raises:
        OutputError: Files with these names exist that were made from other inputs, or by another program.
    """
    present = [path for path in (*files.bigwigs, files.record) if path.exists()]
    if not present:
        return False
    record = _read_record(files)
    if record is None and (files.journal.exists() or files.changing.exists()):
        return False  # a run was stopped while it renamed its files
    if record is None:
        raise OutputError(
            "file exists without a run.json that says what it was made from; move it away, or replace it with --force",
            present[0],
        )
    changed = differing(record["inputs"], json.loads(json.dumps(inputs)))
    if changed:
        raise OutputError(
            f"existing tracks were made with a different {', '.join(changed)}; choose another --out, "
            "or replace them with --force",
            files.record,
        )
    return bool(record["files"] == _sizes(files))


def withdraw(files: SampleFiles) -> None:
    """Remove the files of an earlier run of the sample, provenance first, before new files get their names.

    So a track never exists beside a record that contradicts it, or beside a track of another run. The names of the
    tracks are listed until `write_record`, so that the next run knows them if this one is stopped in between.

    Args:
        files: The files that will replace them.
    """
    earlier = _read_record(files)
    names = {*(earlier["files"] if earlier else ()), *_noted(files), *(path.name for path in files.bigwigs)}
    with replacing(files.changing) as temporary:
        temporary.write_text(json.dumps(sorted(names)))
    files.record.unlink(missing_ok=True)
    sync_folder(files.folder)  # the record goes before the tracks, even if the machine crashes
    for path in _bigwigs_there(files):
        if path.name in names:
            path.unlink()


def write_record(files: SampleFiles, document: Mapping[str, Any]) -> None:
    """Write the provenance of finished files.

    Args:
        files: The files; all bigWigs must have their final names.
        document: The record. Later runs compare `document["inputs"]`; sizes in bytes are added as `files`.
    """
    with replacing(files.record) as temporary:
        temporary.write_text(json.dumps({**document, "files": _sizes(files)}, indent=2) + "\n")
    files.changing.unlink(missing_ok=True)


def _noted(files: SampleFiles) -> Iterable[str]:
    """Return the names that `withdraw` listed in a run that was stopped."""
    try:
        names = json.loads(files.changing.read_text())
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _bigwigs_there(files: SampleFiles) -> list[Path]:
    """Return every file with the name pattern of the sample's bigWigs."""
    return list(files.folder.glob(f"{glob.escape(files.sample)}.*.bw"))


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of every sample in a folder, sorted by sample name."""
    suffix = ".run.json"
    names = sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}"))
    records = {name: _read_record(SampleFiles(folder, name, ())) for name in names}
    return {name: record for name, record in records.items() if record is not None}


def _sizes(files: SampleFiles) -> dict[str, int]:
    """Return the size in bytes of each existing bigWig, by name."""
    return {path.name: path.stat().st_size for path in files.bigwigs if path.exists()}


def _read_record(files: SampleFiles) -> dict[str, Any] | None:
    """Read the provenance; None if it is missing or not ours."""
    try:
        record = json.loads(files.record.read_text())
    except (OSError, ValueError):
        return None
    known = isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("inputs", "files"))
    return record if known else None
