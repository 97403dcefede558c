"""Knock a factor of the simulation's grammar out, and see whether a screen finds it; measure what a screen costs.

    python benchmarks/screen.py --work DIR [--only truth|cost]

The demo's network screens all factors of four held-out cells, over regions that cover a held-out contig. The truth is
the grammar's: its signal with the factor's TPM at 0 minus its signal. Prints Markdown. Needs the [cpu] extra.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from epigept_batch.commands.demo import CONTIG, CONTIG_BP, SEED, Truth
from epigept_batch.demo.package_data import packaged_baseline, packaged_model
from epigept_batch.expression.vector import network_expression
from epigept_batch.inference.model_file import read_spec
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import BIN_BP, FACTORS, TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.simulation.write import as_fasta, write_table
from machine import processor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from epigept_batch.spec import ExpressionReference

    Array = NDArray[np.float64]
    Screens = dict[str, Array]
    """By method: the change of each region by factor, (factors, regions, tracks)."""

SCRIPTS = Path(sys.executable).parent
CELLS = ("cell37", "cell38", "cell39", "cell40")
"""Cells that the demo's network was not trained on."""
REGION_BINS = 16
TOP = 20
"""Number of regions in which a knock-out changes most."""
METHODS = {
    "network": "network",
    "linear": "linear",
    "cells": "training cells without it minus those with it",
    "mean": "mean of training cells (chance)",
}


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help="folder for inputs and screens, kept")
    parser.add_argument("--only", choices=["truth", "cost"], help="print only this part")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, packaged_model() as model:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        grammar = Grammar(SEED, threads=len(os.sched_getaffinity(0)))
        tokens = make_contig(SEED, CONTIG, CONTIG_BP, grammar.motif_set)
        write_inputs(work, tokens)
        print(f"{processor()}, {len(os.sched_getaffinity(0))} threads\n", flush=True)
        if options.only != "cost":
            compare(work, model, Truth(grammar, tokens, grammar.motif_scores(tokens)))
        if options.only != "truth":
            cost(work, model)


def write_inputs(work: Path, tokens: NDArray[np.uint8]) -> None:
    """Write the genome, the samples, and regions that cover the contig."""
    (work / "genome.fa").write_bytes(as_fasta(CONTIG, tokens))
    for cell in CELLS:
        write_table(work / f"{cell}.tsv", SEED, cell, make_expression(SEED, cell))
    step = REGION_BINS * BIN_BP
    rows = (f"{CONTIG}\t{start}\t{start + step}\n" for start in range(0, CONTIG_BP - step + 1, step))
    (work / "regions.bed").write_text("".join(rows))


def run_screen(work: Path, model: Path, out: str, *words: str) -> str:
    """Run the installed command; return what it said."""
    command = [SCRIPTS / "epigept-batch", "screen", "--fasta", work / "genome.fa", "--model", model, "--device", "cpu"]
    done = subprocess.run(
        [*command, "--out", work / out, "--force", *words], check=True, capture_output=True, text=True
    )
    return done.stderr


def compare(work: Path, model: Path, truth: Truth) -> None:
    """Print the rank of the factor that is knocked out, by method and kind of factor."""
    reference = read_spec(model).reference
    if reference is None:
        raise SystemExit("the model has no reference")
    tables = [word for cell in CELLS for word in ("--tpm", str(work / f"{cell}.tsv"))]
    run_screen(work, model, "screen", *tables, "--bed", str(work / "regions.bed"))
    rows = pl.read_parquet(work / "screen/screen.parquet")
    of_cells = contrasts(truth, reference)
    profiles: dict[str, dict[str, list[int]]] = {}
    places: dict[str, dict[str, list[float]]] = {}
    largest: dict[str, list[int]] = {}
    for cell in CELLS:
        tpm = make_expression(SEED, cell)
        before = by_region(truth.log_signal(cell))
        screens = {
            "network": of_network(rows, cell),
            "linear": of_linear(truth, network_expression(tpm, reference.distribution), reference.distribution[0]),
            "cells": of_cells,
            "mean": np.zeros_like(of_cells),
        }
        overall = np.argsort(np.argsort(-np.abs(screens["network"]).mean(axis=(1, 2)))) + 1
        for number, factor in enumerate(FACTORS):
            kind = re.sub(r"\d.*", "", factor)
            largest.setdefault(kind, []).append(int(overall[number]))
            knocked = tpm.copy()
            knocked[number] = 0
            signal = truth.grammar.truth(truth.tokens, truth.scores, knocked)
            change = by_region(np.log1p(signal)) - before
            if tpm[number] < 1 or not change.any():
                continue
            for method, found in screens.items():
                profiles.setdefault(kind, {}).setdefault(method, []).append(rank_by_profile(found, change, number))
                places.setdefault(kind, {}).setdefault(method, []).append(rank_in_regions(found, change, number))
    print_ranks(profiles, places)
    print("\nRank of the mean |change| among all factors, expressed or not, by kind: median over factors and cells\n")
    print("| " + " | ".join(largest) + " |\n|" + "---|" * len(largest))
    print("| " + " | ".join(f"{np.median(ranks):g}" for ranks in largest.values()) + " |", flush=True)


def by_region(values: NDArray[np.float32]) -> Array:
    """Return means over the regions, (regions, tracks), of ln(1 + signal) by bin."""
    regions = len(values) * BIN_BP // (REGION_BINS * BIN_BP)
    kept = values[: regions * REGION_BINS].astype(np.float64)
    means: Array = kept.reshape(regions, REGION_BINS, -1).mean(axis=1)
    return means[: CONTIG_BP // (REGION_BINS * BIN_BP)]


def of_network(rows: pl.DataFrame, cell: str) -> Array:
    """Return the screen's changes in a cell, whose rows are sorted by region, track and factor."""
    changes = rows.filter(pl.col("sample") == cell)["change"].to_numpy().astype(np.float64)
    by_factor: Array = changes.reshape(-1, len(TRACKS), len(FACTORS)).transpose(2, 0, 1)
    return by_factor


def of_linear(truth: Truth, expression: NDArray[np.float32], lowest: float) -> Array:
    """Return the changes that the linear model predicts."""
    linear, found = packaged_baseline(), []
    before = by_region(linear.predict(truth.scores, expression).astype(np.float32))
    for number in range(len(FACTORS)):
        changed = expression.copy()
        changed[number] = np.log1p(lowest)
        found.append(by_region(linear.predict(truth.scores, changed).astype(np.float32)) - before)
    return np.stack(found)


def contrasts(truth: Truth, reference: ExpressionReference) -> Array:
    """Return the mean of training cells that lack a factor minus that of those that have it."""
    signals = np.stack([by_region(truth.log_signal(cell)) for cell in reference.cells])
    found = []
    for number in range(len(FACTORS)):
        has = np.array([make_expression(SEED, cell)[number] >= 1 for cell in reference.cells])
        both = has.any() and not has.all()
        found.append(signals[~has].mean(axis=0) - signals[has].mean(axis=0) if both else np.zeros_like(signals[0]))
    return np.stack(found)


def rank_by_profile(found: Array, change: Array, number: int) -> float:
    """Return the rank of a factor by the cosine of its changes with the true change; ties get the mean rank."""
    sizes = np.linalg.norm(found.reshape(len(found), -1), axis=1)
    products = found.reshape(len(found), -1) @ change.ravel()
    cosine = np.divide(products, sizes, out=np.zeros_like(products), where=sizes > 0)
    return mean_rank(cosine, number)


def rank_in_regions(found: Array, change: Array, number: int) -> float:
    """Return the median rank of a factor by |change| in the regions where the true change is largest."""
    order = np.argsort(-np.abs(change).max(axis=1))[:TOP]
    tracks = np.abs(change[order]).argmax(axis=1)
    return float(np.median([mean_rank(np.abs(found[:, r, t]), number) for r, t in zip(order, tracks, strict=True)]))


def mean_rank(values: Array, number: int) -> float:
    """Return the rank of a value, 1 for the largest; ties get their mean rank."""
    return float((values > values[number]).sum() + ((values == values[number]).sum() + 1) / 2)


def print_ranks(profiles: dict[str, dict[str, list[int]]], places: dict[str, dict[str, list[float]]]) -> None:
    """Print both tables of ranks."""
    for title, ranks in (
        ("Rank of the factor by the cosine of its changes with the true change of all regions and tracks", profiles),
        (f"Median rank by |change| in the {TOP} regions that the knock-out changes most, in their track", places),
    ):
        print(f"{title}, among {len(FACTORS)}: median over factors and cells, and share ranked first\n")
        print("| factors | knock-outs | " + " | ".join(METHODS.values()) + " |\n|" + "---|" * (2 + len(METHODS)))
        together = {method: [r for of in ranks.values() for r in of[method]] for method in METHODS}
        for kind, of in {**ranks, "all": together}.items():
            cells = [f"{np.median(of[method]):g}, {np.mean(np.array(of[method]) == 1):.0%}" for method in METHODS]
            print(f"| {kind} | {len(of['network'])} | " + " | ".join(cells) + " |")
        print(flush=True)


def cost(work: Path, model: Path) -> None:
    """Print the time and memory of screens of more and more regions, samples and factors."""
    print("\n| regions | samples | factors | windows | runs of the network | left out | s | ms per run | MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    lines = (work / "regions.bed").read_text().splitlines(keepends=True)
    for number, (regions, cells, factors) in enumerate(cases(len(lines))):
        (work / "some.bed").write_text("".join(lines[:: len(lines) // regions][:regions]))
        tables = [word for cell in CELLS[:cells] for word in ("--tpm", str(work / f"{cell}.tsv"))]
        begun = time.perf_counter()
        words = ["--bed", str(work / "some.bed"), "--factors", ",".join(FACTORS[:factors])]
        said = run_screen(work, model, f"cost{number}", *tables, *words)
        seconds = time.perf_counter() - begun
        record = json.loads((work / f"cost{number}/screen.run.json").read_text())
        (most,) = re.findall(r"must run up to ([\d,]+) times", said)
        runs, possible = record["evaluations"], int(most.replace(",", ""))
        print(
            f"| {regions:,} | {cells} | {factors} | {record['windows']} | {runs:,} | {1 - runs / possible:.0%} | "
            f"{seconds:.1f} | {1000 * record['seconds']['model'] / runs:.1f} | "
            f"{record['peak_memory_bytes'] / 1e6:.0f} |",
            flush=True,
        )


def cases(regions: int) -> Iterator[tuple[int, int, int]]:
    """Yield numbers of regions, samples and factors."""
    yield from ((1, 1, 25), (10, 1, 25), (regions, 1, 5), (regions, 1, 25), (regions, 4, 25))


if __name__ == "__main__":
    main()
