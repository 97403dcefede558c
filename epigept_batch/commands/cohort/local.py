"""The engine of one machine: a process for each GPU or block of cores, each with its own model.

A process has two units, one that it computes and one that waits. A process that dies is replaced, and its units are
computed again. Results come as soon as they are there, in any order.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import Counter, deque
from contextlib import suppress
from multiprocessing.connection import Pipe, wait
from typing import TYPE_CHECKING, Any

from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.storage import open_storage
from epigept_batch.cohort.worker import Worker
from epigept_batch.commands.cohort.local_process import DONE, REFUSED, SAY, Seat
from epigept_batch.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from epigept_batch.cohort.marker import Marker

WAITING = 2
"""Units that a process has at most."""
MOST_DEATHS = 3
"""Processes that may die with the same unit."""
ENDING_S = 10.0
"""How long a process may take to end after its last message."""


def compute_locally(
    location: str, seats: Sequence[Seat], numbers: Sequence[int], *, say: Callable[[str], None]
) -> Generator[Marker, None, None]:
    """Compute units, and yield the marker of each that is done.

    Args:
        location: Where the cohort lies.
        seats: Where processes work; with a single one, this process does.
        numbers: Numbers of the units.
        say: Called with a sentence for the user.

    Raises:
        EpiGePTError: A unit cannot be computed, or processes die again and again.
    """
    if len(seats) == 1:
        cohort = Cohort(open_storage(location))
        with Worker(cohort, seats[0].resources, say=say) as worker:
            yield from worker.run_all(cohort.units[number] for number in numbers)
        return
    crew = _Crew(location, seats[: len(numbers)], deque(numbers), say)
    try:
        yield from crew.markers()
    finally:
        crew.stop()


class _Crew:
    """Processes that share a queue of units."""

    def __init__(self, location: str, seats: Sequence[Seat], waiting: deque[int], say: Callable[[str], None]) -> None:
        self._location, self._waiting, self._say = location, waiting, say
        self._deaths: Counter[int] = Counter()
        self._said: set[str] = set()
        self._members = [_Member(location, seat) for seat in seats]

    def markers(self) -> Iterator[Marker]:
        """Yield the marker of each unit that is done."""
        self._give()
        while busy := {member.connection: member for member in self._members if member.units}:
            for ready in wait(list(busy)):
                member = busy[ready]  # type: ignore[index]
                try:
                    kind, content = member.connection.recv()
                except (EOFError, OSError, pickle.UnpicklingError):
                    self._replace(member)
                else:
                    yield from self._heard(member, kind, content)
            self._give()

    def _heard(self, member: _Member, kind: str, content: Any) -> Iterator[Marker]:  # noqa: ANN401 - by kind
        """Handle a message of a process."""
        if kind == DONE:
            member.units.remove(content.unit)
            yield content
        elif kind == SAY:
            if content not in self._said:  # every process opens the same inputs
                self._said.add(content)
                self._say(content)
        elif kind == REFUSED:
            raise content
        else:
            raise RuntimeError(content)

    def _give(self) -> None:
        """Give waiting units to the processes that have the fewest."""
        while self._waiting:
            member = min(self._members, key=lambda one: len(one.units))
            if len(member.units) >= WAITING:
                return
            number = self._waiting.popleft()
            member.units.append(number)
            with suppress(OSError):  # a process that has died is noticed when it is listened to
                member.connection.send(number)

    def _replace(self, member: _Member) -> None:
        """Start another process for one that has died, and give its units back.

        Raises:
            OutputError: Processes die again and again.
        """
        how = member.ended()
        unit = member.units[0]
        self._deaths[unit] += 1
        if self._deaths[unit] == MOST_DEATHS:
            raise OutputError(
                f"{MOST_DEATHS} processes {how} at unit {unit + 1:,}; check that there is enough memory, use fewer "
                "--workers, and rerun"
            )
        self._say(f"a process {how}; its units are computed again")
        self._waiting.extendleft(reversed(member.units))
        self._members[self._members.index(member)] = _Member(self._location, member.seat)

    def stop(self) -> None:
        """End all processes."""
        for member in self._members:
            member.stop()


class _Member:
    """A process, and the units that it has."""

    def __init__(self, location: str, seat: Seat) -> None:
        self.seat, self.units = seat, list[int]()
        self.connection, theirs = Pipe()
        folders = [folder for folder in sys.path if folder]
        self._process = subprocess.Popen(  # noqa: S603 - this program
            # Without -P, a file in the current folder could shadow a module.
            [sys.executable, "-P", "-m", "epigept_batch.commands.cohort.local_process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
            process_group=0,  # Ctrl-C at a terminal goes to the run, which then ends this process
        )
        theirs.close()
        with suppress(OSError):  # a process that has died is noticed when it is listened to
            self.connection.send((location, seat))

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self.connection.close()

    def ended(self) -> str:
        """Return how a process ended that is no longer heard."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_S)
        self.stop()
        code = self._process.returncode
        return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
