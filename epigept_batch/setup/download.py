"""Downloads a file completely and checks its pinned checksums, even if the connection breaks repeatedly.

This is the only module that accesses the network.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import HTTPError, IncompleteRead, MaxRetryError

import epigept_batch
from epigept_batch.errors import EpiGePTError, OutputError
from epigept_batch.files import publish, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from epigept_batch.progress import Progress
    from epigept_batch.setup.catalogue import Asset

BLOCK = 1 << 20
PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Statuses of temporary failures, after which the same request may succeed."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Attributes:
        connect: Seconds within which it must accept the connection.
        read: Seconds within which data must arrive.
        tries: Number of tries that may fail in a row without bringing another block.
        pause: Seconds before the second of them; each later pause is twice as long.
    """

    connect: float = 15
    read: float = 60
    tries: int = 5
    pause: float = 1


PATIENCE = Patience()


class DownloadError(EpiGePTError):
    """A file that cannot be downloaded from its address, now or ever."""

    exit_code = 2


class _BreakError(Exception):
    """A transfer ended early; another try may bring the rest."""


@dataclass(frozen=True)
class _Note:
    """Metadata of a partial download, kept beside it so that a later run can resume.

    Attributes:
        url: Address of the file.
        validator: The server's identifier of this version of the file: a strong ETag, or else its Last-Modified.
        total: Bytes of the whole file; None if the server did not say.
    """

    url: str
    validator: str | None
    total: int | None

    @classmethod
    def read(cls, path: Path) -> _Note | None:
        try:
            document = json.loads(path.read_text())
            return cls(document["url"], document["validator"], document["total"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # missing or not from this program: the download starts over

    def write(self, path: Path) -> None:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(vars(self)))


def download(asset: Asset, path: Path, progress: Progress) -> str:
    """Download a file; an earlier partial download is resumed if the server supports that.

    The data that has arrived is in `PATH.part` until the file is complete and its checksums match.

    Args:
        asset: The file and its address.
        path: The file to write.
        progress: Receives the bytes that arrive.

    Returns:
        The file's SHA-256.

    Raises:
        DownloadError: The file cannot be downloaded, or does not match its pinned checksums.
        OutputError: The disk has too little free space.
    """
    transfer = _Transfer(asset, path)
    with requests.Session() as session:
        session.headers["User-Agent"] = f"epigept-batch/{epigept_batch.__version__}"
        session.headers["Accept-Encoding"] = "identity"
        transfer.run(session, progress)
    sha256 = _check_pinned(asset, transfer.part)
    publish(transfer.part, path)
    transfer.discard()
    return sha256


def waiting_bytes(path: Path) -> int:
    """Return the size of an earlier partial download of a file."""
    part = part_of(path)
    return part.stat().st_size if part.exists() else 0


def part_of(path: Path) -> Path:
    """Return the path of a file's partial download."""
    return path.with_name(f"{path.name}.part")


def digests(path: Path) -> tuple[str, str]:
    """Return the SHA-256 and MD5 of a file."""
    both = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            for digest in both:
                digest.update(block)
    return both[0].hexdigest(), both[1].hexdigest()


def _check_pinned(asset: Asset, part: Path) -> str:
    """Compare a complete download with its pinned checksums, and return its SHA-256.

    Raises:
        DownloadError: A checksum does not match. The download is removed, because it cannot be resumed.
    """
    sha256, md5 = digests(part)
    for kind, pinned, found in (("sha256", asset.sha256, sha256), ("md5", asset.md5, md5)):
        if pinned is not None and pinned != found:
            _discard(part)
            raise DownloadError(
                f"checksum mismatch: {kind} {found} instead of {pinned}; the file was damaged in transit or changed at "
                f"its source, so the download was removed: {asset.advice}",
                asset.location,
            )
    return sha256


def _discard(part: Path) -> None:
    for path in (part, _note_of(part)):
        path.unlink(missing_ok=True)


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


class _Transfer:
    """The download of one file into its `.part` file.

    Args:
        asset: The file and its address.
        path: The file to write; the `.part` file is beside it.
    """

    def __init__(self, asset: Asset, path: Path) -> None:
        self.asset = asset
        self.part = part_of(path)
        self._reached = False
        self._note_path = _note_of(self.part)
        self._note = _Note.read(self._note_path)
        if self._note is None or self._note.url != asset.location:
            self.discard()

    def discard(self) -> None:
        """Remove the partial download and its metadata."""
        _discard(self.part)
        self._note = None

    @property
    def _there(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def _is_whole(self) -> bool:
        return self._note is not None and self._note.total is not None and self._there == self._note.total

    def run(self, session: requests.Session, progress: Progress) -> None:
        """Download the missing bytes, and retry as long as tries bring more of them.

        Raises:
            DownloadError: Too many tries in a row brought nothing.
        """
        failed, furthest = 0, self._there
        while not self._is_whole:
            try:
                return self._try(session, progress)
            except _BreakError as error:
                failed = 1 if self._there >= furthest + BLOCK else failed + 1
                furthest = max(furthest, self._there)
                if failed >= PATIENCE.tries:
                    raise DownloadError(
                        f"{error}, {failed} times in a row; {self.asset.advice}", self.asset.location
                    ) from error
                progress.say(f"{self.asset.location}: {error}; trying again")
                time.sleep(PATIENCE.pause * 2 ** (failed - 1))
        return None

    def _try(self, session: requests.Session, progress: Progress) -> None:
        """Send one request and receive its data.

        Raises:
            _BreakError: The transfer ended early.
            DownloadError: The server does not provide the file.
        """
        try:
            answer = session.get(
                self.asset.location, headers=self._range(), stream=True, timeout=(PATIENCE.connect, PATIENCE.read)
            )
        except requests.exceptions.SSLError as error:
            raise self._refused(f"secure connection failed ({_reason(error)})") from error
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
            said = f"cannot be reached ({_reason(error)})"
            if not self._reached and isinstance(error.args[0], MaxRetryError):  # no connection was made at all
                raise self._refused(said) from error
            raise _BreakError(said) from error
        except (requests.exceptions.RequestException, ValueError) as error:  # invalid addresses and redirects
            raise self._refused(f"cannot be downloaded ({_reason(error)})") from error
        self._reached = True
        with answer:
            self._begin(answer, progress)
            self._receive(answer, progress)

    def _range(self) -> dict[str, str]:
        """Return headers that request the missing bytes, provided that the file has not changed."""
        if not self._there or self._note is None or self._note.validator is None:
            return {}
        return {"Range": f"bytes={self._there}-", "If-Range": self._note.validator}

    def _begin(self, answer: requests.Response, progress: Progress) -> None:
        """Check the server's answer, and prepare the partial download for it.

        Raises:
            _BreakError: The server cannot answer now.
            DownloadError: It refuses the file, or answers with a web page.
            OutputError: There is too little free space for the file.
        """
        status = answer.status_code
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or (
            status == HTTPStatus.PARTIAL_CONTENT and not self._goes_on(answer)
        ):
            self.discard()
            raise _BreakError("the file has changed since its first part was downloaded")
        if status in PASSING:
            raise _BreakError(f"not available now ({_status(answer)})")
        if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            raise self._refused(f"cannot be downloaded ({_status(answer)})")
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise self._refused("a web page, not the file")
        if status == HTTPStatus.OK:
            self.discard()
            self._note = _Note(self.asset.location, _validator(answer), _length(answer))
            self._note.write(self._note_path)
        total = self._note.total if self._note else None
        self._check_room(total)
        progress.start(total, done=self._there)

    def _goes_on(self, answer: requests.Response) -> bool:
        """Whether a partial answer begins where the partial download ends, and belongs to the same file."""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != self._there or self._note is None:
            return False
        return found[2] == "*" or self._note.total is None or int(found[2]) == self._note.total

    def _check_room(self, total: int | None) -> None:
        free = shutil.disk_usage(self.part.parent).free
        if total is not None and total - self._there > free:
            raise OutputError(
                f"the download requires {total - self._there:,} more bytes, but only {free:,} are free; free some "
                "space, or set EPIGEPT_BATCH_HOME to another folder",
                self.part.parent,
            )

    def _receive(self, answer: requests.Response, progress: Progress) -> None:
        """Append the data that arrives to the partial download.

        Raises:
            _BreakError: Fewer or more bytes arrived than announced.
            OutputError: The data cannot be written.
        """
        try:
            with self.part.open("ab") as stream:
                for block in self._blocks(answer):
                    stream.write(block)
                    stream.flush()
                    progress.advance(len(block))
        except OSError as error:
            raise _unwritable(error, self.part) from error
        total = self._note.total if self._note else None
        if total is not None and self._there < total:
            raise self._ended_early()
        if total is not None and self._there > total:
            self.discard()
            raise _BreakError("the server sent more bytes than it announced")

    def _blocks(self, answer: requests.Response) -> Iterator[bytes]:
        """Yield the body undecoded, because some servers declare the file's own compression as a content encoding."""
        try:
            # Take data as soon as it arrives, so that little is lost with the connection.
            while block := answer.raw.read1(BLOCK, decode_content=False):
                yield block
        except (HTTPError, OSError) as error:
            if any(isinstance(cause, IncompleteRead) for cause in (error, *error.args)):
                raise self._ended_early() from error
            raise _BreakError(f"connection lost after {self._there:,} bytes ({_reason(error)})") from error

    def _ended_early(self) -> _BreakError:
        total = f" of {self._note.total:,}" if self._note and self._note.total is not None else ""
        return _BreakError(f"download ended after {self._there:,}{total} bytes")

    def _refused(self, said: str) -> DownloadError:
        return DownloadError(f"{said}; {self.asset.advice}", self.asset.location)


def _unwritable(error: OSError, part: Path) -> OutputError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    said = "the disk is full" if full else f"cannot be written: {error.strerror}"
    return OutputError(f"{said}; fix this and rerun: the download resumes", part)


def _validator(answer: requests.Response) -> str | None:
    etag = answer.headers.get("ETag", "W/")
    return answer.headers.get("Last-Modified") if etag.startswith("W/") else etag


def _length(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _status(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.reason or ''}".rstrip()


def _reason(error: BaseException) -> str:
    """Return the message of the innermost of nested errors, in one line."""
    while True:
        inner = getattr(error, "reason", None)
        inner = (
            inner
            if isinstance(inner, BaseException)
            else next((a for a in error.args if isinstance(a, Exception)), None)
        )
        if inner is None or inner is error:
            break
        error = inner
    text = str(error) or type(error).__name__
    text = re.sub(r"^(?:<.*?>|HTTPS?Connection(?:Pool)?\(.*?\)): ", "", text)  # drop the name of the object that failed
    return " ".join(text.split())
