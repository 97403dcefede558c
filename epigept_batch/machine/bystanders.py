"""Measure the load of other processes on a machine's processors during a measurement."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

STAT = Path("/proc/stat")
WORKING = (0, 1, 2, 5, 6, 7)
"""Columns of a processor's line that count as work: user, nice, system, both kinds of interrupts, and steal."""


class Bystanders:
    """Measures, from its creation on, what share of this process's processors others used."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._before = _others_seconds()

    def share(self) -> float | None:
        """Return the share of processor time that others used, from 0 to 1; None if Linux does not report it.

        Only processors that this process may use count. Others are all other processes of this machine, and its host.
        Children of this process count as its own once they have ended.
        """
        now = _others_seconds()
        if now is None or self._before is None:
            return None
        there = len(os.sched_getaffinity(0)) * (time.perf_counter() - self._begun)
        return min(max((now - self._before) / there, 0.0), 1.0)


def _others_seconds() -> float | None:
    """Return how many seconds this process's processors have worked for others."""
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return None
    mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    columns = [line.split() for line in lines]
    ticks = sum(int(line[1 + column]) for line in columns if line and line[0] in mine for column in WORKING)
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ticks / os.sysconf("SC_CLK_TCK") - sum(usage.ru_utime + usage.ru_stime for usage in usages)
