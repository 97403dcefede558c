"""Inputs of a small cohort, the cube that one process makes of them, and a Slurm cluster of one node."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from conftest import SCRIPTS
from pages import ROOT, engine_script

ASKED = "EPIGEPT_TESTS_WORKFLOWS"
PATHS = os.pathsep.join((str(SCRIPTS), os.environ["PATH"], "/usr/sbin"))
PROGRAMS = {"slurm": ("sbatch", "slurmctld", "slurmd", "munged"), "snakemake": ("snakemake",)}
"""What the tests of each marker need."""
PAGE = ROOT / "docs/how-to/workflows.md"
SAMPLES = 5
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=0
DefMemPerCPU=512
MinJobAge=3600
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=128 RealMemory=131072
PartitionName=low Nodes=ALL Default=YES PriorityTier=1
PartitionName=high Nodes=ALL PriorityTier=2
"""
"""More CPUs and memory than there are, so that all jobs can run at the same time."""


def pytest_runtest_setup(item):
    """Skip tests that start an engine, unless they are asked for and the engine is there."""
    needed = [name for marker in item.iter_markers() for name in PROGRAMS.get(marker.name, ())]
    if needed and not os.environ.get(ASKED):
        pytest.skip(f"starts an engine; make check-workflows sets {ASKED}")
    absent = [name for name in needed if shutil.which(name, path=PATHS) is None]
    if absent:
        pytest.skip(f"needs {', '.join(absent)}")


def files(folder):
    """Bytes of the files that hold values, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in ("cube.zarr", "totals")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


def until(condition, seconds=120):
    """Return the first true value of a condition."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.1)
    return found


@dataclass
class Folder:
    """A user's folder, where the commands of a page run."""

    path: Path
    environment: dict

    def run(self, text):
        """Run a bash script; return what it leaves."""
        words = [shutil.which("bash"), "-euc", text]
        return subprocess.run(
            words, cwd=self.path, env=self.environment, capture_output=True, text=True, check=False, timeout=240
        )

    def plan(self, name):
        """Return the digest of a cohort's plan."""
        return json.loads((self.path / name / "plan.json").read_text())["digest"]

    def page(self, engine):
        """Run the commands of the page that are for an engine."""
        done = self.run(engine_script(PAGE, engine))
        assert done.returncode == 0, done.stderr
        return done

    def alone(self, name, options):
        """Return the files with values of a cohort that one process computes."""
        done = self.run(
            f"epigept-batch cohort init {name} --samples sheet.tsv {options}\n"
            f"epigept-batch cohort run {name} --workers 1 --quiet"
        )
        assert done.returncode == 0, done.stderr
        return files(self.path / name)


@pytest.fixture(scope="session")
def inputs(small_model, tmp_path_factory):
    """A folder with a sheet, and one with the genome and the model, as `setup` installs them."""
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(7)
    (folder / "home").mkdir()
    (folder / "work").mkdir()
    shutil.copy(small_model, folder / "home/model.onnx")
    contigs = ("".join(rng.choice(list("ACGT"), 40_960)) for _ in range(8))
    (folder / "home/genome.fa").write_text("".join(f">c{n}\n{bases}\n" for n, bases in enumerate(contigs)))
    lines = ["sample\tfile"]
    for number in range(SAMPLES):
        rows = "".join(f"F{n:02d}\t{value}\n" for n, value in enumerate(rng.gamma(0.5, 20, 15).round(2)))
        (folder / f"work/s{number}.tsv").write_text("gene_id\tTPM\n" + rows)
        lines.append(f"s{number}\ts{number}.tsv")
    (folder / "work/sheet.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def folder(inputs, tmp_path):
    """A folder with a sheet and the workflows, and an environment with the installed files."""
    shutil.copytree(inputs / "work", tmp_path / "work")
    shutil.copytree(inputs / "home", tmp_path / "home")
    shutil.copytree(ROOT / "workflows", tmp_path / "work/workflows")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
    return Folder(tmp_path / "work", {**kept, "PATH": PATHS, "EPIGEPT_BATCH_HOME": str(tmp_path / "home")})


@dataclass
class Cluster:
    """A Slurm cluster, as the user of a folder sees it."""

    environment: dict
    hastened: set = field(default_factory=set)

    def ask(self, *words, refusable=False):
        """Return what a command of Slurm prints. It may fail if it is refusable."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or refusable, done.stderr
        return done.stdout

    def states(self, folder):
        """Return the states of all jobs that were submitted from a folder, by ID and task."""
        lines = self.ask("squeue", "--array", "--states=all", "--noheader", "--format=%i|%T|%Z").splitlines()
        rows = [line.split("|") for line in lines]
        return {job: state for job, state, place in rows if place == str(folder.path)}

    def ended(self, folder):
        """Return the states of jobs when all have ended."""

        def all_ended():
            states = self.states(folder)
            for job, state in states.items():
                if state == "PENDING" and self.restarts(job):
                    self._hasten(job)
            return states if set(states.values()) <= ENDED else None

        return until(all_ended)

    def _hasten(self, job):
        """Let a requeued job begin in seconds, not minutes. Slurm refuses until it has cleaned up the last try."""
        if job not in self.hastened:
            words = ["scontrol", "update", f"JobId={job}", "StartTime=now+3"]
            done = subprocess.run(words, env=self.environment, capture_output=True, check=False)
            self.hastened |= {job} if done.returncode == 0 else set()

    def restarts(self, job):
        """Return how often a job was requeued."""
        shown = self.ask("scontrol", "--oneliner", "show", "job", job)
        return int(shown.partition("Restarts=")[2].split()[0])


@contextmanager
def daemon(folder, environment, *words):
    """Run a daemon in the foreground while the block runs."""
    with (folder / f"{words[0]}.out").open("w") as out:
        program = shutil.which(words[0], path=PATHS)
        with subprocess.Popen([program, *words[1:]], env=environment, stdout=out, stderr=out) as running:
            try:
                yield
            finally:
                running.terminate()
                try:
                    running.wait(20)
                except subprocess.TimeoutExpired:
                    running.kill()


def free_ports():
    """Return two ports that nobody uses."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A Slurm cluster of this machine, with two partitions, one of which preempts jobs of the other."""
    folder, host = tmp_path_factory.mktemp("slurm"), socket.gethostname().partition(".")[0]
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    user = getpass.getuser()
    configuration = CONFIGURATION.format(host=host, ports=free_ports(), user=user, folder=folder)
    (folder / "slurm.conf").write_text(configuration)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(64))
    key.chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
    environment = {**kept, "PATH": PATHS, "SLURM_CONF": str(folder / "slurm.conf")}
    places = (f"--{name}={folder}/munge.{name.split('-')[0]}" for name in ("socket", "log-file", "pid-file"))
    munge = ("munged", "--foreground", "--force", *places, f"--key-file={key}", f"--seed-file={folder}/munge.seed")
    with ExitStack() as stack:
        for words in (munge, ("slurmctld", "-D", "-i"), ("slurmd", "-D", "-N", host)):
            stack.enter_context(daemon(folder, environment, *words))
            if words is munge:
                until((folder / "munge.socket").exists)
        made = Cluster(environment)
        sinfo = ("sinfo", "--noheader", "--format=%T", "--partition=low")
        until(lambda: made.ask(*sinfo, refusable=True).strip() == "idle")
        yield made
        made.ask("scancel", f"--user={user}")


@pytest.fixture
def slurm(cluster, folder):
    """A cluster whose commands the folder's scripts use."""
    configuration = cluster.environment["SLURM_CONF"]
    folder.environment["SLURM_CONF"] = configuration
    # Snakemake's plug-in clears Slurm's variables, because the configuration usually lies in /etc.
    srun = folder.path / "bin/srun"
    srun.parent.mkdir()
    real = shutil.which("srun", path=PATHS)
    srun.write_text(f'#!{shutil.which("bash")}\nSLURM_CONF="{configuration}" exec {real} "$@"\n')
    srun.chmod(0o755)
    folder.environment["PATH"] = f"{srun.parent}:{PATHS}"
    return cluster
