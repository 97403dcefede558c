"""The files that describe a cube follow from the plan and the samples, so they can be compared and written again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from epigept_batch.cohort.cube import metadata
from epigept_batch.cohort.storage import map_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from epigept_batch.cohort.opened import Cohort


def restore_description(cohort: Cohort) -> Iterator[str]:
    """Write the files that are missing or were edited again, and yield the name of each.

    Shards say nothing of their shape or type. So with an edited description, whole shards would be read wrongly.

    Args:
        cohort: The cohort.

    Raises:
        EpiGePTError: A file cannot be read or written.
    """

    def differing(file: tuple[str, bytes]) -> tuple[str, bytes] | None:
        name, content = file
        return None if _same(cohort.storage.read(name), content) else file

    files = metadata(cohort.plan, cohort.columns)
    for file in map_files(differing, files):
        if file is not None:
            cohort.storage.write(*file)
            yield file[0]


def _same(there: bytes | None, content: bytes) -> bool:
    """Whether a file says the same, also if another version of Zarr has arranged it otherwise."""
    try:
        return there is not None and json.loads(there) == json.loads(content)
    except (ValueError, RecursionError):
        return False
