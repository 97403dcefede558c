"""The network on GPUs: how it is loaded there, and how much of it at once."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from epigept_batch.errors import DeviceError
from epigept_batch.inference.gpu.batch_size import Trial, kept_trial, try_sizes
from epigept_batch.inference.gpu.driver import CudaDriver
from epigept_batch.inference.gpu.network import CudaNetwork, FixedShapes
from epigept_batch.inference.ports import Ports
from epigept_batch.inference.runtime import CPU_PROVIDER, CUDA_PROVIDER, first_line, is_out_of_memory, session_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import ModuleType

    from epigept_batch.inference.device import Device, RunOptions
    from epigept_batch.inference.network import Network

WARNING, SILENT = 2, 4  # ONNX Runtime's log levels: its own default, and fatal errors only
FEEDERS = 2
"""Networks per GPU: while one computes, the other's inputs are copied and its results are read."""
PAIR_BYTES_A_BP = 1600
"""Memory that a pair of a window and a sample takes on a GPU, a base pair of the window: convolutions and attention."""
INSTALL_GPU = "install epigept-batch with its [gpu] extra, in an environment without onnxruntime"


class OnGPU(NamedTuple):
    """A network and where it is."""

    gpu: int
    network: Network


def load_on_gpus(
    ort: ModuleType,
    path: Path,
    device: Device,
    options: RunOptions,
    *,
    runtime: str,
    say: Callable[[str], None],
) -> tuple[list[OnGPU], int]:
    """Networks on every GPU asked for, several on each, and how many pairs of a window and a sample per call takes.

    Args:
        ort: The onnxruntime module.
        path: A model file.
        device: `cuda`, with or without indices; for `auto` the first.
        options: How it is to run.
        runtime: Name and version of that module.
        say: Takes a sentence for the user.

    Raises:
        DeviceError: There is no CUDA, no driver or no such GPU, or the file is not for one; says what to do.
    """
    if options.precision == "int8":
        raise DeviceError("an int8 model file is for CPUs; for a GPU convert with --precision fp16")
    if CUDA_PROVIDER not in ort.get_available_providers():
        raise DeviceError(f"this ONNX Runtime has no CUDA; for a GPU {INSTALL_GPU}")
    first = device.indices[0] if device.indices else 0
    loaded = {first: load_on_gpu(ort, path, first, options.threads)}
    driver = CudaDriver()
    asked = device.kind == "cuda" and not device.indices
    for index in range(driver.device_count()) if asked else device.indices or (first,):
        if index not in loaded:
            loaded[index] = load_on_gpu(ort, path, index, options.threads)
    makers = {index: _network_maker(ort, session, driver, index, options.outputs) for index, session in loaded.items()}
    batch_size = options.batch_size
    if batch_size is None:
        memory, name = driver.memory(first), driver.device_name(first)
        try_it = partial(_try_sizes, makers[first], options.samples, memory.free)
        key = json.dumps([name, memory.total, options.digest, options.precision, options.samples, runtime])
        trial = try_it() if options.digest is None else kept_trial(key, try_it)
        say(f"{name}: {trial}")
        batch_size = trial.batch_size
    ports = Ports.of_session(loaded[first])
    networks = [OnGPU(index, FixedShapes(make, ports, say)) for _ in range(FEEDERS) for index, make in makers.items()]
    return networks, batch_size


def load_on_gpu(ort: ModuleType, path: Path | bytes, index: int, threads: int) -> Any:  # noqa: ANN401 - untyped
    """A session whose first provider is CUDA.

    A GPU build lists CUDA as available even where its libraries or the device are missing, prints errors and falls
    back to the CPU; so it is kept quiet, and what it obtained is compared with what was asked.

    Args:
        ort: The onnxruntime module.
        path: A model file, or a graph.
        index: Of the GPU.
        threads: How many the CPU may use.

    Raises:
        DeviceError: It could not be had; says what to do.
    """
    ort.set_default_logger_severity(SILENT)
    try:
        missing = _preload_libraries(ort)
        options = session_options(ort, threads)
        options.log_severity_level = SILENT
        cuda = {
            "device_id": str(index),
            # The default, EXHAUSTIVE, times every algorithm for each new shape; the convolutions are 1 % of the work.
            "cudnn_conv_algo_search": "HEURISTIC",
            # By default memory doubles when it does not suffice; calls of one shape need what they need once.
            "arena_extend_strategy": "kSameAsRequested",
            # On by default: a float32 file would compute with 10 bits of mantissa, beyond the limits of fp32.
            "use_tf32": "0",
            # Sums of squares in float32 in a float16 file: some activations of trained networks are large.
            "enable_skip_layer_norm_strict_mode": "1",
        }
        session = ort.InferenceSession(path, sess_options=options, providers=[(CUDA_PROVIDER, cuda), CPU_PROVIDER])
    except Exception as error:
        raise DeviceError(f"CUDA device {index} cannot be used ({first_line(error)})") from error
    finally:
        ort.set_default_logger_severity(WARNING)
    if session.get_providers()[0] != CUDA_PROVIDER:
        reason = missing or "no driver, or no such device"
        raise DeviceError(
            f"CUDA device {index} could not be started ({reason}); look at nvidia-smi (driver 580 or later is needed), "
            f"or {INSTALL_GPU}"
        )
    return session


def _preload_libraries(ort: ModuleType) -> str:
    """Load the CUDA libraries that pip installed; the first that is missing, as ONNX Runtime says it."""
    if not hasattr(ort, "preload_dlls"):
        return ""
    said = io.StringIO()
    with redirect_stdout(said):  # where it complains, and where --json goes
        ort.preload_dlls()
    failed = re.search(r"Failed to load \S+: (.+)", said.getvalue())
    return failed[1] if failed else ""


def _network_maker(
    ort: ModuleType,
    session: Any,  # noqa: ANN401
    driver: CudaDriver,
    index: int,
    outputs: Sequence[str],
) -> Callable[[tuple[int, int]], CudaNetwork]:
    """What makes networks of a GPU's session by windows and samples per call."""

    def make(shape: tuple[int, int]) -> CudaNetwork:
        return CudaNetwork(ort, session, driver, index, outputs=outputs, shape=shape)

    return make


def _try_sizes(make: Callable[[tuple[int, int]], CudaNetwork], samples: int, free: int) -> Trial:
    """The batch size that suits a GPU and a model, by a trial.

    Args:
        make: Makes the network of a shape.
        samples: How many a run has.
        free: Bytes of the GPU's memory.
    """
    networks: dict[tuple[int, int], CudaNetwork] = {}

    def run(size: int) -> None:  # whatever the buffers hold
        shape = (max(1, size // samples), min(size, samples))
        if shape not in networks:
            for network in networks.values():
                network.close()
            networks.clear()
            networks[shape] = make(shape)
        networks[shape].run()

    most = free // FEEDERS // (make((1, 1)).window_bp * PAIR_BYTES_A_BP)
    try:
        return try_sizes(run, most=most, is_too_large=is_out_of_memory)
    finally:
        for network in networks.values():
            network.close()
