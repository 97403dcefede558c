"""`epigept-batch cohort status`: what is done, by whom, at what rate, and when it will end."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from epigept_batch.cohort.audit import finished_units
from epigept_batch.cohort.marker import LATEST, read_marker
from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.standing import standing_of
from epigept_batch.cohort.storage import map_files, open_storage
from epigept_batch.commands.cohort.finalise import read_record
from epigept_batch.errors import InputError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = 10
"""Workers that are shown one by one."""


def run_status(location: str) -> dict[str, Any]:
    """Return how far a cohort is, JSON-compatible.

    Args:
        location: Where the cohort lies.

    Raises:
        InputError: There is no cohort, or the marker of a unit is damaged or foreign.
    """
    cohort = Cohort(open_storage(location))
    numbers = sorted(finished_units(cohort))
    read = map_files(lambda number: read_marker(cohort.storage, cohort.units[number], cohort.plan.digest), numbers)
    standing = standing_of((marker for marker in read if marker is not None), len(cohort.units))
    left = standing.seconds_left
    ends = None if left is None or standing.last is None else standing.last + left
    return {
        "cohort": cohort.storage.where(),
        "plan": cohort.plan.digest,
        "samples": cohort.plan.samples,
        "units": standing.units,
        "done": standing.done,
        "finalised": standing.done == standing.units and _is_finalised(cohort),
        "pairs": standing.pairs,
        "workers": dict(standing.workers),
        "units_per_hour": None if standing.rate is None else round(standing.rate * 3600, 3),
        "last": _time(standing.last),
        "seconds_since_last": None if standing.last is None else round(max(0.0, time.time() - standing.last), 1),
        "ends": _time(ends),
    }


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """Return the same in words."""
    done, units = status["done"], status["units"]
    lines = [f"{done:,} of {units:,} units are done ({done / units:.1%}), for {status['samples']:,} samples"]
    if done and done < units:
        rate = status["units_per_hour"]
        lines.append(
            f"the last one at {status['last']}, {status['seconds_since_last']:,.0f} s ago"
            + ("" if rate is None else f"; {rate:,.4g} units per hour, so it will end at {status['ends'] or '?'}")
        )
    if done == units:
        lines.append("finalised" if status["finalised"] else "not finalised yet; run epigept-batch cohort finalise")
    workers = list(status["workers"].items())
    lines += [f"  {number:,} by {one_line(worker)}" for worker, number in workers[:SHOWN]]
    if len(workers) > SHOWN:
        rest = sum(number for _, number in workers[SHOWN:])
        lines.append(f"  {rest:,} by {len(workers) - SHOWN:,} others")
    return lines


def _is_finalised(cohort: Cohort) -> bool:
    """Whether `finalise` has checked the cohort."""
    try:
        read_record(cohort)
    except InputError:
        return False
    return True


def _time(seconds: float | None) -> str | None:
    """Return a time in words; None if it is not known, or later than dates go."""
    if seconds is None or seconds > LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
