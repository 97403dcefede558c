"""Whether the network was trained on a sample's cell and on a track's genome, as far as this is known."""

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
"""Rank correlation of the factors' expression from which a sample is treated as a training cell itself."""


class SeenCell(NamedTuple):
    """Whether the network was trained on a cell.

    Attributes:
        seen: None if it is not known.
        sentence: The same in words, for the user.
    """

    seen: bool | None
    sentence: str


def trained_cells(spec: Spec | None) -> tuple[str, ...]:
    """Return the names of a network's training cells, from its file or else from its expression reference."""
    if spec is None:
        return ()
    return spec.training_cells or (() if spec.reference is None else spec.reference.cells)


def seen_cell(sample: str, nearest: Mapping[str, Any] | None, spec: Spec | None) -> SeenCell:
    """Whether the network was trained on a sample's cell.

    Args:
        sample: Name of the sample.
        nearest: The nearest cell of the expression reference, `cell`, and the rank correlation, `r`; None if it is not
            known.
        spec: Spec of the model; None if it is not available.
    """
    if spec is None:
        return SeenCell(
            None, "the model is not available, so its training cells are not known; provide it with --model"
        )
    trained = trained_cells(spec)
    if sample.casefold() in {cell.casefold() for cell in trained}:
        return SeenCell(True, f"the network was trained on {sample}, so its figures are optimistic")
    if nearest is None:
        return SeenCell(None, "it is not known whether the network was trained on this sample's cell")
    alike = f"{nearest['cell']} (rank correlation {nearest['r']:.3f})"
    if nearest["r"] < SAME_CELL:
        return SeenCell(False, f"not a cell that the network was trained on; the nearest cell by expression is {alike}")
    reference = set() if spec.reference is None else set(spec.reference.cells)
    if nearest["cell"] in trained or not reference & set(trained):
        return SeenCell(True, f"its expression matches the training cell {alike}, so its figures are optimistic")
    return SeenCell(False, f"its expression matches {alike}, on which the network was not trained")


def seen_genome(contigs: Sequence[Contig], record: Mapping[str, Any] | None, spec: Spec | None) -> Verdict:
    """Judge whether a predicted track's genome suits the network, from its contigs and the recorded sequence remarks.

    Args:
        contigs: Contigs of the track.
        record: The sample's `run.json`, which has the remarks of `genome` on the sequence; None if there is none.
        spec: Spec of the model; None if it is not available.
    """
    verdict = judge_contigs(contigs, spec)
    return replace(verdict, remarks=(*verdict.remarks, *_recorded(record or {})))


def _recorded(record: Mapping[str, Any]) -> Iterator[Remark]:
    """Yield a record's remarks on the sequence, which a track does not contain; older records have none."""
    genome = record.get("genome")
    remarks = genome.get("remarks") if isinstance(genome, dict) else None
    for remark in remarks if isinstance(remarks, list) else ():
        if isinstance(remark, dict) and remark.get("about") == SEQUENCE:
            state, said, advice = (one_line(str(remark.get(key, ""))) for key in ("state", "said", "advice"))
            yield Remark(SEQUENCE, state, said, advice)
