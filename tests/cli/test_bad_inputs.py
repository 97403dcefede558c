"""The table of bad inputs: `benchmarks/bad_inputs.py` says of each whether it is one line with the right code."""

import re
import subprocess
import sys
from pathlib import Path


def test_every_bad_input_of_every_command_is_one_line_with_its_code():
    script = Path(__file__).parents[2] / "benchmarks/bad_inputs.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr
    rows = re.findall(r"^\| `(\w+)[ `].*\| \d \|$", done.stdout, re.MULTILINE)
    assert len(rows) >= 100
    commands = {
        "genome",
        "contacts",
        "variants",
        "screen",
        "scan",
        "expression",
        "info",
        "simulate",
        "demo",
        "evaluate",
        "peaks",
        "calibrate",
        "compare",
        "mean",
        "plot",
        "hub",
        "view",
        "matrix",
        "report",
        "cohort",
        "doctor",
        "bench",
        "setup",
    }
    assert set(rows) == commands | {"completion", "convert", "verify", "train"}
