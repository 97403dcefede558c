"""What libraries read from the environment when they are loaded, to be set before any of them is."""

from __future__ import annotations

import os

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""ONNX Runtime from 1.29 on reports to its maker, keeps a device's number and a database, unless this is 1."""
POOLS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Threads that polars, torch and NumPy's linear algebra start; each takes all cores of the machine by itself."""


def send_nothing() -> None:
    """Have ONNX Runtime look nothing up, send nothing and keep nothing, unless the user has decided otherwise."""
    if not os.environ.get(NO_TELEMETRY):
        os.environ[NO_TELEMETRY] = "1"


def limit_pools(threads: int) -> None:
    """Have libraries start no more threads, here and in the processes to come; what the user set lower stays.

    Args:
        threads: Of `--threads`.
    """
    for name in POOLS:
        given = os.environ.get(name, "")
        if not given.isdecimal() or not 0 < int(given) <= threads:
            os.environ[name] = f"{threads}"
