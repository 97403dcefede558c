"""The model file without its graph: what it says of itself and its digest."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError

from epigept_batch.errors import ModelError
from epigept_batch.spec import METADATA_KEY, Spec

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = ("tokens", "motif_scores", "expression")
OUTPUT = "signal"


def read_spec(path: Path) -> Spec:
    """The spec of a model file.

    Raises:
        ModelError: Not a file, not ONNX, or not made by `epigept-export convert`.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise ModelError(f"model file cannot be read: {error.strerror}", path) from error
    except DecodeError as error:
        raise ModelError("is no ONNX model, or is cut short; make one with `epigept-export convert`", path) from error
    texts = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in texts:
        said = "is an ONNX model, but not one of EpiGePT" if model.graph.node else "is no ONNX model"
        raise ModelError(f"{said}; make one with `epigept-export convert`", path)
    if not set(INPUTS) <= {entry.name for entry in model.graph.input}:
        raise ModelError(f"lacks an input of {', '.join(INPUTS)}; convert the checkpoint again", path)
    try:
        return Spec.from_json(texts[METADATA_KEY])
    except ModelError as error:
        raise ModelError(str(error), path) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
