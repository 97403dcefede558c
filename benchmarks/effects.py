"""Compare predicted with true effects of switching off each factor, on the demo's genome, where both are known.

    python benchmarks/effects.py [--threads 2]

Each factor's TPM is set to 0 in both cells of the demo, which its network was not trained on. The truth is the signal
of the grammar at that TPM. Effects are differences of ln(1 + signal). Prints Markdown: for each factor, how many bins
its true and its predicted effects change, and their correlation over the bins of both cells, by track.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import epigept_batch as eb
from epigept_batch.cli.progress import ProgressBar
from epigept_batch.commands.demo import CONTIG, CONTIG_BP, SAMPLES, SEED, DemoRequest, run_demo
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import FACTORS, TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig

CHANGED = 0.1
"""Difference of ln(1 + signal) from which on a bin counts as changed."""


def true_effects(threads: int) -> np.ndarray:
    """Return true effects, (cells, factors, bins, tracks)."""
    grammar = Grammar(SEED, threads=threads)
    tokens = make_contig(SEED, CONTIG, CONTIG_BP, grammar.motif_set)
    scores = grammar.motif_scores(tokens)

    def signal(tpm: np.ndarray) -> np.ndarray:
        return np.log1p(grammar.truth(tokens, scores, tpm))

    effects = []
    for cell in SAMPLES:
        tpm = make_expression(SEED, cell)
        without = [np.where(np.array(FACTORS) == factor, 0, tpm) for factor in FACTORS]
        effects.append([signal(changed) - signal(tpm) for changed in without])
    return np.array(effects)


def predicted_effects(folder: Path, threads: int) -> np.ndarray:
    """Return predicted effects, (cells, factors, bins, tracks)."""
    model = eb.load_model(folder / "model.onnx", device="cpu", threads=threads)
    expression = model.read([folder / f"{cell}.tsv" for cell in SAMPLES]).with_set(*(f"{name}=0" for name in FACTORS))
    prediction = model.predict(expression, CONTIG, fasta=folder / "genome.fa", overlap=model.window_bp // 2)
    differences = prediction.differences()
    numbers = {name: number for number, name in enumerate(differences.samples)}
    return np.array([[differences.values[numbers[f"{cell}+{name}-0"]] for name in FACTORS] for cell in SAMPLES])


def correlation(true: np.ndarray, predicted: np.ndarray) -> str:
    """Return Pearson's r, or a dash where there is no true effect."""
    if not true.any():
        return "-"
    return f"{np.corrcoef(true.ravel(), predicted.ravel())[0, 1]:.2f}"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, default=2)
    threads = options.parse_args().threads
    true = true_effects(threads)
    with tempfile.TemporaryDirectory() as name:
        with ProgressBar() as progress:
            run_demo(DemoRequest(Path(name) / "demo", threads=threads), progress)
        predicted = predicted_effects(Path(name) / "demo", threads)
    print(f"| factor | changed bins, true | predicted | {' | '.join(f'r {track}' for track in TRACKS)} |")
    print("|---" * (3 + len(TRACKS)) + "|")
    for number, factor in enumerate(FACTORS):
        of_true, of_predicted = true[:, number], predicted[:, number]
        shares = [f"{(abs(effect) > CHANGED).mean():.2%}" for effect in (of_true, of_predicted)]
        by_track = [correlation(of_true[..., track], of_predicted[..., track]) for track in range(len(TRACKS))]
        print(f"| {' | '.join((factor, *shares, *by_track))} |")
    print("\nPredicted change of more than 0.1 where the truth has none, by track, mean of all factors:")
    for track, name in enumerate(TRACKS):
        wrong = (abs(predicted[..., track]) > CHANGED) & (abs(true[..., track]) < CHANGED / 10)
        print(f"- {name}: {wrong.mean():.3%} of the bins; true changes: {(abs(true[..., track]) > CHANGED).mean():.3%}")


if __name__ == "__main__":
    main()
