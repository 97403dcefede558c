"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from epigept_batch.errors import OutputError, reason

if TYPE_CHECKING:
    from collections.abc import Iterator


def in_words(size: float) -> str:
    """Bytes in words."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1e3:.0f} kB"


def temporary_beside(path: Path) -> Path:
    """A hidden, empty, new file in the folder of `path`, to be renamed to it when it is whole."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.fchmod(handle, 0o666 & ~_umask())  # mkstemp makes private files, but an output is an ordinary one
    os.close(handle)
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` that a process which was killed left; nobody must be writing one now."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        leftover.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name; what it holds is on the disk first."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def has_still_its_name(handle: int, path: Path) -> bool:
    """Whether an open file is the one of that name, which a process that held its lock may have removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the name `path` if the body ends without an error, and vanishes otherwise."""
    temporary = temporary_beside(path)
    try:
        yield temporary
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """A hidden folder beside an empty one, whose place it takes if the body ends without an error; else it vanishes."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())  # mkdtemp makes private ones
        temporary.replace(folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_folder(folder: Path, *, option: str = "--out") -> None:
    """Create an output folder where there is none, and see that it can be written.

    Args:
        folder: The folder.
        option: What names another one, for the message.

    Raises:
        OutputError: It cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary_beside(folder / "epigept-batch").unlink()
    except OSError as error:
        raise OutputError(
            f"output folder cannot be written: {reason(error)}; give another by {option}", folder
        ) from error
