"""The tests of the scan with the code for GPUs, in numba's simulator of CUDA."""

import os
import re
import subprocess
import sys
from pathlib import Path

MOTIFS = Path(__file__).parent.parent


def test_the_code_for_gpus_passes_the_tests_of_the_scan():
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "SCAN_BACKEND": "simulator"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "every_backend", "-p", "no:cacheprovider", str(MOTIFS)]
    done = subprocess.run(command, env=environment, cwd=MOTIFS.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 80
