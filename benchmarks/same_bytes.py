"""Check whether two versions of the program write the same bytes: tracks of a model, kept scores, the demo.

    python benchmarks/same_bytes.py --before DIR/bin --after DIR/bin --fasta FASTA --tpm TABLE --model FILE …

Each DIR/bin has an installed `epigept-batch`. The script compares every file that either version writes: bigWigs and
the arrays of a store to the byte, and of a run's record what the files were made from. Prints Markdown. Exits with 1 if
any file differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID_OTHERWISE = {"run.json": ("inputs", "files", "factors", "windows", "bins", "regions")}
"""Keys that are compared in files that also contain times and versions."""


def main() -> None:
    """Print a row per run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="folder with the commands of one version")
    parser.add_argument("--after", type=Path, required=True, help="folder with the commands of the other version")
    parser.add_argument("--fasta", type=Path, required=True)
    parser.add_argument("--tpm", type=Path, required=True)
    parser.add_argument("--model", type=Path, action="append", required=True)
    options = parser.parse_args()
    alike = True
    print("| run | files | bytes | files that differ |\n|---|---|---|---|")
    for name, words in runs(options):
        with tempfile.TemporaryDirectory() as work:
            folders = [Path(work, version) for version in ("before", "after")]
            for folder, commands in zip(folders, (options.before, options.after), strict=True):
                command = [commands / "epigept-batch", *words, "--out", folder]
                subprocess.run(command, check=True, capture_output=True)
            before, after = ({path: content(folder / path) for path in files(folder)} for folder in folders)
        other = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        alike &= not other
        print(
            f"| {name} | {len(before)} | {sum(map(len, before.values())):,} | {', '.join(other) or 'none'} |",
            flush=True,
        )
    sys.exit(not alike)


def runs(options: argparse.Namespace) -> Iterator[tuple[str, list[str | Path]]]:
    """Yield the names and words of the runs."""
    inputs = ["--fasta", options.fasta, "--device", "cpu"]
    for model in options.model:
        yield f"genome, {model.name}", ["genome", "--tpm", options.tpm, *inputs, "--model", model]
    yield "scan", ["scan", "--fasta", options.fasta, "--model", options.model[0]]
    yield "demo", ["demo"]


def files(folder: Path) -> list[str]:
    """Return the paths of all files below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def content(path: Path) -> bytes:
    """Return the content of a file that is compared."""
    for ending, keys in SAID_OTHERWISE.items():
        if path.name.endswith(ending):
            document = json.loads(path.read_text())
            return json.dumps({key: document.get(key) for key in keys}, sort_keys=True).encode()
    return path.read_bytes()


if __name__ == "__main__":
    main()
