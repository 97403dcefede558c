"""Calibrate on simulated cells, and measure in others what the thresholds claim; time and memory of hg38's size.

    python benchmarks/calibration.py --work DIR [--sizes ../shared/data/genome/hg38.chrom.sizes]

The network is the demo's. It was trained neither on these cells nor on these contigs, and their truth is known. A bin
is in a true peak if its true signal is at least the 95 % quantile of the training cells' true signal. With --sizes,
generated tracks of a whole genome are calibrated too. Prints Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.calibration.calibration_file import read_calibration
from epigept_batch.commands.demo import SEED, Truth
from epigept_batch.demo.package_data import packaged_model
from epigept_batch.inference.model_file import read_spec
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import BIN_BP, TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.simulation.write import as_fasta, write_table
from epigept_batch.tiling import Contig
from epigept_batch.tracks.bigwig import BigWigWriter
from epigept_batch.tracks.signal import SignalTrack
from evaluation import generate
from machine import measured, measured_with_cores, processor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.calibration.calibration_file import Calibration
    from epigept_batch.calibration.curves import Reliability

COMMAND = Path(sys.executable).parent / "epigept-batch"
CONTIGS, CONTIG_BP = ("sim27", "sim28"), 2_000_000
"""Contigs that the demo's network was not trained on. The calibration uses the first."""
CALIBRATED, TESTED = tuple(f"cell{n}" for n in range(41, 45)), tuple(f"cell{n}" for n in range(45, 53))
CLAIMS = (0.5, 0.7, 0.9)
PEAK_QUANTILE = 0.95


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made, kept")
    parser.add_argument("--sizes", type=Path, help="sizes of the chromosomes of a genome")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print(f"{processor()}\n")
    simulated = Simulated(options.work)
    simulated.write()
    calibration = simulated.calibrate()
    claimed_and_realised(simulated, calibration)
    beaten_and_not(simulated, calibration)
    if options.sizes is not None:
        whole_genome(options.sizes, options.work)


class Simulated:
    """Contigs, cells and true peaks, and the predictions for them.

    Args:
        work: Folder for all files.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        grammar = Grammar(SEED, threads=len(os.sched_getaffinity(0)))
        tokens = {name: make_contig(SEED, name, CONTIG_BP, grammar.motif_set) for name in CONTIGS}
        self._truth = {name: Truth(grammar, one, grammar.motif_scores(one)) for name, one in tokens.items()}
        with packaged_model() as model:
            self._spec = read_spec(model)
        reference = self._spec.reference
        if reference is None:
            raise SystemExit("the model has no reference")
        signals = {name: [self.signal(name, cell) for cell in reference.cells] for name in CONTIGS}
        self.mean = {name: np.log1p(every).mean(axis=0, dtype=np.float64) for name, every in signals.items()}
        self._least = np.quantile(
            np.concatenate([np.concatenate(every) for every in signals.values()]), PEAK_QUANTILE, 0
        )

    def signal(self, contig: str, cell: str) -> NDArray[np.float32]:
        """Return the true signal, (bins, tracks)."""
        truth = self._truth[contig]
        return truth.grammar.truth(truth.tokens, truth.scores, make_expression(SEED, cell))

    def peaks(self, contig: str, cell: str, track: str) -> NDArray[np.bool_]:
        """Return the bins in true peaks."""
        number = TRACKS.index(track)
        return self.signal(contig, cell)[:, number] >= self._least[number]

    def predicted(self, contig: str, cell: str, track: str) -> NDArray[np.float32]:
        """Return the predicted ln(1 + signal) of the bins."""
        found = Contig(contig, CONTIG_BP)
        return SignalTrack(self._work / f"tracks/{cell}.{track}.bw").bins(
            found, 0, -(-CONTIG_BP // BIN_BP), bin_bp=BIN_BP
        )

    def write(self) -> None:
        """Write FASTA, tables, true peaks and the mean of the training cells, and predict."""
        work = self._work
        (work / "genome.fa").write_bytes(b"".join(as_fasta(name, one.tokens) for name, one in self._truth.items()))
        for cell in (*CALIBRATED, *TESTED):
            write_table(work / f"{cell}.tsv", SEED, cell, make_expression(SEED, cell))
            for track in TRACKS:
                lines = (
                    f"{contig}\t{n * BIN_BP}\t{min((n + 1) * BIN_BP, CONTIG_BP)}\n"
                    for contig in CONTIGS
                    for n in np.flatnonzero(self.peaks(contig, cell, track))
                )
                (work / f"{cell}.{track}.bed").write_text("".join(lines))
        contigs = [Contig(name, CONTIG_BP) for name in CONTIGS]
        for number, track in enumerate(TRACKS):
            writer = BigWigWriter(work / f"average.{track}.bw", contigs, bin_bp=BIN_BP)
            for contig in contigs:
                writer.write(contig, 0, self.mean[contig.name][:, number].astype(np.float32))
            writer.close()
            writer.publish()
        tables = [word for cell in (*CALIBRATED, *TESTED) for word in ("--tpm", work / f"{cell}.tsv")]
        overlap = str(self._spec.geometry.window_bp // 2)
        with packaged_model() as model:
            options = ["--fasta", work / "genome.fa", "--model", model, "--overlap", overlap, "--device", "cpu"]
            seconds, _ = measured([COMMAND, "genome", *tables, *options, "--out", work / "tracks", "--force"])
        print(f"{len(tables) // 2} cells on {len(CONTIGS)} contigs were predicted in {seconds:.0f} s.\n", flush=True)

    def calibrate(self) -> Calibration:
        """Calibrate on the first contig."""
        work = self._work
        samples = [word for cell in CALIBRATED for word in ("--sample", cell)]
        patterns = ["--peaks", work / "{sample}.{track}.bed", "--training", work / "average.{track}.bw"]
        options = ["--training-space", "log1p", "--chromosome", CONTIGS[0], "--out", work / "calibration.json"]
        measured([COMMAND, "calibrate", work / "tracks", *samples, *patterns, *options])
        return read_calibration(work / "calibration.json")


def claimed_and_realised(simulated: Simulated, calibration: Calibration) -> None:
    """Print the precision that each threshold claims, and that in cells and on a contig of which it knows nothing."""
    print(f"Thresholds of {len(CALIBRATED)} cells on {CONTIGS[0]}, applied to {len(TESTED)} other cells.\n")
    print(f"| track | claimed | threshold | in those cells, {CONTIGS[0]} | lowest and highest cell | {CONTIGS[1]} |")
    print("|---|---|---|---|---|---|")
    for track in TRACKS:
        for claim in CLAIMS:
            curve = calibration.track(track).prediction.curve
            found = curve.reaching(claim)
            if found is None:
                print(f"| {track} | {claim} | not reached, at most {curve.most_precise().precision:.3f} | | | |")
                continue
            realised = {contig: _precisions(simulated, contig, track, found.value) for contig in CONTIGS}
            (here, low, high), (there, _, _) = (realised[contig] for contig in CONTIGS)
            cells = f"{here:.3f} | {low:.3f} to {high:.3f} | {there:.3f}"
            print(f"| {track} | {claim} ({found.precision:.3f}) | {found.value:.4g} | {cells} |")


def _precisions(simulated: Simulated, contig: str, track: str, threshold: float) -> tuple[float, float, float]:
    """Return the precision over all tested cells, and that of the worst and the best cell."""
    called, true = [], []
    for cell in TESTED:
        above = simulated.predicted(contig, cell, track) >= threshold
        called.append(int(above.sum()))
        true.append(int((above & simulated.peaks(contig, cell, track)).sum()))
    by_cell = [hit / number for hit, number in zip(true, called, strict=True) if number]
    return sum(true) / sum(called), min(by_cell), max(by_cell)


def beaten_and_not(simulated: Simulated, calibration: Calibration) -> None:
    """Print Brier scores of the tested cells where the calibration says that the mean is beaten, and elsewhere."""
    print(
        f"\nBrier scores in the {len(TESTED)} other cells on both contigs, with the reliability of the calibration.\n"
    )
    print("| track | the calibration says | bins | in peaks | prediction | mean of training cells |")
    print("|---|---|---|---|---|---|")
    for number, track in enumerate(TRACKS):
        found = calibration.track(track)
        if found.mean is None:
            raise SystemExit("the calibration has no mean")
        scores: dict[bool, list[NDArray[np.float64]]] = {True: [], False: []}
        for contig in CONTIGS:
            mean = simulated.mean[contig][:, number].astype(np.float32)
            beats = calibration.beats_mean(track, mean)
            of_mean = _probability(found.mean.reliability, mean)
            for cell in TESTED:
                of_cell = _probability(found.prediction.reliability, simulated.predicted(contig, cell, track))
                peaks = simulated.peaks(contig, cell, track)
                rows = np.stack([peaks, (of_cell - peaks) ** 2, (of_mean - peaks) ** 2])
                for said in (True, False):
                    scores[said].append(rows[:, beats == said])
        for said, name in ((True, "beats the mean"), (False, "does not")):
            rows = np.concatenate(scores[said], axis=1)
            if rows.shape[1]:
                values = " | ".join(f"{score:.4f}" for score in rows[1:].mean(axis=1))
                print(f"| {track} | {name} | {rows.shape[1]:,} | {int(rows[0].sum()):,} | {values} |")


def _probability(reliability: Reliability, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of bins in peaks of the class of each value."""
    classes = np.searchsorted(reliability.lower, values, side="right") - 1
    return np.nan_to_num(reliability.share)[classes]


def whole_genome(sizes: Path, work: Path) -> None:
    """Print time and memory for generated tracks of a whole genome, of one sample and the mean of training cells."""
    contigs = [(name, int(length)) for name, length in (line.split()[:2] for line in sizes.read_text().splitlines())]
    main_ones = {*map(str, range(1, 23)), "X", "Y"}
    chosen = [contig for contig in contigs if contig[0].removeprefix("chr") in main_ones]
    folder = work / "whole"
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(("one.DNase.bw", "average.DNase.bw")):
        if not (folder / name).exists():
            generate(folder / name, chosen, seed)
    (folder / "one.bed").write_text(
        "".join(f"{n}\t{s}\t{s + 500}\n" for n, length in chosen for s in range(10_000, length, 50_000))
    )
    record = {
        "sample": "one",
        "inputs": {"genome": dict.fromkeys(dict(chosen), "x"), "model": hashlib.sha256(b"").hexdigest()},
        "files": {"one.DNase.bw": (folder / "one.DNase.bw").stat().st_size},
        "space": "log1p",
    }
    (folder / "one.run.json").write_text(json.dumps(record))
    words = ["calibrate", folder, "--peaks", folder / "one.bed", "--out", work / "whole.json"]
    words += ["--include-training-cells", "--include-training-windows"]
    print("\n| hg38, a generated track of a sample | s | s of cores | MB |\n|---|---|---|---|")
    training = ["--training", folder / "average.DNase.bw", "--training-space", "log1p"]
    for name, options in (("alone", []), ("and the mean of training cells", training)):
        seconds, memory, used = measured_with_cores([COMMAND, *words, *options])
        print(f"| {name} | {seconds:.0f} | {used:.0f} | {memory / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
