"""Scores as an INFO field of the user's VCF, in the style of CSQ."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.variants.chunks import Chunk
    from epigept_batch.variants.score_table import Layout

KEY = "EPIGEPT"


def description_of(layout: Layout) -> str:
    """Return what the field contains, with the names of its parts."""
    parts = "|".join(("allele", "sample", "track", *layout.columns, "status"))
    return f"Predicted effect of each allele on each track of each sample, ln(1 + signal), by epigept-batch: {parts}"


def annotations_of(chunk: Chunk, values: NDArray[np.float32], layout: Layout) -> Iterator[list[str]]:
    """Yield the values of the field for each variant of a chunk.

    Characters of names that VCF reserves are percent-encoded.

    Args:
        chunk: The variants.
        values: float32, (alleles, samples, tracks, `FIELDS`).
        layout: What the file has.
    """
    names = [(quote(one, safe=SAFE), quote(track, safe=SAFE)) for one in layout.samples for track in layout.tracks]
    numbers = layout.numbers(chunk, values).reshape(chunk.alleles, len(names), len(layout.columns))
    begin = 0
    for placed in chunk.placed:
        end = begin + len(placed.alleles)
        yield [
            "|".join((quote(allele.alt, safe=SAFE), *name, *map(_shown, row), allele.status))
            for allele, rows in zip(placed.alleles, numbers[begin:end].tolist(), strict=True)
            for name, row in zip(names, rows, strict=True)
        ]
        begin = end


SAFE = " !#$&'()*+-./:<>?@[]^_`{}~"
"""Punctuation that an INFO field may contain within a part."""


def _shown(value: float) -> str:
    return "" if value != value else f"{value:.7g}"  # noqa: PLR0124 - NaN
