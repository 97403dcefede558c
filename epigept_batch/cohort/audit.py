"""Check that every unit of a cohort is there, whole, once, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from epigept_batch.cohort.cube import CUBE, shard_name
from epigept_batch.cohort.marker import MARKERS, REMEDY, Marker, WrittenFile, marker_name, read_marker
from epigept_batch.cohort.storage import map_files
from epigept_batch.cohort.totals import totals_name
from epigept_batch.errors import InputError
from epigept_batch.names import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from epigept_batch.cohort.opened import Cohort
    from epigept_batch.cohort.units import Unit


@dataclass(frozen=True, eq=False)
class Checked:
    """What was found of a unit.

    Attributes:
        unit: The unit.
        marker: Its marker; None if it is not done.
        faults: What is wrong with it, one sentence each.
    """

    unit: Unit
    marker: Marker | None
    faults: tuple[str, ...] = field(default=())


def finished_units(cohort: Cohort) -> set[int]:
    """Return the numbers of the units that have a marker."""
    names = {marker_name(number): number for number in range(len(cohort.units))}
    return {names[name] for name in cohort.storage.names(MARKERS) if name in names}


def check_units(cohort: Cohort, *, checksums: bool) -> Iterator[Checked]:
    """Check each unit, in order.

    Args:
        cohort: The cohort.
        checksums: Whether to read all files and compare their digests; otherwise only their sizes are compared.
    """

    def check(unit: Unit) -> Checked:
        try:
            marker = read_marker(cohort.storage, unit, cohort.plan.digest)
        except InputError as error:
            return Checked(unit, None, (str(error),))
        faults = () if marker is None else tuple(_faults(cohort, unit, marker, checksums=checksums))
        return Checked(unit, marker, faults)

    yield from map_files(check, cohort.units)


def _faults(cohort: Cohort, unit: Unit, marker: Marker, *, checksums: bool) -> Iterator[str]:
    """Yield what is wrong with the files of a unit."""
    storage = cohort.storage
    expected = {*(shard_name(track, unit) for track in cohort.plan.tracks), totals_name(unit)}
    if set(marker.files) != expected:
        yield f"{storage.where(marker_name(unit.number))}: names other files than {unit} has"
        return
    for name, written in marker.files.items():
        size = storage.size(name)
        if size is None:
            yield f"{storage.where(name)}: missing"
        elif size != written.size:
            yield f"{storage.where(name)}: has {size:,} bytes, not {written.size:,}"
        elif checksums and WrittenFile.of(storage.read(name) or b"") != written:
            yield f"{storage.where(name)}: damaged, its SHA-256 is another one"


def foreign_files(cohort: Cohort) -> Iterator[str]:
    """Yield a sentence on each marker and each file of the cube that belongs to no unit, and on each second marker."""
    storage, units, plan = cohort.storage, cohort.units, cohort.plan
    markers = {marker_name(number) for number in range(len(units))}
    for name in sorted(storage.names(MARKERS)):
        if name not in markers:
            yield f"{storage.where(name)}: {_what_it_is(cohort, name)}; {REMEDY}"
    shards = {shard_name(track, unit) for unit in units for track in plan.tracks}
    for name in sorted(storage.names(CUBE)):
        if name not in shards and not name.endswith(f"/{METADATA}"):
            yield f"{storage.where(name)}: belongs to no unit; {REMEDY}"


def _what_it_is(cohort: Cohort, name: str) -> str:
    """Say what a file among the markers is."""
    try:
        marker = Marker.of_bytes(cohort.storage.read(name) or b"", name)
    except InputError:
        return "is not the marker of a unit"
    if marker.plan != cohort.plan.digest:
        return "is the marker of a unit of another cohort"
    return f"is a second marker, of unit {marker.unit + 1:,}"
