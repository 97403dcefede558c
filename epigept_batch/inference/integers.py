"""Products of 8-bit integers that are exact on every processor.

Where a processor has no instructions for them (VNNI), ONNX Runtime multiplies uint8 by int8 in 16 bits and adds two
products there: what exceeds 32,767 is lost, without a word, and signals are off by 0.2. Products of uint8 by uint8 are
exact everywhere, and take a fourth longer. So the weights are shifted to uint8 where a small product comes out wrong.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from epigept_batch.inference.runtime import CPU_PROVIDER

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

PRODUCT, DOMAIN = "MatMulIntegerToFloat", "com.microsoft"
WEIGHT, ZERO_POINT, INPUTS = 1, 5, 6
"""Places among the operator's inputs: activation, weight, their scales, their zero points, a row to add."""
SHIFT = 128
MOST_UINT8, MOST_INT8 = 255, 127
DEPTH = 64
"""Terms of the sum that is tried: any two of them overflow 16 bits."""


@cache  # the processor does not change
def loses_carries(ort: ModuleType) -> bool:
    """Whether products of uint8 by int8 come out wrong on this processor, found by computing one."""
    # The largest values there are, in a graph like those of model files: a constant weight is packed for its kernel.
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


def read_unsigned_form(path: Path) -> bytes:
    """An int8 model file as serialised ONNX with its weights as uint8: the same function in exact products."""
    model = onnx.load(path)
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
