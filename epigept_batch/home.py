"""Where the program keeps installed files and caches between runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from epigept_batch.errors import InputError

VARIABLE = "EPIGEPT_BATCH_HOME"


def home() -> Path:
    """Return the folder that EPIGEPT_BATCH_HOME names, else the user's cache folder for this program."""
    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_path("epigept-batch"))


def default_model() -> Path:
    """Return the model file that a run uses if the user names none."""
    return home() / "model.onnx"


def default_fasta() -> Path:
    """Return the genome that a run uses if the user names none."""
    return home() / "genome.fa"


def installed(path: Path, option: str) -> Path:
    """Return a default file, after checking that it exists.

    Args:
        path: `default_model` or `default_fasta`.
        option: The option or argument that names another file, for the message.

    Raises:
        InputError: The file does not exist.
    """
    if not path.exists():
        file = f"{option} FILE" if option.startswith("-") else option
        raise InputError(f"no {option} given and {path} does not exist; run `epigept-batch setup`, or pass {file}")
    return path


def cache_folder(kind: str) -> Path | None:
    """Create and return a folder for cached data; None if it is not writable."""
    folder = home() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
