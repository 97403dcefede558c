"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StageClock:
    """Seconds by stage, from its creation on; stages may run at once, in several threads."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._one_adds = Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what the body takes towards a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            with self._one_adds:
                self._seconds[name] += seconds

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage, summed over threads, and the wall's in total."""
        with self._one_adds:
            return {**self._seconds, "total": time.perf_counter() - self._start}
