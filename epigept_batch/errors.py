"""Errors, by what the user has to fix."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

REMEDIES = {
    errno.EMFILE: "raise the limit, for example with ulimit -n 4096",
    errno.ENFILE: "close other programs, because the whole system has reached its limit",
    errno.ENOSPC: "free some space and rerun",
    errno.EDQUOT: "free some space within your quota and rerun",
    errno.EFBIG: "raise the limit of ulimit -f, or use a file system that allows larger files",
    errno.ENOMEM: "free some memory, or run on a machine with more",
    errno.EIO: "check the disk or the network",
    errno.ESTALE: "check the network and rerun",
}
"""What to do about system errors that are not the fault of a particular file."""


def reason(error: OSError) -> str:
    """Return why the system refused an operation, with a remedy where the system itself is at fault."""
    said = error.strerror or str(error).strip() or type(error).__name__
    remedy = REMEDIES.get(error.errno or 0)
    return f"{said}; {remedy}" if remedy else said


def one_line(text: str) -> str:
    """Escape unprintable characters, so that no input can break the line or control the user's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class EpiGePTError(Exception):
    """An error with a one-line explanation: ``FILE:LINE: what is wrong; what to do``.

    Attributes:
        exit_code: Exit status of the command: 2 where the user's input or usage is at fault, else 1.
    """

    exit_code = 1

    def __init__(self, message: str, path: str | os.PathLike[str] | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}:" if line is None else f"{path}:{line}:"
        super().__init__(one_line(f"{where} {message}".strip()))


class InputError(EpiGePTError):
    """A FASTA, table, motif file, region or option that cannot be used as it is."""

    exit_code = 2


class ModelError(EpiGePTError):
    """A model file or checkpoint that is invalid or does not fit."""

    exit_code = 2


class DeviceError(EpiGePTError):
    """A requested device or library that is not available."""

    exit_code = 2


class OutputError(EpiGePTError):
    """An output folder or file that cannot or must not be written."""

    exit_code = 2
