"""The network on a device; the only file that knows onnxruntime. What is asked for is what runs."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError, InputError, ModelError
from epigept_batch.inference.cpu_form import UNWANTED_FUSION, read_cpu_form
from epigept_batch.inference.model_file import INPUTS, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
FLAVOURS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
WARNING, SILENT = 2, 4  # ONNX Runtime's log levels: its own default, and fatal errors only
INSTALL_GPU = "install epigept-batch with its [gpu] extra, in an environment without onnxruntime"


@dataclass(frozen=True)
class Device:
    """A device as asked for: `kind` is `auto`, `cpu` or `cuda`."""

    kind: str
    index: int = 0


AUTO = Device("auto")
CPU = Device("cpu")


def parse_device(text: str) -> Device:
    """Read `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        InputError: Anything else.
    """
    match = re.fullmatch(r"(auto|cpu|cuda)|cuda:(\d+)", text)
    if not match:
        raise InputError(f"--device {text}: must be auto, cpu, cuda or cuda:N")
    return Device(match[1]) if match[1] else Device("cuda", int(match[2]))


class Session:
    """The network, ready to run.

    What it gives for a window and a sample does not depend on what else a call holds. An int8 graph takes its scales
    over all it is given, so it is given one window and one sample at a time.

    Attributes:
        provider: Name of the ONNX Runtime provider that runs it.
        device: `cpu` or `cuda:N`.
        runtime: Name and version of the installed ONNX Runtime.
    """

    def __init__(self, session: Any, *, device: str, runtime: str, singly: bool) -> None:  # noqa: ANN401 - untyped
        self._session = session
        self._singly = singly
        self.provider: str = session.get_providers()[0]
        self.device = device
        self.runtime = runtime

    def run(
        self, tokens: NDArray[np.uint8], motif_scores: NDArray[np.float16], expression: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Predict windows for samples.

        Args:
            tokens: uint8, (windows, window_bp).
            motif_scores: float16, (windows, factors, bins).
            expression: float32, (samples, factors).

        Returns:
            float32, (windows, samples, bins, tracks): ln(1 + signal).
        """
        if self._singly and (len(tokens), len(expression)) != (1, 1):
            return np.stack(
                [
                    np.concatenate([self.run(tokens[w, None], motif_scores[w, None], e[None])[0] for e in expression])
                    for w in range(len(tokens))
                ]
            )
        feed = dict(zip(INPUTS, (tokens, motif_scores, expression), strict=True))
        signal: NDArray[np.float32] = self._session.run([OUTPUT], feed)[0]
        return signal


def open_session(path: Path, device: Device, *, precision: str, threads: int, say: Callable[[str], None]) -> Session:
    """Load a model file onto a device.

    Args:
        path: A model file of ours.
        precision: The file's.
        device: What was asked for; `auto` takes CUDA where it can be had, else the CPU, and says so.
        threads: How many the CPU may use.
        say: Takes a sentence for the user.

    Raises:
        DeviceError: CUDA was asked for and cannot be had; no ONNX Runtime.
        ModelError: The graph cannot be loaded.
    """
    ort, runtime = _import_runtime(say)
    integers = precision == "int8"
    if device.kind != "cpu":
        try:
            session = _cuda_session(ort, path, device.index, threads, integers=integers)
            return Session(session, device=f"cuda:{device.index}", runtime=runtime, singly=False)
        except DeviceError as error:
            if device.kind == "cuda":
                raise
            reason, _, _ = str(error).partition("; ")  # without what would mend it: the CPU will do
            say(f"running on the CPU: {reason}")
    session = _cpu_session(ort, path, threads, as_it_is=integers)
    return Session(session, device="cpu", runtime=runtime, singly=integers)


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
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"cannot be loaded by ONNX Runtime ({reason})", path) from error


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
        reason = str(error).strip().splitlines()[0]
        raise DeviceError(f"CUDA device {index} cannot be used ({reason})") from error
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
