"""Simulate the expression of the factors in cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.simulation.grammar import CTCF, FACTORS, POLYCOMB
from epigept_batch.simulation.streams import stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

ON = 0.55
"""Share of the factors that a cell expresses."""


def make_expression(seed: int, cell: str) -> NDArray[np.float64]:
    """Simulate the TPM of the factors in a cell, float64, (factors,), with two decimals.

    About half of the factors are expressed at 8 to 120 TPM, the others at less than 1; CTCF and POLY1 always are
    expressed.

    Args:
        seed: Seed of the cells.
        cell: Name of the cell, on which its expression depends.
    """
    draw = stream(seed, "cell", cell)
    level = draw.random(len(FACTORS))
    on = draw.random(len(FACTORS)) < ON
    on[[FACTORS.index(CTCF), FACTORS.index(POLYCOMB)]] = True
    tpm = np.where(on, 8 * 15**level, level)
    return tpm.round(2)
