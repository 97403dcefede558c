"""How long each stage of a run takes."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StageClock:
    """Measures seconds per stage, from its creation on. Stages may run at the same time in several threads."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._one_adds = Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the body takes to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            with self._one_adds:
                self._seconds[name] += seconds

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage, summed over threads, and the elapsed time as `total`."""
        with self._one_adds:
            return {**self._seconds, "total": time.perf_counter() - self._start}
