"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StageClock:
    """Wall seconds by stage, from its creation on."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what the body takes towards a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage, of everything else, and in total."""
        total = time.perf_counter() - self._start
        other = total - sum(self._seconds.values())
        return {**self._seconds, "other": other, "total": total}
