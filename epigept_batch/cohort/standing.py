"""How far a cohort is: what is done, by whom, at what rate, and when it will end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from epigept_batch.cohort.marker import Marker

RECENT_S = 900.0
"""The rate is that of the units that were finished so many seconds before the latest one."""
FEW = 8
"""Units that the rate is taken of at least, if there are so many."""


@dataclass(frozen=True)
class Standing:
    """How far a cohort is.

    Attributes:
        units: Number of units.
        done: How many are done.
        workers: Units that each worker did, by `host:process device`, most first.
        pairs: Pairs of a window and a sample that the network computed.
        last: When the latest unit was finished, in seconds since 1970; None if there is none.
        rate: Units per second; None if it cannot be told.
    """

    units: int
    done: int
    workers: Mapping[str, int]
    pairs: int
    last: float | None
    rate: float | None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at this rate, from the latest unit on; None if it cannot be told."""
        if self.done == self.units:
            return 0.0
        return None if self.rate is None else (self.units - self.done) / self.rate


def standing_of(markers: Iterable[Marker], units: int) -> Standing:
    """Return how far a cohort is.

    Args:
        markers: Those of all units that are done.
        units: Number of units.
    """
    found = list(markers)
    ends = sorted(marker.finished for marker in found)
    workers = Counter(worker_name(marker) for marker in found)
    return Standing(
        units=units,
        done=len(found),
        workers=dict(workers.most_common()),
        pairs=sum(marker.pairs for marker in found),
        last=ends[-1] if ends else None,
        rate=_rate(ends),
    )


def worker_name(marker: Marker) -> str:
    """Return who computed a unit."""
    return f"{marker.worker.get('host', '?')}:{marker.worker.get('process', '?')} {marker.worker.get('device', '?')}"


def _rate(ends: list[float]) -> float | None:
    """Return units per second of the latest units, from the end of one to the end of the last."""
    recent = [end for end in ends if end >= ends[-1] - RECENT_S] if ends else []
    recent = recent if len(recent) >= FEW else ends[-FEW:]
    span = recent[-1] - recent[0] if recent else 0.0
    return (len(recent) - 1) / span if span > 0 else None
