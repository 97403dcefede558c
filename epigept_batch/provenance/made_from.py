"""Compare the recorded inputs of a run with the inputs of the current run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GENOME = "genome"
"""Name of the input that holds digests of the selected contigs, by contig."""


def differing(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> Sequence[str]:
    """Return the names of the inputs that differ, for messages.

    Args:
        recorded: The recorded inputs by name, as read from JSON.
        wanted: The current inputs by name, in the same form.
    """
    names = [name for name in wanted if recorded.get(name) != wanted[name]]
    if len(names) > 1 and GENOME in names and _agree(recorded.get(GENOME), wanted[GENOME]):
        names.remove(GENOME)  # a different selection of contigs, possibly of the same FASTA
    return names


def as_different(names: Sequence[str]) -> str:
    """Return names of inputs as what differs: `a different model`, `different tracks`, or `different model, space`."""
    head = names[0].partition(" of ")[0]
    article = "a " if len(names) == 1 and not head.endswith("s") else ""
    return f"{article}different {', '.join(names)}"


def _agree(recorded: Any, wanted: Any) -> bool:  # noqa: ANN401 - read from a file
    if not isinstance(recorded, dict):
        return False
    return all(wanted[contig] == digest for contig, digest in recorded.items() if contig in wanted)
