"""Whether the network was trained on a sample's cell, as far as names and expression tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from epigept_batch.spec import Spec

SAME_CELL = 0.999
"""Rank correlation of the factors' expression from which a sample is taken for a training cell itself."""


class SeenCell(NamedTuple):
    """What is known.

    Attributes:
        seen: None where it is not known.
        sentence: For the user.
    """

    seen: bool | None
    sentence: str


def trained_cells(spec: Spec | None) -> tuple[str, ...]:
    """Names of the cells that a network was trained on: its file's, else those of its expression reference."""
    if spec is None:
        return ()
    return spec.training_cells or (() if spec.reference is None else spec.reference.cells)


def seen_cell(sample: str, nearest: Mapping[str, Any] | None, spec: Spec | None) -> SeenCell:
    """Whether the network was trained on a sample's cell.

    Args:
        sample: Its name.
        nearest: The cell of the expression reference that is most like it, `cell`, and the rank correlation, `r`; None
            where that is not known.
        spec: Of the model; None where that is not at hand.
    """
    if spec is None:
        return SeenCell(None, "the model is not at hand, so what it was trained on is not known: --model")
    trained = trained_cells(spec)
    if sample.casefold() in {cell.casefold() for cell in trained}:
        return SeenCell(True, f"the network was trained on {sample}: its figures flatter")
    if nearest is None:
        return SeenCell(None, "whether the network was trained on this sample's cell is not known")
    alike = f"{nearest['cell']}, rank correlation {nearest['r']:.3f}"
    if nearest["r"] < SAME_CELL:
        return SeenCell(False, f"not a cell that the network was trained on; the nearest by expression is {alike}")
    reference = set() if spec.reference is None else set(spec.reference.cells)
    if nearest["cell"] in trained or not reference & set(trained):
        return SeenCell(True, f"its expression is that of a training cell, {alike}: its figures flatter")
    return SeenCell(False, f"its expression is that of {alike}, on which the network was not trained")
