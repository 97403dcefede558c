"""Maps of predicted contacts: the output of `epigept-batch contacts`, with the expected contacts beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from epigept_batch.contacts.contact_file import RAW, ContactFile, listed, resolutions
from epigept_batch.contacts.cool import ABOUT, RATIO
from epigept_batch.errors import InputError
from epigept_batch.tiling import bins_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from epigept_batch.contacts.contact_file import Pixels
    from epigept_batch.tiling import Contig

ROWS_AT_ONCE = 1 << 16
LARGEST_REACH = 4096
"""Bins; a map with contacts farther apart is not one of the windows of a network."""
PLAUSIBLE_RATIO = 0.1
"""Mean above which values are taken for observed/expected; a mean probability of attention is below 0.01."""


class PredictedContacts:
    """A predicted map, whose absent pixels are not predicted.

    Attributes:
        file: The file.
        width: Number of distances that the map has: 0, 1, … bins.
        is_ratio: Whether the values are observed/expected by distance.
        stated: Whether the file says so itself.

    Args:
        uri: A .cool of one resolution.

    Raises:
        InputError: The file cannot be used, has no contacts, or has contacts between all bins.
        DeviceError: hictkpy is not installed.
    """

    def __init__(self, uri: str) -> None:
        found = resolutions(uri)
        if len(found) > 1:
            raise InputError(
                f"has several resolutions: {listed(found)}; choose one as FILE.mcool::/resolutions/{found[0]}", uri
            )
        self.file = ContactFile(uri, normalisation=RAW)
        self.width, mean = self._measure()
        values = description(self.file).get("values")
        self.stated = values is not None
        self.is_ratio = values == RATIO if self.stated else mean > PLAUSIBLE_RATIO

    @property
    def bin_bp(self) -> int:
        """Base pairs per bin."""
        return self.file.bin_bp

    @property
    def contigs(self) -> tuple[Contig, ...]:
        """The contigs, in the file's order."""
        return self.file.contigs

    def band(self, contig: Contig) -> NDArray[np.float64]:
        """Return the contacts of each bin with itself and the next ones.

        Returns:
            float64, (bins, width): `[i, d]` is between bins i and i + d; NaN without a prediction.
        """
        band = np.full((bins_of(contig.length, self.bin_bp), self.width), np.nan)
        for pixels in self._pixels(contig, self.width):
            band[pixels.rows, pixels.columns - pixels.rows] = pixels.values
        return band

    def _pixels(self, contig: Contig, width: int) -> Iterator[Pixels]:
        bins = bins_of(contig.length, self.bin_bp)
        for first in range(0, bins, ROWS_AT_ONCE):
            yield self.file.pixels(contig.name, (first, min(first + ROWS_AT_ONCE, bins)), width=width)

    def _measure(self) -> tuple[int, float]:
        """Return the number of distances in bins, and the mean value."""
        width, total, number = 0, 0.0, 0
        for contig in self.contigs:
            for pixels in self._pixels(contig, LARGEST_REACH):
                if len(pixels.values):
                    width = max(width, int((pixels.columns - pixels.rows).max()) + 1)
                    total, number = total + float(pixels.values.sum()), number + len(pixels.values)
        if not number:
            raise InputError("contains no contacts", self.file.uri)
        if width >= LARGEST_REACH:
            raise InputError(
                f"has contacts over {LARGEST_REACH - 1:,} bins; pass the output of epigept-batch contacts as "
                "--predicted",
                self.file.uri,
            )
        return width, total / number

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def description(file: ContactFile) -> dict[str, Any]:
    """Return what `epigept-batch contacts` wrote about the map into the file; empty if it did not."""
    try:
        said = json.loads(file.attributes.get("metadata") or "{}")
    except (TypeError, ValueError):
        return {}
    ours = said.get(ABOUT) if isinstance(said, dict) else None
    return ours if isinstance(ours, dict) else {}
