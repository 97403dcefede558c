"""Count the processors that this process may use: by its affinity, the quota of its control groups, and Slurm.

A container or a batch system limits a job in one of two ways. It restricts the job to certain processors (affinity,
which also reflects cpusets), or to an amount of processor time per period (the quota of a control group, as set by
`docker run --cpus=2` and by Kubernetes' limits). A quota does not hide any processor: a job that starts 64 threads with
a quota of one processor is stopped, with all its threads, for most of every period. A Slurm cluster that does neither
still says in a variable how many processors it granted.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/")
SLURM = "SLURM_CPUS_PER_TASK"
"""Set by Slurm for jobs with --cpus-per-task."""
V1, V2 = "cgroup", "cgroup2"
CONTROLLER = "cpu"
"""The controller in cgroup v1, where each hierarchy has its own controllers; v2 has one hierarchy for all."""


class _Mount(NamedTuple):
    """Where a hierarchy of control groups is mounted."""

    kind: str
    group: PurePosixPath  # the group of the hierarchy that the folder shows
    folder: Path


def usable_processors(root: Path = ROOT) -> int:
    """Return the smallest of affinity, quota and what Slurm granted; at least one.

    A quota is rounded down: 1.5 processors count as one. A second thread would be stopped half of the time and delay
    the others, because threads of a matrix product wait for each other. The writing processes use the rest.

    Args:
        root: Root of the file system that contains `proc` and the mounts.
    """
    limits = (len(os.sched_getaffinity(0)), cpu_quota(root), _granted_by_slurm())
    return max(1, min(int(limit) for limit in limits if limit is not None))


def _granted_by_slurm() -> int | None:
    """Return the processors per task of a Slurm job; None outside of one."""
    text = os.environ.get(SLURM, "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) else None


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the number of processors that the control groups allow; None without a limit.

    The smallest quota of the process's group and its visible parents applies. A container often sees only its own.

    Args:
        root: Root of the file system that contains `proc` and the mounts.
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
    """Parse lines `ID:CONTROLLERS:PATH`; yield the process's group in each kind of hierarchy that can limit it."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (number, controllers) == ("0", ""):
            yield V2, PurePosixPath(path)
        elif CONTROLLER in controllers.split(","):
            yield V1, PurePosixPath(path)


def _mounts(text: str, root: Path) -> Iterator[_Mount]:
    """Parse lines of proc(5), `… ROOT FOLDER … - TYPE … OPTIONS`; yield hierarchies that can limit processors."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        places, what = before.split(" "), after.split(" ")
        if len(places) < 5 or len(what) < 3:  # noqa: PLR2004 - fields
            continue
        kind, options = what[0], what[2].split(",")
        if kind == V2 or (kind == V1 and CONTROLLER in options):
            yield _Mount(kind, PurePosixPath(_unescaped(places[3])), root / _unescaped(places[4]).lstrip("/"))


def _nested(mount: _Mount, group: PurePosixPath) -> Iterator[Path]:
    """Yield the visible folders of a process's group and its parents, the nearest first.

    A container may see its group under another path than the mount, such as `/../..` in a group namespace. The mount
    itself is then the container's group.
    """
    below = group.relative_to(mount.group).parts if group.is_relative_to(mount.group) else ()
    for depth in range(0 if ".." in below else len(below), -1, -1):
        yield mount.folder.joinpath(*below[:depth])


def _quota(folder: Path, kind: str) -> float | None:
    """Return the quota of a single group; v1 writes -1 for no limit, v2 writes `max`."""
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
    """Decode a path of mountinfo, where blanks and backslashes are octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _read(path: Path) -> str:
    """Read a system file; return an empty string if it does not exist or is not readable."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def processor_name(root: Path = ROOT) -> str:
    """Return the name of the processor, as the system gives it.

    Args:
        root: Root of the file system that contains `proc`.
    """
    try:
        lines = (root / "proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.machine()
