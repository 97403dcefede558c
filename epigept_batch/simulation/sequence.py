"""Simulate contigs: random sequence with planted sites, modules of sites, and CpG islands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.simulation.grammar import (
    BIN_BP,
    BLOCKERS,
    CTCF,
    IDLE,
    OPEN,
    PAIRS,
    POLYCOMB,
    REPRESSORS,
    WIDTH,
    C,
    G,
)
from epigept_batch.simulation.streams import stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from epigept_batch.spec import MotifSet

GC = 0.41
BP_A_MODULE = 1_100
"""Average number of bp per module."""
ISLAND_GC, ISLAND_CG = 0.62, 0.14
ISLAND_BP = (640, 1_400)
WITH_REPRESSOR, WITH_BLOCKER, REVERSED = 0.5, 0.8, 0.5
SITE_MISSES = 0.3
"""Share of sites with one mismatch to the consensus."""


def make_contig(seed: int, name: str, length: int, motif_set: MotifSet) -> NDArray[np.uint8]:
    """Simulate the tokens of a contig, uint8, (length,): A 0, C 1, G 2, T 3.

    Args:
        seed: Seed of the genome.
        name: Name of the contig, on which its sequence depends.
        length: Length in bp.
        motif_set: A motif set with a motif for each factor of the grammar.
    """
    draw = stream(seed, "contig", name)
    tokens = _bases(draw, length, GC)
    consensus = {motif.name: motif.probabilities.argmax(axis=1).astype(np.uint8) for motif in motif_set.motifs}
    for _ in range(length // BP_A_MODULE):
        kind = draw.random()
        if kind < ISLANDS:
            _plant_island(draw, tokens)
        else:
            _plant_sites(draw, tokens, [consensus[factor] for factor in _module(draw, kind)])
    return tokens


ISLANDS = 0.08
"""Share of modules that are CpG islands. The cumulative shares of the kinds in `_module` follow, up to 1."""
OPEN_MODULES, CTCF_MODULES, WHOLE_PAIRS, BROKEN_PAIRS = 0.36, 0.52, 0.74, 0.88


def _module(draw: np.random.Generator, kind: float) -> list[str]:
    """Choose the factors whose sites lie together in a bin."""
    if kind < OPEN_MODULES:
        sites = [_one(draw, OPEN) for _ in range(1 + int(draw.random() * 2))]
        return sites + ([_one(draw, REPRESSORS)] if draw.random() < WITH_REPRESSOR else [])
    if kind < CTCF_MODULES:
        return [CTCF] + ([_one(draw, BLOCKERS)] if draw.random() < WITH_BLOCKER else [])
    if kind < WHOLE_PAIRS:
        return list(PAIRS[int(draw.random() * len(PAIRS))])
    if kind < BROKEN_PAIRS:
        return [PAIRS[int(draw.random() * len(PAIRS))][int(draw.random() * 2)]]
    return [_one(draw, (*IDLE, *REPRESSORS, *BLOCKERS, POLYCOMB))]


def _one(draw: np.random.Generator, names: Sequence[str]) -> str:
    return names[int(draw.random() * len(names))]


def _bases(draw: np.random.Generator, length: int, gc: float) -> NDArray[np.uint8]:
    """Draw independent bases with a given GC content."""
    bounds = np.array([(1 - gc) / 2, 0.5, (1 + gc) / 2])
    return np.searchsorted(bounds, draw.random(length), side="right").astype(np.uint8)


def _plant_sites(draw: np.random.Generator, tokens: NDArray[np.uint8], sites: Sequence[NDArray[np.uint8]]) -> None:
    """Put sites side by side into one bin, on either strand, in random order, some with a mismatch."""
    bin_ = int(draw.random() * (len(tokens) // BIN_BP))
    room = BIN_BP // len(sites) - WIDTH
    order = np.argsort(draw.random(len(sites)))
    for place, number in enumerate(order):
        site = sites[number].copy()
        if draw.random() < SITE_MISSES:
            position = int(draw.random() * WIDTH)
            site[position] = (site[position] + 1 + int(draw.random() * 3)) % 4
        if draw.random() < REVERSED:
            site = 3 - site[::-1]
        start = bin_ * BIN_BP + place * (BIN_BP // len(sites)) + int(draw.random() * room)
        tokens[start : start + WIDTH] = site


def _plant_island(draw: np.random.Generator, tokens: NDArray[np.uint8]) -> None:
    """Replace a stretch with CG-rich sequence."""
    length = min(int(ISLAND_BP[0] + draw.random() * (ISLAND_BP[1] - ISLAND_BP[0])), len(tokens))
    start = int(draw.random() * (len(tokens) - length + 1))
    island = _bases(draw, length, ISLAND_GC)
    for position in np.flatnonzero(draw.random(length - 1) < ISLAND_CG):
        island[position : position + 2] = C, G
    tokens[start : start + length] = island
