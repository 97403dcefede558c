"""Where a cohort lies: files that are written whole or not at all, by name, in a folder or an object store."""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from zarr.storage import LocalStore

from epigept_batch.cohort.object_storage import SCHEMES, ObjectStorage
from epigept_batch.errors import REMEDIES, InputError, OutputError, reason
from epigept_batch.files import replacing
from epigept_batch.prediction.ahead import map_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from zarr.abc.store import Store


Item = TypeVar("Item")
Result = TypeVar("Result")
READERS, AHEAD = 8, 64
"""Files that are read at the same time, because those of an object store come after a delay."""
ATTEMPTS = 3
"""How often a file is written whose temporary file vanishes."""


class Storage(Protocol):
    """Files by name, such as `units/0/7.json`. Every method may raise an `EpiGePTError`."""

    @property
    def location(self) -> str:
        """Where the cohort lies, as other processes can open it."""

    def where(self, name: str = "") -> str:
        """Return where a file lies, for messages."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is none of that name."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which then has this content, or nothing has changed."""

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None if there is none of that name."""

    def names(self, folder: str) -> Iterator[str]:
        """Yield the names of all files in a folder and the folders below it, in any order."""

    def zarr(self, folder: str) -> Store:
        """Return a folder for Zarr to read."""

    def tidy(self) -> None:
        """Remove what workers left that were killed. A worker that is at work has to write a file again."""


class FolderStorage:
    """A folder of a file system that all workers see; see `Storage`.

    Args:
        path: The folder; made when a file is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def location(self) -> str:
        """The folder, from the root on."""
        return str(self._path.absolute())

    def where(self, name: str = "") -> str:
        """Return the path of a file."""
        return str(self._path / name)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is none of that name."""
        with _reading(self._path / name):
            try:
                return (self._path / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file under a temporary name, and rename it when its content is on disk."""
        path = self._path / name
        for attempt in range(ATTEMPTS):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as temporary:
                    temporary.write_bytes(content)
            except FileNotFoundError as error:  # another run ended, and tidied up
                if attempt == ATTEMPTS - 1:
                    raise OutputError(f"cannot be written: {_told(error)}", path) from error
            except OSError as error:
                raise OutputError(f"cannot be written: {_told(error)}", path) from error
            else:
                return

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None if there is none of that name."""
        with _reading(self._path / name):
            try:
                return (self._path / name).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def names(self, folder: str) -> Iterator[str]:
        """Yield the names of all files in a folder, without temporary ones."""
        for path in (self._path / folder).rglob("*"):
            if not path.name.startswith(".") and path.is_file():
                yield path.relative_to(self._path).as_posix()

    def zarr(self, folder: str) -> Store:
        """Return a folder for Zarr to read."""
        return LocalStore(self._path / folder, read_only=True)

    def tidy(self) -> None:
        """Remove temporary files."""
        for path in self._path.rglob(".*.part"):
            with suppress(OSError):  # that of another user
                path.unlink()


def map_files(function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Like `map`, for a function that reads files: several calls run at the same time, and results keep their order."""
    yield from map_ahead(function, items, workers=READERS, ahead=AHEAD)


def open_storage(location: str) -> Storage:
    """Return the storage of a location.

    Args:
        location: The path of a folder, or the URL of a place in an object store, such as `s3://bucket/cohort`.

    Raises:
        DeviceError: A library for object stores is not installed.
        InputError: It is another kind of URL.
    """
    scheme, separator, _ = location.partition("://")
    if not separator:
        return FolderStorage(Path(location))
    if scheme.lower() not in SCHEMES:
        raise InputError(
            f"a cohort lies in a folder, or at one of {', '.join(f'{one}://' for one in SCHEMES)}", location
        )
    return ObjectStorage(location)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise what the system says about a file as an error of the user's.

    Raises:
        InputError: The file is there, but cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot be read: {_told(error)}", path) from error


def _told(error: OSError) -> str:
    """Return why the system refused an operation, and what to do."""
    if error.errno in REMEDIES:
        return reason(error)
    no_folder = error.errno in {errno.EEXIST, errno.ENOTDIR}
    return f"{reason(error)}; {'choose another folder' if no_folder else 'check its permissions'}"
