"""An address to a file, whole and as pinned, however often the connection breaks; only here is the web spoken to."""

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
"""Answers after which the same question may get another one."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        connect: Seconds until it must take the connection.
        read: Seconds in which something must come.
        tries: How many may fail one after the other, none of them bringing a block more.
        pause: Seconds before the second of them; each later pause is twice as long.
    """

    connect: float = 15
    read: float = 60
    tries: int = 5
    pause: float = 1


PATIENCE = Patience()


class DownloadError(EpiGePTError):
    """What is not to be had at its address, now or ever."""

    exit_code = 2


class _BreakError(Exception):
    """A transfer ended early; another try may bring the rest."""


@dataclass(frozen=True)
class _Note:
    """What is known of a part: kept beside it, so that another run can go on.

    Attributes:
        url: Where it comes from.
        validator: What its server calls this version of the file: a strong ETag, or else the time of its change.
        total: Bytes of the whole; None where the server did not say.
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
            return None  # not there or not ours: the part starts over

    def write(self, path: Path) -> None:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(vars(self)))


def download(asset: Asset, path: Path, progress: Progress) -> str:
    """Fetch a file; what an earlier run left of it is gone on with where the server can.

    What has arrived lies in `PATH.part` until it is whole and as pinned.

    Args:
        asset: What and from where.
        path: The file to make.
        progress: Told of every byte.

    Returns:
        The file's SHA-256.

    Raises:
        DownloadError: It is not to be had, or is not as pinned.
        OutputError: The disk has no room for it.
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
    """How much of a file an earlier run has left."""
    part = part_of(path)
    return part.stat().st_size if part.exists() else 0


def part_of(path: Path) -> Path:
    """Where what has arrived of a file lies."""
    return path.with_name(f"{path.name}.part")


def digests(path: Path) -> tuple[str, str]:
    """SHA-256 and MD5 of a file."""
    both = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            for digest in both:
                digest.update(block)
    return both[0].hexdigest(), both[1].hexdigest()


def _check_pinned(asset: Asset, part: Path) -> str:
    """The part's SHA-256.

    Raises:
        DownloadError: It is not what is pinned; the part is removed then, for nothing can be added to mend it.
    """
    sha256, md5 = digests(part)
    for kind, pinned, found in (("sha256", asset.sha256, sha256), ("md5", asset.md5, md5)):
        if pinned is not None and pinned != found:
            _discard(part)
            raise DownloadError(
                f"is not the file that is pinned: {kind} {found} instead of {pinned}; it was damaged on its way or "
                f"changed at its source, and is removed: {asset.advice}",
                asset.location,
            )
    return sha256


def _discard(part: Path) -> None:
    for path in (part, _note_of(part)):
        path.unlink(missing_ok=True)


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


class _Transfer:
    """One file on its way into its part.

    Args:
        asset: What and from where.
        path: The file to make; the part lies beside it.
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
        """Remove the part and what is known of it."""
        _discard(self.part)
        self._note = None

    @property
    def _there(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def _is_whole(self) -> bool:
        return self._note is not None and self._note.total is not None and self._there == self._note.total

    def run(self, session: requests.Session, progress: Progress) -> None:
        """Fetch what is missing, in as many tries as it takes while they bring something.

        Raises:
            DownloadError: None brings anything any more.
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
        """One request, and what comes of it.

        Raises:
            _BreakError: It ended early.
            DownloadError: The server has no such file.
        """
        try:
            answer = session.get(
                self.asset.location, headers=self._range(), stream=True, timeout=(PATIENCE.connect, PATIENCE.read)
            )
        except requests.exceptions.SSLError as error:
            raise self._refused(f"is not trusted ({_reason(error)})") from error
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
            said = f"cannot be reached ({_reason(error)})"
            if not self._reached and isinstance(error.args[0], MaxRetryError):  # there was no connection at all
                raise self._refused(said) from error
            raise _BreakError(said) from error
        except (requests.exceptions.RequestException, ValueError) as error:  # addresses and redirects that lead nowhere
            raise self._refused(f"cannot be fetched ({_reason(error)})") from error
        self._reached = True
        with answer:
            self._begin(answer, progress)
            self._receive(answer, progress)

    def _range(self) -> dict[str, str]:
        """Headers that ask for the rest, if it is of the same version."""
        if not self._there or self._note is None or self._note.validator is None:
            return {}
        return {"Range": f"bytes={self._there}-", "If-Range": self._note.validator}

    def _begin(self, answer: requests.Response, progress: Progress) -> None:
        """See what the answer is, and make the part ready for it.

        Raises:
            _BreakError: The server cannot answer now.
            DownloadError: It answers that there is no such file, or with a web page.
            OutputError: There is no room for the file.
        """
        status = answer.status_code
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or (
            status == HTTPStatus.PARTIAL_CONTENT and not self._goes_on(answer)
        ):
            self.discard()
            raise _BreakError("has changed since the first part of it came")
        if status in PASSING:
            raise _BreakError(f"is not served now ({_status(answer)})")
        if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            raise self._refused(f"is not there ({_status(answer)})")
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise self._refused("is a web page, not the file")
        if status == HTTPStatus.OK:
            self.discard()
            self._note = _Note(self.asset.location, _validator(answer), _length(answer))
            self._note.write(self._note_path)
        total = self._note.total if self._note else None
        self._check_room(total)
        progress.start(total, done=self._there)

    def _goes_on(self, answer: requests.Response) -> bool:
        """Whether a partial answer begins where the part ends, and belongs to the same whole."""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != self._there or self._note is None:
            return False
        return found[2] == "*" or self._note.total is None or int(found[2]) == self._note.total

    def _check_room(self, total: int | None) -> None:
        free = shutil.disk_usage(self.part.parent).free
        if total is not None and total - self._there > free:
            raise OutputError(
                f"{total - self._there:,} bytes are to come where {free:,} are free; make room, or name another folder "
                "by EPIGEPT_BATCH_HOME",
                self.part.parent,
            )

    def _receive(self, answer: requests.Response, progress: Progress) -> None:
        """Add what comes to the part.

        Raises:
            _BreakError: Less came than was announced.
            OutputError: It cannot be written.
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
            raise _BreakError("gave more bytes than it has")

    def _blocks(self, answer: requests.Response) -> Iterator[bytes]:
        """The body as it is at the source: what some servers declare an encoding of it is the file's own packing."""
        try:
            # As soon as something is there, so that little is lost when the connection is.
            while block := answer.raw.read1(BLOCK, decode_content=False):
                yield block
        except (HTTPError, OSError) as error:
            if any(isinstance(cause, IncompleteRead) for cause in (error, *error.args)):
                raise self._ended_early() from error
            raise _BreakError(f"broke off after {self._there:,} bytes ({_reason(error)})") from error

    def _ended_early(self) -> _BreakError:
        total = f" of {self._note.total:,}" if self._note and self._note.total is not None else ""
        return _BreakError(f"ended after {self._there:,}{total} bytes")

    def _refused(self, said: str) -> DownloadError:
        return DownloadError(f"{said}; {self.asset.advice}", self.asset.location)


def _unwritable(error: OSError, part: Path) -> OutputError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    said = "the disk is full" if full else f"cannot be written: {error.strerror}"
    return OutputError(f"{said}; mend that and run again: it goes on from there", part)


def _validator(answer: requests.Response) -> str | None:
    etag = answer.headers.get("ETag", "W/")
    return answer.headers.get("Last-Modified") if etag.startswith("W/") else etag


def _length(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _status(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.reason or ''}".rstrip()


def _reason(error: BaseException) -> str:
    """What is at the bottom of an error that others wrap: few words, one line."""
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
    text = re.sub(r"^(?:<.*?>|HTTPS?Connection(?:Pool)?\(.*?\)): ", "", text)  # of the object that failed
    return " ".join(text.split())
