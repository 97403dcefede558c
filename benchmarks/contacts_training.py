"""Train a small network with and without contacts, and look for planted loops in its attention.

    python benchmarks/contacts_training.py --work DIR [--epochs 6] [--minutes 0] [--layers last] [--threads 1]

`simulate --contacts` makes the data. All networks begin with the same weights and see the same batches: `without`
learns the signals alone, `loops` also a list of the loops, `map` also the simulated maps. Each is judged on a contig
and cells that it has not seen, by the mean attention of the layers that were to resemble contacts, made symmetric.
Only pairs of the same distance are compared. Finished steps are not repeated. Prints Markdown. Needs the [test] extra.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cooler
import lightning
import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from epigept_batch.simulation.contacts import Anchors
from epigept_batch.simulation.grammar import BIN_BP, TRACKS, Grammar
from epigept_batch.simulation.write import Simulation, simulated_contigs, training_config
from epigept_export.load import load_network
from epigept_export.training.config import TrainingConfig, read_config
from epigept_export.training.contacts import attention_inputs, mean_attention
from epigept_export.training.data import WindowDataset, collate, read_data
from epigept_export.training.module import TrackCorrelation
from epigept_export.training.targets import LoopTargets
from machine import processor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_export.training.data import Batch, TrainingData

SCRIPTS = Path(sys.executable).parent
SIMULATION = Simulation(
    1, tuple(f"sim{n}" for n in range(1, 13)), 2_000_000, tuple(f"cell{n}" for n in range(1, 41)), contacts=True
)
MAPS, LOOPS = "contacts/{cell}.contacts.cool", "contacts/{cell}.contacts.bedpe"
TRAININGS = {"without": (0.0, MAPS), "loops": (2.0, LOOPS), "map": (2.0, MAPS)}
"""Weight and targets by name."""
CELLS = 2
"""Cells per batch."""
DNASE, CTCF = TRACKS.index("DNase"), TRACKS.index("CTCF")
NEGATIVES = ("all other pairs", "CTCF pairs that do not converge", "loops of other cells")


class Pairs(NamedTuple):
    """Pairs of contacts' bins above the diagonal, of all windows and test cells.

    Attributes:
        distance: int64, (pairs,): in contacts' bins.
        contacts: float32, (pairs,): the true map.
        loop: bool, (pairs,): whether a loop is planted there in this cell.
        negatives: By name, bool, (pairs,): what loops are compared with.
    """

    distance: NDArray[np.int64]
    contacts: NDArray[np.float32]
    loop: NDArray[np.bool_]
    negatives: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Judged:
    """What a network gives on the test windows.

    Attributes:
        scores: float32, (pairs,), by predictor.
        r: Pearson r of ln(1 + signal), by track.
    """

    scores: Mapping[str, NDArray[np.float32]]
    r: Sequence[float]


def main() -> None:
    """Simulate, train, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for data and checkpoints, kept")
    parser.add_argument("--epochs", type=int, default=6, help="epochs of each training")
    parser.add_argument("--minutes", type=float, default=0, help="most minutes of each training; 0 for no limit")
    parser.add_argument("--trainings", nargs="+", choices=list(TRAININGS), default=list(TRAININGS), help="which ones")
    parser.add_argument("--layers", choices=["all", "last"], default="last", help="layers that resemble contacts")
    parser.add_argument("--threads", type=int, default=1, help="threads of the training")
    options = parser.parse_args()
    folder = options.work / "sim"
    if not folder.exists():
        words = {"contigs": len(SIMULATION.contigs), "contig-bp": SIMULATION.contig_bp, "cells": len(SIMULATION.cells)}
        given = [word for name, value in words.items() for word in (f"--{name}", str(value))]
        run(["epigept-batch", "simulate", "--contacts", "--seed", str(SIMULATION.seed), *given, "--out", folder])
    print(
        f"{processor()}, {options.threads} thread(s); torch {torch.__version__}, lightning {lightning.__version__}, "
        f"cooler {cooler.__version__}\n"
    )
    print("| training | epochs | steps | minutes | best held-out loss |\n|---|---|---|---|---|", flush=True)
    for name in options.trainings:
        fit = f"epochs = {options.epochs}\nminutes = {options.minutes}\ncells = {CELLS}"
        train(options.work, name, fit=fit, layers=options.layers, threads=options.threads)
    judge_all(options.work, options.trainings)


def run(command: Sequence[str | Path]) -> None:
    """Run an installed command."""
    subprocess.run([SCRIPTS / command[0], *command[1:]], check=True, stdout=subprocess.DEVNULL)


def train(work: Path, name: str, *, fit: str, layers: str, threads: int) -> None:
    """Train a network unless that is done, and print how far it came."""
    weight, contacts = TRAININGS[name]
    text = training_config(SIMULATION).replace("epochs = 1000\nminutes = 42", fit)
    text = text.replace("weight = 2.0", f"weight = {weight}").replace('layers = "all"', f'layers = "{layers}"')
    config = work / f"sim/{name}.toml"
    config.write_text(text.replace(MAPS, contacts))
    out, begun = work / name, time.perf_counter()
    if not (out / "model.ckpt").exists():
        out.mkdir(exist_ok=True)
        for path in (work / next(iter(TRAININGS))).glob("*.npy"):  # the same binned data
            if not (out / path.name).exists():
                (out / path.name).hardlink_to(path)
        run(["epigept-export", "train", config, "--out", out, "--threads", str(threads)])
        (out / "minutes").write_text(f"{(time.perf_counter() - begun) / 60:.1f}")
    took = (out / "minutes").read_text()
    rows = list(csv.DictReader((out / "log/csv/metrics.csv").read_text().splitlines()))
    losses = [float(row["val_signal_loss"]) for row in rows if row["val_signal_loss"]]
    last = rows[-1]
    print(
        f"| {name} | {int(last['epoch']) + 1} | {int(last['step']) + 1:,} | {took} | {min(losses):.4f} |",
        flush=True,
    )


def judge_all(work: Path, names: Sequence[str]) -> None:
    """Print all figures of some networks."""
    config = read_config(work / "sim/without.toml")
    data = read_data(config, work / "without", threads=1, say=lambda _: None)
    pairs = planted(config, data)
    judged = {name: judge(config, data, work / name / "model.ckpt") for name in names}
    counts = {name: int(negative.sum()) for name, negative in pairs.negatives.items()}
    cells = ", ".join(config.split.test_cells)
    print(
        f"\nHeld-out contig {config.split.test_contigs[0]}, held-out cells {cells}: {int(pairs.loop.sum()):,} pairs of "
        f"1,024-bp bins with a loop, against {' and '.join(f'{n:,} {name}' for name, n in counts.items())}.\n"
    )
    print(f"| predictor | {' | '.join(f'AUROC: {n}' for n in NEGATIVES)} | AUPRC: {NEGATIVES[0]} | r with the map |")
    print("|---|---|---|---|---|---|")
    predictors = {"distance": np.zeros(len(pairs.loop), dtype=np.float32)}
    predictors |= {f"true {track} × {track}": score for track, score in true_products(config, data).items()}
    for name, found in judged.items():
        predictors |= {f"{name}: {predictor}": score for predictor, score in found.scores.items()}
    for predictor, score in predictors.items():
        aurocs = [within_distance(roc_auc_score, pairs, score, pairs.negatives[n]) for n in NEGATIVES]
        precision = within_distance(average_precision_score, pairs, score, pairs.negatives[NEGATIVES[0]])
        figures = [*aurocs, precision, correlation(pairs, score)]
        print(f"| {predictor} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")
    print(f"\n| r of ln(1 + signal) | {' | '.join(TRACKS)} |\n|---|{'---|' * len(TRACKS)}")
    for name, found in judged.items():
        print(f"| {name} | {' | '.join(f'{r:.3f}' for r in found.r)} |")


def test_windows(config: TrainingConfig, data: TrainingData) -> list[int]:
    """Return the numbers of the test windows that lie in their contig as a whole."""
    numbers = data.numbers(config.split.test_contigs)
    size = data.geometry.window_bp
    return [n for n in numbers if (data.windows[n].number + 1) * size <= data.windows[n].contig.length]


def test_batches(config: TrainingConfig, data: TrainingData) -> Iterator[Batch]:
    """Yield the test windows with the test cells, one by one."""
    cells = [data.cells.index(cell) for cell in config.split.test_cells]
    dataset = WindowDataset(data, test_windows(config, data), cells)
    for number in range(len(dataset)):
        yield collate([dataset[number]], cells=None)


def upper(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what lies above the diagonals of maps, (…, size, size) -> (values,)."""
    rows, columns = np.triu_indices(values.shape[-1], 1)
    return values[..., rows, columns].ravel()


def in_contact_bins(signal: torch.Tensor, size: int) -> NDArray[np.float32]:
    """Return the mean signal of contacts' bins: ln(1 + x), (cells, bins) -> x, (cells, size)."""
    means: NDArray[np.float32] = signal.expm1().unflatten(1, (size, -1)).nanmean(dim=2).numpy()
    return means


def product(means: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the products of two bins' signals over all pairs."""
    return upper(means[:, :, None] * means[:, None, :])


def planted(config: TrainingConfig, data: TrainingData) -> Pairs:
    """Return the truth on the test windows."""
    grid = data.contacts.grid if data.contacts else None
    if grid is None:
        raise SystemExit("the configuration has no contacts")
    (contig,) = {data.windows[n].contig for n in data.numbers(config.split.test_contigs)}
    numbers = [data.windows[n].number for n in test_windows(config, data)]
    (made,) = simulated_contigs(Simulation(1, (contig.name,), contig.length, ()), grammar := Grammar(SIMULATION.seed))
    anchors = Anchors.of(grammar, made.tokens, made.scores)
    folder, step = config.path.parent, grid.bin_bp // BIN_BP

    def dense(cell: str) -> NDArray[np.bool_]:
        reader = LoopTargets(str(folder / LOOPS.replace("{cell}", cell)), grid, [contig])
        return np.stack([reader.read(contig, grid.first(number)) for number in numbers]) > 0

    elsewhere = np.any([dense(cell) for cell in SIMULATION.cells], axis=0)
    bound = np.zeros((len(numbers), grid.size), dtype=np.bool_)
    places = anchors.bins // step
    bound.reshape(-1)[places[places < bound.size]] = True
    both = bound[:, :, None] & bound[:, None, :]
    loops = np.stack([dense(cell) for cell in config.split.test_cells], axis=1)  # (windows, cells, size, size)
    contacts = [batch.contacts.contacts.numpy() for batch in test_batches(config, data) if batch.contacts]
    there = upper(~np.isnan(np.stack(contacts)))
    loop, true = upper(loops)[there], upper(np.stack(contacts))[there]
    other, ctcf = (upper(np.broadcast_to(v[:, None], loops.shape))[there] for v in (elsewhere, both & ~elsewhere))
    size = grid.size
    distance = upper(np.broadcast_to(np.abs(np.subtract.outer(np.arange(size), np.arange(size))), loops.shape))[there]
    negatives = dict(zip(NEGATIVES, (~loop, ctcf, other & ~loop), strict=True))
    return Pairs(distance, true, loop, negatives)


def true_products(config: TrainingConfig, data: TrainingData) -> dict[str, NDArray[np.float32]]:
    """Return the products of the true signals of two bins."""
    found: dict[str, list[NDArray[np.float32]]] = {"DNase": [], "CTCF": []}
    for batch in test_batches(config, data):
        for name, track in (("DNase", DNASE), ("CTCF", CTCF)):
            found[name].append(masked(batch, product(in_contact_bins(batch.signal[0, :, :, track], size_of(batch)))))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def size_of(batch: Batch) -> int:
    """Return the number of contacts' bins of a window."""
    if batch.contacts is None:
        raise SystemExit("a window has no contacts")
    return batch.contacts.contacts.shape[-1]


def masked(batch: Batch, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values of pairs that have contacts."""
    return values[upper(~np.isnan(batch.contacts.contacts.numpy()))] if batch.contacts else values


def judge(config: TrainingConfig, data: TrainingData, checkpoint: Path) -> Judged:
    """Run a network over the test windows."""
    network, correlation_ = load_network(checkpoint), TrackCorrelation(len(TRACKS))
    contacts = config.contacts
    if contacts is None:
        raise SystemExit("the configuration has no contacts")
    found: dict[str, list[NDArray[np.float32]]] = {"attention": [], "DNase × DNase": [], "CTCF × CTCF": []}
    with torch.no_grad():
        for batch in test_batches(config, data):
            with attention_inputs(network, contacts.layers) as inputs:
                signal = network(*batch[:3])
            correlation_.add(signal, batch.signal)
            size = size_of(batch)
            attention = mean_attention(inputs, batch.contacts, contacts.heads)  # type: ignore[arg-type]
            symmetric = (attention + attention.transpose(1, 2)) / 2
            found["attention"].append(masked(batch, upper(symmetric.numpy())))
            for name, track in (("DNase × DNase", DNASE), ("CTCF × CTCF", CTCF)):
                found[name].append(masked(batch, product(in_contact_bins(signal[0, :, :, track], size))))
    return Judged({name: np.concatenate(parts) for name, parts in found.items()}, correlation_.values())


def within_distance(
    figure: Callable[..., float], pairs: Pairs, score: NDArray[np.float32], negative: NDArray[np.bool_]
) -> float:
    """Return the mean of a figure over the distances, weighted by their loops; NaN if there are none."""
    figures, weights = [], []
    for distance in np.unique(pairs.distance):
        chosen = (pairs.distance == distance) & (pairs.loop | negative)
        loop = pairs.loop[chosen]
        if loop.any() and not loop.all():
            figures.append(figure(loop, score[chosen]))
            weights.append(loop.sum())
    return float(np.average(figures, weights=weights)) if figures else float("nan")


def correlation(pairs: Pairs, score: NDArray[np.float32]) -> float:
    """Return the mean Pearson r with the true map over the distances that have loops; NaN for a constant score."""
    found = []
    for distance in np.unique(pairs.distance[pairs.loop]):
        x, y = (values[pairs.distance == distance].astype(np.float64) for values in (score, pairs.contacts))
        if np.ptp(x) > 0:
            found.append(np.corrcoef(x, y)[0, 1])
    return float(np.mean(found)) if found else float("nan")


if __name__ == "__main__":
    main()
