"""Write files that appear complete or not at all."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from epigept_batch.errors import OutputError, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


def in_words(size: float) -> str:
    """Format a number of bytes, as in `1.5 GB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1e3:.0f} kB"


def temporary_beside(path: Path) -> Path:
    """Create a hidden, empty file in the folder of `path`, to be renamed to `path` when it is complete."""
    return _new_beside(path, lambda new: new.touch(mode=0o666, exist_ok=False))


def _new_beside(path: Path, make: Callable[[Path], None]) -> Path:
    """Create something hidden beside `path` under an unused name.

    `tempfile` creates private files, but outputs need ordinary permissions: the system applies the umask to the mode
    that `make` requests. Reading the umask instead would mean setting it, for every thread of the process.

    Args:
        path: The name and folder to derive the new name from.
        make: Creates the path that it is given; raises FileExistsError if it exists.
    """
    while True:
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        with suppress(FileExistsError):
            make(new)
            return new


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` that a killed process left behind; no process may be writing one now."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        leftover.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its final name, after its content is synced to disk."""
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Sync the content of a file to disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder to disk, where the system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def is_still_linked(handle: int, path: Path) -> bool:
    """Whether an open file still has that name; the process that held its lock may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Provide a temporary file that is renamed to `path` if the body succeeds and removed otherwise."""
    temporary = temporary_beside(path)
    try:
        yield temporary
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Provide a hidden folder that replaces an empty one beside it if the body succeeds and is removed otherwise."""
    temporary = _new_beside(folder, lambda new: new.mkdir())
    try:
        yield temporary
        temporary.replace(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_is_no_input(out: Path, inputs: Iterable[Path]) -> None:
    """Check that an output would not replace a file that the command reads.

    Raises:
        OutputError: It would.
    """
    if out.exists() and any(path.exists() and path.samefile(out) for path in inputs):
        raise OutputError("is also an input; choose another --out", out)


def make_folder(folder: Path, *, option: str = "--out") -> None:
    """Create an output folder if it does not exist, and check that it is writable.

    Args:
        folder: The folder.
        option: The option that sets the folder, for the message.

    Raises:
        OutputError: It cannot be created or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary_beside(folder / "epigept-batch").unlink()
    except OSError as error:
        raise OutputError(
            f"output folder cannot be written: {reason(error)}; choose another with {option}", folder
        ) from error


@contextmanager
def output_folder(path: Path) -> Iterator[None]:
    """Make an output folder; remove it afterwards if it was made here and is empty.

    Raises:
        OutputError: It cannot be created or is not writable.
    """
    was_there = path.exists()
    make_folder(path)
    try:
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                path.rmdir()  # removes an empty folder only
