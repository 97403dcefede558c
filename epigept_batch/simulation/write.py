"""Write simulated data as the files that a user would have: FASTA, motifs, tables, bigWigs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.contacts.cool import import_cooler, write_cool
from epigept_batch.files import replacing
from epigept_batch.simulation.cells import make_expression
from epigept_batch.simulation.contacts import MAP_BP, Anchors, contact_map
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
    from epigept_batch.simulation.contacts import Loops
    from epigept_batch.spec import MotifSet

LINE_BP = 60
GENES = 15_000
"""Number of other genes in a table, so that its TPM sum to a million."""
MILLION = 1e6
CONTACTS = """
[contacts]
weight = 2.0
layers = "all"
heads = "all"
"""
"""The part of a training configuration on contacts."""


@dataclass(frozen=True)
class Simulation:
    """What to simulate; the same seed and names give the same data.

    Attributes:
        seed: Seed of motifs, sequence and expression.
        contigs: Names of the contigs.
        contig_bp: Length of each contig.
        cells: Names of the cells.
        contacts: Whether to write contacts between bins too; everything else stays the same.
    """

    seed: int
    contigs: tuple[str, ...]
    contig_bp: int
    cells: tuple[str, ...]
    contacts: bool = False


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
    With contacts also `contacts/CELL.contacts.cool` (the map) and `contacts/CELL.contacts.bedpe` (the loops).

    Args:
        folder: An empty folder, or one that does not exist.
        simulation: What to write.
        threads: Number of threads of the scan.
        progress: Receives the progress by contig.

    Raises:
        DeviceError: A library that contacts require is not installed.
    """
    if simulation.contacts:
        import_cooler()
    grammar = Grammar(simulation.seed, threads=threads)
    for name in ("tables", "signal"):
        (folder / name).mkdir(parents=True)
    write_motifs(folder, grammar.motif_set)
    expression = {cell: make_expression(simulation.seed, cell) for cell in simulation.cells}
    write_expression(folder / "expression.tsv", expression)
    for cell, tpm in expression.items():
        write_table(folder / f"tables/{cell}.tsv", simulation.seed, cell, tpm)
    (folder / "train.toml").write_text(training_config(simulation))
    anchors = _write_contigs(folder, simulation, grammar, expression, progress=progress)
    if simulation.contacts:
        write_contacts(folder / "contacts", simulation, anchors, expression)


def _write_contigs(
    folder: Path,
    simulation: Simulation,
    grammar: Grammar,
    expression: Mapping[str, NDArray[np.float64]],
    *,
    progress: Progress,
) -> dict[Contig, Anchors]:
    """Write sequence and signals; return the anchors of each contig if contacts are wanted."""
    contigs = [Contig(name, simulation.contig_bp) for name in simulation.contigs]
    anchors: dict[Contig, Anchors] = {}
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
                if simulation.contacts:
                    anchors[made.contig] = Anchors.of(grammar, made.tokens, made.scores)
                progress.advance()
        for writer in writers.values():
            writer.close()
            writer.publish()
    finally:
        for writer in writers.values():
            writer.discard()
    return anchors


def write_contacts(
    folder: Path,
    simulation: Simulation,
    anchors: Mapping[Contig, Anchors],
    expression: Mapping[str, NDArray[np.float64]],
) -> None:
    """Write the map and the loops of each cell.

    Args:
        folder: Folder to create.
        simulation: What is simulated.
        anchors: The anchors of each contig.
        expression: TPM, float64, (factors,), by cell.
    """
    folder.mkdir()
    for cell, tpm in expression.items():
        maps = ((c, *contact_map(found.loops(tpm, least=0), c.length)) for c, found in anchors.items())
        metadata = {"sample": cell, "values": "simulated contacts, without noise", "seed": simulation.seed}
        write_cool(folder / f"{cell}.contacts.cool", list(anchors), maps, bin_bp=MAP_BP, about=metadata)
        lines = (line for contig, found in anchors.items() for line in _bedpe(contig, found.loops(tpm)))
        (folder / f"{cell}.contacts.bedpe").write_text("".join(lines))


def _bedpe(contig: Contig, loops: Loops) -> Iterator[str]:
    """Return a line per loop: both anchors, 0-based and half-open, a name, and the strength."""
    for left, right, strength in zip(*loops, strict=True):
        ends = (f"{contig.name}\t{b * BIN_BP}\t{min((b + 1) * BIN_BP, contig.length)}" for b in (left, right))
        yield "\t".join([*ends, f"{contig.name}_{left}_{right}", f"{strength:.6f}"]) + "\n"


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
    contacts = 'contacts = "contacts/{cell}.contacts.cool"\n' if simulation.contacts else ""
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
{contacts}
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
{CONTACTS if simulation.contacts else ""}"""


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
