"""Count the arithmetic of a window, and measure a device's peak by matrix products in the same runtime."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable

    from epigept_batch.spec import Spec

CHAINED = 8
LEAST_S, MOST_TIMES = 0.5, 200


def window_flop(spec: Spec) -> float:
    """Return the floating-point operations of a window for one sample.

    Counts matrix products of the encoder and the convolutions. Everything else is less than 1 %.
    """
    sizes = spec.network
    bins, hidden = spec.geometry.bins, sizes["hidden"]
    products = 2 * bins * (4 * hidden * hidden + 2 * hidden * sizes["feed_forward"]) + 4 * bins * bins * hidden
    total, length, channels = float(sizes["layers"] * products), spec.geometry.window_bp, sizes["channels"]
    for number, (kernel, pool) in enumerate(zip(sizes["kernels"], sizes["pools"], strict=True)):
        total += 2 * length * kernel * channels[number] * channels[number + 1]
        length //= pool
    return total


def product_graph(size: int, *, half: bool) -> bytes:
    """Build a graph that multiplies `x` (size, size) by a matrix repeatedly and reduces the result to a number `y`."""
    kind, numbers = (TensorProto.FLOAT16, np.float16) if half else (TensorProto.FLOAT, np.float32)
    weights = np.random.default_rng(0).normal(0, size**-0.5, (size, size)).astype(numbers)
    nodes = [helper.make_node("MatMul", [f"x{n}" if n else "x", "w"], [f"x{n + 1}"]) for n in range(CHAINED)]
    nodes.append(helper.make_node("ReduceMax", [f"x{CHAINED}"], ["y"], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("x", kind, [size, size])],
        [helper.make_tensor_value_info("y", kind, [])],
        [numpy_helper.from_array(weights, "w")],
    )
    # The oldest version with the needed operators, so that every runtime reads it.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    serialised: bytes = model.SerializeToString()
    return serialised


def product_rate(run: Callable[[], object], size: int) -> float:
    """Return the FLOP per second of a loaded product graph: the best of many runs."""
    run()
    least, begun = math.inf, time.perf_counter()
    for _ in range(MOST_TIMES):
        before = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - before)
        if time.perf_counter() - begun > LEAST_S:
            break
    return 2.0 * size**3 * CHAINED / least
