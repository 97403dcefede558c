"""Read the bins of a folder's tracks: which were predicted, how large they are, and their values block by block."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import InputError
from epigept_batch.tracks.signal import SignalTrack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.results.folder import RunFolder, SampleResults
    from epigept_batch.tiling import Contig, Span

BLOCK_BP = 8 << 20
"""Base pairs that are read at a time: values are read per base, as float32."""


def bin_bp_of(folder: RunFolder) -> int:
    """Return the bin size of the tracks.

    Raises:
        InputError: No track holds data.
    """
    for track in folder.all_tracks():
        with closing(SignalTrack(track.path)) as file:
            if (found := file.record_bp()) is not None:
                return found
    raise InputError("its tracks contain no data; rerun the prediction", folder.path)


def predicted_spans(sample: SampleResults, contig: Contig) -> list[Span]:
    """Return the bins of a contig that a sample's tracks were predicted for."""
    selection: Mapping[str, Sequence[Sequence[int]]] = sample.record.get("inputs", {}).get("selection of bins", {})
    return [(first, last) for first, last in selection.get(contig.name, ())]


def read_bins(
    track: SignalTrack, contig: Contig, first: int, bins: int, *, bin_bp: int, space: str
) -> NDArray[np.float32]:
    """Return bins as ln(1 + signal), float32, (bins,): NaN without data.

    Args:
        track: A predicted track, not a difference.
        contig: A contig of the genome.
        first: The first bin.
        bins: Number of bins.
        bin_bp: Base pairs per bin.
        space: What the track holds, `log1p` or `linear`.

    Raises:
        InputError: The file is damaged, or holds the signal with a value below 0.
    """
    values = track.bins(contig, first, bins, bin_bp=bin_bp)
    if space == "linear":
        if (values < 0).any():
            raise InputError("holds a signal below 0, so it is not a track of epigept-batch genome", track.path)
        values = np.log1p(values)
    return values


def blocks(spans: Sequence[Span], bin_bp: int) -> Iterator[Span]:
    """Yield the spans of bins, cut into blocks of at most `BLOCK_BP`."""
    step = max(1, BLOCK_BP // bin_bp)
    for first, last in spans:
        for start in range(first, last, step):
            yield start, min(start + step, last)
