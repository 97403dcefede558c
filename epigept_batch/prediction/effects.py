"""Predict what variants change: the network on the reference and on the edited sequence, side by side."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.inference.ports import MOTIF_SCORES
from epigept_batch.motifs.scan import GenomeScan
from epigept_batch.names import SHIFTS, STRANDS
from epigept_batch.prediction.edited import EditedScores, EditedTile, EditedWindowReader, ScanInBlocks
from epigept_batch.prediction.predict import predict
from epigept_batch.prediction.scores import make_scanner
from epigept_batch.tiling import ceil_div
from epigept_batch.variants.changes import align
from epigept_batch.variants.chunks import DIFFERENCE, FIELDS, LARGEST
from epigept_batch.variants.variant import SCORED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.inference.session import Session
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import ScanWindow, Spec
    from epigept_batch.tiling import Contig, Geometry, Span
    from epigept_batch.timing import StageClock
    from epigept_batch.variants.changes import Change
    from epigept_batch.variants.chunks import Chunk
    from epigept_batch.variants.variant import Placed, Variant

SHIFT = 8
"""Windows are shifted by this part of a window."""


@dataclass(frozen=True)
class View:
    """A way to place windows around a variant.

    Attributes:
        shift: Bins by which the window is moved to the right.
        reverse: Whether the network reads the reverse complement.
    """

    shift: int = 0
    reverse: bool = False


def views_of(average: Sequence[str], geometry: Geometry) -> tuple[View, ...]:
    """Return the views to average over, the plain one first.

    Args:
        average: Names of `names.AVERAGES`.
        geometry: The network's window.
    """
    shift = geometry.bins // SHIFT
    shifts = (0, -shift, shift) if SHIFTS in average else (0,)
    strands = (False, True) if STRANDS in average else (False,)
    return tuple(View(shift, reverse) for reverse in strands for shift in shifts)


@dataclass(frozen=True)
class Scoring:
    """How variants are scored.

    Attributes:
        geometry: The network's window.
        scan_window: Where a bin's motif hits lie.
        grid: Whether windows lie on the genome's grid, not around the variant.
        views: The views to average over, the plain one first; on the grid, there is no other.
    """

    geometry: Geometry
    scan_window: ScanWindow
    grid: bool = False
    views: tuple[View, ...] = (View(),)

    @property
    def longest(self) -> int:
        """Most bases of an allele, so that both its ends lie in its window."""
        return (self.geometry.bins // 2 - 2) * self.geometry.bin_bp

    def bins(self, variant: Variant, contig: Contig) -> Span:
        """Return the bins that the signal is averaged over: those of the reference allele, and one on each side."""
        bin_bp = self.geometry.bin_bp
        end = ceil_div(variant.position + len(variant.ref), bin_bp)
        return max(variant.position // bin_bp - 1, 0), min(end + 1, self.geometry.bins_of(contig.length))

    def starts(self, variant: Variant, contig: Contig, change: Change, view: View) -> list[int]:
        """Return where the windows begin that are predicted for an allele, in bp."""
        bins, bin_bp = self.geometry.bins, self.geometry.bin_bp
        if not self.grid:
            return [(variant.position // bin_bp - bins // 2 + view.shift) * bin_bp]
        first, last = self.bins(variant, contig)
        in_reach = self._in_reach(change, contig)
        first, last = min(first, in_reach[0]), max(last, in_reach[1])
        return [number * bins * bin_bp for number in range(first // bins, (last - 1) // bins + 1)]

    def _in_reach(self, change: Change, contig: Contig) -> Span:
        """Return the bins of a contig whose motif hits may include a base beside a change."""
        bin_bp, window = self.geometry.bin_bp, self.scan_window
        first = (change.start - window.right) // bin_bp + 1
        last = ceil_div(max(change.end, change.start) - window.left, bin_bp)
        return max(first, 0), min(max(last, first + 1), self.geometry.bins_of(contig.length))


def predict_effects(
    genome: Genome,
    chunks: Iterable[Chunk],
    expression: NDArray[np.float32],
    sessions: Sequence[Session],
    *,
    spec: Spec,
    scoring: Scoring,
    store: ScoreStore | None,
    tracks: Sequence[int],
    threads: int,
    say: Callable[[str], None],
    clock: StageClock,
) -> Generator[tuple[Chunk, NDArray[np.float32]], None, None]:
    """Yield each chunk with its effects, in order; close it if it is not read to its end.

    Args:
        genome: The reference, open as long as this is read.
        chunks: The variants.
        expression: float32, (samples, factors): ln(1 + quantile-normalised TPM).
        sessions: Sessions of the network, each for one thread.
        spec: The spec of the model file.
        scoring: How variants are scored.
        store: The store of the reference's motif scores; None to scan during the prediction.
        tracks: Indices of the selected tracks in the network's signal.
        threads: Number of CPU threads.
        say: Called with a sentence for the user.
        clock: Measures the stages `load`, `sequence`, `scan` and `model`.

    Yields:
        A chunk, and float32, (alleles, samples, tracks, `FIELDS`).

    Raises:
        EpiGePTError: A window cannot be read or computed.
    """
    effects = _Effects(scoring, len(expression), len(tracks))
    with ExitStack() as stack:
        scores = None
        if sessions[0].ports.takes(MOTIF_SCORES):
            with clock.stage("load"):
                scanner = stack.enter_context(make_scanner(spec, threads=threads, say=say))
            source = store or ScanInBlocks(GenomeScan(genome, scanner).read)
            scores = EditedScores(source, scanner, spec.geometry)
        reader = EditedWindowReader(genome, scores, geometry=spec.geometry, clock=clock)
        signals = predict(
            reader,
            effects.tiles(chunks),
            expression,
            sessions,
            tracks=tracks,
            threads=threads,
            scans=scores is not None and store is None,
            clock=clock,
        )
        stack.enter_context(closing(signals))
        for signal in signals:
            yield from effects.finished()  # chunks that come before this window and need none
            effects.add(signal)
            yield from effects.finished()
        yield from effects.finished()


def _tiles(placed: Placed, scoring: Scoring) -> Iterator[EditedTile]:
    """Yield the windows that a variant needs, each of the reference before those with its alleles."""
    for allele in placed.alleles:
        if allele.status == SCORED and placed.contig is not None and allele.change is not None:
            for view in scoring.views:
                for start in scoring.starts(placed.variant, placed.contig, allele.change, view):
                    yield _tile(placed.contig, start, None, view)
                    yield _tile(placed.contig, start, allele.change, view)


def _tile(contig: Contig, start: int, change: Change | None, view: View) -> EditedTile:
    return EditedTile(0, contig, start, (), change=change, reverse=view.reverse)


def reference_tiles(placed: Iterable[Placed], scoring: Scoring) -> Iterator[EditedTile]:
    """Yield the windows whose motif scores a store must have. Of a reverse complement, scores are not stored."""
    tiles = (tile for one in placed for tile in _tiles(one, scoring))
    return (tile for tile in tiles if tile.change is None and not tile.reverse)


class _Effects:
    """Turns the signals of windows into the effects of the variants of one chunk after the other.

    Args:
        scoring: How variants are scored.
        samples: Number of samples.
        tracks: Number of tracks.
    """

    def __init__(self, scoring: Scoring, samples: int, tracks: int) -> None:
        self._scoring = scoring
        self._shape = samples, tracks
        self._waiting: deque[tuple[Chunk, int]] = deque()
        self._found: dict[EditedTile, TileSignal] = {}

    def tiles(self, chunks: Iterable[Chunk]) -> Iterator[EditedTile]:
        """Yield the windows that chunks need."""
        for chunk in chunks:
            needed = dict.fromkeys(tile for placed in chunk.placed for tile in _tiles(placed, self._scoring))
            self._waiting.append((chunk, len(needed)))
            yield from needed

    def add(self, signal: TileSignal) -> None:
        """Add the signal of the next window."""
        self._found[signal.tile] = signal  # type: ignore[index]

    def finished(self) -> Iterator[tuple[Chunk, NDArray[np.float32]]]:
        """Yield the chunks of which all windows are there, and forget these windows."""
        while self._waiting and len(self._found) == self._waiting[0][1]:
            chunk, _ = self._waiting.popleft()
            rows = [row for placed in chunk.placed for row in self._of_variant(placed)]
            self._found.clear()
            yield chunk, np.stack(rows)

    def _of_variant(self, placed: Placed) -> Iterator[NDArray[np.float32]]:
        """Yield the effects of each allele of a variant, float32, (samples, tracks, FIELDS)."""
        for allele in placed.alleles:
            if allele.status != SCORED or placed.contig is None or allele.change is None:
                yield np.full((*self._shape, len(FIELDS)), np.nan, dtype=np.float32)
                continue
            views = [self._of_view(placed.variant, placed.contig, allele.change, view) for view in self._scoring.views]
            fields = np.mean(views, axis=0)
            fields[..., LARGEST:] = views[0][..., LARGEST:]
            if len(views) > 1:
                fields[..., -1] = np.std([of_view[..., DIFFERENCE] for of_view in views], axis=0, ddof=1)
            yield fields.astype(np.float32)

    def _of_view(self, variant: Variant, contig: Contig, change: Change, view: View) -> NDArray[np.float64]:
        """Return the effects of an allele in one view, float64, (samples, tracks, FIELDS); the last field is NaN."""
        scoring = self._scoring
        bin_bp = scoring.geometry.bin_bp
        starts = scoring.starts(variant, contig, change, view)
        pairs = [self._pair(contig, change, start, view) for start in starts]
        reference, alternative = (np.concatenate(parts, axis=1) for parts in zip(*pairs, strict=True))
        numbers = np.arange(starts[0] // bin_bp, starts[0] // bin_bp + reference.shape[1])
        difference = alternative - reference
        first, last = scoring.bins(variant, contig)
        near = (numbers >= first) & (numbers < last) & ~np.isnan(difference).any(axis=(0, 2))
        of_both = [values[:, near] for values in (reference, alternative)]
        means = [values.mean(axis=1) for values in of_both]
        linear = [np.expm1(values).mean(axis=1) for values in of_both]
        fold_change = np.log2((linear[1] + 1) / (linear[0] + 1))
        size = np.where(np.isnan(difference), 0, np.abs(difference))
        where = size.argmax(axis=1)
        largest = np.take_along_axis(size, where[:, None], axis=1)[:, 0]
        distances = np.where(largest > 0, _distances(numbers, variant, contig, bin_bp)[where], np.nan)
        nothing = np.full_like(largest, np.nan)
        return np.stack([*means, means[1] - means[0], fold_change, largest, distances, nothing], axis=-1)

    def _pair(
        self, contig: Contig, change: Change, start: int, view: View
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the signal of a window without and with a change, by bin of the reference; NaN where there is none.

        Both float64, (samples, bins, tracks).
        """
        geometry = self._scoring.geometry
        reference, has_bases = self._forward(_tile(contig, start, None, view))
        alternative, has_bases_too = self._forward(_tile(contig, start, change, view))
        alignment = align((change,), contig_length=contig.length, start=start, length=geometry.window_bp)
        aligned = alignment.to_reference(alternative, has_bases_too, bin_bp=geometry.bin_bp)
        inside = has_bases[:, None]
        return np.where(inside, reference.astype(np.float64), np.nan), np.where(inside, aligned, np.nan)

    def _forward(self, tile: EditedTile) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return a window's signal, (samples, bins, tracks), and which bins have bases, along the forward strand."""
        found = self._found[tile]
        if found.signal is None:
            samples, tracks = self._shape
            return np.zeros((samples, self._scoring.geometry.bins, tracks), dtype=np.float32), found.has_bases
        if tile.reverse:
            return found.signal[:, ::-1], found.has_bases[::-1]
        return found.signal, found.has_bases


def _distances(numbers: NDArray[np.int64], variant: Variant, contig: Contig, bin_bp: int) -> NDArray[np.float64]:
    """Return how far the nearest base of each bin lies from the variant's position; negative on its left, in bp."""
    starts = numbers * bin_bp
    lasts = np.minimum(starts + bin_bp, contig.length) - 1
    nearest = np.clip(variant.position, starts, lasts)
    distances: NDArray[np.float64] = (nearest - variant.position).astype(np.float64)
    return distances
