"""The marker of a finished unit: a small file, written after all others. A unit is done when its marker is there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from epigept_batch.cohort.storage import Storage
    from epigept_batch.cohort.units import Unit

MARKERS = "units"
REMEDY = "delete it and rerun epigept-batch cohort run"


@dataclass(frozen=True)
class WrittenFile:
    """A file of a unit: its size in bytes and SHA-256."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return what identifies a content."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class Marker:
    """What is recorded of a finished unit.

    Attributes:
        unit: Its number, from 0.
        plan: Digest of the plan.
        files: The files that it consists of, by name.
        worker: Who computed it: host, processor, device, versions.
        finished: When it was done, in seconds since 1970.
        seconds: How long each stage took.
        pairs: Pairs of a window and a sample that the network computed.
    """

    unit: int
    plan: str
    files: Mapping[str, WrittenFile]
    worker: Mapping[str, str]
    finished: float
    seconds: Mapping[str, float]
    pairs: int

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"

    @classmethod
    def of_bytes(cls, content: bytes, where: str) -> Self:
        """Read a marker.

        Args:
            content: The content of the file.
            where: Where it lies, for messages.

        Raises:
            InputError: It is not a marker.
        """
        try:
            document: dict[str, Any] = json.loads(content)
            files = {
                str(name): WrittenFile(int(one["size"]), str(one["sha256"])) for name, one in document["files"].items()
            }
            return cls(
                unit=int(document["unit"]),
                plan=str(document["plan"]),
                files=files,
                worker={str(name): str(value) for name, value in document["worker"].items()},
                finished=float(document["finished"]),
                seconds={str(name): float(value) for name, value in document["seconds"].items()},
                pairs=int(document["pairs"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"not the marker of a finished unit; {REMEDY}", where) from error


def marker_name(number: int) -> str:
    """Return the name of the marker of a unit, by its number from 0."""
    return f"{MARKERS}/{number // 1000}/{number}.json"


def read_marker(storage: Storage, unit: Unit, plan: str) -> Marker | None:
    """Return the marker of a unit; None if it is not done.

    Args:
        storage: Where the cohort lies.
        unit: The unit.
        plan: Digest of the plan.

    Raises:
        InputError: There is a marker of another unit or cohort.
    """
    name = marker_name(unit.number)
    content = storage.read(name)
    if content is None:
        return None
    marker = Marker.of_bytes(content, storage.where(name))
    if marker.plan != plan:
        raise InputError(f"was written for another cohort; {REMEDY}", storage.where(name))
    if marker.unit != unit.number:
        raise InputError(f"is the marker of unit {marker.unit + 1:,}, not of {unit}; {REMEDY}", storage.where(name))
    return marker
