"""The network on a device; the only file that knows onnxruntime. What is asked for is what runs."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from epigept_batch.errors import DeviceError, ModelError
from epigept_batch.inference.arithmetic import product_graph, product_rate
from epigept_batch.inference.batch_size import Trial, kept_trial, try_sizes
from epigept_batch.inference.cpu_form import UNWANTED_FUSION, read_cpu_form
from epigept_batch.inference.installation import installed_runtimes
from epigept_batch.inference.model_file import INPUTS, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from epigept_batch.inference.device import Device
from epigept_batch.inference.cuda_driver import CudaDriver
from epigept_batch.inference.cuda_network import CudaNetwork, FixedShapes, is_out_of_memory

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
OPENVINO_PROVIDER = "OpenVINOExecutionProvider"
WARNING, SILENT = 2, 4  # ONNX Runtime's log levels: its own default, and fatal errors only
FEEDERS = 2
"""Sessions a GPU: while one computes, the other's inputs are copied and its results are read."""
GPU_BATCH = 8
"""Pairs a call on a GPU where nothing is tried."""
PAIR_BYTES_A_BP = 1600
"""Memory that a pair of a window and a sample takes on a GPU, a base pair of the window: convolutions and attention."""
CPU_PRODUCT, GPU_PRODUCT = 1000, 8192
"""Rows of the matrices by which a device's peak is measured: those of a window, and enough to fill a GPU."""
INSTALL_GPU = "install epigept-batch with its [gpu] extra, in an environment without onnxruntime"
INSTALL_OPENVINO = "install epigept-batch with its [openvino] extra, in an environment without onnxruntime"
CPU_BATCH = 4
"""Pairs a call on a CPU: 1 is 3 % slower, more take memory and gain nothing (benchmarks/RESULTS.md)."""


class Network(Protocol):
    """A loaded graph."""

    def __call__(
        self,
        tokens: Sequence[NDArray[np.uint8]],
        motif_scores: Sequence[NDArray[np.float16]],
        expression: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """One call of it."""


class Session:
    """The network, ready to run.

    What it gives for a window and a sample does not depend on what else a call holds.

    Attributes:
        provider: Name of the ONNX Runtime provider that runs it.
        device: `cpu`, `cuda:N` or `openvino`.
        arithmetic: What it computes in: `fp32`, `fp16`, `int8` or `bf16`.
        runtime: Name and version of the installed ONNX Runtime.
        batch_size: The most pairs of a window and a sample in one call.
    """

    def __init__(
        self, network: Network, *, provider: str, device: str, arithmetic: str, runtime: str, batch_size: int
    ) -> None:
        self._network = network
        self.provider = provider
        self.device = device
        self.arithmetic = arithmetic
        self.runtime = runtime
        self.batch_size = batch_size

    def windows_a_call(self, samples: int) -> int:
        """How many windows go well together for so many samples."""
        return max(1, self.batch_size // samples)

    def run(
        self,
        tokens: Sequence[NDArray[np.uint8]],
        motif_scores: Sequence[NDArray[np.float16]],
        expression: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Predict windows for samples.

        Args:
            tokens: uint8, (windows, window_bp); an array or a list of rows.
            motif_scores: float16, (windows, factors, bins); likewise.
            expression: float32, (samples, factors).

        Returns:
            float32, (windows, samples, bins, tracks): ln(1 + signal).
        """
        step, share = self.windows_a_call(len(expression)), self.batch_size
        by_window = [
            [
                self._network(
                    tokens[first : first + step], motif_scores[first : first + step], expression[begin : begin + share]
                )
                for begin in range(0, len(expression), share)
            ]
            for first in range(0, len(tokens), step)
        ]
        joined = [parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1) for parts in by_window]
        return joined[0] if len(joined) == 1 else np.concatenate(joined)


@dataclass(frozen=True, eq=False)
class HostNetwork:
    """A graph whose inputs and outputs are in the processor's memory."""

    session: Any

    def __call__(
        self,
        tokens: Sequence[NDArray[np.uint8]],
        motif_scores: Sequence[NDArray[np.float16]],
        expression: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """One call of it."""
        feed = dict(zip(INPUTS, (_stacked(tokens), _stacked(motif_scores), expression), strict=True))
        signal: NDArray[np.float32] = self.session.run([OUTPUT], feed)[0]
        return signal


def _stacked(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Rows as one array, without a copy where they are one."""
    if isinstance(rows, np.ndarray):
        return rows
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


@dataclass(frozen=True)
class Wanted:
    """How a model file is to run.

    Attributes:
        precision: The file's.
        threads: How many the CPU may use.
        batch_size: Pairs of a window and a sample a call; None for what suits the device.
        samples: How many a run has.
        digest: The file's SHA-256, by which a trial on this device is known again; None to try anew.
    """

    precision: str
    threads: int = 1
    batch_size: int | None = None
    samples: int = 1
    digest: str | None = None


def open_session(path: Path, device: Device, *, precision: str, threads: int, say: Callable[[str], None]) -> Session:
    """Load a model file onto a device, to run from one thread; see `open_sessions`."""
    wanted = Wanted(precision, threads=threads, batch_size=None if device.kind in {"cpu", "openvino"} else GPU_BATCH)
    return open_sessions(path, device, wanted, say=say)[0]


def open_sessions(path: Path, device: Device, wanted: Wanted, *, say: Callable[[str], None]) -> list[Session]:
    """Load a model file onto a device, or several.

    Args:
        path: A model file of ours.
        device: What was asked for; `auto` takes CUDA where it can be had, else OpenVINO, else the CPU, and says so.
        wanted: How it is to run.
        say: Takes a sentence for the user.

    Returns:
        As many as should work at once, each for one thread.

    Raises:
        DeviceError: A device was asked for and cannot be had; no ONNX Runtime.
        ModelError: The graph cannot be loaded.
    """
    ort, runtime = _import_runtime(say)
    reason = ""
    if device.kind in {"auto", "cuda"}:
        try:
            return _cuda_sessions(ort, path, device, wanted, runtime=runtime, say=say)
        except DeviceError as error:
            if device.kind == "cuda":
                raise
            reason, _, _ = str(error).partition("; ")  # without what would mend it: the CPU will do
    integers = wanted.precision == "int8"
    openvino = device.kind == "openvino" or (
        device.kind == "auto" and OPENVINO_PROVIDER in ort.get_available_providers() and not integers
    )
    if reason:
        say(f"running on the CPU{' by OpenVINO' if openvino else ''}: {reason}")
    if openvino:
        session = _openvino_session(ort, path, wanted.threads, integers=integers, bf16=device.bf16)
        arithmetic = "bf16" if device.bf16 else "fp32"
    else:
        session = _cpu_session(ort, path, wanted.threads, as_it_is=integers)
        arithmetic = "int8" if integers else "fp32"
    return [
        Session(
            HostNetwork(session),
            provider=OPENVINO_PROVIDER if openvino else CPU_PROVIDER,
            device="openvino" if openvino else "cpu",
            arithmetic=arithmetic,
            runtime=runtime,
            # A dynamically quantised graph takes its scales over all that a call holds.
            batch_size=1 if integers else wanted.batch_size or CPU_BATCH,
        )
    ]


def _cuda_sessions(
    ort: ModuleType, path: Path, device: Device, wanted: Wanted, *, runtime: str, say: Callable[[str], None]
) -> list[Session]:
    """Sessions for every GPU asked for, several of each."""
    if wanted.precision == "int8":
        raise DeviceError("an int8 model file is for CPUs; for a GPU convert with --precision fp16")
    if CUDA_PROVIDER not in ort.get_available_providers():
        raise DeviceError(f"this ONNX Runtime has no CUDA; for a GPU {INSTALL_GPU}")
    first = device.indices[0] if device.indices else 0
    loaded = {first: _cuda_session(ort, path, first, wanted.threads)}
    driver = CudaDriver()
    asked = device.kind == "cuda" and not device.indices
    for index in range(driver.device_count()) if asked else device.indices or (first,):
        if index not in loaded:
            loaded[index] = _cuda_session(ort, path, index, wanted.threads)
    makers = {index: _network_maker(ort, session, driver, index) for index, session in loaded.items()}
    batch_size = wanted.batch_size
    if batch_size is None:
        trial = _trial(makers[first], driver, first, wanted, runtime)
        say(f"{driver.device_name(first)}: {trial}")
        batch_size = trial.batch_size
    return [
        Session(
            FixedShapes(make, say),
            provider=CUDA_PROVIDER,
            device=f"cuda:{index}",
            arithmetic=wanted.precision,
            runtime=runtime,
            batch_size=batch_size,
        )
        for _ in range(FEEDERS)
        for index, make in makers.items()
    ]


def _network_maker(
    ort: ModuleType,
    session: Any,  # noqa: ANN401
    driver: CudaDriver,
    index: int,
) -> Callable[[tuple[int, int]], CudaNetwork]:
    """What makes networks of a GPU's session by windows and samples a call."""
    tokens, scores, _ = (value.shape for value in session.get_inputs())
    window = ((int(tokens[1]),), (int(scores[1]), int(scores[2])))
    tracks = int(session.get_outputs()[0].shape[3])
    return partial(_cuda_network, ort, session, driver, index, window, tracks)


def _cuda_network(
    ort: ModuleType,
    session: Any,  # noqa: ANN401
    driver: CudaDriver,
    index: int,
    window: tuple[tuple[int], tuple[int, int]],
    tracks: int,
    shape: tuple[int, int],
) -> CudaNetwork:
    return CudaNetwork(ort, session, driver, index, window=window, tracks=tracks, shape=shape)


def _trial(
    make: Callable[[tuple[int, int]], CudaNetwork], driver: CudaDriver, index: int, wanted: Wanted, runtime: str
) -> Trial:
    """The batch size that suits a GPU and a model, by a trial that is made once."""
    memory, name = driver.memory(index), driver.device_name(index)
    networks: dict[tuple[int, int], CudaNetwork] = {}

    def run(size: int) -> None:
        shape = (max(1, size // wanted.samples), min(size, wanted.samples))
        if shape not in networks:
            for network in networks.values():
                network.close()
            networks.clear()
            networks[shape] = make(shape)
        networks[shape]((), (), np.empty((0, 0), dtype=np.float32))

    window_bp = make((1, 1)).window_bp
    most = memory.free // FEEDERS // (window_bp * PAIR_BYTES_A_BP)
    key = json.dumps([name, memory.total, wanted.digest, wanted.precision, wanted.samples, runtime])
    try:
        trial = partial(try_sizes, run, most=most, is_too_large=is_out_of_memory)
        return trial() if wanted.digest is None else kept_trial(key, trial)
    finally:
        for network in networks.values():
            network.close()


def measured_peak(session: Session, *, threads: int) -> float:
    """FLOP a second of products of matrices where a session runs, in its arithmetic; integers are measured as float32.

    Args:
        session: Made by `open_sessions`.
        threads: How many the CPU may use.
    """
    ort, _ = _import_runtime(lambda _: None)
    half = session.arithmetic == "fp16"
    on_gpu = session.provider == CUDA_PROVIDER
    size = GPU_PRODUCT if on_gpu else CPU_PRODUCT
    graph = product_graph(size, half=half)
    if on_gpu:
        loaded = _cuda_session(ort, graph, int(session.device.partition(":")[2]), threads)
    elif session.provider == OPENVINO_PROVIDER:
        loaded = _openvino_session(ort, graph, threads, integers=False, bf16=session.arithmetic == "bf16")
    else:
        loaded = ort.InferenceSession(graph, sess_options=_options(ort, threads), providers=[CPU_PROVIDER])
    x = np.random.default_rng(1).normal(0, 1, (size, size)).astype(np.float16 if half else np.float32)
    return product_rate(lambda: loaded.run(None, {"x": x}), size)


def _import_runtime(say: Callable[[str], None]) -> tuple[ModuleType, str]:
    """The onnxruntime module, with the name and version of what brought it."""
    installed = installed_runtimes()
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise DeviceError(
            "no ONNX Runtime is installed; install epigept-batch with its [cpu] or [gpu] extra"
        ) from error
    if len(installed) > 1:
        say(
            f"{' and '.join(installed)} are both installed and overwrite each other's files; "
            "uninstall all of them, then install one"
        )
    runtime = " + ".join(f"{name} {version}" for name, version in installed.items())
    return ort, runtime or f"onnxruntime {ort.__version__}"


def _options(ort: ModuleType, threads: int) -> Any:  # noqa: ANN401
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Waiting threads would spin on the cores that the motif scan needs between two windows.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _cpu_session(ort: ModuleType, path: Path, threads: int, *, as_it_is: bool) -> Any:  # noqa: ANN401
    try:
        return ort.InferenceSession(
            path if as_it_is else read_cpu_form(path),
            sess_options=_options(ort, threads),
            providers=[CPU_PROVIDER],
            disabled_optimizers=[UNWANTED_FUSION],
        )
    except Exception as error:  # onnxruntime raises its own types, none of them public
        raise ModelError(f"cannot be loaded by ONNX Runtime ({_first_line(error)})", path) from error


def _openvino_session(ort: ModuleType, path: Path | bytes, threads: int, *, integers: bool, bf16: bool) -> Any:  # noqa: ANN401
    """A session that runs whole in OpenVINO, on the CPU."""
    if integers:
        raise DeviceError("an int8 model file is for --device cpu; for OpenVINO give one in fp32 or fp16")
    if OPENVINO_PROVIDER not in ort.get_available_providers():
        raise DeviceError(f"this ONNX Runtime has no OpenVINO; {INSTALL_OPENVINO}")
    settings = {
        # Left to itself, OpenVINO computes in bfloat16 wherever the processor can.
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "INFERENCE_NUM_THREADS": str(threads),
        "PERFORMANCE_HINT": "LATENCY",  # one stream with all threads, not several that each hold their activations
    }
    options = _options(ort, threads)
    # A node that OpenVINO does not take would go to another provider in silence.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    provider = {"device_type": "CPU", "load_config": json.dumps({"CPU": settings})}
    try:
        session = ort.InferenceSession(path, sess_options=options, providers=[(OPENVINO_PROVIDER, provider)])
    except Exception as error:  # as above
        raise DeviceError(f"OpenVINO cannot run this model file ({_first_line(error)})") from error
    if session.get_providers()[0] != OPENVINO_PROVIDER:
        raise DeviceError(f"OpenVINO could not be started; {INSTALL_OPENVINO}")
    return session


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _cuda_session(ort: ModuleType, path: Path | bytes, index: int, threads: int) -> Any:  # noqa: ANN401
    """A session whose first provider is CUDA.

    A GPU build lists CUDA as available even where its libraries or the device are missing, prints errors and falls
    back to the CPU; so it is kept quiet, and what it obtained is compared with what was asked.
    """
    ort.set_default_logger_severity(SILENT)
    try:
        missing = _preload_libraries(ort)
        options = _options(ort, threads)
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
        raise DeviceError(f"CUDA device {index} cannot be used ({_first_line(error)})") from error
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
