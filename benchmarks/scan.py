"""Measure motif scores: agreement with HOMER, speed and its bottleneck, and the cost of keeping them.

    python benchmarks/scan.py --data ../shared/data

The scan and the fp32 network take turns in one process, with one thread each, so a noisy machine slows both equally.
Prints Markdown. Needs the [test] extra, and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
import zarr
from golden import BIN_BP, ROOT, SCRIPTS, STARTS, WINDOW_BP, fasta, make_model, read_window
from zarr.codecs import BloscCodec, ZstdCodec

from epigept_batch.inference.device import CPU
from epigept_batch.inference.session import open_session
from epigept_batch.motifs import scan as scanning
from epigept_batch.motifs.kmer_tables import COLUMNS, aligned
from epigept_batch.motifs.motif_set import read_motif_set
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.motifs.store import BLOCK_BINS, ScoreStore
from epigept_batch.sequence.genome import Genome
from epigept_batch.spec import ScanWindow
from machine import measured, processor

if TYPE_CHECKING:
    from collections.abc import Callable

    from epigept_batch.spec import MotifSet

WINDOWS = {"homer-200": ScanWindow(-37, 164), "given": ScanWindow(0, 128)}
HOMER_S = 19.3
"""Seconds that HOMER 4.11 took for 128 kb with `-size given`, measured once on a machine of this kind."""
HOMER_SETS = {"small": 1_800_192, "chr22gap_hg19": 16_830_080}
BLOCKS_BP = (1_024, 9_984, 128_000, 61 * 128)  # 1 kb, 10 kb, a window, and a prime number of bins
HG38_WINDOWS = 24_000


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--work", type=Path, help="folder for checkpoint and model file, kept")
    parser.add_argument("--rounds", type=int, default=9, help="number of times to time each case")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        print(f"{processor()}; numba {numba.__version__}, zarr {zarr.__version__}\n", flush=True)
        sets = {kind: motif_set(options.data, window) for kind, window in WINDOWS.items()}
        packed = unpack(options.data, work)
        homer(options.data, work, packed, sets)
        speed(options.data, work, sets, rounds=options.rounds)
        stages(options.data, work, sets, rounds=options.rounds)
        store(options.data, work, sets["homer-200"], rounds=options.rounds)
        mostly_n(options.data, work, packed)


def motif_set(data: Path, window: ScanWindow) -> MotifSet:
    """Return the published motifs."""
    return read_motif_set(data / "motifs/all_motif_rmdup", data / "motifs/MotifMatch_human_rmdup.mat", window=window)


def unpack(data: Path, work: Path) -> Path:
    """Unpack the piece of chromosome 22, which is stored as gzip."""
    plain = work / "22.fa"
    if not plain.exists():
        with gzip.open(data / "genome/hg19_chr22_1-22000000.fa.gz") as packed, plain.open("wb") as stream:
            shutil.copyfileobj(packed, stream)
    return plain


def homer(data: Path, work: Path, chr22: Path, sets: dict[str, MotifSet]) -> None:
    """Print how the scores, before any rounding, differ from those computed from HOMER's output."""
    print("| HOMER's output | cells | hits | block, bp | largest difference, nats | extra hits | missing hits |")
    print("|---|---|---|---|---|---|---|")
    for name, start in HOMER_SETS.items():
        genome = Genome(fasta(data, work) if name == "small" else chr22)
        for kind, motifs in sets.items():
            expected = np.load(data / f"homer/epigept_motifscore.{name}.size_{kind.removeprefix('homer-')}.npy").T
            scanner = MotifScanner(motifs, motifs.factors, bin_bp=BIN_BP)
            for block in BLOCKS_BP:
                found = in_blocks(scanner, genome, start, expected.shape[1], block // BIN_BP)
                more = int(((found != 0) & (expected == 0)).sum())
                less = int(((found == 0) & (expected != 0)).sum())
                print(f"| {name}, {kind} | {expected.size:,} | {(expected != 0).sum():,} | {block:,} ", end="")
                print(f"| {np.abs(found - expected).max():.1e} | {more} | {less} |", flush=True)
    print()


def in_blocks(scanner: MotifScanner, genome: Genome, start: int, bins: int, block: int) -> np.ndarray:
    """Return scores of successive bins, scanned in blocks of `block` bins: float32, (factors, bins)."""
    parts = []
    for first in range(0, bins, block):
        count = min(block, bins - first)
        begin = start + first * BIN_BP
        tokens = genome.tokens(genome.contigs[0], begin - BIN_BP, begin + (count + 1) * BIN_BP)
        parts.append(scanner.scan(tokens, offset=BIN_BP, bins=count))
    return np.concatenate(parts, axis=1)


def speed(data: Path, work: Path, sets: dict[str, MotifSet], *, rounds: int) -> None:
    """Print the time of a window against the network and HOMER."""
    window = read_window(data, work, STARTS[0])
    session = open_session(make_model(data, work), CPU, precision="fp32", threads=1, say=print)
    runs = {"network": lambda: session.signal(window.inputs())}
    reach = reaching_tokens(data, work)
    for kind, motifs in sets.items():
        for threads in (1, 2):
            scanner = MotifScanner(motifs, motifs.factors, bin_bp=BIN_BP, threads=threads)
            runs[f"{kind}, {threads}"] = lambda scanner=scanner: scanner.scan(reach, offset=BIN_BP, bins=BLOCK_BINS)
    seconds = in_turn(runs, rounds)
    network = median(seconds["network"])
    print(f"fp32 network, 1 thread: {network:.2f} s per window (minimum {min(seconds['network']):.2f}).\n")
    print("| scan of a window | threads | seconds, median | minimum | share of the network ", end="")
    print("| speedup over HOMER | over 1 thread |")
    print("|---|---|---|---|---|---|---|")
    for kind in sets:
        for threads in (1, 2):
            took = seconds[f"{kind}, {threads}"]
            value, alone = median(took), median(seconds[f"{kind}, 1"])
            homers = f"{HOMER_S / value:.0f}" if kind == "given" else "—"
            print(f"| {kind} | {threads} | {value:.4f} | {min(took):.4f} | {value / network:.3f} ", end="")
            print(f"| {homers} | {alone / value:.2f} × |")
    print(flush=True)


def reaching_tokens(data: Path, work: Path) -> np.ndarray:
    """Return the first golden window's bases, with one more bin on either side."""
    genome = Genome(fasta(data, work))
    return genome.tokens(genome.contigs[0], STARTS[0] - BIN_BP, STARTS[0] + WINDOW_BP + BIN_BP)


def in_turn(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each run, taken in turn after a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


class Parts(NamedTuple):
    """Seconds of the parts of a scan."""

    maxima: float
    exact: float
    rest: float


def stages(data: Path, work: Path, sets: dict[str, MotifSet], *, rounds: int) -> None:
    """Print where the time of a scan goes, and the rate that its sums of table entries could reach."""
    reach = reaching_tokens(data, work)
    print("| scan of a window, 1 thread | sums and maxima, ms | exact scores, ms | the rest, ms | sums: GB/s |")
    print("|---|---|---|---|---|")
    for kind, motifs in sets.items():
        scanner = MotifScanner(motifs, motifs.factors, bin_bp=BIN_BP)
        scanner.scan(reach, offset=BIN_BP, bins=BLOCK_BINS)
        parts = [parts_of(scanner, reach) for _ in range(rounds)]
        maxima, exact, rest = (median(values) for values in zip(*parts, strict=True))
        pieces = [len(block.tables) for block in scanner._blocks]  # noqa: SLF001 - counts what it loads
        entries = sum(pieces) * 2 * COLUMNS
        gigabytes = entries * 2 * WINDOW_BP / 1e9
        print(f"| {kind} | {1e3 * maxima:.1f} | {1e3 * exact:.1f} | {1e3 * rest:.1f} | {gigabytes / maxima:.0f} |")
    rows = sum(pieces)
    wanted = 2 * len(motifs.motifs)
    adds = (rows - len(pieces)) * 2 * COLUMNS * WINDOW_BP / 1e9
    print(f"\nA position adds {rows} rows of {2 * COLUMNS} entries in {len(pieces)} blocks: ", end="")
    print(f"{entries:,} entries of 2 bytes, {entries // 32} vectors of 32, for {wanted:,} motif strands ", end="")
    print(f"({wanted / len(pieces) / 2 / COLUMNS:.0%} of the columns). ", end="")
    print(f"A window loads {gigabytes:.2f} GB and adds {adds:.2f} billion times.\n")
    print("| one core reads rows of 512 bytes | GB/s |")
    print("|---|---|")
    for name, size in (("of a table of 24 kB, in its first cache", 24 << 10), ("of 698 kB, in its second", 698 << 10)):
        print(f"| {name}, in any order | {row_rate(size) / 1e9:.0f} |")
    print(flush=True)


def parts_of(scanner: MotifScanner, tokens: np.ndarray) -> Parts:
    """Run one scan, and time its compiled parts from outside."""
    spent = {"maxima": 0.0, "exact": 0.0}
    kernel, take = scanning.maxima_kernel, scanning.take_best

    def timed(name: str, function: Callable[..., None]) -> Callable[..., None]:
        def run(*words: object) -> None:
            begun = time.perf_counter()
            function(*words)
            spent[name] += time.perf_counter() - begun

        return run

    scanning.maxima_kernel = lambda pieces: timed("maxima", kernel(pieces))
    scanning.take_best = timed("exact", take)
    begun = time.perf_counter()
    try:
        scanner.scan(tokens, offset=BIN_BP, bins=BLOCK_BINS)
    finally:
        scanning.maxima_kernel, scanning.take_best = kernel, take
    return Parts(spent["maxima"], spent["exact"], time.perf_counter() - begun - sum(spent.values()))


@numba.njit(error_model="numpy")
def sum_rows(table: np.ndarray, order: np.ndarray, total: np.ndarray) -> None:
    """Add four rows of a table at a time, as the scan does for motifs of four pieces, but without the maxima."""
    for place in range(0, len(order) - 3, 4):
        a, b, c, d = table[order[place]], table[order[place + 1]], table[order[place + 2]], table[order[place + 3]]
        for i in range(len(total)):
            total[i] = np.int16(a[i] + b[i] + c[i] + d[i])


def row_rate(size: int) -> float:
    """Return bytes per second when rows of a table of `size` bytes are read in random order: the best of many."""
    table = aligned((size // 512, 256), 1)
    order = np.random.default_rng(0).integers(0, len(table), 40_000).astype(np.uint16)
    total = np.zeros(256, dtype=np.int16)
    times = []
    for _ in range(40):
        begun = time.perf_counter()
        sum_rows(table, order, total)
        times.append(time.perf_counter() - begun)
    return len(order) * 512 / min(times)


CODECS = {
    "none": None,
    "lz4, level 5, byte shuffle": BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=2),
    "lz4hc, level 9": BloscCodec(cname="lz4hc", clevel=9, shuffle="noshuffle", typesize=2),
    "zstd, level 5, byte shuffle": BloscCodec(cname="zstd", clevel=5, shuffle="shuffle", typesize=2),
    "zstd, level 5, bit shuffle": BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle", typesize=2),
    "zstd, level 1": ZstdCodec(level=1, checksum=True),
    "zstd, level 5": ZstdCodec(level=5, checksum=True),
    "**zstd, level 9**": ZstdCodec(level=9, checksum=True),
    "zstd, level 15": ZstdCodec(level=15, checksum=True),
    "zstd, level 9, bins × factors": ZstdCodec(level=9, checksum=True),
}


def store(data: Path, work: Path, motifs: MotifSet, *, rounds: int) -> None:
    """Print the size and time of kept scores by codec, and the time to read them with the program's own reader."""
    genome = Genome(fasta(data, work))
    contig = genome.contigs[0]
    bins = -(-contig.length // BIN_BP)
    windows = bins // BLOCK_BINS
    source = GenomeScan(genome, MotifScanner(motifs, motifs.factors, bin_bp=BIN_BP))
    scores = source.read(contig, 0, windows * BLOCK_BINS)
    zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})
    print(f"{windows} windows of chr2, one thread; a file per window unless the row says otherwise.\n")
    print("| codec | kB per window | GB for hg38 | write, ms | read, ms | windows per second |")
    print("|---|---|---|---|---|---|")
    for name, codec in CODECS.items():
        swapped = "bins ×" in name
        size, write, read = codec_figures(work, scores.T if swapped else scores, codec, swapped=swapped, rounds=rounds)
        print(f"| {name} | {size / windows / 1e3:.0f} | {size / windows * HG38_WINDOWS / 1e9:.1f} ", end="")
        print(f"| {1e3 * write / windows:.1f} | {1e3 * read / windows:.2f} | {windows / read:.0f} |", flush=True)
    path = work / "scores"
    shutil.rmtree(path, ignore_errors=True)
    words = ["--fasta", fasta(data, work), "--model", make_model(data, work), "--threads", "1"]
    took, _ = measured([SCRIPTS / "epigept-batch", "scan", *words, "--out", path])
    kept = ScoreStore.open(path)
    seconds = in_turn(
        {
            "read": lambda: [kept.read(contig, n * BLOCK_BINS, BLOCK_BINS) for n in range(windows)],
            "scan": lambda: [source.read(contig, n * BLOCK_BINS, BLOCK_BINS) for n in range(windows)],
        },
        max(3, rounds // 3),
    )
    read, scan = (median(seconds[name]) / windows for name in ("read", "scan"))
    print(f"\n`epigept-batch scan` of the piece, one thread: {took:.1f} s, {kept.size / 1e6:.2f} MB. ", end="")
    print(f"`ScoreStore.read`: {1e3 * read:.2f} ms per window, {1 / read:.0f} per second, ", end="")
    print(f"{scan / read:.0f} times as fast as scanning ({1e3 * scan:.1f} ms).\n", flush=True)


def codec_figures(
    work: Path, scores: np.ndarray, codec: object, *, swapped: bool, rounds: int
) -> tuple[int, float, float]:
    """Return bytes, seconds to write, and seconds to read back all windows one at a time."""
    path = work / "codec.zarr"
    shutil.rmtree(path, ignore_errors=True)
    chunks = (BLOCK_BINS, scores.shape[1]) if swapped else (scores.shape[0], BLOCK_BINS)
    array = zarr.create_array(
        path, shape=scores.shape, chunks=chunks, dtype="float16", fill_value=0, compressors=codec and [codec]
    )
    begun = time.perf_counter()
    array[:] = scores
    write = time.perf_counter() - begun
    size = sum(file.stat().st_size for file in path.rglob("*") if file.name != "zarr.json" and file.is_file())
    array = zarr.open_array(path, mode="r")
    spans = [slice(first, first + BLOCK_BINS) for first in range(0, scores.shape[0 if swapped else 1], BLOCK_BINS)]
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for span in spans:
            window = array[span] if swapped else array[:, span]
        times.append(time.perf_counter() - begun)
    np.testing.assert_array_equal(window, scores[spans[-1]] if swapped else scores[:, spans[-1]])
    return size, write, median(times)


def mostly_n(data: Path, work: Path, chr22: Path) -> None:
    """Print the time, memory and size of a scan of a piece that is mostly N."""
    genome = Genome(chr22)
    contig = genome.contigs[0]
    tokens = genome.tokens(contig, 0, contig.length)
    windows = -(-contig.length // WINDOW_BP)
    padded = np.pad(tokens, (0, windows * WINDOW_BP - len(tokens)), constant_values=4)
    with_bases = int((padded.reshape(windows, -1) != 4).any(axis=1).sum())  # noqa: PLR2004
    path = work / "scores22"
    shutil.rmtree(path, ignore_errors=True)
    words = ["--fasta", chr22, "--model", make_model(data, work), "--threads", str(len(os.sched_getaffinity(0)))]
    genome.md5(contig)
    seconds, memory = measured([SCRIPTS / "epigept-batch", "scan", *words, "--out", path])
    again, _ = measured([SCRIPTS / "epigept-batch", "scan", *words, "--out", path])
    print(
        f"hg19 chr22:1-{contig.length:,}: {windows} windows, {with_bases} with a base. `epigept-batch scan`, ", end=""
    )
    print(f"{words[-1]} threads: {seconds:.1f} s, of which {again:.1f} s to start and find all there; ", end="")
    print(
        f"{1e3 * (seconds - again) / with_bases:.0f} ms for each window with a base; {memory / 1e6:.0f} MB at most, ",
        end="",
    )
    print(f"{ScoreStore.open(path).size / 1e6:.2f} MB kept.")


if __name__ == "__main__":
    main()
