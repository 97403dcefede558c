"""Where the page starts: at the first predicted region, and there where its data begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from epigept_batch.sequence.regions import parse_region
from epigept_batch.tiling import Region
from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from epigept_batch.results.folder import RunFolder
    from epigept_batch.tiling import Contig

LONGEST_BP = 500_000
"""Of a longer region, the page first shows this much: more would be an average of everything."""


def predicted_regions(folder: RunFolder, contigs: Sequence[Contig]) -> list[Region]:
    """Return the predicted regions of all samples, each once."""
    by_name = {contig.name: contig for contig in contigs}
    texts = dict.fromkeys(text for sample in folder.samples for text in sample.any_record.get("regions", ()))
    return [parse_region(text, by_name) for text in texts] or [Region(contigs[0].name, 0, contigs[0].length)]


def first_view(folder: RunFolder, region: Region) -> Region:
    """Return what the page first shows of a region: all of it, or as much as `LONGEST_BP` from where data begin."""
    if region.end - region.start <= LONGEST_BP:
        return region
    start = region.start
    for track in folder.all_tracks():
        file = SignalTrack(track.path)
        start = file.first_data(region.contig, region.start, region.end) or region.start
        file.close()
        break
    return Region(region.contig, start, min(start + LONGEST_BP, region.end))


def locus(region: Region) -> str:
    """Return a region as igv.js writes it, 1-based and inclusive."""
    return f"{region.contig}:{region.start + 1}-{region.end}"
