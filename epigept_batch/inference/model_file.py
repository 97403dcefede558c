"""Read the spec and digest of a model file, and validate the file without loading its weights."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import onnx
from google.protobuf.message import DecodeError

from epigept_batch.errors import ModelError, reason
from epigept_batch.inference.ports import check_ports
from epigept_batch.spec import METADATA_KEY, Spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METADATA_FIELD, GRAPH_FIELD, FUNCTIONS_FIELD = 14, 7, 25  # of ModelProto, onnx.proto
NODE_FIELD, INITIALIZER_FIELD, INPUT_FIELD, OUTPUT_FIELD, SPARSE_FIELD = 1, 5, 11, 12, 15  # of GraphProto
DIMS_FIELD, TYPE_FIELD, RAW_FIELD, EXTERNAL_FIELD, LOCATION_FIELD = 1, 2, 9, 13, 14  # of TensorProto
VARINT, SIZED = 0, 2  # wire types of protocol buffers; the others in use have fixed sizes
FIXED_SIZES = {1: 8, 5: 4}

MOST_BYTES = 1 << 31
"""Most bytes of a protocol buffers file."""
MOST_PART = 1 << 26
"""Most bytes of a part that is read; the spec of hg38 has 1.4 MB, an operator 263 bytes."""
MOST_FIELDS = 1 << 20
MOST_DIMS = 16
DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
FOREIGN_OPERATORS = frozenset({"EPContext", "If", "Loop", "Scan", "SequenceMap"})
"""Refused operators of these domains: they read files or run graphs."""
ITEM_BYTES = {
    kind: onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
    for name in ("FLOAT", "FLOAT16", "DOUBLE", "INT64", "INT32", "INT8", "UINT8", "BOOL", "BFLOAT16")
    for kind in (onnx.TensorProto.DataType.Value(name),)
}


def read_spec(path: Path) -> Spec:
    """Read the spec of a model file.

    Raises:
        ModelError: Not a file, not ONNX, or not made by `epigept-export convert`.
    """
    try:
        head = _read_head(path)
    except OSError as error:
        raise ModelError(f"model file cannot be read: {reason(error)}", path) from error
    except ModelError as error:
        raise ModelError(f"{error}; make one with `epigept-export convert`", path) from error
    except DecodeError as error:
        raise ModelError("not an ONNX model, or truncated; make one with `epigept-export convert`", path) from error
    texts = head.metadata
    if METADATA_KEY not in texts:
        said = "an ONNX model, but not an EpiGePT model file" if head.nodes else "not an ONNX model"
        raise ModelError(f"{said}; make one with `epigept-export convert`", path)
    try:
        spec = Spec.from_json(texts[METADATA_KEY])
        check_ports(head.inputs, head.outputs, spec)
    except ModelError as error:
        raise ModelError(str(error), path) from error
    return spec


def output_names(path: Path) -> frozenset[str]:
    """Return the names of a model file's outputs, without reading its weights."""
    return frozenset(_read_head(path).outputs)


def shape_nodes(graph: Path | bytes) -> frozenset[str]:
    """Return the names of the nodes of a graph that compute only shapes, without reading its weights.

    Args:
        graph: A model file, or a serialised model.
    """
    head = _head_of(io.BytesIO(graph), len(graph)) if isinstance(graph, bytes) else _read_head(graph)
    values = set(head.inputs).union(*(node.outputs for node in head.nodes if node.operator != "Constant"))
    shapes: set[str] = set()
    names = set()
    for node in head.nodes:  # in the order of computation
        computed = values.intersection(node.inputs)
        if node.operator == "Shape" or (computed and computed <= shapes):
            shapes.update(node.outputs)
            names.add(node.name)
    return frozenset(names)


class _Node(NamedTuple):
    """A node of a graph without its attributes."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass
class _Head:
    """The contents of a model file apart from its weights."""

    metadata: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    nodes: list[_Node] = field(default_factory=list)


def _read_head(path: Path) -> _Head:
    """Walk through the fields of a model file and skip the weights, so that they take no memory.

    Raises:
        DecodeError: It is not encoded as protocol buffers, or has more or larger parts than any network.
        ModelError: It refers to other files, or has operators that our networks do not use.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DecodeError("larger than a protocol buffers file can be")
    with path.open("rb") as stream:
        return _head_of(stream, size)


def _head_of(stream: BinaryIO, size: int) -> _Head:
    head = _Head()
    for number, length in _fields(stream, size):
        if number == METADATA_FIELD:
            entry = onnx.StringStringEntryProto.FromString(_part(stream, length))
            head.metadata[entry.key] = entry.value
        elif number == FUNCTIONS_FIELD:
            raise ModelError("model file defines its own functions, which is not supported")
        elif number == GRAPH_FIELD:
            _read_graph(stream, stream.tell() + length, head)
    return head


def _read_graph(stream: BinaryIO, end: int, head: _Head) -> None:
    for part, length in _fields(stream, end):
        if part == NODE_FIELD:
            node = onnx.NodeProto.FromString(_part(stream, length))
            _check_node(node)
            head.nodes.append(_Node(node.op_type, node.name, tuple(node.input), tuple(node.output)))
        elif part == INITIALIZER_FIELD:
            _check_initializer(stream, stream.tell() + length)
        elif part == INPUT_FIELD:
            head.inputs.update([_port(_part(stream, length))])
        elif part == OUTPUT_FIELD:
            head.outputs.update([_port(_part(stream, length))])
        elif part == SPARSE_FIELD:
            raise ModelError("model file has sparse weights, which are not supported")


def _port(data: bytes) -> tuple[str, tuple[int, ...]]:
    """Return name and shape of an input or output; 0 for a size that is not fixed."""
    value = onnx.ValueInfoProto.FromString(data)
    return value.name, tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _part(stream: BinaryIO, size: int) -> bytes:
    """Read a part of a model file into memory."""
    if size > MOST_PART:
        raise DecodeError("a part is larger than the limit")
    return stream.read(size)


def _check_node(node: onnx.NodeProto) -> None:
    """Accept arithmetic only: no operators of other domains, and none that read files or run graphs of their own."""
    if node.domain not in DOMAINS or node.op_type in FOREIGN_OPERATORS:
        raise ModelError(
            f"model file has the operator {node.domain or 'ai.onnx'}::{node.op_type}, which is not supported"
        )
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs or attribute.HasField("sparse_tensor"):
            raise ModelError(f"model file has an operator with its own graph ({node.op_type}), which is not supported")
        for tensor in (attribute.t, *attribute.tensors):
            if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise ModelError(
                    f"model file has an operator with values in another file ({node.op_type}), which is not supported"
                )


def _check_initializer(stream: BinaryIO, end: int) -> None:
    """Check that weights are in the file itself and have the declared size."""
    dims: list[int] = []
    data_type, raw = 0, None
    for number, kind, value in _all_fields(stream, end):
        if number == EXTERNAL_FIELD or (number == LOCATION_FIELD and value == onnx.TensorProto.EXTERNAL):
            raise ModelError("model file has weights in another file; they must all be in the file itself")
        if number == DIMS_FIELD:
            dims += [value] if kind == VARINT else _packed(stream, stream.tell() + value)
        elif number == TYPE_FIELD:
            data_type = value
        elif number == RAW_FIELD:
            raw = value
    size = math.prod(dims) * ITEM_BYTES.get(data_type, 0)
    if size > MOST_BYTES or (raw is not None and size != raw):
        raise DecodeError(f"weights of {raw} bytes are declared as {size}")


def _packed(stream: BinaryIO, end: int) -> list[int]:
    """Read consecutive integers."""
    found: list[int] = []
    while stream.tell() < end:
        found.append(_varint(stream))
        if len(found) > MOST_DIMS:
            raise DecodeError("weights with too many dimensions")
    return found


def _fields(stream: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Yield number and size of each field with a length in a message up to `end`, with the stream at its content."""
    return ((number, value) for number, kind, value in _all_fields(stream, end) if kind == SIZED)


def _all_fields(stream: BinaryIO, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, wire type and value of each field of a message that ends at `end`.

    The value is the integer itself, or the size of a field with a length, with the stream at its content.
    """
    for _ in range(MOST_FIELDS):
        if stream.tell() >= end:
            return
        number, kind = divmod(_varint(stream), 8)
        if kind == VARINT:
            yield number, kind, _varint(stream)
            continue
        if kind not in FIXED_SIZES and kind != SIZED:
            raise DecodeError(f"wire type {kind}")
        size = _varint(stream) if kind == SIZED else FIXED_SIZES[kind]
        begin = stream.tell()
        if number == 0 or begin + size > end:
            raise DecodeError("a field extends beyond its message")
        if kind == SIZED:
            yield number, kind, size
        stream.seek(begin + size)
    raise DecodeError("more parts than any network has")


def _varint(stream: BinaryIO) -> int:
    """Read an integer in groups of seven bits, lowest first; all except the last have the eighth bit set."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:  # noqa: PLR2004
            return value
    raise DecodeError("truncated integer")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
