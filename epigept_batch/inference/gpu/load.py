"""Load the network onto GPUs and choose the batch size."""

from __future__ import annotations

import io
import json
import re
from contextlib import ExitStack, closing, contextmanager, redirect_stdout, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from epigept_batch.errors import DeviceError
from epigept_batch.inference.gpu.batch_size import CANDIDATES, GRAPH_SIZES, Trial, kept_trial, try_sizes
from epigept_batch.inference.gpu.driver import CudaDriver
from epigept_batch.inference.gpu.graphs import GraphNetwork, agree
from epigept_batch.inference.gpu.network import CudaNetwork, FixedShapes
from epigept_batch.inference.model_file import shape_nodes
from epigept_batch.inference.needed import file_or_needed
from epigept_batch.inference.ports import TOKENS, Ports
from epigept_batch.inference.runtime import CPU_PROVIDER, CUDA_PROVIDER, first_line, is_out_of_memory, session_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from epigept_batch.inference.device import Device, RunOptions
    from epigept_batch.inference.device_scan import ScanMaker
    from epigept_batch.inference.network import Network

WARNING, SILENT = 2, 4  # ONNX Runtime's log levels: its own default, and fatal errors only
RECORD_PLACEMENT = "session.record_ep_graph_assignment_info"
FEEDERS = 2
"""Networks per GPU: while one computes, the other copies inputs and reads results."""
PAIR_BYTES_A_BP = 1600
"""GPU memory of one pair of a window and a sample, per base pair of the window, for convolutions and attention."""
INSTALL_GPU = "install epigept-batch with its [gpu] extra, in an environment without onnxruntime"


class OnGPU(NamedTuple):
    """A network and the index of its GPU."""

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
    """Load networks onto every requested GPU, several on each; return them with the batch size.

    The batch size counts pairs of a window and a sample per call.

    Args:
        ort: The onnxruntime module.
        path: A model file.
        device: `cuda`, with or without indices; `auto` uses the first GPU.
        options: How to run the file.
        runtime: Name and version of that module.
        say: Called with a sentence for the user.

    Raises:
        DeviceError: There is no CUDA, no driver or no such GPU, or the file is not for GPUs. It says what to do.
    """
    if options.precision == "int8":
        raise DeviceError("an int8 model file runs on CPUs only; for a GPU, convert with --precision fp16")
    if CUDA_PROVIDER not in ort.get_available_providers():
        raise DeviceError(f"this ONNX Runtime has no CUDA support; for a GPU, {INSTALL_GPU}")
    first = device.indices[0] if device.indices else 0
    graph = file_or_needed(path, options.outputs)
    loaded = {first: load_on_gpu(ort, graph, first, options.threads)}
    driver = CudaDriver()
    asked = device.kind == "cuda" and not device.indices
    for index in range(driver.device_count()) if asked else device.indices or (first,):
        if index not in loaded:
            loaded[index] = load_on_gpu(ort, graph, index, options.threads)
    scan = _proven(options.scan, loaded, say)
    makers = {
        index: NetworkMaker(ort, graph, driver, index, session=session, options=options, scan=scan)
        for index, session in loaded.items()
    }
    for index, maker in makers.items():
        with _as_device_error(index):
            _run_once(maker)
    trial, batch_size = None, options.batch_size
    if batch_size is None or batch_size in GRAPH_SIZES:
        with _as_device_error(first):
            trial = _trial(makers[first], driver, runtime)
        batch_size = trial.batch_size
    if trial is not None and options.batch_size is None:
        say(f"{driver.device_name(first)}: {trial}")
    ports = makers[first].ports
    shape = _shape(batch_size, options) if trial is not None and trial.graphs else None
    networks = [
        OnGPU(index, FixedShapes(maker, ports, say, _graph_if_it_works(maker, shape)))
        for _ in range(FEEDERS)
        for index, maker in makers.items()
    ]
    return networks, batch_size


def load_on_gpu(ort: ModuleType, path: Path | bytes, index: int, threads: int, *, captures: bool = False) -> Any:  # noqa: ANN401 - untyped
    """Load a model onto a GPU, with CUDA as the first provider.

    A GPU build lists CUDA as available even if its libraries or the device are missing. It then prints errors and falls
    back to the CPU. So its output is suppressed, and the provider it obtained is checked. The same holds for single
    nodes: only those that compute shapes may run on the CPU, where ONNX Runtime puts them on purpose. Its own check,
    `session.disable_cpu_ep_fallback`, counts these too, and refuses every graph with a free batch size.

    Args:
        ort: The onnxruntime module.
        path: A model file, or a graph.
        index: Index of the GPU.
        threads: Number of CPU threads.
        captures: Whether calls become a CUDA graph; then for calls of one shape, buffers and thread only.

    Raises:
        DeviceError: The GPU cannot be used. It says what to do.
    """
    ort.set_default_logger_severity(SILENT)
    try:
        missing = _preload_libraries(ort)
        options = session_options(ort, threads)
        options.log_severity_level = SILENT
        options.add_session_config_entry(RECORD_PLACEMENT, "1")
        cuda = {
            "device_id": str(index),
            # The default, EXHAUSTIVE, times every algorithm for each new shape; the convolutions are 1 % of the work.
            "cudnn_conv_algo_search": "HEURISTIC",
            # By default memory doubles when it runs out, but calls of one shape always need the same amount.
            "arena_extend_strategy": "kSameAsRequested",
            # On by default: a float32 file would compute with a 10-bit mantissa and exceed the error limits of fp32.
            "use_tf32": "0",
            # Sum squares in float32 even in a float16 file, because some activations of trained networks are large.
            "enable_skip_layer_norm_strict_mode": "1",
            "enable_cuda_graph": str(int(captures)),
        }
        providers = [(CUDA_PROVIDER, cuda), CPU_PROVIDER]
        session = ort.InferenceSession(path, sess_options=options, providers=providers, enable_fallback=0)
    except Exception as error:
        raise DeviceError(f"CUDA device {index} cannot be used ({first_line(error)})") from error
    finally:
        ort.set_default_logger_severity(WARNING)
    if session.get_providers()[0] != CUDA_PROVIDER:
        reason = missing or "no driver, or no such device"
        raise DeviceError(
            f"CUDA device {index} could not be started ({reason}); check nvidia-smi (driver 580 or later is required), "
            f"or {INSTALL_GPU}"
        )
    if left := left_to_the_cpu(session, path):
        raise DeviceError(
            f"CUDA device {index} would leave {len(left)} operators of the network to the CPU ({', '.join(left[:3])}); "
            "update onnxruntime-gpu, or use --device cpu"
        )
    return session


def left_to_the_cpu(session: Any, graph: Path | bytes) -> list[str]:  # noqa: ANN401 - untyped
    """Return the nodes of a loaded graph that compute values on the CPU, by operator and name."""
    shapes = shape_nodes(graph)
    return [
        f"{node.op_type} {node.name}"
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name == CPU_PROVIDER
        for node in part.get_nodes()
        if node.name not in shapes
    ]


def _proven(scan: ScanMaker | None, gpus: Iterable[int], say: Callable[[str], None]) -> ScanMaker | None:
    """Return the scan if every GPU scans as the CPU does; else None, after telling the user why."""
    if scan is None:
        return None
    try:
        for index in gpus:
            scan.prove(index)
    except DeviceError as error:
        say(f"the motif scan runs on the CPU: {error}")
        return None
    return scan


def _preload_libraries(ort: ModuleType) -> str:
    """Load the CUDA libraries that pip installed; return ONNX Runtime's message on the first missing one."""
    if not hasattr(ort, "preload_dlls"):
        return ""
    said = io.StringIO()
    with redirect_stdout(said):  # it complains on standard output, where --json also goes
        ort.preload_dlls()
    failed = re.search(r"Failed to load \S+: (.+)", said.getvalue())
    return failed[1] if failed else ""


class NetworkMaker:
    """Makes networks on one GPU, for a number of windows and samples per call.

    Attributes:
        ports: Inputs and outputs of the networks.
        index: Index of the GPU.
        options: How to run the graph.

    Args:
        ort: The onnxruntime module.
        graph: A model file, or a graph.
        driver: The driver.
        index: The same.
        session: A session of the graph on that GPU.
        options: The same.
        scan: Makes scans; None if motif scores are an input.
    """

    def __init__(
        self,
        ort: ModuleType,
        graph: Path | bytes,
        driver: CudaDriver,
        index: int,
        *,
        session: Any,  # noqa: ANN401
        options: RunOptions,
        scan: ScanMaker | None,
    ) -> None:
        self._ort, self._graph, self._driver, self.index = ort, graph, driver, index
        self._session, self._scan, self.options = session, scan, options
        of_graph = Ports.of_session(session)
        self.ports = of_graph if scan is None else of_graph.with_scan(scan.reach_bp)

    def __call__(self, shape: tuple[int, int]) -> CudaNetwork:
        """Make a network of this GPU's session."""
        return self._made(self._session, shape)

    def as_graph(self, shape: tuple[int, int]) -> GraphNetwork:
        """Make a network whose calls are a CUDA graph, capture it, and compare it with one without.

        Raises:
            DeviceError: It gives other values.
        """
        options = self.options

        def make() -> CudaNetwork:
            session = load_on_gpu(self._ort, self._graph, self.index, options.threads, captures=True)
            return self._made(session, shape)

        network = GraphNetwork(make)
        with closing(self(shape)) as plain:
            if not agree(plain, network):
                network.close()
                raise DeviceError("a CUDA graph gives other values; none is used")
        return network

    def _made(self, session: Any, shape: tuple[int, int]) -> CudaNetwork:  # noqa: ANN401
        outputs = self.options.outputs
        return CudaNetwork(self._ort, session, self._driver, self.index, outputs=outputs, shape=shape, scan=self._scan)


@contextmanager
def _as_device_error(index: int) -> Iterator[None]:
    """Raise a DeviceError in place of any error of a GPU that loads a network and cannot run it."""
    try:
        yield
    except DeviceError:
        raise
    except Exception as error:
        raise DeviceError(
            f"CUDA device {index} cannot run the network ({first_line(error)}); update driver and onnxruntime-gpu, "
            "or use --device cpu"
        ) from error


def _run_once(make: NetworkMaker) -> None:
    """Run the smallest call, because loading a network does not show that the GPU has code for it."""
    network = make((1, 1))
    try:
        network.run()
    finally:
        network.close()


def _trial(maker: NetworkMaker, driver: CudaDriver, runtime: str) -> Trial:
    """Find the batch size for a GPU and a model, and whether its calls are CUDA graphs; or read what was found before.

    Args:
        maker: Makes the networks.
        driver: The driver.
        runtime: Name and version of ONNX Runtime.
    """
    options, memory = maker.options, driver.memory(maker.index)
    pair = next(port.shape[0] for port in maker.ports.inputs if port.name == TOKENS) * PAIR_BYTES_A_BP
    sizes = CANDIDATES if options.batch_size is None else (options.batch_size,)
    try_it = partial(_try_sizes, maker, sizes, memory.free // FEEDERS // pair)
    made_of = [options.digest, options.precision, options.samples, *options.outputs]
    key = json.dumps([driver.device_name(maker.index), memory.total, *made_of, runtime, options.batch_size])
    return try_it() if options.digest is None else kept_trial(key, try_it)


def _shape(size: int, options: RunOptions) -> tuple[int, int]:
    """Return the windows and samples per call of batches of a size."""
    return max(1, size // options.samples), min(size, options.samples)


def _graph_if_it_works(maker: NetworkMaker, shape: tuple[int, int] | None) -> GraphNetwork | None:
    """Return a network whose calls are a CUDA graph; None without a shape or if it fails, for calls as usual."""
    if shape is not None:
        with suppress(Exception):
            return maker.as_graph(shape)
    return None


def _try_sizes(maker: NetworkMaker, sizes: Sequence[int], most: int) -> Trial:
    """Find the fastest of some batch sizes by a trial; the content of the buffers does not matter.

    Args:
        maker: Makes the networks.
        sizes: Batch sizes.
        most: The largest batch that may fit into memory.
    """
    with ExitStack() as of_size:
        made: dict[int, CudaNetwork] = {}
        graphs: dict[int, GraphNetwork] = {}

        def run(size: int) -> None:
            if size not in made:
                of_size.close()
                made.clear()
                graphs.clear()
                made[size] = maker(_shape(size, maker.options))
                of_size.callback(made[size].close)
            made[size].run()

        def run_graph(size: int) -> None:
            if size not in graphs:
                graphs[size] = maker.as_graph(made[size].shape)
                of_size.callback(graphs[size].close)
            graphs[size].run()

        return try_sizes(run, most=most, is_too_large=is_out_of_memory, sizes=sizes, run_graph=run_graph)
