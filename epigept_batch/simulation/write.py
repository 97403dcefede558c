"""Write simulated data as the files that a user would have: FASTA, motifs, tables, bigWigs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.files import replacing
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.grammar import BIN_BP, FACTORS, SCAN_WINDOW, TRACKS, Grammar
from epigept_batch.simulation.sequence import make_contig
from epigept_batch.simulation.streams import stream
from epigept_batch.tiling import Contig
from epigept_batch.tracks.bigwig import BigWigWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.progress import Progress
    from epigept_batch.spec import MotifSet

LINE_BP = 60
GENES = 15_000
"""Number of other genes in a table, so that its TPM sum to a million."""
MILLION = 1e6


@dataclass(frozen=True)
class Simulation:
    """What to simulate; the same seed and names give the same data.

    Attributes:
        seed: Seed of motifs, sequence and expression.
        contigs: Names of the contigs.
        contig_bp: Length of each contig.
        cells: Names of the cells.
    """

    seed: int
    contigs: tuple[str, ...]
    contig_bp: int
    cells: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SimulatedContig:
    """A contig and its motif scores."""

    contig: Contig
    tokens: NDArray[np.uint8]
    scores: NDArray[np.float32]


def simulated_contigs(simulation: Simulation, grammar: Grammar) -> Iterator[SimulatedContig]:
    """Simulate the contigs one by one."""
    for name in simulation.contigs:
        tokens = make_contig(simulation.seed, name, simulation.contig_bp, grammar.motif_set)
        yield SimulatedContig(Contig(name, len(tokens)), tokens, grammar.motif_scores(tokens))


def write_simulation(folder: Path, simulation: Simulation, *, threads: int, progress: Progress) -> None:
    """Write everything that a training needs.

    `genome.fa`, `motifs.motif`, `motif_factors.tsv`, `expression.tsv` (TPM, factors × cells), `tables/CELL.tsv` (TPM of
    all genes), `signal/CELL.TRACK.bw` (the signal itself), and `train.toml`, which `epigept-export train` takes.

    Args:
        folder: An empty folder, or one that does not exist.
        simulation: What to write.
        threads: Number of threads of the scan.
        progress: Receives the progress by contig.
    """
    grammar = Grammar(simulation.seed, threads=threads)
    for name in ("tables", "signal"):
        (folder / name).mkdir(parents=True)
    write_motifs(folder, grammar.motif_set)
    expression = {cell: make_expression(simulation.seed, cell) for cell in simulation.cells}
    write_expression(folder / "expression.tsv", expression)
    for cell, tpm in expression.items():
        write_table(folder / f"tables/{cell}.tsv", simulation.seed, cell, tpm)
    (folder / "train.toml").write_text(training_config(simulation))
    contigs = [Contig(name, simulation.contig_bp) for name in simulation.contigs]
    signal = folder / "signal"
    writers = {
        (cell, track): BigWigWriter(signal / f"{cell}.{track}.bw", contigs, bin_bp=BIN_BP)
        for cell in simulation.cells
        for track in TRACKS
    }
    try:
        progress.start(len(contigs))
        with replacing(folder / "genome.fa") as fasta, fasta.open("wb") as stream_:
            for made in simulated_contigs(simulation, grammar):
                stream_.write(as_fasta(made.contig.name, made.tokens))
                for cell, tpm in expression.items():
                    truth = grammar.truth(made.tokens, made.scores, tpm)
                    for number, track in enumerate(TRACKS):
                        writers[cell, track].write(made.contig, 0, truth[:, number])
                progress.advance()
        for writer in writers.values():
            writer.close()
            writer.publish()
    finally:
        for writer in writers.values():
            writer.discard()


def training_config(simulation: Simulation) -> str:
    """Make a training configuration: the last contig and tenth of cells for tests, those before for validation."""
    tenth = max(1, len(simulation.cells) // 10)
    quoted = {
        "tracks": TRACKS,
        "validation_contigs": simulation.contigs[-2:-1],
        "test_contigs": simulation.contigs[-1:],
        "validation_cells": simulation.cells[-2 * tenth : -tenth],
        "test_cells": simulation.cells[-tenth:],
    }
    lists = {name: json.dumps(list(names)) for name, names in quoted.items()}
    return f"""\
[data]
fasta = "genome.fa"
motifs = "motifs.motif"
motif_factors = "motif_factors.tsv"
motif_window = [{SCAN_WINDOW.left}, {SCAN_WINDOW.right}]
expression = "expression.tsv"
signals = "signal/{{cell}}.{{track}}.bw"
tracks = {lists["tracks"]}
scores = "genome.scores"

[split]
validation_contigs = {lists["validation_contigs"]}
test_contigs = {lists["test_contigs"]}
validation_cells = {lists["validation_cells"]}
test_cells = {lists["test_cells"]}

[network]
size = "small"
channels = [4, 16, 24, 32, 32, 39]

[fit]
epochs = 1000
minutes = 42
patience = 1000
learning_rate = 2e-3
head_leak = 0.1
devices = 1
"""


def as_fasta(name: str, tokens: NDArray[np.uint8]) -> bytes:
    """Format a FASTA record."""
    bases = np.frombuffer(b"ACGTN", dtype=np.uint8)[tokens].tobytes()
    lines = (bases[start : start + LINE_BP] for start in range(0, len(bases), LINE_BP))
    return b">" + name.encode() + b"\n" + b"\n".join(lines) + b"\n"


def write_motifs(folder: Path, motif_set: MotifSet) -> None:
    """Write the motifs in HOMER's format, and their factors."""
    text, pairs = [], []
    for motif in motif_set.motifs:
        consensus = "".join("ACGT"[base] for base in motif.probabilities.argmax(axis=1))
        text.append(f">{consensus}\t{motif.name}\t{motif.threshold!r}\n")
        text += ["\t".join(map(repr, row)) + "\n" for row in motif.probabilities.tolist()]
        pairs += [f"{motif.name}\t{factor}\n" for factor in motif.factors]
    (folder / "motifs.motif").write_text("".join(text))
    (folder / "motif_factors.tsv").write_text("".join(pairs))


def write_expression(path: Path, expression: Mapping[str, NDArray[np.float64]]) -> None:
    """Write the TPM of the factors in each cell, as `epigept-export convert` reads it as reference."""
    rows = zip(FACTORS, *expression.values(), strict=True)
    lines = ["\t".join(["", *expression]), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def write_table(path: Path, seed: int, cell: str, tpm: Sequence[float] | NDArray[np.float64]) -> None:
    """Write a cell's TPM of all genes, the factors among them; they sum to a million."""
    others = stream(seed, "genes", cell).random(GENES) ** 8
    others *= (MILLION - float(np.sum(tpm))) / others.sum()
    rows = [*zip(FACTORS, tpm, strict=True), *((f"GENE{n:05d}", value) for n, value in enumerate(others.round(2), 1))]
    path.write_text("gene_id\tTPM\n" + "".join(f"{name}\t{value}\n" for name, value in rows))
