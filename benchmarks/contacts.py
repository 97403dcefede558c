"""Measure contact outputs: how exact they are, what they cost, and how large a map becomes.

    python benchmarks/contacts.py --work contacts [--only exact|speed|size]

exact: model files of the published layouts with random weights, as they are and with queries scaled so that attention
is peaked, against the probabilities of `transformers.BertModel` on the generated windows in `tests/data`. speed:
seconds per window without contacts, with those of the last layer, and with those of all layers, in turn; and peak
memory. size: bytes and seconds of a map by bin size, scaled to hg38. Prints Markdown. Needs the [test] extra.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from golden import ROOT

from epigept_batch.contacts.cool import write_cool
from epigept_batch.contacts.pairs import WindowMean, upper_triangle
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.ports import Inputs
from epigept_batch.inference.session import Session, open_session
from epigept_batch.tiling import Contig, Tile
from epigept_export.checkpoint import read_state_dict
from epigept_export.contacts import ContactRequest
from epigept_export.convert import ConvertRequest, convert
from epigept_export.load import load_network
from machine import measured, processor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

sys.path.insert(0, str(ROOT / "tests"))
import reference

FORMS = (
    *(("hg38", sharpness, precision) for sharpness in (1, 2) for precision in ("fp32", "fp16", "int8")),
    *((architecture, 2, "fp32") for architecture in ("hg19", "hg19-pretrain", "dnase")),
)
"""Architecture, factor of the queries' weights, precision. With 2, the greatest probability of a row is, on average,
32 times that of uniform attention. With 3, rounding to float16 already changes the signal by more than its limit."""
HG38_BASES = 2_937_639_113
"""Bases of chr1-22, X and Y that are not N."""
TIMES = 7


class Made(NamedTuple):
    """A model file, and the checkpoint that it was made from."""

    model: Path
    checkpoint: Path


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("contacts"), help="folder to keep model files in")
    parser.add_argument("--only", choices=["exact", "speed", "size"], help="print only this table")
    parser.add_argument("--once", metavar="OUTPUTS", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.once is not None:
        run_once(options.work, tuple(options.once.split(",")), options.threads)
        return
    print(f"{processor()}, {options.threads} threads; torch {torch.__version__}\n", flush=True)
    for name, table in (("exact", exact), ("speed", speed), ("size", size)):
        if options.only in {None, name}:
            table(options.work, options.threads)


def make(work: Path, architecture: str, sharpness: int, precision: str) -> Made:
    """Return a model file with contacts of all layers and of the last; make it if it does not exist."""
    checkpoint = work / f"{architecture}.{sharpness}.ckpt"
    if not checkpoint.exists():
        plain = work / f"{architecture}.ckpt"
        command = [sys.executable, ROOT / "tests/make_checkpoint.py", architecture.replace("-", "_"), plain]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        state = read_state_dict(plain)
        torch.save({key: value * (sharpness if ".query." in key else 1) for key, value in state.items()}, checkpoint)
    model = work / f"{architecture}.{sharpness}.{precision}.onnx"
    if not model.exists():
        motifs, factors = write_motifs(work)
        request = ConvertRequest(
            checkpoint=checkpoint,
            motifs=motifs,
            motif_factors=factors,
            output=model,
            precision=precision,
            contacts=ContactRequest(("all", "last"), (bin_bp(architecture),)),
            verify=False,
        )
        convert(request, say=lambda _: None)
    return Made(model, checkpoint)


def write_motifs(work: Path) -> tuple[Path, Path]:
    """Write 711 generated motifs: contacts do not depend on where motif scores come from."""
    motifs, factors = work / "motifs", work / "factors.tsv"
    names = [f"T{number:03d}" for number in range(711)]
    rows = "0.7\t0.1\t0.1\t0.1\n" * 6
    motifs.write_text("".join(f">AAAAAA\t{name}\t4.0\n{rows}" for name in names))
    factors.write_text("".join(f"{name}\t{name}\n" for name in names))
    return motifs, factors


def bin_bp(architecture: str) -> int:
    """Return the bin size of the maps."""
    return 400 if architecture == "dnase" else 1280


def read_inputs(architecture: str) -> dict[str, NDArray[np.generic]]:
    """Return the generated window."""
    with np.load(ROOT / f"tests/data/synthetic/network_{architecture.replace('-', '_')}.npz") as arrays:
        return {name: arrays[name] for name in ("tokens", "motif_scores", "expression")}


def exact(work: Path, threads: int) -> None:
    """Print the errors against BERT, relative to the mean of the map, and r, which ignores the mean."""
    print("| network | queries | precision | layers | max / mean of the map | error / mean | r |")
    print("|---|---|---|---|---|---|---|")
    torch.set_num_threads(threads)
    known: dict[tuple[str, int], NDArray[np.float32]] = {}
    for architecture, sharpness, precision in FORMS:
        made = make(work, architecture, sharpness, precision)
        inputs = read_inputs(architecture)
        of = load_network(made.checkpoint).architecture
        if (architecture, sharpness) not in known:
            bert = reference.PublishedNetwork(of, read_state_dict(made.checkpoint))
            known[architecture, sharpness] = bert.attention(*(rows[0] for rows in inputs.values()))
        spec = read_spec(made.model)
        names = tuple(output.name for output in spec.contacts)
        found = opened(made.model, precision, threads, names).run(Inputs.of(**inputs))
        for output in spec.contacts:
            expected = reference.contacts(
                known[architecture, sharpness], output.layers, output.bin_bp // of.geometry.bin_bp
            )
            mine = found[output.name][0, 0]
            error = np.abs(mine - expected).max() / expected.mean()
            r = np.corrcoef(mine.ravel(), expected.ravel())[0, 1]
            cells = (architecture, f"× {sharpness}", precision, "all" if len(output.layers) > 1 else "last")
            print(
                f"| {' | '.join(cells)} | {expected.max() / expected.mean():.3g} | {error:.1e} | {r:.7f} |", flush=True
            )


def opened(model: Path, precision: str, threads: int, outputs: tuple[str, ...]) -> Session:
    """Open a session for some outputs."""
    return open_session(model, CPU, precision=precision, threads=threads, say=lambda _: None, outputs=outputs)


def speed(work: Path, threads: int) -> None:
    """Print seconds per window, the sessions in turn, and the peak memory of each in a process of its own."""
    print("\n| precision | outputs | s per window | ratio | peak memory, GB |\n|---|---|---|---|---|")
    inputs = Inputs.of(**read_inputs("hg38"))
    for precision in ("fp32", "int8"):
        model = make(work, "hg38", 1, precision).model
        kinds = {
            "signal": ("signal",),
            "and the last layer": ("signal", last("hg38")),
            "and all layers": ("signal", "contacts"),
        }
        sessions = {name: opened(model, precision, threads, outputs) for name, outputs in kinds.items()}
        seconds: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(TIMES):
            for name, session in sessions.items():
                begun = time.perf_counter()
                session.run(inputs)
                seconds[name].append(time.perf_counter() - begun)
        del sessions
        plain = seconds["signal"]
        for name, outputs in kinds.items():
            ratio = median(mine / theirs for mine, theirs in zip(seconds[name][1:], plain[1:], strict=True))
            words = ("--work", work, "--once", ",".join((precision, *outputs)))
            _, peak = measured([sys.executable, __file__, *words])
            print(f"| {precision} | {name} | {min(seconds[name]):.2f} | {ratio:.2f} | {peak / 1e9:.2f} |", flush=True)


def last(architecture: str) -> str:
    """Return the name of the output of the last layer."""
    return f"contacts_last_{bin_bp(architecture)}"


def run_once(work: Path, words: tuple[str, ...], threads: int) -> None:
    """Open a session and run a window, in a process whose peak memory is measured."""
    precision, *outputs = words
    opened(work / f"hg38.1.{precision}.onnx", precision, threads, tuple(outputs)).run(Inputs.of(**read_inputs("hg38")))


def size(work: Path, threads: int, *, megabases: int = 40) -> None:
    """Print what a contig of random maps takes, scaled to hg38: bytes, and seconds of joining and writing."""
    del work, threads
    print(
        "\n| bin, bp | pixels of hg38 | .cool of hg38, GB | journal, GB | joining and writing, min |\n"
        "|---|---|---|---|---|"
    )
    for block_bp in (640, 1280, 2560, 5120):
        blocks = 128_000 // block_bp
        contig = Contig("chr1", megabases * 1_000_000)
        step_bp = max(1, 64_000 // block_bp) * block_bp
        windows = -(-contig.length // step_bp)
        rng = np.random.default_rng(1)
        maps = rng.normal(1, 0.1, (16, 1, blocks, blocks)).astype(np.float32) * 1e-3
        usable = np.ones(blocks, dtype=np.bool_)
        pixels, begun = 0, time.perf_counter()

        def parts() -> Iterator[tuple[Contig, NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
            nonlocal pixels
            for rows in joined(contig, maps, usable, windows=windows, step_bp=step_bp, block_bp=block_bp):  # noqa: B023
                row, distance = np.nonzero(~np.isnan(rows[1]))
                kept = rows[0] + row + distance < contig.length // block_bp  # noqa: B023
                row, distance = row[kept], distance[kept]
                pixels += len(row)
                yield contig, rows[0] + row, rows[0] + row + distance, rows[1][row, distance] * 1e3  # noqa: B023

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "map.cool"
            for _ in joined(contig, maps, usable, windows=windows, step_bp=step_bp, block_bp=block_bp):
                pass  # the first pass, which finds what is expected
            write_cool(path, [contig], parts(), bin_bp=block_bp, about={})
            seconds, written = time.perf_counter() - begun, path.stat().st_size
        times = HG38_BASES / contig.length
        journal = windows * blocks * (blocks + 1) / 2 * 4 * times
        print(
            f"| {block_bp:,} | {pixels * times / 1e6:,.0f} M | {written * times / 1e9:.2f} | {journal / 1e9:.2f} | "
            f"{seconds * times / 60:.1f} |",
            flush=True,
        )


def joined(
    contig: Contig, maps: NDArray[np.float32], usable: NDArray[np.bool_], *, windows: int, step_bp: int, block_bp: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield first bin and values of the rows of a contig made of these maps."""
    mean = WindowMean(1, len(usable), block_bp=block_bp)
    for number in range(windows):
        tile = Tile(number, contig, number * step_bp, ())
        for rows in mean.add(tile, upper_triangle(maps[number % len(maps)], usable)):
            yield rows.first, rows.values[0]
    for rows in mean.rest():
        yield rows.first, rows.values[0]


if __name__ == "__main__":
    main()
