"""Measure everything except the network: a run over a generated genome, with a session that answers at once.

    python benchmarks/host.py --data ../shared/data

The genome repeats 18 windows of real sequence. Their scores come from a store. The answers are noisy signals, which
compress no better than real ones. Prints Markdown. Needs the [test] extra, and real data as in the project's tests.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from golden import BIN_BP, ROOT, WINDOW_BP, fasta, make_model

from epigept_batch.commands.genome.request import GenomeRequest
from epigept_batch.commands.genome.run import run_genome
from epigept_batch.commands.run import run as pipeline
from epigept_batch.expression.request import SampleRequest
from epigept_batch.inference.device import Device
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import SIGNAL, Ports
from epigept_batch.inference.runtime import CUDA_PROVIDER
from epigept_batch.inference.session import Session
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.motifs.store import BLOCK_BINS, ScoreKey, ScoreStore
from epigept_batch.sequence.genome import Genome
from epigept_batch.tracks.writers import TrackWriters
from machine import processor

if TYPE_CHECKING:
    from epigept_batch.inference.ports import Inputs
    from epigept_batch.spec import Spec

REPEATED = 18  # whole windows of the piece
MAIN = 22  # chromosomes by number
LINE = 60


def main() -> None:
    """Print every table, or run once and print the figures of that run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="real data")
    parser.add_argument("--work", type=Path, help="folder to keep genomes and stores in")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each case")
    parser.add_argument("--megabases", type=int, nargs="+", default=[30, 300], help="genome sizes; 3100 is human")
    parser.add_argument("--only", choices=["rates", "memory"], help="print only this table")
    parser.add_argument("--model", type=Path, help="model file of the published size; made if not given")
    parser.add_argument("--once", nargs=4, metavar=("MB", "SAMPLES", "THREADS", "STORE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        mb, samples, threads, scores = options.once
        run_once(options, int(mb), samples=int(samples), threads=int(threads), store=scores == "store")
        return
    with tempfile.TemporaryDirectory() as temporary:
        options.work = options.work or Path(temporary)
        options.work.mkdir(parents=True, exist_ok=True)
        options.model = options.model or make_model(options.data, options.work)
        prepare(options)
        print(f"{processor()}, {len(os.sched_getaffinity(0))} cores\n", flush=True)
        for name, table in (("rates", rates), ("memory", memory)):
            if options.only in {None, name}:
                table(options)


def prepare(options: argparse.Namespace) -> None:
    """Make the genomes and stores that do not exist yet."""
    piece = Genome(fasta(options.data, options.work))
    contig = piece.contigs[0]
    spec = read_spec(options.model)
    bases = np.frombuffer(b"ACGTN", np.uint8)[piece.tokens(contig, 0, REPEATED * WINDOW_BP)]
    scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=BIN_BP, threads=2)
    scan = GenomeScan(piece, scanner)
    blocks = [scan.read(contig, number * BLOCK_BINS, BLOCK_BINS) for number in range(REPEATED)]
    for mb in options.megabases:
        path = options.work / f"{mb}.fa"
        if path.exists():
            continue
        windows = mb * 1_000_000 // WINDOW_BP
        share = max(20, -(-windows // (MAIN * REPEATED))) * REPEATED
        with path.open("wb") as stream:
            for number, first in enumerate(range(0, windows, share), 1):
                count = min(share, windows - first)
                sequence = np.tile(bases, -(-count // REPEATED))[: count * WINDOW_BP].tobytes()
                stream.write(b">chr%d\n" % number)
                stream.writelines(sequence[at : at + LINE] + b"\n" for at in range(0, len(sequence), LINE))
        genome, store = Genome(path), ScoreStore.create(options.work / f"{mb}.scores", ScoreKey.of(spec))
        for contig in genome.contigs:
            store.add(contig, genome.md5(contig))
            for block in store.blocks(contig):
                source = store.path / contig.name / f"c.0.{block % REPEATED}"
                if block < REPEATED:
                    store.write(contig, block, blocks[block])
                else:
                    source.with_name(f"c.0.{block}").hardlink_to(source)


class Instant:
    """A session that answers at once, with as many values as a network gives."""

    def __init__(self, spec: Spec) -> None:
        self.ports = Ports.of_spec(spec)
        (signal,) = self.ports.outputs
        rng = np.random.default_rng(1)
        self._noise = np.abs(np.cumsum(rng.normal(0, 0.05, (1, 64, *signal.shape)), axis=2)).astype(np.float32)
        self._noise += rng.random(self._noise.shape, dtype=np.float32) / 8

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Return noise for the windows and samples of the inputs."""
        windows, samples = inputs.shape
        return {SIGNAL: np.repeat(self._noise[:, :samples], windows, axis=0)}


def run_once(options: argparse.Namespace, mb: int, *, samples: int, threads: int, store: bool) -> None:
    """Run once in this process; print rates, times of stages and memory as JSON."""
    spec = read_spec(options.model)
    said = {"provider": CUDA_PROVIDER, "device": "cuda:0", "arithmetic": "fp16", "runtime": "none"}
    session = Session(Instant(spec), **said, batch_size=8)
    pipeline.open_sessions = lambda *_, **__: [session] * 2
    peaks: list[int] = []
    close = TrackWriters.close

    def measured_close(self: TrackWriters) -> None:
        peaks.extend(peak_of(pid) for pid in self.pids)
        close(self)

    TrackWriters.close = measured_close
    table = options.data / "expression/encode_rsem.tsv.gz"
    out = options.work / f"out.{os.getpid()}"
    request = GenomeRequest(
        samples=SampleRequest(tuple((f"s{number}", table) for number in range(samples))),
        fasta=options.work / f"{mb}.fa",
        model=options.model,
        out=out,
        device=Device("cuda"),
        threads=threads,
        scores=options.work / f"{mb}.scores" if store else None,
    )
    watch = Watch()
    run_genome(request, watch)
    record = json.loads((out / "s0.run.json").read_text())
    size = sum(file.stat().st_size for file in out.glob("s0.*.bw"))
    shutil.rmtree(out)
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    figures = {
        "windows": watch.windows,
        "seconds": watch.seconds,
        "stages": record["seconds"],
        "cpu": [own.ru_utime + own.ru_stime - watch.cpu_before, children.ru_utime + children.ru_stime],
        "peak": peak_of("self"),
        "writer_peak": max(peaks),
        "bytes": size,
    }
    print(json.dumps(figures))


def peak_of(pid: int | str) -> int:
    """Return the peak memory of a process since it began, in bytes.

    A child's resource usage also counts the memory of its parent, so `/proc` is read instead.
    """
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


class Watch:
    """Times a run from its first window to its end."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def start(self, windows: int, *, done: int = 0) -> None:
        """The first window is about to be read."""
        del done
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.windows, self._begun = windows, time.perf_counter()
        self.cpu_before = usage.ru_utime + usage.ru_stime

    def advance(self) -> None:
        """Nothing."""

    def finish(self, sentence: str) -> None:
        """A sample is finished."""
        del sentence
        self.seconds = time.perf_counter() - self._begun


def once(options: argparse.Namespace, mb: int, *, samples: int, threads: int, store: bool = True) -> dict:
    """Return the figures of a run in a process of its own, on `threads` cores."""
    words = ["--data", options.data, "--work", options.work, "--model", options.model]
    command = [sys.executable, __file__, *words, "--once", mb, samples, threads, "store" if store else "scan"]
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
    done = subprocess.run(["taskset", "-c", cores, *map(str, command)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def rates(options: argparse.Namespace) -> None:
    """Print windows per second by cores, and where the time goes."""
    cores = [n for n in (1, 2, 4, 8) if n <= len(os.sched_getaffinity(0))]
    print(
        "| cores | genome, Mb | scores | windows per second, median | best | of the run: sequence, s | scores, s",
        end="",
    )
    print(" | stitch and send, s | CPU, s: run | writers |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for number in cores:
        for mb, store in ((max(options.megabases), True), (min(options.megabases), False)):
            runs = [once(options, mb, samples=1, threads=number, store=store) for _ in range(options.rounds)]
            every = [run["windows"] / run["seconds"] for run in runs]
            stages, cpu = runs[-1]["stages"], runs[-1]["cpu"]
            print(
                f"| {number} | {mb} | {'store' if store else 'scanned'} | {median(every):.0f} | {max(every):.0f} ",
                end="",
            )
            print(f"| {stages['sequence']:.2f} | {stages['scan']:.2f} | {stages['write']:.2f} ", end="")
            print(f"| {cpu[0]:.1f} | {cpu[1]:.1f} |", flush=True)
    print()


def memory(options: argparse.Namespace) -> None:
    """Print peak memory by genome and samples."""
    print("| genome, Mb | samples | bins × tracks, millions | the run, MB | largest writer, MB ", end="")
    print("| bigWigs, MB | seconds |")
    print("|---|---|---|---|---|---|---|")
    threads = len(os.sched_getaffinity(0))
    least = min(options.megabases)
    for mb, samples in (*((mb, 1) for mb in options.megabases), (least, 4), (least, 16)):
        run = once(options, mb, samples=samples, threads=threads)
        values = run["windows"] * BLOCK_BINS * samples * 8 / 1e6
        sizes = " | ".join(f"{run[name] / 1e6:.0f}" for name in ("peak", "writer_peak", "bytes"))
        print(f"| {mb} | {samples} | {values:.1f} | {sizes} | {run['seconds']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
