"""Which windows to compute and which bins to take from each: integer arithmetic only.

Coordinates are base pairs, 0-based and half-open, or bins counted from a contig's start. Windows lie on a grid that
starts at position 0 of each contig, as the training windows do, whichever part of the genome is requested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from epigept_batch.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Span = tuple[int, int]
"""The bins [first, last) of a contig."""


def ceil_div(number: int, divisor: int) -> int:
    """Divide and round up."""
    return -(-number // divisor)


def bins_of(length: int, bin_bp: int) -> int:
    """Return the number of bins of a contig of `length` bp; the last one may be partial."""
    return ceil_div(length, bin_bp)


@dataclass(frozen=True)
class Geometry:
    """A window of the network, and the flanking sequence that its bins depend on.

    Attributes:
        bins: Bins per window.
        bin_bp: Base pairs per bin.
        before: Base pairs that are read before the first bin, where motif hits may begin.
        after: Base pairs that are read after the last bin.
    """

    bins: int
    bin_bp: int
    before: int = 0
    after: int = 0

    @property
    def window_bp(self) -> int:
        """Length of a window in bp."""
        return self.bins * self.bin_bp

    def bins_of(self, length: int) -> int:
        """Return the number of bins of a contig of `length` bp; the last one may be partial."""
        return bins_of(length, self.bin_bp)

    def reach(self, first: int, bins: int) -> tuple[int, int]:
        """Return the base pairs [start, end) that `bins` successive bins, starting at `first`, depend on."""
        return first * self.bin_bp - self.before, (first + bins) * self.bin_bp + self.after


@dataclass(frozen=True)
class Contig:
    """A sequence of the FASTA: its name and its length in bp."""

    name: str
    length: int


@dataclass(frozen=True)
class Region:
    """Base pairs [start, end) of a contig.

    Attributes:
        contig: Name of the contig.
        start: First bp, 0-based.
        end: End, exclusive.
        name: A name that the user gave it, which makes no difference to where it lies; empty without one.
    """

    contig: str
    start: int
    end: int
    name: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.contig}:{self.start + 1}-{self.end}"


@dataclass(frozen=True)
class Tile:
    """A window and the bins that are taken from it.

    Attributes:
        index: Position in genome order among the tiles of a run.
        contig: The contig that it lies on.
        start: First bp of the window, a multiple of the grid's step; the window may reach beyond the contig's end.
        spans: Bins of the contig taken from this window, disjoint and in order.
        paired: Bins of the contig whose pairs are taken from this window, disjoint and in order.
    """

    index: int
    contig: Contig
    start: int
    spans: tuple[Span, ...]
    paired: tuple[Span, ...] = ()

    @property
    def needed(self) -> tuple[Span, ...]:
        """All bins that anything is taken from, disjoint and in order."""
        return merge_spans((*self.spans, *self.paired)) if self.paired else self.spans


def merge_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans, join those that overlap or touch, and drop empty ones."""
    merged: list[Span] = []
    for first, last in sorted(span for span in spans if span[0] < span[1]):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def clip_spans(spans: Iterable[Span], first: int, last: int) -> tuple[Span, ...]:
    """Return the parts of `spans` within [first, last)."""
    clipped = ((max(span[0], first), min(span[1], last)) for span in spans)
    return tuple(span for span in clipped if span[0] < span[1])


def select_bins(regions: Iterable[Region], bin_bp: int) -> dict[str, tuple[Span, ...]]:
    """Return the bins that overlap any of the regions, by contig.

    Args:
        regions: In any order, overlapping or not, within their contigs.
        bin_bp: Base pairs per bin.
    """
    spans: dict[str, list[Span]] = {}
    for region in regions:
        spans.setdefault(region.contig, []).append((region.start // bin_bp, ceil_div(region.end, bin_bp)))
    return {contig: merge_spans(found) for contig, found in spans.items()}


def make_tiles(
    contigs: Sequence[Contig],
    selection: Mapping[str, Sequence[Span]],
    *,
    geometry: Geometry,
    overlap: int = 0,
) -> list[Tile]:
    """Return the tiles that cover the selected bins, in genome order, with each bin in exactly one tile.

    A bin belongs to the window whose centre is nearest; if two are equally near, to the first. With an overlap of 0,
    that is the only window that contains the bin.

    Args:
        contigs: The FASTA's contigs, in its order.
        selection: The selected bins, by contig.
        geometry: The network's window.
        overlap: Base pairs that neighbouring windows share. The grid's step is the window size minus the overlap.

    Raises:
        InputError: The overlap is not a multiple of the bin size, or not smaller than the window.
    """
    step = _step(geometry, overlap)
    tiles: list[Tile] = []
    for contig in contigs:
        spans = clip_spans(selection.get(contig.name, ()), 0, geometry.bins_of(contig.length))
        pieces = _pieces(spans, window=geometry.bins, step=step)
        for number, owned in groupby(pieces, key=itemgetter(0)):
            start = number * step * geometry.bin_bp
            tiles.append(Tile(len(tiles), contig, start, tuple(span for _, span in owned)))
    return tiles


def make_paired_tiles(
    contigs: Sequence[Contig],
    selection: Mapping[str, Sequence[Span]],
    *,
    geometry: Geometry,
    overlap: int,
    taken: Mapping[str, Sequence[Span]] | None = None,
) -> list[Tile]:
    """Return every window that contains a selected bin, in genome order: all windows that see a pair of such bins.

    Args:
        contigs: The FASTA's contigs, in its order.
        selection: The bins whose pairs are wanted, by contig.
        geometry: The network's window.
        overlap: Base pairs that neighbouring windows share.
        taken: Bins, among the selected ones, that are also taken one by one as by `make_tiles`; None for none.

    Raises:
        InputError: As `make_tiles`.
    """
    step = _step(geometry, overlap)
    owned = make_tiles(contigs, taken or {}, geometry=geometry, overlap=overlap)
    spans_of = {(tile.contig.name, tile.start): tile.spans for tile in owned}
    tiles: list[Tile] = []
    for contig in contigs:
        spans = clip_spans(selection.get(contig.name, ()), 0, geometry.bins_of(contig.length))
        numbers = {
            number
            for first, last in spans
            for number in range(max(0, ceil_div(first - geometry.bins + 1, step)), (last - 1) // step + 1)
        }
        for number in sorted(numbers):
            begin = number * step
            paired = clip_spans(spans, begin, begin + geometry.bins)
            start = begin * geometry.bin_bp
            tiles.append(Tile(len(tiles), contig, start, spans_of.get((contig.name, start), ()), paired))
    return tiles


def _step(geometry: Geometry, overlap: int) -> int:
    """Return the step of the grid of windows, in bins.

    Raises:
        InputError: The overlap is not a multiple of the bin size, or not smaller than the window.
    """
    if not 0 <= overlap < geometry.window_bp or overlap % geometry.bin_bp:
        raise InputError(
            f"--overlap {overlap}: must be a multiple of the bin size {geometry.bin_bp} "
            f"from 0 to {geometry.window_bp - geometry.bin_bp}"
        )
    return geometry.bins - overlap // geometry.bin_bp


def _pieces(spans: Iterable[Span], *, window: int, step: int) -> Iterator[tuple[int, Span]]:
    """Cut spans where the owning window changes; yield each piece with the window's number."""
    for start, last in spans:
        first, number = start, _owner(start, window=window, step=step)
        while first < last:
            end = min(last, _owned_end(number, window=window, step=step))
            yield number, (first, end)
            first, number = end, number + 1


def _owned_end(number: int, *, window: int, step: int) -> int:
    """Return the first bin that lies nearer to the centre of window `number` + 1 than to that of window `number`.

    Window `number` has its centre at number × step + window / 2, and bin b at b + 1/2. So bin b belongs to `number`
    while 2b + 1 <= 2 × number × step + window + step.
    """
    return number * step + (window + step + 1) // 2


def _owner(bin_: int, *, window: int, step: int) -> int:
    """Return the number of the window that owns a bin: the first whose owned end lies beyond it."""
    return max(0, ceil_div(bin_ + 1 - (window + step + 1) // 2, step))
