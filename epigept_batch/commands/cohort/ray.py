"""The engine Ray: an actor for each GPU or block of cores of a cluster. The only module that uses Ray.

Ray restarts an actor whose process or node is lost, and repeats the calls that had no result. An actor has two units,
one that it computes and one that waits, so that no unit waits long behind a slow one.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.storage import open_storage
from epigept_batch.cohort.worker import Resources, Worker
from epigept_batch.commands.cohort.compute import count, pending, resources_of
from epigept_batch.errors import DeviceError, EpiGePTError, OutputError
from epigept_batch.inference.device import Device
from epigept_batch.machine.environment import limit_pools

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from types import ModuleType

    from epigept_batch.cohort.marker import Marker
    from epigept_batch.commands.cohort.request import ComputeRequest
    from epigept_batch.progress import Progress

WAITING = 2
"""Units that an actor has at most."""
RESTARTS, RETRIES = 100, 10
"""How often an actor is started again, and a unit computed again, before the run gives up."""


def run_on_ray(request: ComputeRequest, workers: int | None, address: str | None, progress: Progress) -> int:
    """Compute all units that are not done, with actors of a Ray cluster.

    All nodes must see the cohort and the inputs under the same paths, and have this program installed.

    Args:
        request: What to do.
        workers: Number of actors; None for as many as the cluster's GPUs or cores allow at the start.
        address: Address of the cluster; None for the one that `RAY_ADDRESS` names, or a new one on this machine.
        progress: Receives an update per unit.

    Returns:
        Number of units that were computed.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    ray = _import_ray()
    cohort = Cohort(open_storage(request.location))
    resources = resources_of(request, cohort)
    numbers = pending(cohort)
    if not numbers:
        return 0
    begun_here = not ray.is_initialized()
    if begun_here:
        _connect(ray, address)
    try:
        demand = _demand(resources, cohort)
        number = workers or _room(ray, demand)
        if number < 1:
            raise DeviceError(f"the Ray cluster has no room for a worker with {_in_words(demand)}; add nodes")
        markers = _computed(ray, cohort, resources, numbers, min(number, len(numbers)), demand, say=progress.say)
        count(markers, len(cohort.units), numbers, progress)
    finally:
        if begun_here:
            ray.shutdown()
    return len(numbers)


def _import_ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise DeviceError("--engine ray: Ray is not installed; install epigept-batch with its [ray] extra") from error
    return ray


def _connect(ray: ModuleType, address: str | None) -> None:
    """Connect to a cluster, or start one.

    Raises:
        DeviceError: There is no cluster at the address.
    """
    try:
        with _own_handlers():
            ray.init(
                address,
                log_to_driver=False,
                configure_logging=False,
                include_dashboard=False if address is None else None,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise DeviceError(f"--address {address}: no Ray cluster can be reached ({said}); start it first") from error


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep the handler of SIGTERM, so that it stops a run as Ctrl-C does; Ray would print a trace and exit with 15."""
    mine = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if mine is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, mine)


def _demand(resources: Resources, cohort: Cohort) -> dict[str, int]:
    """Return what an actor needs of a node."""
    gpus = {"GPU": 1} if resources.device.kind == "cuda" else {}
    return {"CPU": cohort.plan.computation.threads, **gpus}


def _in_words(demand: dict[str, int]) -> str:
    return " and ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in demand.items())


def _room(ray: ModuleType, demand: dict[str, int]) -> int:
    """Return how many actors the nodes of the cluster hold at once."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min(int(node.get(kind, 0)) // number for kind, number in demand.items()) for node in nodes)


def _computed(
    ray: ModuleType,
    cohort: Cohort,
    resources: Resources,
    numbers: Sequence[int],
    workers: int,
    demand: dict[str, int],
    *,
    say: Callable[[str], None],
) -> Generator[Marker, None, None]:
    """Yield the marker of each unit that is done."""
    actor = ray.remote(_Actor).options(
        num_cpus=demand["CPU"], num_gpus=demand.get("GPU", 0), max_restarts=RESTARTS, max_task_retries=RETRIES
    )
    location = cohort.storage.where()
    actors = [actor.remote(location, resources) for _ in range(workers)]
    waiting = iter(numbers)
    busy: dict[Any, Any] = {}
    said: set[str] = set()

    def give(to: Any) -> None:  # noqa: ANN401 - Ray's own
        number = next(waiting, None)
        if number is not None:
            busy[to.compute.remote(number)] = to

    try:
        for _ in range(WAITING):
            for one in actors:
                give(one)
        while busy:
            (ready,), _ = ray.wait(list(busy), num_returns=1)
            free = busy.pop(ready)
            marker, sentences = _result(ray, ready)
            for sentence in sentences:
                if sentence not in said:  # every actor opens the same inputs
                    said.add(sentence)
                    say(sentence)
            give(free)
            yield marker
    finally:
        for one in actors:
            ray.kill(one)


def _result(ray: ModuleType, ready: Any) -> tuple[Marker, list[str]]:  # noqa: ANN401 - Ray's own
    """Return the result of a call.

    Raises:
        EpiGePTError: The unit could not be computed.
        OutputError: Actors were lost again and again.
    """
    try:
        found: tuple[Marker, list[str]] = ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, EpiGePTError):
            raise error.cause from None
        raise
    except ray.exceptions.RayActorError as error:
        if isinstance(cause := getattr(error, "cause", None), EpiGePTError):
            raise cause from None
        first = str(error).strip().splitlines()[0]
        raise OutputError(f"Ray lost a worker too often ({first}); check the memory of its nodes, and rerun") from error
    return found


class _Actor:
    """A worker as an actor of Ray."""

    def __init__(self, location: str, resources: Resources) -> None:
        cohort = Cohort(open_storage(location))
        limit_pools(cohort.plan.computation.threads)
        if resources.device.kind == "cuda":  # Ray shows an actor only its own GPU
            resources = Resources(resources.model, resources.fasta, resources.scores, Device("cuda", (0,)))
        self._sentences: list[str] = []
        self._cohort, self._worker = cohort, Worker(cohort, resources, say=self._sentences.append)

    def compute(self, number: int) -> tuple[Marker, list[str]]:
        """Compute a unit; return its marker, and what the user should know."""
        marker = self._worker.run(self._cohort.units[number])
        said, self._sentences[:] = list(self._sentences), []
        return marker, said
