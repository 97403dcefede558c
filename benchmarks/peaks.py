"""Compare the peaks of `epigept-batch peaks` with those of MACS3, and measure time and memory for a genome.

    python benchmarks/peaks.py [--folder DIR]… [--bigwig FILE:CONTIG]… [--genome]

`--folder` adds output folders of `genome`, and `--bigwig` bigWigs of signal, which are read as bins of 128 bp and
treated as predicted. Each track becomes a bedGraph for `macs3 bdgpeakcall` with the same cutoff, gap and length. If
MACS3 is not installed, scipy finds the peaks. `--genome` writes bigWigs of hg38's size with random values. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from epigept_batch.assemblies import chromosomes
from epigept_batch.results.bins import bin_bp_of
from epigept_batch.results.folder import read_run_folder
from epigept_batch.tiling import Contig, bins_of
from epigept_batch.tracks.bigwig import BigWigWriter
from epigept_batch.tracks.signal import SignalTrack
from machine import measured_with_cores, processor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.results.folder import ResultTrack, RunFolder

SEED, BIN_BP, BLOCK = 1, 128, 100_000
QUANTILES = (0.95, 0.99)
GAP_BP, LENGTH_BP = 256, 256
SHAPE = ("--low", "1", "--prominence", "1", "--max-gap", str(GAP_BP), "--min-length", str(LENGTH_BP))
PROGRAM = Path(sys.executable).with_name("epigept-batch")
MACS = shutil.which("macs3", path=Path(sys.executable).parent)
Place = tuple[str, int, int]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, action="append", default=[], help="output folder of genome; repeatable")
    parser.add_argument("--bigwig", action="append", default=[], metavar="FILE:CONTIG", help="signal; repeatable")
    parser.add_argument("--genome", action="store_true", help="measure a folder of the size of hg38")
    options = parser.parse_args()
    print(f"{processor()}\n")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folders = [*options.folder, *(as_run(work, text) for text in options.bigwig)]
        if folders:
            other = "MACS3" if MACS else "scipy"
            print(f"| track | cutoff, ln(1 + signal) | peaks | {other} | the same | shared bases of either, % |")
            print("|---|---|---|---|---|---|")
        for folder in folders:
            compare(folder, work)
        if options.genome:
            measure(work)


def as_run(work: Path, text: str) -> Path:
    """Write one contig of a bigWig of signal as the output folder of a run."""
    path, _, name = text.rpartition(":")
    out = work / Path(path).name
    out.mkdir()
    with closing(SignalTrack(Path(path))) as file:
        contig = next(one for one in file.contigs if one.name == name)
        values = file.bins(contig, 0, bins_of(contig.length, BIN_BP), bin_bp=BIN_BP, zero_fill=True)
    write_run(out, Path(path).stem, {"DNase": [(contig, 0, np.log1p(values))]}, [contig])
    return out


def write_run(
    out: Path, sample: str, tracks: dict[str, list[tuple[Contig, int, NDArray[np.float32]]]], contigs: list[Contig]
) -> None:
    """Write bigWigs and the record of a run over whole contigs."""
    for track, blocks in tracks.items():
        writer = BigWigWriter(out / f"{sample}.{track}.bw", contigs, bin_bp=BIN_BP)
        for block in blocks:
            writer.write(*block)
        writer.close()
        writer.publish()
    record = {
        "sample": sample,
        "inputs": {"selection of bins": {one.name: [[0, bins_of(one.length, BIN_BP)]] for one in contigs}},
        "space": "log1p",
        "files": {f"{sample}.{track}.bw": (out / f"{sample}.{track}.bw").stat().st_size for track in tracks},
    }
    (out / f"{sample}.run.json").write_text(json.dumps(record))


def compare(path: Path, work: Path) -> None:
    """Print a row per track and cutoff."""
    folder = read_run_folder(path)
    bin_bp = bin_bp_of(folder)
    for track in folder.all_tracks():
        values = {one.name: bins_of_contig(track, one, bin_bp) for one in folder.contigs}
        known = np.concatenate(list(values.values()))
        for cutoff in np.quantile(known[~np.isnan(known)], QUANTILES):
            ours = called(folder, track, float(cutoff), work)
            theirs = (
                of_macs(values, folder, float(cutoff), bin_bp, work)
                if MACS
                else of_scipy(values, folder, float(cutoff), bin_bp)
            )
            shared = len(set(ours) & set(theirs))
            bases, of_all = overlap(ours, theirs)
            print(
                f"| {track.sample} {track.name} | {cutoff:.4f} | {len(ours):,} | {len(theirs):,} | {shared:,} "
                f"| {100 * bases / max(of_all, 1):.2f} |",
                flush=True,
            )


def bins_of_contig(track: ResultTrack, contig: Contig, bin_bp: int) -> NDArray[np.float32]:
    """Return all bins of a contig."""
    with closing(SignalTrack(track.path)) as file:
        return file.bins(contig, 0, bins_of(contig.length, bin_bp), bin_bp=bin_bp)


def called(folder: RunFolder, track: ResultTrack, cutoff: float, work: Path) -> list[Place]:
    """Return the peaks of the command, without hysteresis and unsplit."""
    out = work / "called"
    threshold = ["--threshold", repr(cutoff), "--tracks", track.name, "--sample", track.sample, "--narrow", track.name]
    command: list[str | Path] = [PROGRAM, "peaks", folder.path, *threshold, *SHAPE, "--out", out, "--quiet", "--force"]
    subprocess.run(command, check=True)
    return places(out / f"{track.sample}.{track.name}.narrowPeak")


def of_macs(
    values: dict[str, NDArray[np.float32]], folder: RunFolder, cutoff: float, bin_bp: int, work: Path
) -> list[Place]:
    """Return the peaks of `macs3 bdgpeakcall` on a bedGraph of the same bins."""
    with (work / "track.bdg").open("w") as file:
        for contig in folder.contigs:
            for number, value in enumerate(values[contig.name].tolist()):
                if not np.isnan(value):
                    end = min((number + 1) * bin_bp, contig.length)
                    file.write(f"{contig.name}\t{number * bin_bp}\t{end}\t{value!r}\n")
    # As a float32, which is what the values are compared with.
    command = [str(MACS), "bdgpeakcall", "-i", "track.bdg", "-c", repr(float(np.float32(cutoff))), "--no-trackline"]
    shape = ["-g", str(GAP_BP), "-l", str(LENGTH_BP), "-o", "macs.narrowPeak"]
    subprocess.run([*command, *shape], check=True, cwd=work, capture_output=True)
    return places(work / "macs.narrowPeak")


def of_scipy(values: dict[str, NDArray[np.float32]], folder: RunFolder, cutoff: float, bin_bp: int) -> list[Place]:
    """Return the same peaks found with scipy: labels of the bins above the cutoff after closing the gaps."""
    found = []
    for contig in folder.contigs:
        above = values[contig.name] >= np.float32(cutoff)
        gaps, number = ndimage.label(~above)
        sizes = ndimage.sum_labels(np.ones(len(gaps)), gaps, np.arange(number + 1))
        bridged = (sizes[gaps] * bin_bp <= GAP_BP) & ~above
        missing = ndimage.maximum(np.isnan(values[contig.name]), gaps, np.arange(number + 1))
        bridged &= ~missing[gaps].astype(bool)
        bridged[gaps == gaps[0]] &= above[0]
        bridged[gaps == gaps[-1]] &= above[-1]
        labels, _ = ndimage.label(above | bridged)
        for (place,) in ndimage.find_objects(labels):
            if (place.stop - place.start) * bin_bp >= LENGTH_BP:
                found.append((contig.name, place.start * bin_bp, min(place.stop * bin_bp, contig.length)))
    return found


def places(path: Path) -> list[Place]:
    """Return the places of a BED file."""
    rows = (line.split("\t")[:3] for line in path.read_text().splitlines())
    return [(contig, int(start), int(end)) for contig, start, end in rows]


def overlap(ours: list[Place], theirs: list[Place]) -> tuple[int, int]:
    """Return the bases in both and the bases in either; places of one list do not overlap."""
    shared = 0
    for name in {contig for contig, _, _ in ours}:
        mine = sorted(place[1:] for place in ours if place[0] == name)
        others = sorted(place[1:] for place in theirs if place[0] == name)
        number = 0
        for start, end in mine:
            while number < len(others) and others[number][1] <= start:
                number += 1
            at = number
            while at < len(others) and others[at][0] < end:
                shared += min(end, others[at][1]) - max(start, others[at][0])
                at += 1
    either = sum(end - start for _, start, end in (*ours, *theirs)) - shared
    return shared, either


def measure(work: Path) -> None:
    """Print time and memory for tracks of all bins of hg38."""
    lengths = {one.name: one.length for one in chromosomes() if one.assembly == "hg38"}
    contigs = [Contig(f"chr{name}", lengths[f"chr{name}"]) for name in (*range(1, 23), "X", "Y")]
    out = work / "hg38"
    out.mkdir()
    rng = np.random.default_rng(SEED)
    # Hills of a few bins; the same in turn, because drawing 24 million would take longer than all else.
    drawn = rng.gamma(0.05, 2.0, BLOCK)
    pool = np.convolve(drawn, [0.3, 0.7, 1.0, 0.7, 0.3], "same").astype(np.float32)
    blocks = [
        (contig, first, pool[: min(BLOCK, bins_of(contig.length, BIN_BP) - first)])
        for contig in contigs
        for first in range(0, bins_of(contig.length, BIN_BP), BLOCK)
    ]
    write_run(out, "s", {"DNase": blocks, "H3K27me3": blocks}, contigs)
    print("\n| hg38, bins of 128 bp | options | peaks | seconds elapsed | of all cores | memory, MB |")
    print("|---|---|---|---|---|---|")
    command: list[str | Path] = [PROGRAM, "peaks", out, "--quiet", "--force", "--out", work / "peaks"]
    for words in (["--threshold", "1"], ["--threshold", "1", "--bigbed"], ["--top", "50000"]):
        for track in ("DNase", "H3K27me3"):
            seconds, memory, used = measured_with_cores([*command, "--tracks", track, *words])
            record = json.loads((work / "peaks/s.peaks.json").read_text())["tracks"][track]
            print(
                f"| {track} | {' '.join(words)} | {record['peaks']:,} | {seconds:.1f} | {used:.1f} "
                f"| {memory / 1e6:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
