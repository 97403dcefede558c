"""The model file without its graph: what it says of itself and its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import onnx
from google.protobuf.message import DecodeError

from epigept_batch.errors import ModelError, reason
from epigept_batch.spec import METADATA_KEY, Spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METADATA_FIELD, GRAPH_FIELD = 14, 7  # of ModelProto, onnx.proto
NODE_FIELD, INPUT_FIELD = 1, 11  # of GraphProto
VARINT, SIZED = 0, 2  # wire types of protocol buffers; the others in use have fixed sizes
FIXED_SIZES = {1: 8, 5: 4}

INPUTS = ("tokens", "motif_scores", "expression")
OUTPUT = "signal"


def read_spec(path: Path) -> Spec:
    """The spec of a model file.

    Raises:
        ModelError: Not a file, not ONNX, or not made by `epigept-export convert`.
    """
    try:
        head = _read_head(path)
    except OSError as error:
        raise ModelError(f"model file cannot be read: {reason(error)}", path) from error
    except DecodeError as error:
        raise ModelError("is no ONNX model, or is cut short; make one with `epigept-export convert`", path) from error
    texts = head.metadata
    if METADATA_KEY not in texts:
        said = "is an ONNX model, but not one of EpiGePT" if head.nodes else "is no ONNX model"
        raise ModelError(f"{said}; make one with `epigept-export convert`", path)
    if not set(INPUTS) <= head.inputs:
        raise ModelError(f"lacks an input of {', '.join(INPUTS)}; convert the checkpoint again", path)
    try:
        return Spec.from_json(texts[METADATA_KEY])
    except ModelError as error:
        raise ModelError(str(error), path) from error


@dataclass
class _Head:
    """What a model file holds besides its weights."""

    metadata: dict[str, str] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    nodes: int = 0


def _read_head(path: Path) -> _Head:
    """Walk a model file from field to field, past the weights, which would take their size in memory to read.

    Raises:
        DecodeError: It is not encoded as protocol buffers are.
    """
    head = _Head()
    with path.open("rb") as stream:
        for number, size in _fields(stream, path.stat().st_size):
            if number == METADATA_FIELD:
                entry = onnx.StringStringEntryProto.FromString(stream.read(size))
                head.metadata[entry.key] = entry.value
            elif number == GRAPH_FIELD:
                for part, length in _fields(stream, stream.tell() + size):
                    head.nodes += part == NODE_FIELD
                    if part == INPUT_FIELD:
                        head.inputs.add(onnx.ValueInfoProto.FromString(stream.read(length)).name)
    return head


def _fields(stream: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Number and size of each field of a message that ends at `end` and has a length, the stream at its beginning."""
    while stream.tell() < end:
        number, kind = divmod(_varint(stream), 8)
        if kind == VARINT:
            _varint(stream)
            continue
        if kind not in FIXED_SIZES and kind != SIZED:
            raise DecodeError(f"wire type {kind}")
        size = _varint(stream) if kind == SIZED else FIXED_SIZES[kind]
        begin = stream.tell()
        if number == 0 or begin + size > end:
            raise DecodeError("a field goes beyond its message")
        if kind == SIZED:
            yield number, size
        stream.seek(begin + size)


def _varint(stream: BinaryIO) -> int:
    """An integer in groups of seven bits, the lowest first, all but the last with the eighth bit set."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:  # noqa: PLR2004
            return value
    raise DecodeError("an integer is cut short")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
