"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from epigept_batch.errors import OutputError, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def in_words(size: float) -> str:
    """Bytes in words."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1e3:.0f} kB"


def temporary_beside(path: Path) -> Path:
    """A hidden, empty, new file in the folder of `path`, to be renamed to it when it is whole."""
    return _new_beside(path, lambda new: new.touch(mode=0o666, exist_ok=False))


def _new_beside(path: Path, make: Callable[[Path], None]) -> Path:
    """Make something hidden beside `path` under a name that is free.

    `tempfile` makes private files, but an output is an ordinary one: the system takes the umask from the mode that
    `make` asks for. To read the umask is to set it, for every thread of the process.

    Args:
        path: Whose name and folder it takes.
        make: Creates what is given; raises FileExistsError where there is one.
    """
    while True:
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        with suppress(FileExistsError):
            make(new)
            return new


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` that a process which was killed left; nobody must be writing one now."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        leftover.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name; what it holds is on the disk first."""
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Have what a file holds on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def is_still_linked(handle: int, path: Path) -> bool:
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
    temporary = _new_beside(folder, lambda new: new.mkdir())
    try:
        yield temporary
        temporary.replace(folder)
        sync_folder(folder.parent)
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
