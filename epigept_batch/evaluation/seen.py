"""Whether the network was trained on a sample's cell and on a track's genome, as far as that can be told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from epigept_batch.errors import one_line
from epigept_batch.sequence.genome_verdict import SEQUENCE, Remark, Verdict, judge_contigs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Contig

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


def seen_genome(contigs: Sequence[Contig], record: Mapping[str, Any] | None, spec: Spec | None) -> Verdict:
    """Whether a predicted track's genome is one for the network: what `genome` said of it, and of its sequence.

    Args:
        contigs: Of the track.
        record: The sample's `run.json`, which has what the sequence was; None without.
        spec: Of the model; None where that is not at hand.
    """
    verdict = judge_contigs(contigs, spec)
    return replace(verdict, remarks=(*verdict.remarks, *_recorded(record or {})))


def _recorded(record: Mapping[str, Any]) -> Iterator[Remark]:
    """What a record has of the sequence, of which a track holds nothing; older records have none."""
    genome = record.get("genome")
    remarks = genome.get("remarks") if isinstance(genome, dict) else None
    for remark in remarks if isinstance(remarks, list) else ():
        if isinstance(remark, dict) and remark.get("about") == SEQUENCE:
            state, said, advice = (one_line(str(remark.get(key, ""))) for key in ("state", "said", "advice"))
            yield Remark(SEQUENCE, state, said, advice)
