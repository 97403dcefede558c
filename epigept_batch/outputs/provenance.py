"""SAMPLE.run.json: what a sample's tracks were made from and how; and whether they need making again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from epigept_batch.errors import OutputError
from epigept_batch.files import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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


def is_up_to_date(files: SampleFiles, inputs: Mapping[str, Any]) -> bool:
    """Whether the sample's files are there and were made from these inputs.

    Args:
        files: Where they would be.
        inputs: What `write_record` would be given.

    Raises:
        OutputError: There are files of these names that were made from others, or by another program.
    """
    present = [path for path in (*files.bigwigs, files.record) if path.exists()]
    if not present:
        return False
    try:
        recorded = json.loads(files.record.read_text())["inputs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            "exists, without a run.json that says what it was made from; move it away, or replace it by --force",
            present[0],
        ) from error
    changed = _differences(recorded, json.loads(json.dumps(inputs)))
    if changed:
        raise OutputError(
            f"was made with another {', '.join(changed)}; give another --out, or replace it by --force",
            files.record,
        )
    return len(present) == len(files.bigwigs) + 1


def write_record(files: SampleFiles, document: Mapping[str, Any]) -> None:
    """Write the provenance; `document["inputs"]` is what a later run is compared with."""
    with replacing(files.record) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n")


def _differences(recorded: Any, wanted: Mapping[str, Any]) -> Sequence[str]:  # noqa: ANN401 - whatever the file holds
    """Names of the inputs that are not the same."""
    if not isinstance(recorded, dict):
        return list(wanted)
    return [name for name in wanted if recorded.get(name) != wanted[name]]
