"""`setup.json`: which files are installed, and what they were made from."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from epigept_batch.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from epigept_batch.setup.catalogue import Asset

NAME = "setup.json"
Entry = dict[str, Any]
"""The record of one file, JSON-compatible; `bytes` and `mtime_ns` tell whether the file is unchanged."""


def stamp(path: Path) -> Entry:
    """Return what identifies an unchanged file without reading it."""
    state = path.stat()
    return {"bytes": state.st_size, "mtime_ns": state.st_mtime_ns}


def is_as_stamped(path: Path, entry: Entry) -> bool:
    """Whether a file exists and still has the stamp of an entry."""
    return path.exists() and stamp(path) == {key: entry.get(key) for key in ("bytes", "mtime_ns")}


@dataclass(frozen=True)
class Record:
    """The files of one home folder.

    Attributes:
        folder: The home folder.
        fetched: For each asset, the file that exists and where it came from.
        installed: For each installed file, what it was made from, by asset, and how.
    """

    folder: Path
    fetched: dict[str, Entry] = field(default_factory=dict)
    installed: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Read what an earlier setup wrote; empty if there is nothing, or if it cannot be read."""
        try:
            document = json.loads((folder / NAME).read_text())
            return cls(folder, dict(document["fetched"]), dict(document["installed"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(folder)

    def document(self) -> dict[str, Any]:
        """Return the record as a JSON-compatible document."""
        return {"home": str(self.folder), "fetched": self.fetched, "installed": self.installed}

    def write(self) -> None:
        """Write the record to `setup.json`."""
        with replacing(self.folder / NAME) as temporary:
            temporary.write_text(json.dumps(self.document(), indent=2) + "\n")

    def file_of(self, asset: Asset) -> Path:
        """Return the path of an asset: a local file stays where it is, a fetched one is below the home folder."""
        return self.folder / "setup" / asset.name / asset.file_name if asset.is_remote else asset.path

    def has(self, asset: Asset) -> bool:
        """Whether an asset exists, comes from the required location, and matches its pinned checksum."""
        entry = self.fetched.get(asset.name)
        return entry is not None and is_of(asset, entry) and is_as_stamped(self.file_of(asset), entry)

    def add(self, asset: Asset, sha256: str) -> None:
        """Record that an asset exists."""
        self.fetched[asset.name] = {
            "location": asset.location,
            "given": asset.given,
            "sha256": sha256,
            **stamp(self.file_of(asset)),
            "date": today(),
        }
        self.write()

    def install(self, path: Path, assets: Iterable[Asset], **how: object) -> None:
        """Record that a file was installed, made from these assets, which exist."""
        made_from = {asset.name: self.fetched[asset.name] for asset in assets}
        self.installed[path.name] = {"made_from": made_from, **how, **stamp(path), "date": today()}
        self.write()


def is_of(asset: Asset, entry: Entry) -> bool:
    """Whether an entry is of this asset at this location; a local file may be gone, but must not have changed."""
    return (
        entry.get("location") == asset.location
        and asset.sha256 in {None, entry.get("sha256")}
        and (asset.is_remote or not asset.path.exists() or is_as_stamped(asset.path, entry))
    )


def today() -> str:
    """Return the date and time in UTC, to the second."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
