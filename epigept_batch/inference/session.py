"""Run the network on any device. A requested device is used, or an error is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import DeviceError
from epigept_batch.inference.arithmetic import product_graph, product_rate
from epigept_batch.inference.device import Device, RunOptions
from epigept_batch.inference.fixed_shape import FixedShape
from epigept_batch.inference.gpu.load import load_on_gpu, load_on_gpus
from epigept_batch.inference.host import HostNetwork, lacks_bfloat16, load_in_openvino, load_on_cpu
from epigept_batch.inference.installation import find_driver
from epigept_batch.inference.needed import file_or_needed
from epigept_batch.inference.ports import REACH, SIGNAL, Inputs, joined
from epigept_batch.inference.runtime import (
    CPU_PROVIDER,
    CUDA_PROVIDER,
    OPENVINO_PROVIDER,
    import_runtime,
    session_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from epigept_batch.inference.network import Network
    from epigept_batch.inference.ports import Ports

CPU_BATCH, GPU_BATCH = 2, 8
"""Batch sizes without a trial; on a CPU, 1, 2 and 4 are equally fast (benchmarks/RESULTS.md)."""
CPU_PRODUCT, GPU_PRODUCT = 1000, 8192
"""Matrix sizes for measuring a device's peak: the rows of a window for a CPU, and enough to fill a GPU."""


HOSTS = frozenset({"cpu", "openvino"})
"""Devices that run on the processor."""


class Session:
    """The network, ready to run.

    The result for a window and a sample does not depend on the rest of a call.

    Attributes:
        ports: Inputs and outputs of the network.
        provider: Name of the ONNX Runtime provider that runs it.
        device: `cpu`, `cuda:N` or `openvino`.
        arithmetic: The arithmetic that it uses: `fp32`, `fp16`, `int8` or `bf16`.
        runtime: Name and version of the installed ONNX Runtime.
        batch_size: The most pairs of a window and a sample in one call.
        shape: Windows and samples of every call; None for calls of as many windows and samples as there are.
    """

    def __init__(
        self,
        network: Network,
        *,
        provider: str,
        device: str,
        arithmetic: str,
        runtime: str,
        batch_size: int,
        shape: tuple[int, int] | None = None,
    ) -> None:
        self._network = network if shape is None else FixedShape(network, shape)
        self.shape = shape
        self.ports: Ports = network.ports
        self.provider = provider
        self.device = device
        self.arithmetic = arithmetic
        self.runtime = runtime
        self.batch_size = batch_size

    @property
    def on_host(self) -> bool:
        """Whether it runs on the processor, which also does all other work."""
        return self.device in HOSTS

    @property
    def gpu(self) -> int | None:
        """Index of the GPU on which it runs; None on the processor."""
        return None if self.on_host else int(self.device.removeprefix("cuda:"))

    @property
    def scans(self) -> bool:
        """Whether it computes the motif scores itself, on its device."""
        return self.ports.takes(REACH)

    def windows_per_call(self, samples: int) -> int:
        """Return the number of windows per call for this number of samples."""
        return max(1, self.batch_size // samples) if self.shape is None else self.shape[0]

    def signal(self, inputs: Inputs) -> NDArray[np.float32]:
        """Predict windows for samples: ln(1 + signal), float32, (windows, samples, bins, tracks)."""
        return self.run(inputs)[SIGNAL]

    def run(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Predict windows for samples; return each output that the session was opened for, by name.

        Args:
            inputs: One row per window or per sample for every input of the network.

        Returns:
            float32, (windows, samples, …), by name.
        """
        windows, samples = inputs.shape
        step, share = self.windows_per_call(samples), self.batch_size if self.shape is None else self.shape[1]
        by_window = [
            [
                self._network(inputs.part(slice(first, first + step), slice(begin, begin + share)))
                for begin in range(0, samples, share)
            ]
            for first in range(0, windows, step)
        ]
        return joined([joined(parts, axis=1) for parts in by_window], axis=0)


def with_fixed_shape(session: Session, shape: tuple[int, int]) -> Session:
    """Return a session that computes every call with the same numbers of windows and samples.

    The bits of a result may depend on the shape of its call, because that decides how products are cut into blocks.
    With one shape, they do not depend on how work is divided.

    Args:
        session: A session of the network.
        shape: Windows and samples per call.
    """
    return Session(
        session._network,  # noqa: SLF001 - of the same class
        provider=session.provider,
        device=session.device,
        arithmetic=session.arithmetic,
        runtime=session.runtime,
        batch_size=shape[0] * shape[1],
        shape=shape,
    )


def open_session(
    path: Path,
    device: Device,
    *,
    precision: str,
    threads: int,
    say: Callable[[str], None],
    outputs: tuple[str, ...] = (SIGNAL,),
) -> Session:
    """Load a model file onto a device, for use from one thread; see `open_sessions`."""
    batch_size = None if device.kind in HOSTS else GPU_BATCH
    options = RunOptions(precision, threads=threads, batch_size=batch_size, outputs=outputs)
    return open_sessions(path, device, options, say=say)[0]


def open_sessions(path: Path, device: Device, options: RunOptions, *, say: Callable[[str], None]) -> list[Session]:
    """Load a model file onto one or more devices.

    Args:
        path: A model file of ours.
        device: The requested device. `auto` uses CUDA if available, else OpenVINO, else the CPU. It reports that no GPU
            is used only if one could be expected: there is an NVIDIA driver, or ONNX Runtime has CUDA support.
        options: How to run the file.
        say: Called with a sentence for the user.

    Returns:
        As many sessions as should work in parallel, each for one thread.

    Raises:
        DeviceError: The requested device is not available, or no ONNX Runtime is installed.
        ModelError: The graph cannot be loaded.
        MemoryError: There is not enough memory.
    """
    ort, runtime = import_runtime(say)
    reason = ""
    if device.kind in {"auto", "cuda"}:
        try:
            return _on_gpus(ort, path, device, options, runtime=runtime, say=say)
        except DeviceError as error:
            if device.kind == "cuda":
                raise
            reason, _, _ = str(error).partition("; ")  # without the advice, because the CPU works too
    session = _on_host(ort, path, device, options, runtime=runtime)
    if device.bf16 and session.arithmetic != "bf16":
        say("this processor does not support bfloat16, so OpenVINO computes in float32")
    if reason and (CUDA_PROVIDER in ort.get_available_providers() or find_driver() is not None):
        say(f"running on the CPU{' with OpenVINO' if session.provider == OPENVINO_PROVIDER else ''}: {reason}")
    return [session]


def _on_gpus(
    ort: ModuleType, path: Path, device: Device, options: RunOptions, *, runtime: str, say: Callable[[str], None]
) -> list[Session]:
    networks, batch_size = load_on_gpus(ort, path, device, options, runtime=runtime, say=say)
    return [
        Session(
            network,
            provider=CUDA_PROVIDER,
            device=f"cuda:{index}",
            arithmetic=options.precision,
            runtime=runtime,
            batch_size=batch_size,
        )
        for index, network in networks
    ]


def _on_host(ort: ModuleType, path: Path, device: Device, options: RunOptions, *, runtime: str) -> Session:
    integers = options.precision == "int8"
    there = OPENVINO_PROVIDER in ort.get_available_providers()
    openvino = device.kind == "openvino" or (device.kind == "auto" and there and not integers)
    if not openvino:
        session = load_on_cpu(ort, path, options.threads, integers=integers, outputs=options.outputs)
        arithmetic = "int8" if integers else "fp32"
    elif integers:
        raise DeviceError("an int8 model file requires --device cpu; for OpenVINO, use a model file in fp32 or fp16")
    else:
        bf16 = device.bf16 and not lacks_bfloat16()
        session = load_in_openvino(ort, file_or_needed(path, options.outputs), options.threads, bf16=bf16)
        arithmetic = "bf16" if bf16 else "fp32"
    return Session(
        HostNetwork(session, options.outputs),
        provider=OPENVINO_PROVIDER if openvino else CPU_PROVIDER,
        device="openvino" if openvino else "cpu",
        arithmetic=arithmetic,
        runtime=runtime,
        # A dynamically quantised graph computes its scales over all inputs of a call.
        batch_size=1 if integers else options.batch_size or CPU_BATCH,
    )


def measured_peak(session: Session, *, threads: int) -> float:
    """Measure the FLOP per second of matrix products on a session's device, in its arithmetic; int8 uses float32.

    Args:
        session: A session from `open_sessions`.
        threads: Number of CPU threads.
    """
    ort, _ = import_runtime(lambda _: None)
    half = session.arithmetic == "fp16"
    size = CPU_PRODUCT if session.gpu is None else GPU_PRODUCT
    graph = product_graph(size, half=half)
    if session.gpu is not None:
        loaded = load_on_gpu(ort, graph, session.gpu, threads)
    elif session.provider == OPENVINO_PROVIDER:
        loaded = load_in_openvino(ort, graph, threads, bf16=session.arithmetic == "bf16")
    else:
        loaded = ort.InferenceSession(graph, sess_options=session_options(ort, threads), providers=[CPU_PROVIDER])
    x = np.random.default_rng(1).normal(0, 1, (size, size)).astype(np.float16 if half else np.float32)
    return product_rate(lambda: loaded.run(None, {"x": x}), size)
