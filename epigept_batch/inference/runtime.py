"""Import ONNX Runtime; the only module that does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from epigept_batch.errors import DeviceError
from epigept_batch.inference.installation import installed_runtimes
from epigept_batch.machine.processors import usable_processors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
OPENVINO_PROVIDER = "OpenVINOExecutionProvider"
OUT_OF_MEMORY = (
    "out of memory",
    "failed to allocate memory",
    "bad_alloc",
    "cudaerrormemoryallocation",
    "out_of_memory",
)


def import_runtime(say: Callable[[str], None]) -> tuple[ModuleType, str]:
    """Return the onnxruntime module, with name and version of the package that provides it.

    Args:
        say: Called with a sentence for the user.

    Raises:
        DeviceError: No ONNX Runtime is installed.
    """
    installed = installed_runtimes()
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise DeviceError(
            "no ONNX Runtime is installed; install epigept-batch with its [cpu] or [gpu] extra"
        ) from error
    if len(installed) > 1:
        say(
            f"{' and '.join(installed)} are installed together and overwrite each other's files; "
            "uninstall all of them, then install only one per environment"
        )
    runtime = " + ".join(f"{name} {version}" for name, version in installed.items())
    return ort, runtime or f"onnxruntime {ort.__version__}"


def session_options(ort: ModuleType, threads: int) -> Any:  # noqa: ANN401 - untyped
    """Return session options for this number of CPU threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if threads > usable_processors():
        # A spinning thread keeps the processor from the thread it waits for: 64 threads on one took 5 times as long.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Spinning saves 3 to 5 % within a call, which has several hundred short operators. Between two calls it would take
    # the cores from the motif scan.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def first_line(error: Exception) -> str:
    """Return the first line of an error of ONNX Runtime, without its stack; its error types are not public."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def is_out_of_memory(error: Exception) -> bool:
    """Whether main or GPU memory ran out; recognised by the message, because only Python's error has its own type."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY)
