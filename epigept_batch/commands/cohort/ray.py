"""The engine Ray: an actor for each GPU or block of cores of a cluster. The only module that uses Ray.

Ray restarts an actor whose process or node is lost, and its units go to others. An actor has two units, one that it
computes and one that waits, so that no unit waits long behind a slow one.
"""

from __future__ import annotations

import os
import socket
from collections import Counter, deque
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.storage import open_storage
from epigept_batch.cohort.worker import Worker
from epigept_batch.commands.cohort.compute import count, pending, resources_of
from epigept_batch.errors import DeviceError, EpiGePTError, OutputError
from epigept_batch.inference.device import Device
from epigept_batch.machine.environment import limit_pools

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from types import ModuleType

    from epigept_batch.cohort.marker import Marker
    from epigept_batch.cohort.worker import Resources
    from epigept_batch.commands.cohort.request import ComputeRequest
    from epigept_batch.progress import Progress

WAITING = 2
"""Units that an actor has at most."""
ANSWER_S = 10.0
"""How long a cluster may take to answer."""
MOST_LOSSES = 5
"""Workers that may be lost with the same unit."""


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
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here sends nothing
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
        _check_answers(address)  # Ray itself would try for minutes
        here = {} if address else {"include_dashboard": False}
        ray.init(address, log_to_driver=False, configure_logging=False, **here)
    except (OSError, RuntimeError, ValueError) as error:
        said = str(error).strip().partition("\n")[0]
        raise DeviceError(f"--address {address}: no Ray cluster can be reached ({said}); start it first") from error


def _check_answers(address: str | None) -> None:
    """Check that something listens at an address.

    Raises:
        OSError: Nothing does.
    """
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), ANSWER_S).close()


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
    actor = ray.remote(_Actor).options(num_cpus=demand["CPU"], num_gpus=demand.get("GPU", 0), max_restarts=-1)
    location = cohort.storage.location
    actors = [actor.remote(location, resources) for _ in range(workers)]
    try:
        yield from _Crew(ray, actors, deque(numbers), say).markers()
    finally:
        for one in actors:
            ray.kill(one)


class _Crew:
    """Actors that share a queue of units.

    A unit whose actor is lost goes back to the queue. Ray starts the actor again where and when there is room, and it
    gets units again when it answers.
    """

    def __init__(self, ray: ModuleType, actors: Sequence[Any], waiting: deque[int], say: Callable[[str], None]) -> None:
        self._ray, self._waiting, self._say = ray, waiting, say
        self._busy: dict[Any, tuple[Any, int]] = {}
        self._away: dict[Any, Any] = {}
        self._losses: Counter[int] = Counter()
        self._said: set[str] = set()
        for _ in range(WAITING):
            for actor in actors:
                self._give(actor)

    def markers(self) -> Iterator[Marker]:
        """Yield the marker of each unit that is done."""
        while self._busy or self._waiting:
            (ready,), _ = self._ray.wait([*self._busy, *self._away], num_returns=1)
            if ready in self._away:
                actor = self._away.pop(ready)
                for _ in range(WAITING):
                    self._give(actor)
                continue
            actor, number = self._busy.pop(ready)
            found = self._result(ready)
            if found is None:
                self._lose(actor, number)
                continue
            marker, sentences = found
            for sentence in sentences:
                if sentence not in self._said:  # every actor opens the same inputs
                    self._said.add(sentence)
                    self._say(sentence)
            self._give(actor)
            yield marker

    def _give(self, actor: Any) -> None:  # noqa: ANN401 - Ray's own
        """Give an actor the next unit, if there is one."""
        if self._waiting:
            number = self._waiting.popleft()
            self._busy[actor.compute.remote(number)] = actor, number

    def _lose(self, actor: Any, number: int) -> None:  # noqa: ANN401 - Ray's own
        """Put a unit back whose actor is lost, and ask for the actor's return.

        Raises:
            OutputError: The unit was lost again and again.
        """
        self._losses[number] += 1
        if self._losses[number] == MOST_LOSSES:
            raise OutputError(
                f"Ray lost {MOST_LOSSES} workers at unit {number + 1:,}; check the memory of its nodes, and rerun"
            )
        self._waiting.appendleft(number)
        if actor not in self._away.values():
            self._say("a worker was lost; its units are computed again")
            self._away[actor.answer.options(max_task_retries=-1).remote()] = actor
        for other, units in Counter(actor for actor, _ in self._busy.values()).items():
            if units < WAITING and other not in self._away.values():
                self._give(other)

    def _result(self, ready: Any) -> tuple[Marker, list[str]] | None:  # noqa: ANN401 - Ray's own
        """Return the result of a call; None if its actor is lost.

        Raises:
            EpiGePTError: The unit could not be computed.
        """
        try:
            found: tuple[Marker, list[str]] = self._ray.get(ready)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, EpiGePTError):
                raise error.cause from None
            raise
        except self._ray.exceptions.RayActorError:
            return None
        return found


class _Actor:
    """A worker as an actor of Ray; opens its inputs with its first unit, whose error a run can show."""

    def __init__(self, location: str, resources: Resources) -> None:
        if resources.device.kind == "cuda":  # Ray shows an actor only its own GPU
            resources = replace(resources, device=Device("cuda", (0,)))
        self._location, self._resources = location, resources
        self._sentences: list[str] = []

    @cached_property
    def _worker(self) -> Worker:
        limit_pools(self._cohort.plan.computation.threads)
        return Worker(self._cohort, self._resources, say=self._sentences.append)

    @cached_property
    def _cohort(self) -> Cohort:
        return Cohort(open_storage(self._location))

    def answer(self) -> None:
        """Do nothing: the actor is there."""

    def compute(self, number: int) -> tuple[Marker, list[str]]:
        """Compute a unit; return its marker, and what the user should know."""
        marker = self._worker.run(self._cohort.units[number])
        said, self._sentences[:] = list(self._sentences), []
        return marker, said
