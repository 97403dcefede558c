"""Calls as CUDA graphs: all kernels of a call are launched at once, which pays where they are short."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.inference.ports import SAMPLES, WINDOWS, Inputs
from epigept_batch.spec import NO_BASE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from epigept_batch.inference.gpu.network import CudaNetwork
    from epigept_batch.inference.ports import Input, Ports

CALLS = 4
"""Calls of a proof: ONNX Runtime runs the first one or two as usual, then captures a graph, and replays it."""
TOLERANCE = 1e-3
"""Largest difference of an output between calls with and without a graph, relative to its largest value."""


class GraphNetwork:
    """A network whose calls are a CUDA graph.

    ONNX Runtime keeps a graph for the session and the thread that captured it, and a graph reads and writes the buffers
    with which it was captured. So this network has a session and a thread of its own. While it captures, nothing else
    of this process may use the GPU. So it is made and captured before windows are predicted.

    Args:
        make: Makes the network, with a session of its own that captures graphs.
    """

    def __init__(self, make: Callable[[], CudaNetwork]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cuda-graph")
        self._network = self._thread.submit(make).result()
        self.shape, self.ports = self._network.shape, self._network.ports

    def __call__(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Run the graph once, with no more windows and samples than its shape."""
        return self._thread.submit(self._network, inputs).result()

    def run(self) -> Mapping[str, NDArray[np.float32]]:
        """Run the graph on the buffers; return each output by name, float32, (windows, samples, …) of its shape."""
        return self._thread.submit(self._network.run).result()

    def close(self) -> None:
        """Unlock the pages and end the thread."""
        self._network.close()
        self._thread.shutdown()


def agree(plain: CudaNetwork, graph: GraphNetwork) -> bool:
    """Whether two networks of one shape give the same outputs for inputs that change from call to call."""
    for seed in range(CALLS):
        inputs = _random_inputs(plain.ports, plain.shape, seed)
        expected, found = plain(inputs), graph(inputs)
        for name, values in expected.items():
            if not np.abs(found[name] - values).max() <= TOLERANCE * np.abs(values).max():
                return False
    return True


def _random_inputs(ports: Ports, shape: tuple[int, int], seed: int) -> Inputs:
    """Return inputs with bases, scores and expression in about the range of real ones."""
    rng = np.random.default_rng(seed)
    rows = dict(zip((WINDOWS, SAMPLES), shape, strict=True))
    return Inputs.of(**{port.name: _random_rows(rng, port, rows[port.rows]) for port in ports.inputs})


def _random_rows(rng: np.random.Generator, port: Input, rows: int) -> NDArray[Any]:
    size = (rows, *port.shape)
    if port.dtype.kind == "f":
        return rng.gamma(1.0, 2.0, size).astype(port.dtype)
    return rng.integers(0, NO_BASE + 1, size).astype(port.dtype)
