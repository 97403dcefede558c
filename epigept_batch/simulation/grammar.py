"""The simulation's grammar: its factors, their motifs, and the signal of a sequence in a cell.

The true signal depends on two properties of the sequence. One is the best hit of each motif in each bin, as the scan
finds it, whether planted or present by chance. The other is how often C is followed by G. In a cell, a factor's weight
is the share of its sites that it occupies, e = TPM / (TPM + 10). A hit has a strength s, from 0.6 at the threshold to 1
at the best score, in every bin that begins within 256 bp of it. In each bin:

- **open**: the sum of s·e over OPEN factors; each REPR factor multiplies it by (1 - s·e)³.
- **DNase** = 10·open + 4·(bound CTCF) + 1·CpG island.
- **CTCF** = 25·s·e; each BLOCK factor multiplies it by (1 - s·e)³.
- **enhancer**: the sum over pairs of s·e of PAIRnA times s·e of PAIRnB; one of a pair alone has no effect.
- **H3K27ac** = 25·enhancer + 2·open.
- **contact** = x² / (x² + 0.64), a switch, where x is the sum of enhancers within 10 kb on either side, weighted down
  with distance.
- **H3K4me3** = 20·CpG island·contact: an island alone is not a promoter.
- **H3K27me3** = 4·CpG islands within 0.75 kb·e of POLY1·(1 - contact), the alternative state of the same islands.

IDLE factors have motifs but no effect. `contacts.py` states the grammar of contacts between bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.simulation.streams import stream
from epigept_batch.spec import Motif, MotifSet, ScanWindow
from epigept_batch.tiling import bins_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

C, G = 1, 2
BIN_BP = 128
SCAN_WINDOW = ScanWindow(-2 * BIN_BP, 3 * BIN_BP)
TRACKS = ("DNase", "CTCF", "H3K27ac", "H3K4me3", "H3K27me3")

OPEN = tuple(f"OPEN{number}" for number in range(1, 7))
REPRESSORS = tuple(f"REPR{number}" for number in range(1, 4))
PAIRS = tuple((f"PAIR{number}A", f"PAIR{number}B") for number in range(1, 5))
BLOCKERS = ("BLOCK1", "BLOCK2")
CTCF, POLYCOMB = "CTCF", "POLY1"
IDLE = tuple(f"IDLE{number}" for number in range(1, 5))
FACTORS = tuple(sorted((*OPEN, *REPRESSORS, *(f for pair in PAIRS for f in pair), *BLOCKERS, CTCF, POLYCOMB, *IDLE)))

WIDTH = 11
LIKELY = 0.91
"""Probability of the consensus base; the others share the rest."""
HALF_TPM = 10.0
"""TPM at which a factor occupies half of its sites."""
LEAST_STRENGTH = 0.6
BACKGROUND_CPG, ISLAND_CPG = 0.07, 0.15
"""Shares of positions with CG: from the first on, a bin is partly an island; from the second on, fully."""
CONTACT_BINS, CONTACT_DECAY = 80, 40.0
POLYCOMB_BINS = 6
SWITCH = 0.8
"""Sum of enhancers within reach at which a promoter has half of its activity."""


def make_motif_set(seed: int) -> MotifSet:
    """Make a motif for each factor: a consensus of 11 bases, where a hit may have one mismatch."""
    return MotifSet(tuple(_motif(seed, factor) for factor in FACTORS), SCAN_WINDOW)


def _motif(seed: int, factor: str) -> Motif:
    consensus = stream(seed, "motif", factor).integers(0, 4, WIDTH)
    probabilities = np.full((WIDTH, 4), (1 - LIKELY) / 3)
    probabilities[np.arange(WIDTH), consensus] = LIKELY
    motif = Motif(factor, probabilities, 0.0, (factor,))
    missing_one = motif.best_score - np.log(LIKELY / ((1 - LIKELY) / 3))
    return Motif(factor, probabilities, round(float(missing_one) - 0.01, 6), (factor,))


def occupancy(tpm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of its sites that a factor occupies, in the shape of `tpm`."""
    return tpm / (tpm + HALF_TPM)


class Grammar:
    """Computes the true signal of a sequence.

    Args:
        seed: Seed of the motifs.
        threads: Number of threads of the scan.
    """

    def __init__(self, seed: int, *, threads: int = 1) -> None:
        self.motif_set = make_motif_set(seed)
        self._threads = threads
        self._bounds = {motif.name: (motif.threshold, motif.best_score) for motif in self.motif_set.motifs}

    def motif_scores(self, tokens: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the best hits of a whole contig, float32, (factors, bins)."""
        with MotifScanner(self.motif_set, FACTORS, bin_bp=BIN_BP, threads=self._threads) as scanner:
            return scanner.scan(tokens, offset=0, bins=bins_of(len(tokens), BIN_BP))

    def truth(
        self, tokens: NDArray[np.uint8], scores: NDArray[np.float32], tpm: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the true signal of a contig in a cell.

        Args:
            tokens: uint8, (bp,).
            scores: float32, (factors, bins), from `motif_scores`.
            tpm: float64, (factors,).

        Returns:
            float32, (bins, tracks): the signal itself, not its logarithm.
        """
        bound = dict(zip(FACTORS, self.strength(scores) * occupancy(tpm)[:, None], strict=True))
        island = _islands(tokens)
        opened = sum(bound[factor] for factor in OPEN) * _left_by(bound, REPRESSORS)
        insulator = bound[CTCF] * _left_by(bound, BLOCKERS)
        enhancer = sum(bound[one] * bound[other] for one, other in PAIRS)
        near = _reach(enhancer)
        contact = near**2 / (near**2 + SWITCH**2)
        polycomb = float(occupancy(tpm)[FACTORS.index(POLYCOMB)])
        tracks = {
            "DNase": 10 * opened + 4 * insulator + island,
            "CTCF": 25 * insulator,
            "H3K27ac": 25 * enhancer + 2 * opened,
            "H3K4me3": 20 * island * contact,
            "H3K27me3": 4 * _spread(island, POLYCOMB_BINS) * polycomb * (1 - contact),
        }
        return np.stack([tracks[name] for name in TRACKS], axis=1).astype(np.float32)

    def consensus(self, factor: str) -> NDArray[np.uint8]:
        """Return the site of a factor on the forward strand, uint8, (11,)."""
        (motif,) = (motif for motif in self.motif_set.motifs if motif.name == factor)
        consensus: NDArray[np.uint8] = motif.probabilities.argmax(axis=1).astype(np.uint8)
        return consensus

    def site_strengths(self, factor: str) -> tuple[float, float]:
        """Return the strength of a factor's site without a mismatch and with one."""
        least, best = self._bounds[factor]
        missing_one = best - float(np.log(LIKELY / ((1 - LIKELY) / 3)))
        return 1.0, LEAST_STRENGTH + (1 - LEAST_STRENGTH) * (missing_one - least) / (best - least)

    def strength(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the strength of each site, 0 without one, float64, (factors, bins)."""
        least, best = np.array([self._bounds[factor] for factor in FACTORS]).T[:, :, None]
        share = LEAST_STRENGTH + (1 - LEAST_STRENGTH) * (scores - least) / (best - least)
        return np.where(scores > 0, share, 0)


def _left_by(bound: Mapping[str, NDArray[np.float64]], factors: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of a signal that bound factors leave in each bin, 1 if none is bound, float64, (bins,)."""
    left: NDArray[np.float64] = np.prod([(1 - bound[factor]) ** 3 for factor in factors], axis=0)
    return left


def _islands(tokens: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return to what degree each bin is a CpG island, from 0 to 1, float64, (bins,)."""
    pairs = np.zeros(bins_of(len(tokens), BIN_BP) * BIN_BP)
    pairs[: len(tokens) - 1] = (tokens[:-1] == C) & (tokens[1:] == G)
    share = pairs.reshape(-1, BIN_BP).mean(axis=1)
    islands: NDArray[np.float64] = np.clip((share - BACKGROUND_CPG) / (ISLAND_CPG - BACKGROUND_CPG), 0, 1)
    return islands


def _spread(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Add to each bin a share of the values up to `reach` bins away, smaller with distance."""
    distance = np.abs(np.arange(-reach, reach + 1))
    return _convolved(values, 1 - distance / (reach + 1))


def _reach(enhancer: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum enhancers within 10 kb, weighted down with distance."""
    distance = np.abs(np.arange(-CONTACT_BINS, CONTACT_BINS + 1))
    return _convolved(enhancer, np.exp(-distance / CONTACT_DECAY))


def _convolved(values: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    half = len(kernel) // 2
    return np.convolve(np.pad(values, half), kernel, mode="valid")
