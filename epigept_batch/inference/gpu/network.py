"""Run a graph on a GPU, with inputs and outputs in buffers that are allocated once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.inference.gpu.buffer import DeviceBuffer
from epigept_batch.inference.gpu.host_memory import HostMemory
from epigept_batch.inference.ports import BINS_INSIDE, MOTIF_SCORES, REACH, SAMPLES, WINDOWS, Ports, joined
from epigept_batch.inference.runtime import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from epigept_batch.inference.device_scan import ScanMaker
    from epigept_batch.inference.gpu.driver import CudaDriver
    from epigept_batch.inference.gpu.graphs import GraphNetwork
    from epigept_batch.inference.ports import Inputs


class CudaNetwork:
    """Runs a graph in calls of one shape, so that the GPU's libraries choose algorithms and memory only once.

    A call with fewer windows or samples leaves old values in the other rows and ignores their results, because rows are
    independent. Inputs are gathered in page-locked memory, which the GPU reads at the bus's full rate, even while it
    computes for another thread. So each thread should have its own network of the same session.

    Args:
        ort: The onnxruntime module.
        session: A session with CUDA as the first provider.
        driver: The driver, to lock pages.
        index: Index of the GPU.
        outputs: Names of the outputs to compute.
        shape: Windows and samples per call.
        scan: Makes a scan that computes the motif scores on the GPU; None if they are an input.
    """

    def __init__(
        self,
        ort: ModuleType,
        session: Any,  # noqa: ANN401 - untyped
        driver: CudaDriver,
        index: int,
        *,
        outputs: Sequence[str],
        shape: tuple[int, int],
        scan: ScanMaker | None = None,
    ) -> None:
        self._session = session
        of_graph = Ports.of_session(session)
        self.shape, self.ports = shape, of_graph if scan is None else of_graph.with_scan(scan.reach_bp)
        rows = dict(zip((WINDOWS, SAMPLES), shape, strict=True))
        shapes = [((rows[port.rows], *port.shape), port.dtype) for port in self.ports.inputs]
        self._memory = HostMemory(shapes, driver, index)
        self._host = {port.name: array for port, array in zip(self.ports.inputs, self._memory.arrays, strict=True)}
        make = ort.OrtValue.ortvalue_from_shape_and_type
        self._device = {
            port.name: make([rows[port.rows], *port.shape], port.dtype.type, "cuda", index) for port in of_graph.inputs
        }
        self._outputs = {
            port.name: make([*shape, *port.shape], np.float32, "cuda", index)
            for port in self.ports.outputs
            if port.name in outputs
        }
        self._binding = session.io_binding()
        for name, value in self._device.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)
        self._scan = None if scan is None else scan.make(index, shape[0])
        if scan is not None:
            scores = next(port for port in of_graph.inputs if port.name == MOTIF_SCORES)
            self._scores = DeviceBuffer(self._device[MOTIF_SCORES], (shape[0], *scores.shape), np.dtype(np.uint16))

    def __call__(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Run the graph once, with no more windows and samples than its shape."""
        windows, samples = inputs.shape
        for name, host in self._host.items():
            for number, row in enumerate(inputs[name]):
                host[number] = row
            if name in self._device:
                self._device[name].update_inplace(host)
        if self._scan is not None:
            self._scan(self._host[REACH][:windows], self._host[BINS_INSIDE][:windows], self._scores)
        return {name: np.array(value[:windows, :samples]) for name, value in self.run().items()}

    def run(self) -> Mapping[str, NDArray[np.float32]]:
        """Run the graph on the buffers; return each output by name, float32, (windows, samples, …) of its shape."""
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return {name: value.numpy() for name, value in self._outputs.items()}

    def close(self) -> None:
        """Unlock the pages."""
        self._memory.close()


class FixedShapes:
    """Runs any number of windows and samples in calls of a fixed shape, which shrinks when memory runs out.

    Args:
        make: Makes the network for a shape.
        ports: Its inputs and outputs.
        say: Called with a sentence for the user.
        network: The network for the calls that fit into its shape; None to make one for the first call.
    """

    def __init__(
        self,
        make: Callable[[tuple[int, int]], CudaNetwork],
        ports: Ports,
        say: Callable[[str], None],
        network: GraphNetwork | None = None,
    ) -> None:
        self._make, self.ports, self._say = make, ports, say
        self._network: CudaNetwork | GraphNetwork | None = network
        self._most: int | None = None

    def __call__(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Compute the inputs in as few calls as memory allows.

        Raises:
            DeviceError: Not even one window for one sample fits.
        """
        pairs = math.prod(inputs.shape)
        if self._most is not None and pairs > self._most:
            return self._halved(inputs)
        try:
            return self._network_for(inputs.shape)(inputs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self._release()
        if pairs == 1:
            raise DeviceError("not enough GPU memory for one window; free some GPU memory, or use --device cpu")
        self._most = pairs // 2
        self._say(f"not enough GPU memory for a batch of {pairs}; continuing with {self._most}")
        return self._halved(inputs)

    def _network_for(self, shape: tuple[int, int]) -> CudaNetwork | GraphNetwork:
        """Return the current network if the inputs fit, else a new one; usually only a run's last batch is smaller."""
        fits = self._network is not None and all(n <= most for n, most in zip(shape, self._network.shape, strict=True))
        if self._network is None or not fits:
            self._release()
            self._network = self._make(shape)
        return self._network

    def _halved(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        windows, samples = inputs.shape
        if windows > 1:
            half = windows // 2
            parts, axis = (inputs.part(slice(half)), inputs.part(slice(half, None))), 0
        else:
            half = samples // 2
            parts, axis = (inputs.part(samples=slice(half)), inputs.part(samples=slice(half, None))), 1
        return joined([self(part) for part in parts], axis=axis)

    def _release(self) -> None:
        if self._network is not None:
            self._network.close()
            self._network = None
