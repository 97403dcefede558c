"""Make products of 8-bit integers exact on every processor.

On processors without VNNI instructions, ONNX Runtime multiplies uint8 by int8 in 16 bits and adds two products there.
Sums above 32,767 are silently cut off, and signals are off by 0.2. Products of uint8 by uint8 are exact everywhere but
take a quarter longer. So weights are shifted to uint8 only where a small test product comes out wrong.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from epigept_batch.inference.needed import load_needed
from epigept_batch.inference.ports import SIGNAL
from epigept_batch.inference.runtime import CPU_PROVIDER

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from types import ModuleType

PRODUCT, DOMAIN = "MatMulIntegerToFloat", "com.microsoft"
WEIGHT, ZERO_POINT, INPUTS = 1, 5, 6
"""Positions among the operator's inputs: activation, weight, two scales, two zero points, bias."""
SHIFT = 128
MOST_UINT8, MOST_INT8 = 255, 127
DEPTH = 64
"""Number of terms in the test sum: any two of them overflow 16 bits."""


@cache  # the processor does not change
def loses_carries(ort: ModuleType) -> bool:
    """Whether products of uint8 by int8 come out wrong on this processor, tested by computing one."""
    # The largest values, in a graph like those of model files, because constant weights are packed for their kernel.
    constants = {
        "weight": np.full((DEPTH, DEPTH), MOST_INT8, np.int8),
        "one": np.float32(1),
        "ones": np.ones(DEPTH, np.float32),
        "zero": np.uint8(0),
    }
    node = helper.make_node(PRODUCT, ["x", "weight", "one", "ones", "zero"], ["y"], domain=DOMAIN)
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [DEPTH, DEPTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [DEPTH, DEPTH])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    session = ort.InferenceSession(model, providers=[CPU_PROVIDER])
    found = session.run(None, {"x": np.full((DEPTH, DEPTH), MOST_UINT8, np.uint8)})[0]
    return bool((found != DEPTH * MOST_UINT8 * MOST_INT8).any())


def read_unsigned_form(path: Path, outputs: Collection[str] = (SIGNAL,)) -> bytes:
    """Read what outputs of an int8 file need, and serialise it with uint8 weights, for exact products."""
    model = load_needed(path, outputs)
    graph = model.graph
    products = [node for node in graph.node if (node.op_type, node.domain) == (PRODUCT, DOMAIN)]
    weights = {node.input[WEIGHT] for node in products}
    for tensor in graph.initializer:
        if tensor.name in weights and tensor.data_type == TensorProto.INT8:
            shifted = numpy_helper.to_array(tensor).astype(np.int16) + SHIFT
            tensor.CopyFrom(numpy_helper.from_array(shifted.astype(np.uint8), tensor.name))
    zero_point = f"{PRODUCT}/zero_point"
    graph.initializer.append(numpy_helper.from_array(np.array(SHIFT, np.uint8), zero_point))
    for node in products:
        node.input.extend([""] * (INPUTS - len(node.input)))
        node.input[ZERO_POINT] = zero_point
    serialised: bytes = model.SerializeToString()
    return serialised
