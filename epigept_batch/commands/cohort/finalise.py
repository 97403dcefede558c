"""`epigept-batch cohort finalise`: check that a cohort is complete, and write its statistics."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import epigept_batch
from epigept_batch.cohort.audit import check_units, foreign_files
from epigept_batch.cohort.opened import Cohort
from epigept_batch.cohort.storage import open_storage
from epigept_batch.cohort.totals import added, nothing, of_bytes, totals_name
from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.cohort.audit import Checked
    from epigept_batch.progress import Progress

RECORD, STATISTICS = "cohort.json", "statistics.tsv"
SHOWN = 20
"""Faults that are shown one by one."""
ALIKE = ("processor", "device", "arithmetic", "runtime")
"""What the bits of values may depend on."""


def run_finalise(location: str, progress: Progress, *, checksums: bool = True) -> dict[str, Any]:
    """Check every unit; write the statistics of each sample and track, and the record of the cohort.

    Args:
        location: Where the cohort lies.
        progress: Receives an update per unit.
        checksums: Whether to read all files and compare their digests; otherwise only their sizes are compared.

    Returns:
        The record.

    Raises:
        InputError: A unit is missing, damaged, foreign or there twice.
    """
    cohort = Cohort(open_storage(location))
    faults = list(foreign_files(cohort))
    tally = _Tally(cohort)
    progress.start(len(cohort.units))
    for checked in check_units(cohort, checksums=checksums):
        faults += tally.take(checked)
        progress.advance()
    for fault in faults[:SHOWN]:
        progress.say(fault)
    if faults:
        more = f", of which {SHOWN} are shown" if len(faults) > SHOWN else ""
        raise InputError(
            f"{len(faults):,} fault{'' if len(faults) == 1 else 's'}{more}; delete files that do not belong here, with "
            "the markers of damaged units, and rerun epigept-batch cohort run",
            cohort.storage.where(),
        )
    if tally.missing:
        raise InputError(
            f"{len(tally.missing):,} of {len(cohort.units):,} units are missing ({_ranges(tally.missing)}); compute "
            "them with epigept-batch cohort run",
            cohort.storage.where(),
        )
    cohort.storage.tidy()
    cohort.storage.write(STATISTICS, "".join(tally.lines()).encode())
    record = tally.record(checksums=checksums)
    cohort.storage.write(RECORD, (json.dumps(record, indent=2) + "\n").encode())
    if len(record["computed_by"]) > 1:
        progress.say(
            f"units were computed by {len(record['computed_by'])} kinds of processors, devices or versions, between "
            f"which values may differ by one step of {cohort.plan.dtype}; {RECORD} lists them"
        )
    progress.finish(
        f"{cohort.storage.where()}: {len(cohort.units):,} units, {cohort.plan.samples:,} samples, "
        f"{len(cohort.plan.tracks)} tracks; statistics in {STATISTICS}"
    )
    return record


def read_record(cohort: Cohort) -> dict[str, Any]:
    """Return the record of a cohort that was finalised.

    Raises:
        InputError: It was not finalised, or its record is damaged.
    """
    content = cohort.storage.read(RECORD)
    if content is None:
        raise InputError(
            "not finalised, so it may be incomplete; run epigept-batch cohort finalise first", cohort.storage.where()
        )
    try:
        record: dict[str, Any] = json.loads(content)
        same = record["plan"] == cohort.plan.digest
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("damaged; rerun epigept-batch cohort finalise", cohort.storage.where(RECORD)) from error
    if not same:
        raise InputError(
            "is the record of another cohort; rerun epigept-batch cohort finalise", cohort.storage.where(RECORD)
        )
    return record


class _Tally:
    """Gathers what the units say."""

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self._tracks = len(cohort.plan.tracks)
        self.totals: NDArray[np.float64] = nothing(self._tracks, cohort.plan.samples)
        self.missing: list[int] = []
        self._makers: Counter[tuple[str, ...]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._bytes = self._pairs = 0

    def take(self, checked: Checked) -> list[str]:
        """Add a unit; return its faults."""
        unit, marker = checked.unit, checked.marker
        if checked.faults:
            return [f"{unit}: {fault}" for fault in checked.faults]
        if marker is None:
            self.missing.append(unit.number)
            return []
        first, last = unit.samples
        name, storage = totals_name(unit), self._cohort.storage
        try:
            more = of_bytes(storage.read(name) or b"", (self._tracks, last - first), storage.where(name))
        except InputError as error:
            return [f"{unit}: {error}"]
        self.totals[:, first:last] = added(self.totals[:, first:last], more)
        self._makers[tuple(marker.worker.get(key, "?") for key in ALIKE)] += 1
        self._seconds.update(marker.seconds)
        self._bytes += sum(file.size for file in marker.files.values())
        self._pairs += marker.pairs
        return []

    def lines(self) -> Iterator[str]:
        """Yield the lines of the table of statistics, of ln(1 + signal)."""
        yield "sample\ttrack\tbins\tmean\tsd\tmin\tmax\n"
        for number, sample in enumerate(self._cohort.samples):
            for track, totals in zip(self._cohort.plan.tracks, self.totals[:, number], strict=True):
                yield "\t".join((sample["sample"], track, *_figures(totals))) + "\n"

    def record(self, *, checksums: bool) -> dict[str, Any]:
        """Return the record of the cohort, JSON-compatible."""
        plan = self._cohort.plan
        return {
            "plan": plan.digest,
            "finalised": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": epigept_batch.__version__,
            "samples": plan.samples,
            "tracks": list(plan.tracks),
            "units": len(self._cohort.units),
            "checksums": checksums,
            "bytes": self._bytes,
            "pairs": self._pairs,
            "seconds": {stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
            "computed_by": [
                {**dict(zip(ALIKE, maker, strict=True)), "units": number}
                for maker, number in self._makers.most_common()
            ],
        }


def _figures(totals: NDArray[np.float64]) -> Iterator[str]:
    """Yield the number of values, their mean, standard deviation, minimum and maximum; empty without a value."""
    bins, total, squares, least, most = (float(one) for one in totals)
    yield f"{bins:.0f}"
    if not bins:
        yield from ("",) * 4
        return
    mean = total / bins
    variance = max(squares / bins - mean * mean, 0.0)
    yield from (f"{value:.7g}" for value in (mean, variance**0.5, least, most))


def _ranges(numbers: list[int]) -> str:
    """Return numbers, counted from 1, as ranges; the first few."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [f"{first + 1:,}" if first == last else f"{first + 1:,} to {last + 1:,}" for first, last in ranges[:5]]
    return ", ".join(shown) + (" …" if len(ranges) > len(shown) else "")
