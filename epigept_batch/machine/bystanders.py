"""What else a machine's processors do while something is measured."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

STAT = Path("/proc/stat")
WORKING = (0, 1, 2, 5, 6, 7)
"""Columns of a processor's line that are work: user, nice, system, both kinds of interrupts, and the host's own."""


class Bystanders:
    """Tells, from its creation on, what share of this process's processors others took."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._before = _others_seconds()

    def share(self) -> float | None:
        """Of the time of the processors that this process may use, from 0 to 1; None where Linux does not tell.

        Others are all other processes of this machine, and its host. Children of this process count as its own once
        they have ended.
        """
        now = _others_seconds()
        if now is None or self._before is None:
            return None
        there = len(os.sched_getaffinity(0)) * (time.perf_counter() - self._begun)
        return min(max((now - self._before) / there, 0.0), 1.0)


def _others_seconds() -> float | None:
    """Seconds that this process's processors have worked for others."""
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return None
    mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    columns = [line.split() for line in lines]
    ticks = sum(int(line[1 + column]) for line in columns if line and line[0] in mine for column in WORKING)
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ticks / os.sysconf("SC_CLK_TCK") - sum(usage.ru_utime + usage.ru_stime for usage in usages)
