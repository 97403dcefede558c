"""Measured contact maps, read in bands along the diagonal or as small dense matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.contacts.contact_file import RAW, ContactFile, listed, resolutions
from epigept_batch.errors import InputError
from epigept_batch.tiling import bins_of, ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from epigept_batch.tiling import Contig

PIXELS_AT_ONCE = 1 << 22
"""Pixels of the band that are read at a time."""


class MeasuredContacts:
    """A measured map in bins of a size that may be a multiple of the file's.

    Raw counts of the file's bins are summed, as cooler does; normalised ones are averaged over the pairs of good bins.

    Attributes:
        file: The file at the resolution that is read.
        bin_bp: Base pairs per bin of what is returned.

    Args:
        uri: A path, or `FILE.mcool::/resolutions/5000`.
        bin_bp: Base pairs per bin; None for those of the file if it has one resolution.
        normalisation: As in `ContactFile`.

    Raises:
        InputError: The file cannot be used, or no resolution of it divides `bin_bp`.
        DeviceError: hictkpy is not installed.
    """

    def __init__(self, uri: str, *, bin_bp: int | None = None, normalisation: str | None = None) -> None:
        own = bin_bp
        if bin_bp is not None:
            found = resolutions(uri)
            own = max((one for one in found if bin_bp % one == 0), default=None)
            if own is None:
                raise InputError(
                    f"bins of {bin_bp:,} bp are not a multiple of any of its resolutions: {listed(found)}", uri
                )
        self.file = ContactFile(uri, bin_bp=own, normalisation=normalisation)
        self.bin_bp = bin_bp or self.file.bin_bp
        self._times = self.bin_bp // self.file.bin_bp

    @property
    def contigs(self) -> tuple[Contig, ...]:
        """The contigs, in the file's order."""
        return self.file.contigs

    @property
    def values(self) -> str:
        """What the values are, in words."""
        name = self.file.normalisation
        return "raw values, because the file has no normalisation" if name == RAW else f"normalised ({name})"

    def fetch(self, contig: Contig, start: int, end: int) -> NDArray[np.float64]:
        """Return the contacts between the bins that overlap a region, dense and symmetric.

        Args:
            contig: A contig of the genome.
            start: First base pair, 0-based.
            end: Base pair behind the last; it may lie beyond the contig.

        Returns:
            float64, (bins, bins), from the bin that contains `start`; 0 without contacts; NaN in the rows and columns
            of bad bins, beyond the contig, and everywhere if the file does not have the contig.
        """
        first, last = start // self.bin_bp, ceil_div(end, self.bin_bp)
        bins = last - first
        band = self.band(contig, bins, rows=(first, last))
        row, offset = np.indices((bins, bins))
        inside = row + offset < bins
        dense = np.full((bins, bins), np.nan)
        dense[row[inside], (row + offset)[inside]] = band[inside]
        dense[(row + offset)[inside], row[inside]] = band[inside]
        return dense

    def band(self, contig: Contig, width: int, *, rows: tuple[int, int] | None = None) -> NDArray[np.float64]:
        """Return the contacts of each bin with itself and the next ones.

        Args:
            contig: A contig of the genome.
            width: Number of distances: 0, 1, … bins.
            rows: The bins [first, last); None for the whole contig.

        Returns:
            float64, (bins, width): `[i, d]` is between bins i and i + d, counted from the first of the rows; NaN as in
            `fetch`.

        Raises:
            InputError: A value is negative or not finite, or the contig has another length in the file.
        """
        bins = bins_of(contig.length, self.bin_bp)
        first, last = rows or (0, bins)
        band = np.full((last - first, width), np.nan)
        name = self.file.name_of(contig)
        if name is None:
            return band
        step = max(1, PIXELS_AT_ONCE // (width * self._times**2))
        for low in range(max(first, 0), min(last, bins), step):
            high = min(low + step, last, bins)
            band[low - first : high - first] = self._rows(name, (low, high), width)
        return band

    def _rows(self, name: str, rows: tuple[int, int], width: int) -> NDArray[np.float64]:
        """Return rows of the band of a contig, float64, (rows, width)."""
        first, last = rows
        times = self._times
        own_bins = bins_of(self.file.lengths[name], self.file.bin_bp)
        own = (first * times, min(last * times, own_bins))
        pixels = self.file.pixels(name, own, width=width * times)
        row = pixels.rows // times - first
        distance = pixels.columns // times - first - row
        near = distance < width
        shape = (last - first, width)
        sums = np.zeros(shape)
        np.add.at(sums, (row[near], distance[near]), pixels.values[near])
        return self._finished(name, sums, rows)

    def _finished(self, name: str, sums: NDArray[np.float64], rows: tuple[int, int]) -> NDArray[np.float64]:
        """Return the sums, or the means over pairs of good bins; NaN without such a pair."""
        first, last = rows
        width = sums.shape[1]
        good = ~self.file.bad(name)
        per_bin = np.add.reduceat(good, np.arange(0, len(good), self._times), dtype=np.int64)
        padded = np.concatenate([per_bin, np.zeros(width, dtype=np.int64)])
        ours = padded[first:last, None]
        pairs = ours * np.lib.stride_tricks.sliding_window_view(padded, width)[first:last]
        pairs[:, 0] = (ours * (ours + 1) // 2)[:, 0]
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = sums / pairs
        return np.where(pairs > 0, sums, np.nan) if self.file.normalisation == RAW else means
