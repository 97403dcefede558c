"""Where the program keeps what outlives a run: installed files and caches."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

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


def cache_folder(kind: str) -> Path | None:
    """A folder for what can be made again, created; None where that cannot be written."""
    folder = home() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
