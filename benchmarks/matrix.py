"""Compare `epigept-batch matrix` with deepTools' multiBigwigSummary: largest difference, time and memory.

    python benchmarks/matrix.py [--demo DIR] [--real DIR] [--multibigwigsummary PROGRAM] [--only PART]

Uses the tracks of the demo, those of real accessibility (`acc.*.bw`) if their folder is given, and tracks with random
values of the size of chr22 and chr1. deepTools reads zoom levels of regions that are longer than two of their records.
So the same regions are also read exactly, with pyBigWig's `stats(exact=True)`. Prints Markdown. Needs deepTools.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyBigWig

from machine import measured, measured_with_cores, processor
from report import generated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PROGRAM = Path(sys.executable).with_name("epigept-batch")
SEED = 1
LONGEST = (500, 4000, 100_000)
"""Longest of the regions, in bp. deepTools reads zoom levels of regions of 4,096 bp and more of our tracks."""
FORMATS = ("tsv", "parquet", "npz", "h5ad")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, help="folder of the demo  [default: it is run]")
    parser.add_argument("--real", type=Path, help="folder with acc.*.chr22.bw")
    parser.add_argument("--multibigwigsummary", type=Path, default=Path(sys.executable).with_name("multiBigwigSummary"))
    parser.add_argument("--only", choices=("differences", "growth", "times"), help="a part  [default: all]")
    parser.add_argument("--regions", type=int, default=20_000, help="regions for the times")
    options = parser.parse_args()
    print(f"{processor()}\n")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if options.only in {None, "differences"}:
            demo = options.demo or work / "demo"
            if options.demo is None:
                measured([PROGRAM, "demo", "--quiet", "--out", demo])
            print(
                "| tracks | rows | largest difference from multiBigwigSummary | from exact means |\n|---|---|---|---|"
            )
            differences("demo", demo / "tracks", options.multibigwigsummary, work)
            if options.real is not None:
                differences("real, chr22", real_folder(options.real, work / "real"), options.multibigwigsummary, work)
        if options.only in {None, "growth"}:
            growth(work)
        if options.only in {None, "times"}:
            times(generated(work / "chr1", ["chr1"], 1), options.regions, options.multibigwigsummary, work)


def real_folder(source: Path, folder: Path) -> Path:
    """Make a folder as `genome` writes them of real tracks, with links to these."""
    folder.mkdir()
    for path in sorted(source.glob("acc.*.chr22.bw")):
        sample = path.name.split(".")[1]
        (folder / f"{sample}.DNase.bw").symlink_to(path.resolve())
        record = {
            "sample": sample,
            "inputs": {"selection of bins": {"chr22": [[0, 50_818_468 // 128]]}},
            "space": "linear",
            "files": {f"{sample}.DNase.bw": path.stat().st_size},
        }
        (folder / f"{sample}.run.json").write_text(json.dumps(record))
    return folder


def write_regions(folder: Path, number: int, longest: int, path: Path) -> None:
    """Write random regions of what was predicted, as BED, in random order."""
    rng = np.random.default_rng(SEED)
    record = json.loads(next(folder.glob("*.run.json")).read_text())
    with pyBigWig.open(str(next(folder.glob("*.bw")))) as file:
        lengths = {name: file.chroms(name) for name in record["inputs"]["selection of bins"]}
    names = list(lengths)
    shares = np.array(list(lengths.values())) / sum(lengths.values())
    with path.open("w") as stream:
        for name in rng.choice(names, number, p=shares):
            start = int(rng.integers(0, lengths[name] - 1))
            end = min(lengths[name], start + int(rng.integers(1, longest + 1)))
            stream.write(f"{name}\t{start}\t{end}\n")


def bigwigs(folder: Path) -> list[Path]:
    """Return the tracks of a folder, in the order of the columns."""
    return sorted(folder.glob("*.bw"))


def differences(title: str, folder: Path, deeptools: Path, work: Path) -> None:
    """Print a row for regions of each length, and for bins of two sizes."""
    cases = []
    for longest in LONGEST:
        bed = work / f"{title}.{longest}.bed"
        write_regions(folder, 3000, longest, bed)
        cases.append((f"3,000 regions of 1 to {longest:,} bp", ["--bed", bed], ["BED-file", "--BED", bed]))
    contig = next(iter(json.loads(next(folder.glob("*.run.json")).read_text())["inputs"]["selection of bins"]))
    with pyBigWig.open(str(bigwigs(folder)[0])) as file:
        whole = f"{contig}:0:{file.chroms(contig)}"
    for size in (1000, 10_000):
        chosen = ["--bins", str(size), "--chromosome", contig]
        cases.append((f"bins of {size:,} bp", chosen, ["bins", "-bs", str(size), "--region", whole]))
    for rows, ours, theirs in cases:
        places, mine = run_ours(folder, ours, work)
        other = run_deeptools(folder, theirs, deeptools, work)
        exact = exact_means(folder, places)
        gap = np.array([np.abs(mine[n] - other[place]) for n, place in enumerate(places)])
        same_gaps = all((np.isnan(mine[n]) == np.isnan(other[place])).all() for n, place in enumerate(places))
        off = np.nanmax(np.abs(mine - exact) / np.maximum(np.abs(exact), 1e-30))
        where = "" if same_gaps else ", not without data in the same rows"
        print(f"| {title} | {rows} | {np.nanmax(gap):.1g}{where} | {off:.1g} (relative) |", flush=True)


def run_ours(
    folder: Path, words: Sequence[str | Path], work: Path
) -> tuple[list[tuple[str, int, int]], NDArray[np.float32]]:
    """Return places and values of `matrix`, with columns in the order of `bigwigs`."""
    out = work / "ours.npz"
    measured([PROGRAM, "matrix", folder, *words, "--out", out, "--force", "--quiet"])
    with np.load(out) as found:
        order = np.argsort(found["labels"])
        columns = (found[name].tolist() for name in ("chrom", "start", "end"))
        return list(zip(*columns, strict=True)), found["matrix"][:, order]


def run_deeptools(
    folder: Path, words: Sequence[str | Path], deeptools: Path, work: Path
) -> dict[tuple[str, int, int], NDArray[np.float64]]:
    """Return the values of multiBigwigSummary by place."""
    table = work / "theirs.tsv"
    measured([deeptools, *words, "-b", *bigwigs(folder), "-o", work / "theirs.npz", "--outRawCounts", table])
    found = {}
    for line in table.read_text().splitlines()[1:]:
        contig, start, end, *values = line.split("\t")
        found[contig, int(start), int(end)] = np.array(values, dtype=np.float64)
    return found


def exact_means(folder: Path, places: Sequence[tuple[str, int, int]]) -> NDArray[np.float64]:
    """Return means that pyBigWig computes from all values."""
    columns = []
    for path in bigwigs(folder):
        with pyBigWig.open(str(path)) as file:
            columns.append([file.stats(*place, exact=True)[0] for place in places])
    return np.array(columns, dtype=np.float64).T


def growth(work: Path) -> None:
    """Print seconds and memory by numbers of rows and columns, for each format; samples share the same 8 bigWigs."""
    base = generated(work / "chr22", ["chr22"], 1)
    print("\nTracks of the size of chr22, random values\n")
    print("| regions | columns | format | seconds | of cores | memory, MB | file, MB |\n|---|---|---|---|---|---|---|")
    for regions, samples in ((1000, 1), (100_000, 1), (500_000, 1), (100_000, 25)):
        folder, bed = work / f"chr22-{samples}", work / f"{regions}.bed"
        link_samples(base, folder, samples)
        write_regions(folder, regions, 2000, bed)
        for kind in FORMATS:
            out = work / f"growth.{kind}"
            command = [PROGRAM, "matrix", folder, "--bed", bed, "--out", out, "--force", "--quiet", "-t", "1"]
            seconds, memory, used = measured_with_cores(command)
            figures = f"{seconds:.1f} | {used:.1f} | {memory / 1e6:.0f} | {out.stat().st_size / 1e6:.0f}"
            print(f"| {regions:,} | {8 * samples} | {kind} | {figures} |", flush=True)


def link_samples(base: Path, folder: Path, samples: int) -> None:
    """Make a folder of samples whose tracks are links to those of one."""
    folder.mkdir(exist_ok=True)
    record = json.loads((base / "sample0.run.json").read_text())
    for number in range(samples):
        name = f"s{number}"
        files = {path.replace("sample0", name): size for path, size in record["files"].items()}
        for path in files:
            link = folder / path
            if not link.exists():
                link.symlink_to((base / path.replace(name, "sample0")).resolve())
        (folder / f"{name}.run.json").write_text(json.dumps({**record, "sample": name, "files": files}))


def times(folder: Path, number: int, deeptools: Path, work: Path) -> None:
    """Print seconds and memory of both programs."""
    bed = work / "chr1.bed"
    write_regions(folder, number, 2000, bed)
    tracks = len(bigwigs(folder))
    print(f"\n{tracks} tracks of the size of chr1, random values\n")
    print("| rows | program | threads | seconds | of cores | memory, MB |\n|---|---|---|---|---|---|")
    for rows, ours, theirs in (
        (f"{number:,} regions", ["--bed", bed], ["BED-file", "--BED", bed]),
        ("bins of 10 kb", ["--bins", "10000"], ["bins", "-bs", "10000"]),
    ):
        for threads in ("1", "2"):
            out = work / "times.npz"
            mine = [PROGRAM, "matrix", folder, *ours, "--out", out, "--force", "--quiet", "-t", threads]
            other = [deeptools, *theirs, "-b", *bigwigs(folder), "-o", work / "d.npz", "-p", threads]
            for title, command in (("matrix", mine), ("multiBigwigSummary", other)):
                seconds, memory, used = measured_with_cores(command)
                print(f"| {rows} | {title} | {threads} | {seconds:.1f} | {used:.1f} | {memory / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
