"""Plan which stages of a prediction run ahead, and in how many threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.inference.session import Session


@dataclass(frozen=True)
class Schedule:
    """How far each stage of a prediction runs ahead.

    Attributes:
        readers: Threads that read and scan windows; 0 to read between two calls of the network.
        windows_ahead: Number of windows that may be read before they are needed.
        callers: Threads that call the network, one per session; 0 to call it between two writes.
        batches_ahead: Number of batches in progress or waiting, besides the one that is being written.
    """

    readers: int
    windows_ahead: int
    callers: int
    batches_ahead: int


ONE_AFTER_THE_OTHER = Schedule(readers=0, windows_ahead=0, callers=0, batches_ahead=0)


def make_schedule(sessions: Sequence[Session], *, threads: int, windows: int, scans: bool) -> Schedule:
    """Plan one batch per session and one more being read; on a CPU, no more threads than cores.

    Args:
        sessions: Sessions of the network.
        threads: Number of CPU threads.
        windows: Number of windows per batch.
        scans: Whether the genome is scanned during the prediction.
    """
    on_cpu = sessions[0].on_host
    if on_cpu and scans:
        # Scan and network each use all cores; in parallel they would wait for each other's threads.
        return ONE_AFTER_THE_OTHER
    return Schedule(
        readers=1 if on_cpu else threads,
        windows_ahead=2 * windows * len(sessions) + (0 if on_cpu else threads),
        callers=len(sessions),
        batches_ahead=len(sessions),
    )
