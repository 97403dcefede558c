"""Fill the disk at different moments of a genome run, free some space, and resume the run.

    sudo python benchmarks/full_disk.py --work DIR [--kilobytes 40 150 …]

Mounts small file systems in memory, so it requires root and Linux. The data are those of `kills.py`. Prints Markdown.
Exits with 1 if a run shows a traceback, leaves a half-written file, or ends unlike the undisturbed one.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from kills import check_final_names, command, uninterrupted, write_inputs

SIZES = (40, 150, 400, 900, 1400, 2000, 2600, 3200, 3800)
ENOUGH = "60m"


def main() -> None:
    """Try each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made")
    parser.add_argument("--kilobytes", type=int, nargs="+", default=SIZES, help="sizes of the disk")
    options = parser.parse_args()
    work, disk = options.work.absolute(), options.work.absolute() / "disk"
    disk.mkdir(parents=True, exist_ok=True)
    write_inputs(work, 8_000_000)
    whole, _ = uninterrupted(work)
    print("| disk, kB | exit code | message | resumed with |\n|---|---|---|---|")
    for size in options.kilobytes:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
        try:
            code, said = run(work, disk / "out")
            check_final_names(disk / "out", whole)
            subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", disk], check=True)
            again, words = run(work, disk / "out")
            if again:
                raise SystemExit(f"did not resume: {words}")
            check_final_names(disk / "out", whole, complete=True)
        finally:
            subprocess.run(["umount", disk], check=True)
        went_on = next((line.partition("resuming: ")[2] for line in words if "resuming" in line), "nothing")
        print(f"| {size:,} | {code} | {said[-1].replace(str(disk), 'DISK')} | {went_on} |", flush=True)


def run(work: Path, out: Path) -> tuple[int, list[str]]:
    """Return the exit code and the lines of a run."""
    done = subprocess.run(command(work, out), capture_output=True, text=True, check=False)
    lines = done.stderr.replace("\r", "\n").strip().splitlines()
    if any("Traceback" in line for line in lines):
        raise SystemExit(done.stderr)
    return done.returncode, lines


if __name__ == "__main__":
    main()
