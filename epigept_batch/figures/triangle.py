"""Read the contacts of a region as the pixels of a triangle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.contacts.cool import RATIO
from epigept_batch.contacts.predicted import description
from epigept_batch.figures.panels import ContactPanel
from epigept_batch.tiling import bins_of, ceil_div

if TYPE_CHECKING:
    from epigept_batch.contacts.contact_file import ContactFile
    from epigept_batch.tiling import Contig, Region

ROWS_AT_ONCE = 1 << 14


def read_triangle(file: ContactFile, sample: str, contig: Contig, region: Region, *, most: int) -> ContactPanel:
    """Read the contacts between the bins that overlap a region.

    Args:
        file: The map of `epigept-batch contacts`.
        sample: Name of its sample.
        contig: The contig of the region.
        region: The region.
        most: Maximum number of anchors. If the region has more bins, several are merged to one, and pixels become the
            mean of those that are present.

    Raises:
        InputError: The map cannot be read, or the contig has another length in it.
    """
    first, last = region.start // file.bin_bp, bins_of(region.end, file.bin_bp)
    merged = ceil_div(last - first, most)
    about = description(file)
    reach = min(ceil_div(int(about.get("window_bp", contig.length)), file.bin_bp), last - first)
    size = (ceil_div(last - first, merged), ceil_div(reach, merged) + 1)
    sums, numbers = np.zeros(size), np.zeros(size)
    name = file.name_of(contig)
    for start in range(first, last if name is not None else first, ROWS_AT_ONCE):
        pixels = file.pixels(str(name), (start, min(start + ROWS_AT_ONCE, last)), width=reach)
        inside = pixels.columns < last
        row = (pixels.rows[inside] - first) // merged
        apart = (pixels.columns[inside] - first) // merged - row
        np.add.at(sums, (row, apart), pixels.values[inside])
        np.add.at(numbers, (row, apart), 1)
    row, apart = np.nonzero(numbers)
    anchor_bp = file.bin_bp * merged
    return ContactPanel(
        sample,
        first * file.bin_bp + row * anchor_bp,
        apart * anchor_bp,
        sums[row, apart] / numbers[row, apart],
        anchor_bp,
        reach * file.bin_bp,
        is_ratio=about.get("values") == RATIO,
        merged=merged,
    )
