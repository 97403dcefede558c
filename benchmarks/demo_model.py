"""Make the demo's model: simulate, train, convert, fit the linear baseline, and evaluate all of them.

    python benchmarks/demo_model.py --work DIR [--install]

Every step is an installed command. Finished steps are not repeated. Prints Markdown. With --install, the model and the
linear baseline replace those of the package. Needs the [cpu] and [train] extras.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from golden import ROOT
from linear_fit import LinearFit, to_json

from epigept_batch.commands.demo import CONTIG, CONTIG_BP, SEED, Truth
from epigept_batch.demo.package_data import LINEAR, MODEL
from epigept_batch.evaluation.report import MEAN, PREDICTION
from epigept_batch.expression.vector import network_expression
from epigept_batch.inference.check import LIMITS
from epigept_batch.inference.model_file import read_spec
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import BIN_BP, FACTORS, TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.tiling import Contig
from epigept_batch.tracks.signal import SignalTrack
from machine import processor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from epigept_batch.demo.linear import LinearModel
    from epigept_batch.spec import ExpressionReference

SCRIPTS = Path(sys.executable).parent
TEST_CELLS = ("cell37", "cell38", "cell39", "cell40")
PRECISIONS = ("fp32", "fp16", "int8")


def main() -> None:
    """Make the model and print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for data and checkpoints, kept")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of the training")
    parser.add_argument("--install", action="store_true", help="put model and baseline into the package")
    options = parser.parse_args()
    work = options.work
    run_once(work / "sim", ["epigept-batch", "simulate", "--out", work / "sim", "--seed", str(SEED)])
    begun = time.perf_counter()
    trained = work / "trained"
    train = ["epigept-export", "train", work / "sim/train.toml", "--out", trained, "--threads", str(options.threads)]
    if run_once(trained / "model.ckpt", train):
        print(f"{processor()}; training took {(time.perf_counter() - begun) / 60:.0f} minutes\n", flush=True)
    for precision in PRECISIONS:
        convert(work, precision)
    spec = read_spec(work / "fp32.onnx")
    reference = spec.reference
    if reference is None:
        raise SystemExit("the model has no reference")
    linear = fit_linear(spec.training_windows, reference)
    evaluate(work, reference, linear)
    if options.install:
        shutil.copyfile(work / "fp32.onnx", ROOT / "epigept_batch/demo" / MODEL)
        (ROOT / "epigept_batch/demo" / LINEAR).write_text(to_json(linear))


def run_once(result: Path, command: list[str | Path]) -> bool:
    """Run an installed command unless its result exists; return whether it ran."""
    if result.exists():
        return False
    subprocess.run([SCRIPTS / command[0], *command[1:]], check=True, stdout=subprocess.DEVNULL)
    return True


def convert(work: Path, precision: str) -> None:
    """Convert the checkpoint to a precision."""
    options = ["--motifs", work / "sim/motifs.motif", "--motif-factors", work / "sim/motif_factors.tsv"]
    options += ["--expression-reference", work / "trained/expression_reference.tsv", "--precision", precision]
    output = work / f"{precision}.onnx"
    # Not verified, because the distance of each precision from fp32 is measured below.
    command = ["epigept-export", "convert", work / "trained/model.ckpt", *options, "--no-verify", "--output", output]
    run_once(output, command)


def truth_of(grammar: Grammar, contig: str) -> Truth:
    """Return a contig of the simulation."""
    tokens = make_contig(SEED, contig, CONTIG_BP, grammar.motif_set)
    return Truth(grammar, tokens, grammar.motif_scores(tokens))


def fit_linear(contigs: Iterable[str], reference: ExpressionReference) -> LinearModel:
    """Fit the linear baseline to everything that the network learns from."""
    grammar, fit = Grammar(SEED, threads=2), LinearFit(TRACKS, FACTORS)
    for contig in contigs:
        truth = truth_of(grammar, contig)
        for cell in reference.cells:
            fit.add(truth.scores, expression_of(cell, reference), truth.log_signal(cell))
    return fit.model()


def expression_of(cell: str, reference: ExpressionReference) -> NDArray[np.float32]:
    """Return what the network reads of a cell."""
    return network_expression(make_expression(SEED, cell), reference.distribution)


def predict(work: Path, precision: str) -> dict[str, NDArray[np.float32]]:
    """Return `genome`'s tracks of the held-out cells over the held-out contig, (bins, tracks), by cell."""
    model, out = work / f"{precision}.onnx", work / f"tracks.{precision}"
    tables = [word for cell in TEST_CELLS for word in ("--tpm", work / f"sim/tables/{cell}.tsv")]
    overlap = str(read_spec(model).geometry.window_bp // 2)
    options = ["--fasta", work / "sim/genome.fa", "--chromosome", CONTIG, "--overlap", overlap, "--device", "cpu"]
    command = [SCRIPTS / "epigept-batch", "genome", *tables, *options, "--model", model, "--out", out, "--force"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    contig, bins = Contig(CONTIG, CONTIG_BP), -(-CONTIG_BP // BIN_BP)
    return {
        cell: np.stack(
            [SignalTrack(out / f"{cell}.{track}.bw").bins(contig, 0, bins, bin_bp=BIN_BP) for track in TRACKS], axis=1
        )
        for cell in TEST_CELLS
    }


def judge(work: Path) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """Return `evaluate`'s figures of the network and of the training cells' mean, by cell and track."""
    signals = f"{work}/sim/signal"
    options = ["--measured", f"{signals}/{{sample}}.{{track}}.bw", "--training", f"{signals}/{{cell}}.{{track}}.bw"]
    command = [SCRIPTS / "epigept-batch", "evaluate", "--predicted", work / "tracks.fp32", *options, "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return {
        (document["sample"], document["track"]): document["parts"][0]["predictors"]
        for document in json.loads(done.stdout)
    }


def evaluate(work: Path, reference: ExpressionReference, linear: LinearModel) -> None:
    """Print the r of model and baselines, and compare each precision with fp32."""
    truth = truth_of(Grammar(SEED, threads=2), CONTIG)
    found = {precision: predict(work, precision) for precision in PRECISIONS}
    judged = judge(work)
    print(f"Held-out contig {CONTIG}, held-out cells {', '.join(TEST_CELLS)}: mean Pearson r of ln(1 + signal)\n")
    print("| track | network | mean of training cells | linear |\n|---|---|---|---|")
    for number, track in enumerate(TRACKS):
        rows = []
        for cell in TEST_CELLS:
            by_line = linear.predict(truth.scores, expression_of(cell, reference))[:, number]
            r = np.corrcoef(by_line, truth.log_signal(cell)[:, number])[0, 1]
            rows.append([judged[cell, track][name]["pearson_log1p"] for name in (PREDICTION, MEAN)] + [r])
        print(f"| {track} | " + " | ".join(f"{r:.3f}" for r in np.mean(rows, axis=0)) + " |")
    print("\n| precision | max abs error against fp32 | lowest r of a track | limits | MB |\n|---|---|---|---|---|")
    for precision in PRECISIONS[1:]:
        pairs = [(found[precision][cell], found["fp32"][cell]) for cell in TEST_CELLS]
        error = max(np.abs(mine - theirs).max() for mine, theirs in pairs)
        r = min(np.corrcoef(m[:, n], t[:, n])[0, 1] for m, t in pairs for n in range(len(TRACKS)))
        size = (work / f"{precision}.onnx").stat().st_size / 1e6
        limit = LIMITS[precision]
        print(f"| {precision} | {error:.2g} | {r:.7f} | {limit.error:g}, {limit.r:g} | {size:.2f} |")
    print(f"\nfp32: {(work / 'fp32.onnx').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
