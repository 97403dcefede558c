"""Run the network with whichever session is free."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from epigept_batch.inference.ports import EXPRESSION, WINDOWS, Inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.inference.session import Session
    from epigept_batch.timing import StageClock


class SessionPool:
    """Sessions of one network, each used by one thread at a time.

    Args:
        sessions: The sessions.
        clock: Measures the stage `model`.
    """

    def __init__(self, sessions: Sequence[Session], clock: StageClock) -> None:
        self._free: SimpleQueue[Session] = SimpleQueue()
        for session in sessions:
            self._free.put(session)
        self._names = [port.name for port in sessions[0].ports.inputs if port.rows == WINDOWS]
        self._clock = clock

    def run(
        self, windows: Sequence[Mapping[str, NDArray[Any]]], expression: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """Predict windows for samples; waits for a free session.

        Args:
            windows: One row of every input that has one row per window, by name, for each window.
            expression: float32, (samples, factors).

        Returns:
            Each output, float32, (windows, samples, …), by name.
        """
        inputs = Inputs({name: [row[name] for row in windows] for name in self._names}, {EXPRESSION: expression})
        session = self._free.get()
        try:
            with self._clock.stage("model"):
                return dict(session.run(inputs))
        finally:
            self._free.put(session)
