"""ONNX Runtime: the only file that imports it."""

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
OUT_OF_MEMORY = ("out of memory", "failed to allocate memory", "bad_alloc", "cudaerrormemoryallocation")


def import_runtime(say: Callable[[str], None]) -> tuple[ModuleType, str]:
    """The onnxruntime module, with the name and version of what brought it.

    Args:
        say: Takes a sentence for the user.

    Raises:
        DeviceError: None is installed.
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
            f"{' and '.join(installed)} are both installed and overwrite each other's files; "
            "uninstall all of them, then install one"
        )
    runtime = " + ".join(f"{name} {version}" for name, version in installed.items())
    return ort, runtime or f"onnxruntime {ort.__version__}"


def session_options(ort: ModuleType, threads: int) -> Any:  # noqa: ANN401 - untyped
    """Options of a session that may use so many threads of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if threads > usable_processors():
        # A thread that waits would keep from the processor the one that it waits for: 64 on one took 5 times as long.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Threads that spin win 3 to 5 % in a call, of several hundred short operators; between two calls they would take
    # the cores from the motif scan.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def first_line(error: Exception) -> str:
    """What ONNX Runtime says, without its stack; its errors have types of their own, none of them public."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory was short, of the machine or of a GPU: mostly by its words, for only Python's has its own type."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY)
