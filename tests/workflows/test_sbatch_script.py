"""The script of Slurm's array, with stand-ins for Slurm and the program."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from pages import ROOT

from .conftest import until

SCRIPT = ROOT / "workflows/slurm/cohort.sbatch"
SIGNAL = re.search(r"^#SBATCH --signal=B:(\w+)@60$", SCRIPT.read_text(), re.MULTILINE)
"""What Slurm sends to the script alone, a minute before the time limit."""
STAND_INS = {
    "epigept-batch": """echo "$@" > given; trap 'touch stopped; kill $!' TERM; touch begun; sleep 20 & wait $!""",
    "scontrol": 'echo "$@" > asked',
}


@pytest.mark.parametrize(("restarts", "asked"), [("", "requeue 70_3"), ("19", "requeue 70_3"), ("20", None)])
def test_near_the_limit_the_work_stops_and_the_task_is_requeued_twenty_times(tmp_path, restarts, asked):
    for name, text in STAND_INS.items():
        (tmp_path / name).write_text(f"#!{shutil.which('bash')}\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "70",
        "SLURM_ARRAY_JOB_ID": "70",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_ARRAY_TASK_COUNT": "8",
        "SLURM_RESTART_COUNT": restarts,
    }
    words = [shutil.which("bash"), SCRIPT, "a cohort", "--fasta", "a b.fa"]
    with subprocess.Popen(words, cwd=tmp_path, env=environment) as running:
        until((tmp_path / "begun").exists)
        running.send_signal(getattr(signal, f"SIG{SIGNAL[1]}"))
        assert running.wait(20) != 0
    assert (tmp_path / "given").read_text() == "cohort partition a cohort 3 --of 8 --fasta a b.fa\n"
    assert (tmp_path / "stopped").exists()
    found = (tmp_path / "asked").read_text().strip() if (tmp_path / "asked").exists() else None
    assert found == asked
