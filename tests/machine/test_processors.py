"""Processors that a process may use, by affinity and by the quotas of control groups, on made-up file systems."""

import os

import pytest

from epigept_batch.machine.processors import cpu_quota, usable_processors

V1 = "32 31 0:29 {root} {folder} rw,relatime - cgroup cgroup rw,{controllers}"
V2 = "41 31 0:38 {root} {folder} rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
UNLIMITED = {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}


def v1(folder="/sys/fs/cgroup/cpu", root="/", controllers="cpu"):
    return V1.format(root=root, folder=folder, controllers=controllers)


def v2(folder="/sys/fs/cgroup", root="/"):
    return V2.format(root=root, folder=folder)


def cfs(quota, period=100_000):
    return {"cpu.cfs_quota_us": f"{quota}", "cpu.cfs_period_us": f"{period}"}


@pytest.fixture
def machine(tmp_path):
    """Maker of a file system with these groups of the process, mounts and groups' files."""

    def make(groups, mounts, files):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text("".join(f"{line}\n" for line in groups))
        others = ["22 1 8:1 / / rw - ext4 /dev/root rw", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755"]
        (tmp_path / "proc/self/mountinfo").write_text("".join(f"{line}\n" for line in [*others, *mounts]))
        for folder, contents in files.items():
            place = tmp_path / folder.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            given = {"cpu.max": contents} if isinstance(contents, str) else contents
            for name, content in given.items():
                (place / name).write_text(f"{content}\n")
        return tmp_path

    return make


GROUP = "/sys/fs/cgroup"
CASES = {
    "v2, in a container": (["0::/"], [v2()], {GROUP: "200000 100000"}, 2),
    "v2, without a limit": (["0::/"], [v2()], {GROUP: "max 100000"}, None),
    "v2, the root group has no file": (["0::/"], [v2()], {GROUP: {"cpu.stat": "x"}}, None),
    "v2, another period": (["0::/"], [v2()], {GROUP: "10000 20000"}, 0.5),
    "v2, on the host": (
        ["0::/user.slice/job"],
        [v2()],
        {f"{GROUP}/user.slice/job": "300000 100000", f"{GROUP}/user.slice": "max 100000"},
        3,
    ),
    "v2, the one above has less": (
        ["0::/a/b/c"],
        [v2()],
        {f"{GROUP}/a/b/c": "max 100000", f"{GROUP}/a/b": "400000 100000", f"{GROUP}/a": "150000 100000"},
        1.5,
    ),
    "v2, the one beside has less": (
        ["0::/a/b"],
        [v2()],
        {f"{GROUP}/a/b": "400000 100000", f"{GROUP}/a/c": "100000 100000"},
        4,
    ),
    "v2, seen from its own group on": (
        ["0::/docker/abc/job"],
        [v2(root="/docker/abc")],
        {f"{GROUP}/job": "max 100000", GROUP: "250000 100000", f"{GROUP}/docker/abc": "100000 100000"},
        2.5,
    ),
    "v2, under another name": (["0::/../other"], [v2()], {GROUP: "200000 100000"}, 2),
    "v2, a view that begins above": (["0::/"], [v2(root="/../..")], {GROUP: "200000 100000"}, 2),
    "v2, mounted elsewhere, with a blank": (
        ["0::/x"],
        [v2(folder="/mnt/control\\040groups")],
        {"/mnt/control groups/x": "700000 100000"},
        7,
    ),
    "v1": (["4:memory:/m", "3:cpu,cpuacct:/"], [v1(controllers="cpu,cpuacct")], {f"{GROUP}/cpu": cfs(300_000)}, 3),
    "v1, without a limit": (["3:cpu:/"], [v1()], {f"{GROUP}/cpu": UNLIMITED}, None),
    "v1, nested": (
        ["1:cpu:/docker/abc"],
        [v1()],
        {
            f"{GROUP}/cpu/docker/abc": cfs(50_000, 25_000),
            f"{GROUP}/cpu/docker": cfs(600_000),
            f"{GROUP}/cpu": UNLIMITED,
        },
        2,
    ),
    "v1, seen from its own group on": (
        ["1:cpu:/docker/abc"],
        [v1(root="/docker/abc")],
        {f"{GROUP}/cpu": cfs(100_000)},
        1,
    ),
    "v1, other controllers do not count": (
        ["2:cpuacct,cpuset:/", "1:cpu:/"],
        [
            v1(),
            v1(folder=f"{GROUP}/cpuset", controllers="cpuset"),
            v1(folder=f"{GROUP}/cpuacct", controllers="cpuacct"),
        ],
        {f"{GROUP}/cpu": UNLIMITED, f"{GROUP}/cpuset": cfs(100_000), f"{GROUP}/cpuacct": cfs(100_000)},
        None,
    ),
    "v1, the processor sets are another hierarchy": (
        ["1:cpu:/job", "2:cpuset:/elsewhere"],
        [v1()],
        {f"{GROUP}/cpu/job": cfs(200_000)},
        2,
    ),
    "both, limited by v1": (
        ["1:cpu:/job", "0::/"],
        [v1(), v2(folder=f"{GROUP}/unified")],
        {f"{GROUP}/cpu/job": cfs(200_000), f"{GROUP}/unified": {"cgroup.procs": "1"}},
        2,
    ),
    "both, the least": (
        ["1:cpu:/job", "0::/job"],
        [v1(), v2(folder=f"{GROUP}/unified")],
        {f"{GROUP}/cpu/job": cfs(300_000), f"{GROUP}/unified/job": "200000 100000"},
        2,
    ),
    "no group": ([], [], {}, None),
    "no mount": (["0::/"], [], {GROUP: "100000 100000"}, None),
    "a group's name with a colon": (["0::/a:b"], [v2()], {f"{GROUP}/a:b": "200000 100000"}, 2),
    "what nobody writes": (["", "x", "0::/"], ["", "- -", v2()], {GROUP: "many 100000"}, None),
    "a period of nothing": (["0::/"], [v2()], {GROUP: "100000 0"}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_quota(machine, case):
    groups, mounts, files, expected = CASES[case]
    assert cpu_quota(machine(groups, mounts, files)) == expected


@pytest.mark.parametrize(
    ("affinity", "quota", "usable"),
    [
        (8, "max 100000", 8),
        (8, "300000 100000", 3),
        (2, "300000 100000", 2),
        (8, "150000 100000", 1),
        (8, "299999 100000", 2),
        (8, "10000 100000", 1),
    ],
)
def test_the_least_of_affinity_and_quota(machine, monkeypatch, affinity, quota, usable):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(10, 10 + affinity)))
    assert usable_processors(machine(["0::/"], [v2()], {GROUP: quota})) == usable


@pytest.mark.parametrize(
    ("slurm", "usable"), [("2", 2), ("1", 1), ("8", 3), ("", 3), ("0", 3), ("-1", 3), ("two", 3), (None, 3)]
)
def test_what_slurm_grants_counts_where_it_is_less(machine, monkeypatch, slurm, usable):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    if slurm is None:
        monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    else:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", slurm)
    assert usable_processors(machine(["0::/"], [v2()], {GROUP: "300000 100000"})) == usable


def test_a_system_without_proc_has_its_affinity_alone(tmp_path):
    assert usable_processors(tmp_path) == len(os.sched_getaffinity(0))
