"""Where the program keeps what outlives a run: installed files and caches."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from epigept_batch.errors import InputError

VARIABLE = "EPIGEPT_BATCH_HOME"


def home() -> Path:
    """The folder named by EPIGEPT_BATCH_HOME, else the user's cache folder for this program."""
    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_path("epigept-batch"))


def default_model() -> Path:
    """The model file of a run that names none."""
    return home() / "model.onnx"


def default_fasta() -> Path:
    """The genome of a run that names none."""
    return home() / "genome.fa"


def installed(path: Path, option: str) -> Path:
    """A file that a run looks for where the user names none.

    Args:
        path: `default_model` or `default_fasta`.
        option: What names another one: an option, or an argument.

    Raises:
        InputError: It is not there.
    """
    if not path.exists():
        file = f"{option} FILE" if option.startswith("-") else option
        raise InputError(f"no {option} is given and there is no {path}; run `epigept-batch setup`, or give {file}")
    return path


def cache_folder(kind: str) -> Path | None:
    """A folder for what can be made again, created; None where that cannot be written."""
    folder = home() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
