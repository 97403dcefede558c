"""The network on a device; the only file that knows onnxruntime. What is asked for is what runs."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from epigept_batch.errors import DeviceError, ModelError
from epigept_batch.inference.cpu_form import UNWANTED_FUSION, read_cpu_form
from epigept_batch.inference.model_file import INPUTS, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from epigept_batch.inference.device import Device

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
OPENVINO_PROVIDER = "OpenVINOExecutionProvider"
FLAVOURS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
WARNING, SILENT = 2, 4  # ONNX Runtime's log levels: its own default, and fatal errors only
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


def open_session(
    path: Path,
    device: Device,
    *,
    precision: str,
    threads: int,
    say: Callable[[str], None],
    batch_size: int | None = None,
) -> Session:
    """Load a model file onto a device.

    Args:
        path: A model file of ours.
        precision: The file's.
        device: What was asked for; `auto` takes CUDA where it can be had, else OpenVINO, else the CPU, and says so.
        threads: How many the CPU may use.
        say: Takes a sentence for the user.
        batch_size: Pairs of a window and a sample a call; None for what suits the device.

    Raises:
        DeviceError: A device was asked for and cannot be had; no ONNX Runtime.
        ModelError: The graph cannot be loaded.
    """
    ort, runtime = _import_runtime(say)
    integers = precision == "int8"
    # A dynamically quantised graph takes its scales over all that a call holds.
    host_batch = 1 if integers else batch_size or CPU_BATCH
    if device.kind in {"auto", "cuda"}:
        index = device.indices[0] if device.indices else 0
        try:
            session = _cuda_session(ort, path, index, threads, integers=integers)
            return Session(
                HostNetwork(session),
                provider=CUDA_PROVIDER,
                device=f"cuda:{index}",
                arithmetic=precision,
                runtime=runtime,
                batch_size=batch_size or 8,
            )
        except DeviceError as error:
            if device.kind == "cuda":
                raise
            reason, _, _ = str(error).partition("; ")  # without what would mend it: the CPU will do
            say(f"running on the CPU: {reason}")
    openvino = OPENVINO_PROVIDER in ort.get_available_providers()
    if device.kind == "openvino" or (device.kind == "auto" and openvino and not integers):
        return Session(
            HostNetwork(_openvino_session(ort, path, threads, integers=integers, bf16=device.bf16)),
            provider=OPENVINO_PROVIDER,
            device="openvino",
            arithmetic="bf16" if device.bf16 else "fp32",
            runtime=runtime,
            batch_size=host_batch,
        )
    return Session(
        HostNetwork(_cpu_session(ort, path, threads, as_it_is=integers)),
        provider=CPU_PROVIDER,
        device="cpu",
        arithmetic="int8" if integers else "fp32",
        runtime=runtime,
        batch_size=host_batch,
    )


def _import_runtime(say: Callable[[str], None]) -> tuple[ModuleType, str]:
    """The onnxruntime module, with the name and version of what brought it."""
    installed = {}
    for name in FLAVOURS:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
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


def _openvino_session(ort: ModuleType, path: Path, threads: int, *, integers: bool, bf16: bool) -> Any:  # noqa: ANN401
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


def _cuda_session(ort: ModuleType, path: Path, index: int, threads: int, *, integers: bool) -> Any:  # noqa: ANN401
    """A session whose first provider is CUDA.

    A GPU build lists CUDA as available even where its libraries or the device are missing, prints errors and falls
    back to the CPU; so it is kept quiet, and what it obtained is compared with what was asked.
    """
    if integers:
        raise DeviceError("an int8 model file is for CPUs; for a GPU convert with --precision fp16")
    if CUDA_PROVIDER not in ort.get_available_providers():
        raise DeviceError(f"this ONNX Runtime has no CUDA; for a GPU {INSTALL_GPU}")
    ort.set_default_logger_severity(SILENT)
    try:
        missing = _preload_libraries(ort)
        options = _options(ort, threads)
        options.log_severity_level = SILENT
        cuda = {
            "device_id": index,
            # The default, EXHAUSTIVE, times every algorithm for each new shape; the convolutions are 1 % of the work.
            "cudnn_conv_algo_search": "HEURISTIC",
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
