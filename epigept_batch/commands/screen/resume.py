"""The journal of a screen: finished parts of windows on disk, so that a stopped screen can resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

import epigept_batch
from epigept_batch.commands.run.journal import Journal
from epigept_batch.commands.run.resume import Syncs
from epigept_batch.screen.windows import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from epigept_batch.commands.screen.plan import ScreenPlan
    from epigept_batch.inference.session import Session
    from epigept_batch.screen.windows import Due, Part
    from epigept_batch.tiling import Tile


class ScreenJournal:
    """Finished parts. A journal holds float32, so the float64 sums are kept as pairs, bit by bit.

    Args:
        plan: Plan of the screen.

    Raises:
        OutputError: Another run is writing, a screen with other inputs was stopped here, or it cannot be written.
    """

    def __init__(self, plan: ScreenPlan) -> None:
        self._plan, self._parts = plan, plan.layout.parts
        inputs = {**plan.inputs, "version of epigept-batch": epigept_batch.__version__}
        self._journal = Journal(plan.files.journal, inputs, fresh=plan.request.fresh)
        self._syncs = Syncs([self._journal])
        self.resumed = len(self._journal.tiles)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def begin(self, session: Session) -> None:
        """Record the device that computes the remaining parts.

        Raises:
            OutputError: The finished parts were computed on another kind of device, which rounds differently.
        """
        self._journal.begin({"kind of device": session.provider, "arithmetic": session.arithmetic})

    @property
    def kept(self) -> int:
        """Number of finished parts."""
        return len(self._journal.tiles)

    @property
    def total(self) -> int:
        """Number of all parts."""
        return len(self._plan.areas.tiles) * self._parts

    def due(self) -> Iterator[Due]:
        """Yield the windows that are not finished, in genome order, each with its missing parts."""
        for tile in self._plan.areas.tiles:
            missing = [part for part in range(self._parts) if self._number(tile, part) not in self._journal]
            if missing:
                yield tile, missing

    def finished(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield the number and the values of each part, other than counts of bins, that is finished."""
        for tile in self._plan.areas.tiles:
            for part in range(HEAD + 1, self._parts):
                if self._number(tile, part) in self._journal:
                    yield part, self.read(tile, part)

    def add(self, part: Part) -> None:
        """Keep a part.

        Raises:
            OutputError: It cannot be written.
        """
        self._journal.add(self._number(part.tile, part.number), np.ascontiguousarray(part.values).view(np.float32))
        self._syncs.sync_if_due()

    def read(self, tile: Tile, part: int) -> NDArray[np.float64]:
        """Return the values of a finished part."""
        return self._journal.read(self._number(tile, part)).view(np.float64)

    def remove(self) -> None:
        """Delete the journal: the tables are complete."""
        self._journal.remove()

    def _number(self, tile: Tile, part: int) -> int:
        return tile.index * self._parts + part
