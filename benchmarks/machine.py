"""The name of this machine's processor, and the time and memory of a command, for the benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from epigept_batch.machine.processors import processor_name

if TYPE_CHECKING:
    from pathlib import Path

MEASURE = """
import json, os, subprocess, sys, time
begun = time.perf_counter()
with subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
used = usage.ru_utime + usage.ru_stime
print(json.dumps([process.returncode, time.perf_counter() - begun, usage.ru_maxrss * 1024, used]))
"""


def processor() -> str:
    """Return the name of the processor."""
    return processor_name()


def measured(command: list[str | Path]) -> tuple[float, int]:
    """Run a command; return seconds and peak memory in bytes."""
    seconds, peak, _ = measured_with_cores(command)
    return seconds, peak


def measured_with_cores(command: list[str | Path]) -> tuple[float, int, float]:
    """Run a command; return seconds, peak memory in bytes, and seconds of all cores, which other work does not change.

    A small process of its own starts the command, because Linux counts a parent's memory towards its children's peak.
    """
    done = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=True)
    code, seconds, peak, used = json.loads(done.stdout)
    if code:
        raise subprocess.CalledProcessError(code, command)
    return seconds, peak, used
