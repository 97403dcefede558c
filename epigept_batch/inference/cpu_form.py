"""Rewrite the graph so that ONNX Runtime's CPU provider runs it fastest.

The provider has no float16 arithmetic and would cast every activation back and forth. So weights are widened once and
the casts dropped. Its SkipLayerNormalization takes five times as long as the Add and LayerNormalization that it
replaces. So these are restored, and must not be fused again (`UNWANTED_FUSION`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import onnx
from google.protobuf.message import EncodeError
from onnx import TensorProto, helper, numpy_helper

from epigept_batch.inference.needed import load_needed
from epigept_batch.inference.ports import SIGNAL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

UNWANTED_FUSION = "SkipLayerNormFusion"
PROTOBUF_BYTES = 1 << 31
"""Size from which protobuf cannot serialise a model."""


def read_cpu_form(path: Path, outputs: Collection[str] = (SIGNAL,)) -> bytes:
    """Read what outputs of a model file need and serialise it in the form for the CPU: the same function in float32.

    Raises:
        MemoryError: There is not enough memory.
    """
    model = load_needed(path, outputs)
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            wide = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    nodes = [part for node in _without_casts(graph) for part in _unfused(node)]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    try:
        serialised: bytes = model.SerializeToString()
    except EncodeError as error:
        # The error gives no reason, and asking for the size would serialise it again.
        if sum(len(tensor.raw_data) for tensor in graph.initializer) < PROTOBUF_BYTES:
            raise MemoryError from error
        raise
    return serialised


def _without_casts(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes without the casts to float16 that feed arithmetic.

    A cast whose result is cast straight back is a deliberate rounding, as for the factor features, and stays.
    """
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node.op_type)
    source: dict[str, str] = {}
    for original in graph.node:
        node = onnx.NodeProto()
        node.CopyFrom(original)
        node.input[:] = [source.get(name, name) for name in node.input]
        rounds = set(readers[node.output[0]]) == {"Cast"}
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT16 and not rounds:
            source[node.output[0]] = node.input[0]
        else:
            yield node


def _unfused(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Replace the fused operator by bias, residual and LayerNormalization; yield other nodes unchanged."""
    if node.op_type != "SkipLayerNormalization":
        yield node
        return
    x, residual, gamma, beta, bias = node.input
    (out,) = node.output
    biased, total = f"{out}/biased", f"{out}/sum"
    yield helper.make_node("Add", [x, bias], [biased])
    yield helper.make_node("Add", [biased, residual], [total])
    epsilon = node.attribute[0].f
    yield helper.make_node("LayerNormalization", [total, gamma, beta], [out], axis=-1, epsilon=epsilon)
