"""SAMPLE.run.json: what a sample's tracks were made from and how; and whether they need making again."""

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
        """The bigWig of a track."""
        return self.folder / f"{self.sample}.{track}.bw"

    @property
    def bigwigs(self) -> tuple[Path, ...]:
        """The bigWigs of all tracks, in order."""
        return tuple(self.bigwig(track) for track in self.tracks)

    @property
    def record(self) -> Path:
        """The provenance, written last."""
        return self.folder / f"{self.sample}.run.json"

    @property
    def journal(self) -> Path:
        """What is finished of them while they are made."""
        return self.folder / f".{self.sample}.journal"

    @property
    def changing(self) -> Path:
        """Names of the bigWigs, old and new, while some may have their names and the provenance is not there."""
        return self.folder / f".{self.sample}.changing"


def is_up_to_date(files: SampleFiles, inputs: Mapping[str, Any]) -> bool:
    """Whether the sample's files are there, whole, and were made from these inputs.

    Args:
        files: Where they would be.
        inputs: What `write_record` would be given.

    Raises:
        OutputError: There are files of these names that were made from others, or by another program.
    """
    present = [path for path in (*files.bigwigs, files.record) if path.exists()]
    if not present:
        return False
    record = _read_record(files)
    if record is None and (files.journal.exists() or files.changing.exists()):
        return False  # a run was stopped while it gave its files their names
    if record is None:
        raise OutputError(
            "exists, without a run.json that says what it was made from; move it away, or replace it by --force",
            present[0],
        )
    changed = differing(record["inputs"], json.loads(json.dumps(inputs)))
    if changed:
        raise OutputError(
            f"was made with another {', '.join(changed)}; give another --out, or replace it by --force", files.record
        )
    return bool(record["files"] == _sizes(files))


def withdraw(files: SampleFiles) -> None:
    """Take away what an earlier run of the sample left, its provenance first; new files then get their names.

    So at no moment is a track there beside a record that says otherwise, or beside a track of another run. The names
    of the tracks are noted until `write_record`: when a run is stopped between the two, the next one knows them.

    Args:
        files: What is to be there next.
    """
    earlier = _read_record(files)
    names = {*(earlier["files"] if earlier else ()), *_noted(files), *(path.name for path in files.bigwigs)}
    with replacing(files.changing) as temporary:
        temporary.write_text(json.dumps(sorted(names)))
    files.record.unlink(missing_ok=True)
    sync_folder(files.folder)  # the record goes before the tracks, also where the machine goes down
    for path in _bigwigs_there(files):
        if path.name in names:
            path.unlink()


def write_record(files: SampleFiles, document: Mapping[str, Any]) -> None:
    """Write the provenance of finished files.

    Args:
        files: All bigWigs of which have their names.
        document: `document["inputs"]` is what a later run is compared with; sizes in bytes are added as `files`.
    """
    with replacing(files.record) as temporary:
        temporary.write_text(json.dumps({**document, "files": _sizes(files)}, indent=2) + "\n")
    files.changing.unlink(missing_ok=True)


def _noted(files: SampleFiles) -> Iterable[str]:
    """What `withdraw` noted in a run that was stopped."""
    try:
        names = json.loads(files.changing.read_text())
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _bigwigs_there(files: SampleFiles) -> list[Path]:
    """Every file that has the form of a bigWig of the sample."""
    return list(files.folder.glob(f"{glob.escape(files.sample)}.*.bw"))


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """The provenance of every sample in a folder, by sample, in order of name."""
    suffix = ".run.json"
    names = sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}"))
    records = {name: _read_record(SampleFiles(folder, name, ())) for name in names}
    return {name: record for name, record in records.items() if record is not None}


def _sizes(files: SampleFiles) -> dict[str, int]:
    """Bytes of each bigWig that is there, by name."""
    return {path.name: path.stat().st_size for path in files.bigwigs if path.exists()}


def _read_record(files: SampleFiles) -> dict[str, Any] | None:
    """The provenance that is there, None where there is none of ours."""
    try:
        record = json.loads(files.record.read_text())
    except (OSError, ValueError):
        return None
    known = isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("inputs", "files"))
    return record if known else None
