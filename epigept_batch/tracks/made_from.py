"""What a run was made from, as its record and its journal keep it, beside what it would be made from now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GENOME = "genome"
"""The input that holds digests of the selected contigs, by name."""


def differing(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> Sequence[str]:
    """Names of the inputs that are not the same, for a user to read.

    Args:
        recorded: Inputs by name, as JSON holds them.
        wanted: Likewise.
    """
    names = [name for name in wanted if recorded.get(name) != wanted[name]]
    if len(names) > 1 and GENOME in names and _agree(recorded.get(GENOME), wanted[GENOME]):
        names.remove(GENOME)  # other contigs were selected, perhaps of the same FASTA
    return names


def _agree(recorded: Any, wanted: Any) -> bool:  # noqa: ANN401 - as it was in a file
    if not isinstance(recorded, dict):
        return False
    return all(wanted[contig] == digest for contig, digest in recorded.items() if contig in wanted)
