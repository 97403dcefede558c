"""`epigept-batch cohort partition` and `run`: compute units that are not done yet."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from epigept_batch.cohort.audit import finished_units
from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.storage import open_storage
from epigept_batch.cohort.worker import Resources
from epigept_batch.commands.cohort.local import compute_locally
from epigept_batch.commands.cohort.local_process import Seat
from epigept_batch.errors import DeviceError, InputError
from epigept_batch.inference.device import Device, parse_device
from epigept_batch.inference.installation import find_driver
from epigept_batch.machine.processors import usable_processors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from epigept_batch.cohort.marker import Marker
    from epigept_batch.commands.cohort.request import ComputeRequest
    from epigept_batch.progress import Progress


def run_partition(request: ComputeRequest, part: int, parts: int, progress: Progress) -> int:
    """Compute the units of a partition that are not done, in this process.

    Args:
        request: What to do.
        part: Which partition, from 1.
        parts: Number of partitions.
        progress: Receives an update per unit.

    Returns:
        Number of units that were computed.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    cohort = Cohort(open_storage(request.location))
    if part > parts:
        raise InputError(f"partition {part} of {parts}: must be a number from 1 to {parts}")
    resources = resources_of(request, cohort)
    share = cohort.units.share(part, parts)
    done = finished_units(cohort)
    numbers = [number for number in share if number not in done]
    seats = [Seat(resources)]
    if numbers:
        count(compute_locally(request.location, seats, numbers, say=progress.say), len(share), numbers, progress)
    progress.finish(
        f"partition {part} of {parts}: {_units(len(numbers))} computed, {len(share) - len(numbers):,} before"
    )
    return len(numbers)


def run_locally(request: ComputeRequest, workers: int | None, progress: Progress) -> int:
    """Compute all units that are not done, with several processes on this machine.

    Args:
        request: What to do.
        workers: Number of processes; None for one per GPU, or as many as the cores allow.
        progress: Receives an update per unit.

    Returns:
        Number of units that were computed.

    Raises:
        EpiGePTError: Something that the user can fix; the message is one line.
    """
    cohort = Cohort(open_storage(request.location))
    seats = _seats(resources_of(request, cohort), cohort, workers)
    numbers = pending(cohort)
    if numbers:
        markers = compute_locally(request.location, seats, numbers, say=progress.say)
        count(markers, len(cohort.units), numbers, progress)
    return len(numbers)


def pending(cohort: Cohort) -> list[int]:
    """Return the numbers of the units that are not done."""
    done = finished_units(cohort)
    return [number for number in range(len(cohort.units)) if number not in done]


def count(markers: Iterable[Marker], total: int, numbers: Sequence[int], progress: Progress) -> None:
    """Show the progress of units."""
    progress.start(total, done=total - len(numbers))
    with closing(markers):  # type: ignore[type-var]
        for _ in markers:
            progress.advance()


def _units(number: int) -> str:
    return f"{number:,} unit{'' if number == 1 else 's'}"


def resources_of(request: ComputeRequest, cohort: Cohort) -> Resources:
    """Return what a worker on this machine computes with.

    Raises:
        InputError: A file is not here.
    """
    places = cohort.plan.places
    found = {}
    for name, given, planned in (
        ("model", request.model, places.model),
        ("fasta", request.fasta, places.fasta),
        ("scores", request.scores, places.scores),
    ):
        path = given if given is not None or planned is None else Path(planned)
        if path is not None and not path.exists():
            where = "" if given is not None else ", where it was at init"
            raise InputError(f"does not exist on this machine{where}; pass --{name} PATH", path)
        found[name] = None if path is None else path.absolute()
    if found["model"] is None or found["fasta"] is None:
        raise ValueError("a plan without a model or a genome")
    return Resources(found["model"], found["fasta"], found["scores"], parse_device(cohort.plan.computation.device))


def _seats(resources: Resources, cohort: Cohort, workers: int | None) -> list[Seat]:
    """Return where processes work: a GPU each, or disjoint blocks of cores if there are enough.

    Raises:
        DeviceError: There is no GPU, or there are fewer than workers.
    """
    if resources.device.kind == "cuda":
        driver = find_driver()
        gpus = 0 if driver is None else len(driver.devices)
        if not gpus:
            raise DeviceError("the cohort is computed with CUDA, but there is no NVIDIA GPU here; run it where one is")
        if workers is not None and workers > gpus:
            raise DeviceError(f"--workers {workers}: there are only {gpus} GPUs; each worker has one")
        return [
            Seat(Resources(resources.model, resources.fasta, resources.scores, Device("cuda", (index,))))
            for index in range(workers or gpus)
        ]
    threads = cohort.plan.computation.threads
    number = workers or max(1, usable_processors() // threads)
    cores = sorted(os.sched_getaffinity(0))
    if number == 1 or number * threads > len(cores):
        return [Seat(resources)] * number
    return [Seat(resources, frozenset(cores[begin * threads : (begin + 1) * threads])) for begin in range(number)]
