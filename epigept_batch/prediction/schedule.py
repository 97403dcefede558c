"""What of a prediction runs ahead of what, and in how many threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.inference.session import Session


@dataclass(frozen=True)
class Schedule:
    """What runs ahead of what.

    Attributes:
        readers: Threads that read and scan windows; 0 to do that between two calls of the network.
        windows_ahead: How many windows may be read before they are needed.
        callers: Threads that call the network, one per session; 0 to do that between two writes.
        batches_ahead: How many batches may be under way or wait, beside the one that is being written.
    """

    readers: int
    windows_ahead: int
    callers: int
    batches_ahead: int


ONE_AFTER_THE_OTHER = Schedule(readers=0, windows_ahead=0, callers=0, batches_ahead=0)


def make_schedule(sessions: Sequence[Session], *, threads: int, windows: int, scans: bool) -> Schedule:
    """What suits the sessions: a batch for each, another read, and on a CPU no more threads than it has cores.

    Args:
        sessions: Where the network runs.
        threads: How many the CPU may use.
        windows: Of a batch.
        scans: Whether the genome is scanned on the way.
    """
    on_cpu = sessions[0].on_host
    if on_cpu and scans:
        # Scan and network each take all cores: side by side they wait for each other's threads.
        return ONE_AFTER_THE_OTHER
    return Schedule(
        readers=1 if on_cpu else threads,
        windows_ahead=2 * windows * len(sessions) + (0 if on_cpu else threads),
        callers=len(sessions),
        batches_ahead=len(sessions),
    )
