"""Run `epigept-batch evaluate` on a real pileup, against deepTools, and on tracks of a whole human genome.

    python benchmarks/evaluation.py --data ../shared/data --work DIR [--predicted TRACK.bw]

Any prediction will do. Without --predicted it is a copy of the measured track with noise. deepTools, if installed by
hand, gives both correlations of the same bins to four decimals. Without it, that table is left out. Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pyBigWig

from machine import measured, processor

SCRIPTS = Path(sys.executable).parent
BIN_BP = 128
CHUNK_BINS = 1 << 16


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made, kept")
    parser.add_argument("--predicted", type=Path, help="bigWig of ln(1 + signal) over hg19 chr22")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pileup = options.data / "tracks/macs3_CTCF_chr22_50k_hg19.treat_pileup.bw"
    peaks = next(options.data.glob("tracks/*.narrowPeak"))
    predicted = options.predicted or noisy_copy(pileup, options.work / "noisy.CTCF.bw")
    print(f"{processor()}\n")
    real_pileup(predicted, pileup, peaks, options.work)
    against_deeptools(predicted, pileup, options.work)
    whole_genome(options.data / "genome/hg38.chrom.sizes", options.work)


def evaluate(work: Path, *options: str | Path) -> tuple[dict[str, str], float, float]:
    """Return the prediction's figures over all bins by column of the table, seconds and MB."""
    table = work / "table.tsv"
    seconds, peak = measured([SCRIPTS / "epigept-batch", "evaluate", *options, "--write", table])
    with table.open() as rows:
        first = next(csv.DictReader(rows, delimiter="\t"))
    return first, seconds, peak / 1e6


def noisy_copy(pileup: Path, path: Path) -> Path:
    """Write ln(1 + signal) of each bin of a track, with gamma noise."""
    with pyBigWig.open(str(pileup)) as track, pyBigWig.open(str(path), "w") as copy:
        copy.addHeader(list(track.chroms().items()))
        for name, length in track.chroms().items():
            bins = length // BIN_BP
            values = np.nan_to_num(track.values(name, 0, bins * BIN_BP, numpy=True)).reshape(bins, BIN_BP).mean(axis=1)
            noise = np.random.default_rng(1).gamma(1, 1, bins)
            copy.addEntries(name, 0, values=np.log1p(values + noise).astype(np.float32), span=BIN_BP, step=BIN_BP)
    return path


def real_pileup(predicted: Path, pileup: Path, peaks: Path, work: Path) -> None:
    """Print the figures of the real track, for both ways to treat bases without data."""
    print("| bases without data | bins | in peaks | r, ln(1+x) | r, linear | Spearman | AUROC | AUPRC | s | MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, options in (("left out", []), ("0 (`--zero-fill`)", ["--zero-fill"])):
        pair = ["--predicted", predicted, "--measured", pileup, "--peaks", peaks]
        row, seconds, memory = evaluate(work, *pair, *options)
        keys = ("pearson_log1p", "pearson_linear", "spearman", "auroc", "auprc")
        cells = " | ".join(f"{float(row[key]):.4f}" for key in keys)
        print(f"| {name} | {int(row['bins']):,} | {row['bins_in_peaks']} | {cells} | {seconds:.1f} | {memory:.0f} |")


def against_deeptools(predicted: Path, pileup: Path, work: Path) -> None:
    """Print both correlations of the linear signal with multiBigwigSummary and plotCorrelation, on the same bins."""
    if shutil.which("multiBigwigSummary", path=str(SCRIPTS)) is None:
        print("\ndeepTools is not installed: no comparison with it")
        return
    linear = as_linear(predicted, work / "linear.bw")
    row, ours, our_memory = evaluate(work, "--predicted", linear, "--predicted-space", "linear", "--measured", pileup)
    summary = work / "summary.npz"
    words = ["bins", "--bwfiles", linear, pileup, "--binSize", str(BIN_BP), "--outFileName", summary]
    seconds, memory = measured([SCRIPTS / "multiBigwigSummary", *words])
    print("\n| | evaluate | deepTools | difference |\n|---|---|---|---|")
    for method, key in (("pearson", "pearson_linear"), ("spearman", "spearman")):
        table = work / f"{method}.tsv"
        words = [
            "--corData",
            summary,
            "--corMethod",
            method,
            "--whatToPlot",
            "heatmap",
            "--plotFile",
            work / "plot.png",
        ]
        seconds += measured([SCRIPTS / "plotCorrelation", *words, "--outFileCorMatrix", table])[0]
        mine, theirs = float(row[key]), float(table.read_text().splitlines()[-1].split("\t")[1])
        print(f"| {method} | {mine:.6f} | {theirs:.6f} | {abs(mine - theirs):.1e} |")
    print(f"| seconds | {ours:.1f} | {seconds:.1f} | |\n| MB | {our_memory:.0f} | {memory / 1e6:.0f} | |")


def as_linear(predicted: Path, path: Path) -> Path:
    """Write the linear signal of a track of ln(1 + signal), bin by bin."""
    with pyBigWig.open(str(predicted)) as track, pyBigWig.open(str(path), "w") as linear:
        linear.addHeader(list(track.chroms().items()))
        for name in track.chroms():
            starts, ends, values = zip(*(track.intervals(name) or ()), strict=True)
            signal = np.expm1(values).tolist()
            linear.addEntries([name] * len(starts), list(starts), ends=list(ends), values=signal)
    return path


def whole_genome(sizes: Path, work: Path) -> None:
    """Print time and memory for generated tracks of the size of hg38, with and without two training tracks."""
    contigs = [(name, int(length)) for name, length in (line.split()[:2] for line in sizes.read_text().splitlines())]
    main_contigs = [
        contig for contig in contigs if contig[0].removeprefix("chr") in {*map(str, range(1, 23)), "X", "Y"}
    ]
    tracks = {name: work / f"{name}.bw" for name in ("predicted", "measured", "cell1.training", "cell2.training")}
    for seed, path in enumerate(tracks.values()):
        if not path.exists():
            generate(path, main_contigs, seed)
    bed = work / "peaks.bed"
    bed.write_text(
        "".join(f"{n}\t{s}\t{s + 500}\n" for n, length in main_contigs for s in range(10_000, length, 50_000))
    )
    pair = ["--predicted", tracks["predicted"], "--measured", tracks["measured"]]
    training = ["--training", work / "{cell}.training.bw", "--nearest", "cell1"]
    print("\n| hg38, generated tracks | bins | s | MB |\n|---|---|---|---|")
    cases = [
        ("prediction alone", []),
        ("and peaks", ["--peaks", bed]),
        ("and two training tracks", ["--peaks", bed, *training]),
    ]
    for name, options in cases:
        row, seconds, memory = evaluate(work, *pair, *options)
        print(f"| {name} | {int(row['bins']):,} | {seconds:.0f} | {memory:.0f} |", flush=True)


def generate(path: Path, contigs: list[tuple[str, int]], seed: int) -> None:
    """Write a track with a value for each bin."""
    rng = np.random.default_rng(seed)
    with pyBigWig.open(str(path), "w") as track:
        track.addHeader(contigs)
        for name, length in contigs:
            for first in range(0, length // BIN_BP, CHUNK_BINS):
                values = rng.gamma(0.3, 3, min(CHUNK_BINS, length // BIN_BP - first)).astype(np.float32)
                track.addEntries(name, first * BIN_BP, values=values, span=BIN_BP, step=BIN_BP)


if __name__ == "__main__":
    main()
