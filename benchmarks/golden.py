"""The golden windows and the checkpoint they were made with, for the benchmarks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from epigept_batch.inference.ports import Inputs
from epigept_batch.sequence.genome import Genome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from epigept_batch.inference.session import Session

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sys.executable).parent
STARTS = (1_792_000, 2_304_000)
LENGTH, WINDOW_BP, BIN_BP = 2_333_275, 128_000, 128


class Window(NamedTuple):
    """What the network reads of a window, and the output of the published code."""

    tokens: np.ndarray  # uint8, (window_bp,)
    motif_scores: np.ndarray  # float16, (factors, bins), zero beyond the contig's end
    expression: np.ndarray  # float32, (factors,)
    signal: np.ndarray  # float32, (bins of the contig, tracks)

    def inputs(self, count: int = 1) -> Inputs:
        """Return this window `count` times, for its sample."""
        return Inputs.of(
            tokens=[self.tokens] * count, motif_scores=[self.motif_scores] * count, expression=self.expression[None]
        )


def make_checkpoint(folder: Path) -> Path:
    """Return a stand-in for the published hg38 weights; make it if it does not exist."""
    path = folder / "hg38.ckpt"
    if not path.exists():
        command = [sys.executable, ROOT / "tests/make_checkpoint.py", "hg38", path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def make_model(data: Path, work: Path, precision: str = "fp32") -> Path:
    """Return a model file of the published size; make it if it does not exist."""
    path = work / f"{precision}.onnx"
    if not path.exists():
        command = [
            *(SCRIPTS / "epigept-export", "convert", make_checkpoint(work), "--precision", precision),
            *("--motifs", data / "motifs/all_motif_rmdup"),
            *("--motif-factors", data / "motifs/MotifMatch_human_rmdup.mat"),
            *("--expression-reference", data / "expression/reference_expression.tsv"),
            *("--no-verify", "--output", path),
        ]
        subprocess.run(command, check=True, capture_output=True)
    return path


def fasta(data: Path, folder: Path) -> Path:
    """Return the real sequence under a name where an index can be written beside it."""
    link = folder / "chr2.fa.gz"
    if not link.exists():
        link.symlink_to((data / "genome/hg38_chr2_1-2333275.fa.gz").resolve())
    return link


def read_window(data: Path, folder: Path, start: int) -> Window:
    """Return the golden window that starts at a position."""
    genome = Genome(fasta(data, folder))
    tokens = genome.tokens(genome.contigs[0], start, start + WINDOW_BP)
    with np.load(data / f"golden/hg38_chr2_{start}_encode.npz") as arrays:
        found = arrays["motif_scores"]
        scores = np.zeros((found.shape[1], WINDOW_BP // BIN_BP), dtype=np.float16)
        scores[:, : len(found)] = found.T
        return Window(tokens, scores, arrays["expression"].astype(np.float32), arrays["signal"])


def errors(session: Session, windows: Iterable[Window]) -> tuple[float, float]:
    """Compare a network with golden windows: max abs error and lowest Pearson r of a track."""
    error, least = 0.0, 1.0
    for window in windows:
        found = session.signal(window.inputs())[0, 0, : len(window.signal)]
        error = max(error, float(np.abs(found - window.signal).max()))
        pairs = zip(found.T, window.signal.T, strict=True)
        least = min(least, *(float(np.corrcoef(mine, theirs)[0, 1]) for mine, theirs in pairs))
    return error, least
