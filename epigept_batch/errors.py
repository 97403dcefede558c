"""What can go wrong, by whose mending it takes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

REMEDIES = {
    errno.EMFILE: "raise the limit, for example by ulimit -n 4096",
    errno.ENFILE: "close other programs, for the whole system has no more",
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room within your quota and run again",
    errno.EFBIG: "raise the limit of ulimit -f, or use a file system for larger files",
    errno.ENOMEM: "free some memory, or run where there is more",
    errno.EIO: "look at the disk or the network",
    errno.ESTALE: "look at the network, and run again",
}
"""What to do where the system is short of something, whichever file it was that could not be had."""


def reason(error: OSError) -> str:
    """Why the system refused, and what to do where it is the system that must be mended."""
    said = error.strerror or str(error).strip() or type(error).__name__
    remedy = REMEDIES.get(error.errno or 0)
    return f"{said}; {remedy}" if remedy else said


def one_line(text: str) -> str:
    """Text with what does not print written out, so that no input ends the line or speaks to a user's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class EpiGePTError(Exception):
    """An error that one line explains: ``FILE:LINE: what is wrong; what to do``.

    Attributes:
        exit_code: What the command exits with: 2 where the user's input or usage is at fault, else 1.
    """

    exit_code = 1

    def __init__(self, message: str, path: str | os.PathLike[str] | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}:" if line is None else f"{path}:{line}:"
        super().__init__(one_line(f"{where} {message}".strip()))


class InputError(EpiGePTError):
    """A FASTA, table, motif file, region or option that cannot be used as it is."""

    exit_code = 2


class ModelError(EpiGePTError):
    """A model file or checkpoint that is not what it should be."""

    exit_code = 2


class DeviceError(EpiGePTError):
    """A device or a library that was asked for and cannot be had."""

    exit_code = 2


class OutputError(EpiGePTError):
    """An output folder or file that may not be written."""

    exit_code = 2
