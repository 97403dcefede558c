"""A cohort in an object store: `s3://`, `gs://`, `az://`. The only module that uses obstore.

An object appears whole or not at all, which is all that a cohort needs of its storage. Credentials and endpoints come
from the environment, as the tools of each provider read it (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …).
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from epigept_batch.errors import DeviceError, InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore as Objects
    from zarr.abc.store import Store

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
RETRIES, RETRY_S = 8, 120
"""How often and how long a request is tried again that a server or the network refuses."""


class ObjectStorage:
    """Objects below a prefix; see `cohort.storage.Storage`.

    Args:
        url: The prefix, such as `s3://bucket/cohort`.

    Raises:
        DeviceError: obstore is not installed.
        InputError: It is not the URL of an object store.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        try:
            from obstore.store import from_url
        except ImportError as error:
            raise DeviceError(
                f"{url}: object stores need obstore; install epigept-batch with its [cloud] extra"
            ) from error
        try:
            self._objects: Objects = from_url(
                self._url, retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)}
            )
        except Exception as error:  # its errors have no common type that is public
            raise InputError(f"not the URL of an object store ({_first_line(error)})", url) from error

    @property
    def location(self) -> str:
        """The URL."""
        return self._url

    def where(self, name: str = "") -> str:
        """Return the URL of an object."""
        return f"{self._url}/{name}" if name else self._url

    def read(self, name: str) -> bytes | None:
        """Return the content of an object; None if there is none of that name."""
        import obstore

        with self._reading(name):
            try:
                return bytes(obstore.get(self._objects, name).bytes())
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Put an object."""
        import obstore

        try:
            obstore.put(self._objects, name, content)
        except Exception as error:  # see above
            raise OutputError(
                f"cannot be written ({_first_line(error)}); check the bucket and your permissions", self.where(name)
            ) from error

    def size(self, name: str) -> int | None:
        """Return the size of an object in bytes; None if there is none of that name."""
        import obstore

        with self._reading(name):
            try:
                return int(obstore.head(self._objects, name)["size"])
            except FileNotFoundError:
                return None

    def names(self, folder: str) -> Iterator[str]:
        """Yield the names of all objects below a prefix."""
        import obstore

        with self._reading(folder):
            for batch in obstore.list(self._objects, folder or None):
                yield from (one["path"] for one in batch)

    def zarr(self, folder: str) -> Store:
        """Return a prefix for Zarr to read."""
        from obstore.store import from_url
        from zarr.storage import ObjectStore

        return ObjectStore(from_url(self.where(folder)), read_only=True)

    def tidy(self) -> None:
        """Do nothing: what was not written whole is not there."""

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Raise what a store says as an error of the user's.

        Raises:
            InputError: It refuses to answer.
        """
        try:
            yield
        except Exception as error:  # see above
            raise InputError(
                f"cannot be read ({_first_line(error)}); check the bucket, the network and your permissions",
                self.where(name),
            ) from error


def _first_line(error: Exception) -> str:
    """Return what an error of obstore says, without its debugging output."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
