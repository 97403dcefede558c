"""Compare bigWig writers on 24 million bins: this program's, pyBigWig and pybigtools.

    python benchmarks/bigwig.py

Each writer runs in a process of its own, and they take turns. Prints Markdown. Needs the [test] extra.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.tiling import Contig
from epigept_batch.tracks.bigwig import BigWigWriter
from machine import processor

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTIG_BINS, BIN_BP, WINDOW = 1_000_000, 128, 1_000


def main() -> None:
    """Print the table, or write one file and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, default=24, help="millions of bins")
    parser.add_argument("--rounds", type=int, default=3, help="number of times to write each file")
    parser.add_argument("--once", choices=list(WRITERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(once(options.once, options.bins)))
        return
    print(f"{processor()}; {options.bins} million bins in contigs of {CONTIG_BINS:,}\n")
    print("| | seconds, median | of them to close | minimum | memory, MB | bytes per bin in memory | file, MB |")
    print("|---|---|---|---|---|---|---|")
    for name in WRITERS:
        command = [sys.executable, __file__, "--bins", str(options.bins), "--once", name]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(options.rounds)]
        values = [run["seconds"] for run in runs]
        close = median(run["close"] for run in runs)
        print(
            f"| {name} | {median(values):.1f} | {close:.1f} | {min(values):.1f} | {runs[0]['memory'] / 1e6:.0f} ",
            end="",
        )
        print(f"| {runs[0]['memory'] / options.bins / 1e6:.2f} | {runs[0]['bytes'] / 1e6:.1f} |", flush=True)


def once(name: str, millions: int) -> dict[str, float]:
    """Write a file; return seconds (without making the values), seconds to close, memory and bytes."""
    contigs = [Contig(f"chr{number}", CONTIG_BINS * BIN_BP) for number in range(1, millions + 1)]
    begun = time.perf_counter()
    for _ in windows(contigs):
        pass
    made = time.perf_counter() - begun
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.bw"
        begun = time.perf_counter()
        close = WRITERS[name](path, contigs)
        seconds = time.perf_counter() - begun - made
        size = path.stat().st_size
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"seconds": seconds, "close": close, "memory": memory, "bytes": size}


def windows(contigs: list[Contig]) -> Iterator[tuple[Contig, int, np.ndarray]]:
    """Yield windows like those of a network: smooth, with noise in the last bits."""
    rng = np.random.default_rng(1)
    smooth = np.cumsum(rng.normal(0, 0.05, WINDOW)).astype(np.float32)
    for contig in contigs:
        for first in range(0, CONTIG_BINS, WINDOW):
            yield contig, first, np.abs(smooth + rng.random(WINDOW, np.float32) / 4)


def by_ours(path: Path, contigs: list[Contig]) -> float:
    """Write with this program."""
    writer = BigWigWriter(path, contigs, bin_bp=BIN_BP)
    for contig, first, values in windows(contigs):
        writer.write(contig, first, values)
    begun = time.perf_counter()
    writer.close()
    writer.publish()
    return time.perf_counter() - begun


def by_pybigwig(path: Path, contigs: list[Contig]) -> float:
    """Write runs of fixed-step values with pyBigWig."""
    import pyBigWig

    file = pyBigWig.open(str(path), "w")
    file.addHeader([(contig.name, contig.length) for contig in contigs])
    for contig, first, values in windows(contigs):
        file.addEntries(contig.name, first * BIN_BP, values=values, span=BIN_BP, step=BIN_BP, validate=False)
    begun = time.perf_counter()
    file.close()
    return time.perf_counter() - begun


def by_pybigtools(path: Path, contigs: list[Contig]) -> float:
    """Write entry by entry with pybigtools, which has no other way."""
    import pybigtools

    def entries() -> Iterator[tuple[str, int, int, float]]:
        for contig, first, values in windows(contigs):
            start = first * BIN_BP
            for number, value in enumerate(values.tolist()):
                yield contig.name, start + number * BIN_BP, start + (number + 1) * BIN_BP, value

    pybigtools.open(str(path), "w").write({contig.name: contig.length for contig in contigs}, entries())
    return 0.0


WRITERS = {"ours": by_ours, "pyBigWig": by_pybigwig, "pybigtools": by_pybigtools}


if __name__ == "__main__":
    main()
