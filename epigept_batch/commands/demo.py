"""The run of `epigept-batch demo`: predicts tracks from simulated data and compares them with the known truth."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.commands.genome.request import GenomeRequest
from epigept_batch.commands.genome.run import run_genome
from epigept_batch.demo.package_data import MODEL, packaged_baseline, packaged_model
from epigept_batch.errors import OutputError
from epigept_batch.evaluation.metrics import pearson
from epigept_batch.expression.request import SampleRequest
from epigept_batch.expression.vector import network_expression
from epigept_batch.files import make_folder, replacing
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import read_spec
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import BIN_BP, TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.simulation.write import as_fasta, write_table
from epigept_batch.tiling import Contig
from epigept_batch.tracks.bigwig import BigWigWriter
from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.progress import Progress
    from epigept_batch.spec import ExpressionReference

SEED, CONTIG, CONTIG_BP = 1, "sim27", 2_000_000
SAMPLES = ("cell39", "cell40")
"""A contig and cells that the demo's network was not trained on."""
EVALUATION = "evaluation.json"
UNFINISHED = ".epigept-demo"
"""Marks the folder of a demo until it is complete, so that an interrupted demo can be rerun."""


@dataclass(frozen=True)
class DemoRequest:
    """What a user asks for.

    Attributes:
        out: Folder for all inputs and outputs.
        threads: Number of CPU threads.
    """

    out: Path
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Truth:
    """The contig, and its true signal in each cell.

    Attributes:
        grammar: The rules that make the signal.
        tokens: uint8, (bp,).
        scores: float32, (factors, bins).
    """

    grammar: Grammar
    tokens: NDArray[np.uint8]
    scores: NDArray[np.float32]

    @property
    def contig(self) -> Contig:
        """Name and length of the contig."""
        return Contig(CONTIG, len(self.tokens))

    def signal(self, cell: str) -> NDArray[np.float32]:
        """The signal in linear space, float32, (bins, tracks)."""
        return self.grammar.truth(self.tokens, self.scores, make_expression(SEED, cell))

    def log_signal(self, cell: str) -> NDArray[np.float32]:
        """ln(1 + signal), float32, (bins, tracks)."""
        return np.log1p(self.signal(cell))


def run_demo(request: DemoRequest, progress: Progress) -> dict[str, Any]:
    """Write a genome and two samples, predict their tracks, and compare them with the truth.

    Args:
        request: What to do.
        progress: Receives an update per window.

    Returns:
        The content of `OUT/evaluation.json`.

    Raises:
        EpiGePTError: The folder contains something else, or cannot be written.
    """
    out = request.out
    if out.exists() and not (out.is_dir() and (_is_demo(out) or not any(out.iterdir()))):
        raise OutputError("exists and was not made by a demo; choose another --out", out)
    make_folder(out)
    (out / UNFINISHED).touch()
    grammar = Grammar(SEED, threads=request.threads)
    tokens = make_contig(SEED, CONTIG, CONTIG_BP, grammar.motif_set)
    truth = Truth(grammar, tokens, grammar.motif_scores(tokens))
    _write_inputs(out, truth)
    spec = read_spec(out / MODEL)
    if spec.reference is None:
        raise OutputError("the demo's model has no expression reference", out / MODEL)
    samples = SampleRequest(tuple((None, out / f"{name}.tsv") for name in SAMPLES))
    genome = GenomeRequest(
        samples=samples,
        fasta=out / "genome.fa",
        model=out / MODEL,
        out=out / "tracks",
        chromosomes=(CONTIG,),
        overlap=spec.geometry.window_bp // 2,
        device=CPU,
        threads=request.threads,
        force=True,
    )
    run_genome(genome, progress)
    _write_measured(out, truth, spec.reference)
    evaluation = _evaluate(out, truth, spec.reference)
    with replacing(out / EVALUATION) as temporary:
        temporary.write_text(json.dumps(evaluation, indent=2) + "\n")
    (out / UNFINISHED).unlink()
    return evaluation


def _is_demo(folder: Path) -> bool:
    """Whether a folder contains a finished or an interrupted demo."""
    return (folder / EVALUATION).exists() or (folder / UNFINISHED).exists()


def _write_inputs(out: Path, truth: Truth) -> None:
    """Write the input files that a user would have."""
    with replacing(out / "genome.fa") as fasta:
        fasta.write_bytes(as_fasta(CONTIG, truth.tokens))
    for cell in SAMPLES:
        write_table(out / f"{cell}.tsv", SEED, cell, make_expression(SEED, cell))
    with packaged_model() as model, replacing(out / MODEL) as copy:
        shutil.copyfile(model, copy)


def _write_measured(out: Path, truth: Truth, reference: ExpressionReference) -> None:
    """Write the tracks that a user would have measured: of the samples, and of the training cells."""
    for folder, cells in (("measured", SAMPLES), ("training", reference.cells)):
        make_folder(out / folder)
        for cell in cells:
            signal = truth.signal(cell)
            for number, track in enumerate(TRACKS):
                _write_track(out / folder / f"{cell}.{track}.bw", truth.contig, signal[:, number])


def _write_track(path: Path, contig: Contig, signal: NDArray[np.float32]) -> None:
    writer = BigWigWriter(path, [contig], bin_bp=BIN_BP)
    try:
        writer.write(contig, 0, signal)
        writer.close()
        writer.publish()
    finally:
        writer.discard()


def _evaluate(out: Path, truth: Truth, reference: ExpressionReference) -> dict[str, Any]:
    """Return Pearson r of ln(1 + signal) over the contig, by track and sample, for the model and two baselines."""
    linear = packaged_baseline()
    training = np.stack([truth.log_signal(cell) for cell in reference.cells])
    mean: NDArray[np.float64] = np.asarray(training.mean(axis=0, dtype=np.float64))
    r: dict[str, dict[str, list[float]]] = {track: {} for track in TRACKS}
    for cell in SAMPLES:
        expected = truth.log_signal(cell)
        expression = network_expression(make_expression(SEED, cell), reference.distribution)
        predicted = linear.predict(truth.scores, expression)
        for number, track in enumerate(TRACKS):
            found = SignalTrack(out / f"tracks/{cell}.{track}.bw").bins(truth.contig, 0, len(expected), bin_bp=BIN_BP)
            for name, values in (
                ("model", found),
                ("mean_of_training_cells", mean[:, number]),
                ("linear", predicted[:, number]),
            ):
                r[track].setdefault(name, []).append(pearson(values, expected[:, number]))
    return {
        "what": "Pearson r of ln(1 + signal) with the known truth, mean over the samples",
        "contig": CONTIG,
        "samples": list(SAMPLES),
        "tracks": [
            {"name": track, **{name: float(np.mean(values)) for name, values in of_track.items()}}
            for track, of_track in r.items()
        ],
        "by_sample": {
            cell: [
                {"name": track, **{name: values[number] for name, values in of_track.items()}}
                for track, of_track in r.items()
            ]
            for number, cell in enumerate(SAMPLES)
        },
    }
