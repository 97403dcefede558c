"""Set environment variables that libraries read while they are loaded."""

from __future__ import annotations

import os

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""From 1.29 on, ONNX Runtime sends telemetry and stores a device id and a database unless this variable is 1."""
POOLS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that limit the threads of polars, torch and NumPy's linear algebra; by default each uses all cores."""


def send_nothing() -> None:
    """Disable ONNX Runtime's telemetry, unless the user has set the variable."""
    if not os.environ.get(NO_TELEMETRY):
        os.environ[NO_TELEMETRY] = "1"


def limit_pools(threads: int) -> None:
    """Limit the threads of libraries in this process and its children; lower limits set by the user stay.

    Args:
        threads: The value of `--threads`.
    """
    for name in POOLS:
        given = os.environ.get(name, "")
        if not given.isdecimal() or not 0 < int(given) <= threads:
            os.environ[name] = f"{threads}"
