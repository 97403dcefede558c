"""A graph on a GPU, with inputs and outputs in buffers that are made once."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.inference.ports import SAMPLES, TOKENS, WINDOWS, Ports, joined
from epigept_batch.inference.runtime import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from epigept_batch.inference.gpu.driver import CudaDriver
    from epigept_batch.inference.ports import Inputs


class CudaNetwork:
    """Runs a graph in calls of one shape, so that the GPU's libraries choose their algorithms and memory once.

    A call with fewer windows or samples leaves what was in the other rows and is not looked at there: rows do not
    depend on each other. Inputs are gathered in page-locked memory, which the GPU reads at the bus's full rate and
    while it computes for another thread; so give each thread a network of its own, of the same session.

    Args:
        ort: The onnxruntime module.
        session: Whose first provider is CUDA.
        driver: To lock pages.
        index: Of the GPU.
        outputs: Names of those to compute.
        shape: Windows and samples per call.
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
    ) -> None:
        self._session, self._driver = session, driver
        self.shape, self.ports = shape, Ports.of_session(session)
        rows = dict(zip((WINDOWS, SAMPLES), shape, strict=True))
        self._host = [np.zeros((rows[port.rows], *port.shape), port.dtype) for port in self.ports.inputs]
        self._locked: list[NDArray[Any]] = []
        for array in self._host:
            with suppress(DeviceError):  # where the system does not allow it, copies are slower
                driver.lock_pages(array)
                self._locked.append(array)
        make = ort.OrtValue.ortvalue_from_shape_and_type
        self._device = [make(list(array.shape), array.dtype.type, "cuda", index) for array in self._host]
        self._outputs = {
            port.name: make([*shape, *port.shape], np.float32, "cuda", index)
            for port in self.ports.outputs
            if port.name in outputs
        }
        self._binding = session.io_binding()
        for port, value in zip(self.ports.inputs, self._device, strict=True):
            self._binding.bind_ortvalue_input(port.name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    @property
    def window_bp(self) -> int:
        """Base pairs of a window."""
        return next(port.shape[0] for port in self.ports.inputs if port.name == TOKENS)

    def __call__(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """One call of it, with no more windows and samples than its shape."""
        for host, port, device in zip(self._host, self.ports.inputs, self._device, strict=True):
            for number, row in enumerate(inputs[port.name]):
                host[number] = row
            device.update_inplace(host)
        windows, samples = inputs.shape
        return {name: np.array(value[:windows, :samples]) for name, value in self.run().items()}

    def run(self) -> Mapping[str, NDArray[np.float32]]:
        """Compute what the buffers hold: each output by name, float32, (windows, samples, …) of its shape."""
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return {name: value.numpy() for name, value in self._outputs.items()}

    def close(self) -> None:
        """Give the pages back."""
        while self._locked:
            with suppress(DeviceError):
                self._driver.unlock_pages(self._locked.pop())


class FixedShapes:
    """A network of any number of windows and samples by calls of fixed shape, made smaller when memory runs out.

    Args:
        make: Makes the network of a shape.
        ports: What it takes and gives.
        say: Takes a sentence for the user.
    """

    def __init__(
        self, make: Callable[[tuple[int, int]], CudaNetwork], ports: Ports, say: Callable[[str], None]
    ) -> None:
        self._make, self.ports, self._say = make, ports, say
        self._network: CudaNetwork | None = None
        self._most: int | None = None

    def __call__(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Compute them in as few calls as memory allows.

        Raises:
            DeviceError: Not even one window of one sample fits.
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
            raise DeviceError("the GPU has no memory for one window; free some, or give --device cpu")
        self._most = pairs // 2
        self._say(
            f"the GPU has no memory for {pairs} pairs of a window and a sample per call; goes on with {self._most}"
        )
        return self._halved(inputs)

    def _network_for(self, shape: tuple[int, int]) -> CudaNetwork:
        """The one that is there, if these fit into it: only a run's last batch is smaller than the others."""
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
