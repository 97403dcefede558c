"""Measure reports: time, memory and size for 1, 2 and 12 samples, and for a folder of the size of hg38.

    python benchmarks/report.py [--folder DIR]…

Predicts simulated samples with the demo's network, and writes bigWigs of hg38's size with random values. `--folder`
adds output folders of `genome`. Prints Markdown. Needs the [report] extra, and 2 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.assemblies import chromosomes
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.write import write_table
from epigept_batch.tiling import Contig, bins_of
from epigept_batch.tracks.writers import TrackWriters
from machine import measured, measured_with_cores, processor

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED, BIN_BP, BLOCK = 1, 128, 100_000
TRACKS = ("DNase", "CTCF", "H3K27ac", "H3K4me3", "H3K4me1", "H3K36me3", "H3K27me3", "H3K9me3")
CHROMOSOMES = [f"chr{name}" for name in (*range(1, 23), "X", "Y")]
PROGRAM = Path(sys.executable).with_name("epigept-batch")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, action="append", default=[], help="output folder of genome; repeatable")
    parser.add_argument("--genome-samples", type=int, default=1, help="samples in the folder of hg38's size")
    options = parser.parse_args()
    print(f"{processor()}\n")
    print("| folder | samples | tracks | bins per track | read of each | seconds | of cores | memory, MB | page, kB |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        measured([PROGRAM, "demo", "--quiet", "--out", work / "demo"])
        for samples in (1, 2, 12):
            row(f"demo's contig, {samples}", predicted(work, samples), work)
        for folder in options.folder:
            row(folder.name, folder, work)
        for samples in (1, 2, 12):
            row(f"chr22, random values, {samples}", generated(work / f"chr22-{samples}", ["chr22"], samples), work)
        row("hg38, random values", generated(work / "hg38", CHROMOSOMES, options.genome_samples), work)


def predicted(work: Path, samples: int) -> Path:
    """Predict simulated cells with the demo's network."""
    tables: list[str | Path] = []
    for number in range(samples):
        cell = f"cell{33 + number}"
        write_table(work / f"{cell}.tsv", SEED, cell, make_expression(SEED, cell))
        tables += ["--tpm", work / f"{cell}.tsv"]
    out = work / f"tracks{samples}"
    inputs = ["--fasta", work / "demo/genome.fa", "--model", work / "demo/model.onnx"]
    measured([PROGRAM, "genome", *tables, *inputs, "--out", out, "--device", "cpu", "--quiet"])
    return out


def generated(out: Path, names: Sequence[str], samples: int) -> Path:
    """Write bigWigs of all bins of chromosomes of hg38, with values of the kind that the network predicts."""
    out.mkdir()
    lengths = {one.name: one.length for one in chromosomes() if one.assembly == "hg38"}
    contigs = [Contig(name, lengths[name]) for name in names]
    rng = np.random.default_rng(SEED)
    # The same values in turn: drawing 24 million for each track would take longer than all else.
    pool = rng.gamma(0.3, 0.5, (samples * len(TRACKS), BLOCK)).astype(np.float32)
    made = [f"sample{number}" for number in range(samples)]
    paths = [out / f"{name}.{track}.bw" for name in made for track in TRACKS]
    writers = TrackWriters(paths, contigs, bin_bp=BIN_BP, processes=2)
    try:
        for contig in contigs:
            bins = bins_of(contig.length, BIN_BP)
            for first in range(0, bins, BLOCK):
                writers.write(contig, first, pool[:, : min(BLOCK, bins - first)])
        writers.close()
        writers.publish()
    finally:
        writers.discard()
    found = iter(writers.statistics)
    for name in made:
        record = {
            "sample": name,
            "inputs": {"selection of bins": {one.name: [[0, bins_of(one.length, BIN_BP)]] for one in contigs}},
            "space": "log1p",
            "statistics": {track: next(found) for track in TRACKS},
            "files": {f"{name}.{track}.bw": (out / f"{name}.{track}.bw").stat().st_size for track in TRACKS},
        }
        (out / f"{name}.run.json").write_text(json.dumps(record))
    return out


def row(title: str, folder: Path, work: Path) -> None:
    """Make a report twice, and print the faster one."""
    from epigept_batch.report.survey import spread, windows_of
    from epigept_batch.results.folder import read_run_folder

    page = work / f"{title}/report.html"
    command: list[str | Path] = [PROGRAM, "report", folder, "--out", page, "--quiet"]
    seconds, memory, used = min(measured_with_cores(command) for _ in range(2))
    found = read_run_folder(folder)
    windows = windows_of(found)
    read = sum(window.bins for window in spread(windows, len(list(found.all_tracks()))))
    bins = sum(window.bins for window in windows)
    size = page.stat().st_size / 1e3
    print(
        f"| {title} | {len(found.samples)} | {len(found.tracks)} | {bins:,} | {read:,} | {seconds:.1f} "
        f"| {used:.1f} | {memory / 1e6:.0f} | {size:,.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
