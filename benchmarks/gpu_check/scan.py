"""Measure the motif scan on a GPU: equality with the CPU's bits, time by kernel, and beside it what was expected.

    python benchmarks/gpu_check/scan.py --model model.onnx --fasta hg38.fa

Prints Markdown, and exits with 1 if any value differs. The tests of the scan compare with HOMER:
`SCAN_BACKEND=gpu python -m pytest -m every_backend tests/motifs`. With NUMBA_ENABLE_CUDASIM=1, a small model and
`--windows 2 --rounds 1`, the script runs without a GPU; its times then mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.inference.model_file import read_spec
from epigept_batch.motifs.gpu import device, kernels
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from epigept_batch.motifs.gpu.scan import WINDOWS
from epigept_batch.motifs.gpu.tables import LANES, make_motifs, make_segments
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.stretch import read_stretch

if TYPE_CHECKING:
    from collections.abc import Callable

    from epigept_batch.sequence.stretch import Stretch
    from epigept_batch.spec import Spec

STEPS = ("clear", "read_kmers", "lower_minima", "find_candidates", "settle", "round_scores")


def main() -> int:
    """Print what is equal and how long it takes; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="model file")
    parser.add_argument("--fasta", type=Path, required=True, help="sequence to scan, from its first contig on")
    parser.add_argument("--windows", type=int, default=16, help="number of windows")
    parser.add_argument("--rounds", type=int, default=10, help="number of measurements")
    parser.add_argument("--device", type=int, default=0, help="index of the GPU")
    options = parser.parse_args()
    spec = read_spec(options.model)
    print_work(spec)
    stretches = read_windows(options.fasta, spec, options.windows)
    maker = GpuScanMaker(spec)
    different = compare(maker, spec, stretches, options.device)
    print_times(maker, stretches, options)
    return int(different > 0)


def read_windows(fasta: Path, spec: Spec, number: int) -> list[Stretch]:
    """Read the first windows of a FASTA that have bases; the last one of a contig reaches beyond its end."""
    bins = spec.geometry.bins
    geometry = spec.motif_set.window.geometry(bins, spec.geometry.bin_bp)
    with Genome(fasta) as genome:
        places = [
            (contig, first) for contig in genome.contigs for first in range(0, geometry.bins_of(contig.length), bins)
        ]
        read = (read_stretch(genome, contig, first, bins, geometry=geometry) for contig, first in places)
        return [stretch for stretch, _ in zip((one for one in read if one.bins_inside), range(number), strict=False)]


def print_work(spec: Spec) -> None:
    """Print the work of a window by kernel, as counted from the tables: additions, rows and bytes."""
    motifs, blocks = make_motifs(spec.motif_set, spec.factors)
    segments = make_segments(blocks, spec.motif_set, bin_bp=spec.geometry.bin_bp, bins=spec.geometry.bins)
    ends = [segments.bounds[start + count] for start, count in zip(segments.starts, segments.counts, strict=True)]
    rows = sum(int(end) * int(pieces) for end, pieces in zip(ends, motifs.pieces, strict=True))
    minima = int(segments.counts.sum()) * LANES * 4
    number, pieces = np.count_nonzero(motifs.widths), motifs.pieces.mean()
    print(f"{number:,} motifs in {len(blocks)} groups, {pieces:.2f} pieces on average; ", end="")
    print(f"tables {motifs.rows.nbytes / 1e6:.1f} MB.")
    print(f"Per window: {rows / 1e6:.1f} million rows of 128 bytes, {rows * 128 / 1e9:.2f} GB from L1, ", end="")
    print(f"for {rows * LANES / 1e9:.3f} G look-ups of both strands; minima {minima / 1e6:.1f} MB.\n")


def compare(maker: GpuScanMaker, spec: Spec, stretches: list[Stretch], index: int) -> int:
    """Compare every window with the CPU; return how many values differ."""
    reach, inside = inputs(stretches)
    scores = maker.memory(index, len(stretches))
    maker.make(index, len(stretches))(reach, inside, scores)
    found = scores.copy_to_host()
    with MotifScanner(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp, threads=4) as scanner:
        begun = time.perf_counter()
        expected = np.stack([scanner.scores(stretch) for stretch in stretches]).view(np.uint16)
        seconds = time.perf_counter() - begun
    different = int(np.count_nonzero(found != expected))
    more = np.count_nonzero((found != 0) & (expected == 0))
    less = np.count_nonzero((found == 0) & (expected != 0))
    hits = np.count_nonzero(expected)
    print(f"{len(stretches)} windows, {hits:,} hits: {different:,} values differ from the CPU's bits ", end="")
    print(f"({more:,} hits more, {less:,} less). CPU, 4 threads: {1e3 * seconds / len(stretches):.1f} ms per window.\n")
    return different


def inputs(stretches: list[Stretch]) -> tuple[np.ndarray, np.ndarray]:
    """Return what the scan takes of windows."""
    inside = np.array([stretch.bins_inside for stretch in stretches], dtype=np.int32)
    return np.stack([stretch.reach for stretch in stretches]), inside


def print_times(maker: GpuScanMaker, stretches: list[Stretch], options: argparse.Namespace) -> None:
    """Print the milliseconds per window of a whole scan, and of each kernel by events of the GPU."""
    index = options.device
    reach, inside = inputs(stretches)
    print("| windows per call | ms per window, with copies |\n|---|---|")
    for windows in sorted({1, min(WINDOWS, len(reach)), len(reach)}):
        scan, scores = maker.make(index, windows), maker.memory(index, windows)
        scan(reach[:windows], inside[:windows], scores)  # compiles
        seconds = []
        for _ in range(options.rounds):
            begun = time.perf_counter()
            scan(reach[:windows], inside[:windows], scores)
            seconds.append(time.perf_counter() - begun)
        print(f"| {windows} | {1e3 * median(seconds) / windows:.3f} |", flush=True)
    windows = min(WINDOWS, len(reach))
    with device.gpu(index):
        scan, scores = maker.make(index, windows), maker.memory(index, windows)
        spent = by_kernel(lambda: scan(reach[:windows], inside[:windows], scores), options.rounds)
    print(f"\n| kernel, {windows} windows | ms per window |\n|---|---|")
    for name, milliseconds in spent.items():
        print(f"| {name} | {milliseconds / windows:.4f} |")
    print(f"| all | {sum(spent.values()) / windows:.4f} |\n", flush=True)


def by_kernel(scan: Callable[[], None], number: int) -> dict[str, float]:
    """Return the milliseconds of each kernel in a scan: the median of several."""
    rounds = defaultdict(list)
    originals = {name: getattr(kernels, name) for name in (*STEPS, "minima_kernel") if hasattr(kernels, name)}
    times: list[tuple[str, Any, Any]] = []
    for name, kernel in originals.items():
        if name == "minima_kernel":
            setattr(kernels, name, lambda pieces, kernel=kernel: Timed("lower_minima", kernel(pieces), times))
        else:
            setattr(kernels, name, Timed(name, kernel, times))
    try:
        for _ in range(number):
            times.clear()
            scan()
            spent: dict[str, float] = defaultdict(float)
            for name, begin, end in times:
                spent[name] += begin.elapsed_time(end)
            for name, milliseconds in spent.items():
                rounds[name].append(milliseconds)
    finally:
        for name, kernel in originals.items():
            setattr(kernels, name, kernel)
    return {name: median(rounds[name]) for name in STEPS}


class Timed:
    """A kernel whose launches are enclosed in events.

    Args:
        name: Its name.
        kernel: The kernel.
        times: Receives the name and both events of each launch.
    """

    def __init__(self, name: str, kernel: Any, times: list[tuple[str, Any, Any]]) -> None:  # noqa: ANN401
        self.name, self.kernel, self.times = name, kernel, times

    def __getitem__(self, configuration: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """Return the launcher for a grid, a block and a stream."""
        stream = configuration[2]

        def launch(*arguments: object) -> None:
            begin, end = device.cuda.event(), device.cuda.event()
            begin.record(stream)
            self.kernel[configuration](*arguments)
            end.record(stream)
            self.times.append((self.name, begin, end))

        return launch


if __name__ == "__main__":
    sys.exit(main())
