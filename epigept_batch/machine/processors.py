"""How many processors this process may use: of those it may run on, and of what its control groups are allotted.

A container or a batch system limits a job in one of two ways: to certain processors (affinity, which cpusets also show
as), or to so much time a period of all of them (the quota of a control group, as by `docker run --cpus=2` and by
Kubernetes' limits). The second does not hide any processor: who starts a thread for each of 64 with a quota of one is
stopped for most of every period, with all threads at once.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/")
V1, V2 = "cgroup", "cgroup2"
CONTROLLER = "cpu"
"""Of cgroup v1, whose hierarchies each have controllers of their own; v2 has one hierarchy for all."""


class _Mount(NamedTuple):
    """Where a hierarchy of control groups is seen."""

    kind: str
    group: PurePosixPath  # of the hierarchy, that the folder shows
    folder: Path


def usable_processors(root: Path = ROOT) -> int:
    """The least of affinity and quota; at least one.

    Part of a processor does not count: 1.5 are one. A second thread would be stopped half of the time, and the others
    with it, for threads of one product of matrices wait for each other; what is left over serves the processes that
    write.

    Args:
        root: Of the file system, below which `proc` is and what is mounted.
    """
    quota = cpu_quota(root)
    allowed = len(os.sched_getaffinity(0))
    return max(1, allowed if quota is None else min(allowed, int(quota)))


def cpu_quota(root: Path = ROOT) -> float | None:
    """Processors' worth of time that the process's control groups are allotted; None where there is no limit.

    A group has what the least of itself and those above it has, as far as they can be seen: a container's view often
    begins with its own.

    Args:
        root: Of the file system, below which `proc` is and what is mounted.
    """
    groups = dict(_groups(_read(root / "proc/self/cgroup")))
    quotas = [
        quota
        for mount in _mounts(_read(root / "proc/self/mountinfo"), root)
        if mount.kind in groups
        for folder in _nested(mount, groups[mount.kind])
        if (quota := _quota(folder, mount.kind)) is not None
    ]
    return min(quotas, default=None)


def _groups(text: str) -> Iterator[tuple[str, PurePosixPath]]:
    """The process's group in each kind of hierarchy that can limit it, of lines `ID:CONTROLLERS:PATH`."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (number, controllers) == ("0", ""):
            yield V2, PurePosixPath(path)
        elif CONTROLLER in controllers.split(","):
            yield V1, PurePosixPath(path)


def _mounts(text: str, root: Path) -> Iterator[_Mount]:
    """Hierarchies that can limit processors, of lines as proc(5) describes them: `… ROOT FOLDER … - TYPE … OPTIONS`."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        places, what = before.split(" "), after.split(" ")
        if len(places) < 5 or len(what) < 3:  # noqa: PLR2004 - fields
            continue
        kind, options = what[0], what[2].split(",")
        if kind == V2 or (kind == V1 and CONTROLLER in options):
            yield _Mount(kind, PurePosixPath(_unescaped(places[3])), root / _unescaped(places[4]).lstrip("/"))


def _nested(mount: _Mount, group: PurePosixPath) -> Iterator[Path]:
    """Folders of a process's group and of those above it, the nearest first, as far as they are seen.

    A container may see its group under another name than its mount has, as with `/../..` in a namespace of groups: then
    what is mounted is what it was given.
    """
    below = group.relative_to(mount.group).parts if group.is_relative_to(mount.group) else ()
    for depth in range(0 if ".." in below else len(below), -1, -1):
        yield mount.folder.joinpath(*below[:depth])


def _quota(folder: Path, kind: str) -> float | None:
    """What a group itself is allotted; v1 writes -1 for no limit, v2 `max`."""
    if kind == V2:
        fields = _read(folder / "cpu.max").split()
    else:
        fields = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    try:
        time, period = map(int, fields)
    except ValueError:
        return None
    return time / period if time > 0 and period > 0 else None


def _unescaped(path: str) -> str:
    """A path of mountinfo, which writes blanks and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _read(path: Path) -> str:
    """A file of the system; nothing where there is none, or it is not for us."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
