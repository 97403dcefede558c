"""A process of the local engine: computes the units that arrive on a connection."""

from __future__ import annotations

import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Lock
from typing import TYPE_CHECKING

from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.storage import open_storage
from epigept_batch.cohort.worker import Worker
from epigept_batch.errors import EpiGePTError
from epigept_batch.machine.environment import limit_pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from epigept_batch.cohort.worker import Computed, Resources

SAY, DONE, REFUSED, FAILED = "say", "done", "refused", "failed"


@dataclass(frozen=True)
class Seat:
    """Where a process works.

    Attributes:
        resources: What it computes with.
        cores: The cores that it keeps to; empty for any.
    """

    resources: Resources
    cores: frozenset[int] = frozenset()


def work(theirs: Connection) -> None:
    """Compute the units that arrive, until the connection ends. A unit is written while the next one is computed.

    Args:
        theirs: Brings the location and a `Seat`, then numbers of units. Pairs of a kind of message and its content go
            back.
    """
    location, seat = theirs.recv()
    if seat.cores:
        os.sched_setaffinity(0, seat.cores)
    voice = _Voice(theirs)
    with voice.reporting():
        cohort = Cohort(open_storage(location))
        limit_pools(cohort.plan.computation.threads)
        with (
            Worker(cohort, seat.resources, say=lambda sentence: voice.send(SAY, sentence)) as worker,
            ThreadPoolExecutor(1) as writer,
        ):

            def write(computed: Computed) -> None:
                with voice.reporting():
                    voice.send(DONE, worker.write(computed))

            written = writer.submit(lambda: None)
            while True:
                computed = worker.compute(cohort.units[theirs.recv()])
                written.result()
                written = writer.submit(write, computed)


class _Voice:
    """Sends messages to the run, from any thread."""

    def __init__(self, theirs: Connection) -> None:
        self._theirs, self._one_sends = theirs, Lock()

    def send(self, kind: str, content: object) -> None:
        """Send a message."""
        with self._one_sends:
            self._theirs.send((kind, content))

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Send the error of the body, unless it is that the run has ended."""
        try:
            yield
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except EpiGePTError as error:
            self.send(REFUSED, error)
        except Exception:  # noqa: BLE001 - shown by the run
            self.send(FAILED, traceback.format_exc())


if __name__ == "__main__":
    work(Connection(int(sys.argv[1])))
