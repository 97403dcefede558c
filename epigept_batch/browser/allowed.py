"""The files that the page may read: each by a key that tells nothing of its path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError, reason

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = "files"
"""First part of the URL of each file."""


@dataclass(frozen=True)
class AllowedFile:
    """A file, as it was when the page was made.

    Attributes:
        path: The file.
        state: Size, modification time, device and inode.
    """

    path: Path
    state: tuple[int, int, int, int]

    def unchanged(self) -> os.stat_result | None:
        """Return the file's status; None if it changed or is gone, so that parts of two files never mix."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found if _state(found) == self.state else None


class AllowedFiles:
    """Files by key. Whatever is not here cannot be read, so there are neither folders nor paths to traverse."""

    def __init__(self) -> None:
        self._by_key: dict[str, AllowedFile] = {}

    def add(self, path: Path, ending: str) -> str:
        """Allow a file, and return its URL relative to the page.

        Args:
            path: The file.
            ending: Ending of the URL, by which igv.js recognises packed files.

        Raises:
            InputError: The file cannot be read.
        """
        try:
            with path.open("rb"):
                state = _state(path.stat())
        except OSError as error:
            raise InputError(f"cannot be read: {reason(error)}", path) from error
        key = f"{len(self._by_key)}.{ending}"
        self._by_key[key] = AllowedFile(path, state)
        return f"{FOLDER}/{key}"

    @property
    def by_key(self) -> Mapping[str, AllowedFile]:
        """The files."""
        return self._by_key


def _state(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino
