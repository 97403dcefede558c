"""A few seconds of damaged files for every reader; `make fuzz` takes an hour."""

import re
import subprocess
import sys
from pathlib import Path

from fuzz import mutate


def test_no_damaged_file_crashes_a_reader(tmp_path):
    """In a process of its own, for a crash may be one of the interpreter."""
    command = [sys.executable, Path(__file__).parent / "fuzz.py", "--seconds", "30", "--keep", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    tried = {name: int(count.replace(",", "")) for name, count in re.findall(r"(\w+) +tried +([\d,]+)", done.stdout)}
    assert len(tried) == 15
    assert min(tried.values()) > 5
    assert not list(tmp_path.glob("crash.*"))


def test_the_same_seed_makes_the_same_damage():
    import random

    seeds = (b"gene_id\tTPM\nAHR\t1\n", b"other")
    made = [[mutate(seeds[0], seeds, random.Random(seed)) for seed in range(50)] for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 40
