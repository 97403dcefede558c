"""Scores as an INFO field of the user's VCF, in the style of CSQ."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from epigept_batch.commands.variants.table import columns_of
from epigept_batch.prediction.effects import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.prediction.effects import Chunk

KEY = "EPIGEPT"


def description_of(*, averaged: bool) -> str:
    """Return what the field contains, with the names of its parts."""
    parts = "|".join(("allele", "sample", "track", *columns_of(averaged=averaged), "status"))
    return f"Predicted effect of each allele on each track of each sample, ln(1 + signal), by epigept-batch: {parts}"


def annotations_of(
    chunk: Chunk, values: NDArray[np.float32], *, samples: Sequence[str], tracks: Sequence[str], averaged: bool
) -> Iterator[list[str]]:
    """Yield the values of the field for each variant of a chunk.

    Args:
        chunk: The variants.
        values: float32, (alleles, samples, tracks, `FIELDS`).
        samples: Names of the samples; characters that VCF reserves are percent-encoded.
        tracks: Names of the tracks.
        averaged: Whether there is a standard deviation over views.
    """
    numbers = [FIELDS.index(name) for name in columns_of(averaged=averaged)]
    names = [(quote(sample, safe=SAFE), quote(track, safe=SAFE)) for sample in samples for track in tracks]
    begin = 0
    for placed in chunk.placed:
        end = begin + len(placed.alleles)
        of_variant = values[begin:end][..., numbers].reshape(len(placed.alleles), len(names), len(numbers))
        yield [
            "|".join((quote(allele.alt, safe=SAFE), *name, *map(_shown, row), allele.status))
            for allele, rows in zip(placed.alleles, of_variant.tolist(), strict=True)
            for name, row in zip(names, rows, strict=True)
        ]
        begin = end


SAFE = " !#$&'()*+-./:<>?@[]^_`{}~"
"""Punctuation that an INFO field may contain within a part."""


def _shown(value: float) -> str:
    return "" if value != value else f"{value:.7g}"  # noqa: PLR0124 - NaN
