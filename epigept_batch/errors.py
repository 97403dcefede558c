"""What can go wrong, by whose mending it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


class EpiGePTError(Exception):
    """An error that one line explains: ``FILE:LINE: what is wrong; what to do``.

    Attributes:
        exit_code: What the command exits with: 2 where the user's input or usage is at fault, else 1.
    """

    exit_code = 1

    def __init__(self, message: str, path: str | os.PathLike[str] | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}:" if line is None else f"{path}:{line}:"
        super().__init__(f"{where} {message}".lstrip())


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
