"""Run the network on the processor, with ONNX Runtime's own provider or OpenVINO."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.errors import DeviceError, ModelError
from epigept_batch.inference.cpu_form import UNWANTED_FUSION, read_cpu_form
from epigept_batch.inference.integers import loses_carries, read_unsigned_form
from epigept_batch.inference.needed import file_or_needed
from epigept_batch.inference.ports import Ports
from epigept_batch.inference.runtime import (
    CPU_PROVIDER,
    OPENVINO_PROVIDER,
    first_line,
    is_out_of_memory,
    session_options,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from epigept_batch.inference.ports import Inputs, Rows

CPU_INFO = Path("/proc/cpuinfo")
INSTALL_OPENVINO = "install epigept-batch with its [openvino] extra, in an environment without onnxruntime"


class HostNetwork:
    """A loaded graph with inputs and outputs in main memory.

    Args:
        session: A session of ONNX Runtime.
        outputs: Names of the outputs to compute.
    """

    def __init__(self, session: Any, outputs: Sequence[str]) -> None:  # noqa: ANN401 - untyped
        self._session, self._outputs = session, list(outputs)
        self.ports = Ports.of_session(session)

    def __call__(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Run the graph once; return each output by name, float32, (windows, samples, …)."""
        arrays = {port.name: _stacked(inputs[port.name]) for port in self.ports.inputs}
        try:
            return dict(zip(self._outputs, self._session.run(self._outputs, arrays), strict=True))
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError from error
            raise


def _stacked(rows: Rows) -> NDArray[Any]:
    """Return rows as one array, without a copy if they already are."""
    if isinstance(rows, np.ndarray):
        return rows
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


def load_on_cpu(ort: ModuleType, path: Path, threads: int, *, integers: bool, outputs: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
    """Load a model file with ONNX Runtime's own CPU provider.

    Args:
        ort: The onnxruntime module.
        path: A model file.
        threads: Number of threads.
        integers: Whether the file is int8, and so already in the form for the CPU.
        outputs: Names of the outputs to compute.

    Raises:
        ModelError: The graph cannot be loaded.
        MemoryError: There is not enough memory.
    """
    try:
        return ort.InferenceSession(
            _integer_form(ort, path, outputs) if integers else read_cpu_form(path, outputs),
            sess_options=session_options(ort, threads),
            providers=[CPU_PROVIDER],
            disabled_optimizers=[UNWANTED_FUSION],
        )
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError from error
        raise ModelError(
            f"ONNX Runtime cannot load the model file ({first_line(error)}); convert the checkpoint again", path
        ) from error


def _integer_form(ort: ModuleType, path: Path, outputs: Sequence[str]) -> Path | bytes:
    """Return the form of an int8 file that this processor computes exactly."""
    return read_unsigned_form(path, outputs) if loses_carries(ort) else file_or_needed(path, outputs)


def load_in_openvino(ort: ModuleType, path: Path | bytes, threads: int, *, bf16: bool) -> Any:  # noqa: ANN401
    """Load a model to run entirely in OpenVINO on the CPU.

    Args:
        ort: The onnxruntime module.
        path: A model file, or a graph.
        threads: Number of threads.
        bf16: Whether to compute in bfloat16.

    Raises:
        DeviceError: OpenVINO is not available, or cannot run the graph.
        MemoryError: There is not enough memory.
    """
    if OPENVINO_PROVIDER not in ort.get_available_providers():
        raise DeviceError(f"this ONNX Runtime has no OpenVINO support; {INSTALL_OPENVINO}")
    settings = {
        # By default, OpenVINO computes in bfloat16 wherever the processor can.
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "INFERENCE_NUM_THREADS": str(threads),
        "PERFORMANCE_HINT": "LATENCY",  # one stream with all threads instead of several, each with its own activations
    }
    options = session_options(ort, threads)
    # Without this, nodes that OpenVINO does not support silently run on another provider.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    provider = {"device_type": "CPU", "load_config": json.dumps({"CPU": settings})}
    try:
        session = ort.InferenceSession(path, sess_options=options, providers=[(OPENVINO_PROVIDER, provider)])
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError from error
        raise DeviceError(f"OpenVINO cannot run this model file ({first_line(error)})") from error
    if session.get_providers()[0] != OPENVINO_PROVIDER:
        raise DeviceError(f"OpenVINO could not be started; {INSTALL_OPENVINO}")
    return session


def lacks_bfloat16() -> bool:
    """Whether this processor certainly lacks bfloat16, so that OpenVINO computes in float32 even if asked for bfloat16.

    On x86, bfloat16 requires AVX-512, or AVX2 with bfloat16 conversions. For other processors this is not known.
    """
    if platform.machine() != "x86_64":
        return False
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return False
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), {"avx512f"})
    return not flags & {"avx512f", "avx_ne_convert"}
