"""Predict the signals of haplotypes; every window that several have in common is computed once."""

from __future__ import annotations

from contextlib import ExitStack, closing
from itertools import chain, tee
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.inference.ports import MOTIF_SCORES
from epigept_batch.prediction.haplotype_windows import HaplotypeReader, haplotype_tiles
from epigept_batch.prediction.predict import predict
from epigept_batch.prediction.scores import scores_for
from epigept_batch.prediction.stitch import TileSignal
from epigept_batch.prediction.windows import WindowReader

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from numpy.typing import NDArray

    from epigept_batch.inference.session import Session
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.prediction.windows import Scores
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Geometry, Tile
    from epigept_batch.timing import StageClock
    from epigept_batch.variants.haplotype import Haplotype


def predict_haplotypes(
    genome: Genome,
    tiles: Iterable[Tile],
    expression: NDArray[np.float32],
    rows: Sequence[tuple[Haplotype, int]],
    sessions: Sequence[Session],
    *,
    spec: Spec,
    store: ScoreStore | None,
    tracks: Sequence[int],
    threads: int,
    say: Callable[[str], None],
    clock: StageClock,
) -> Generator[TileSignal, None, None]:
    """Yield the signal of each window, in the order of the tiles; close it if it is not read to its end.

    Args:
        genome: The reference, open as long as this is read.
        tiles: The windows of the reference.
        expression: float32, (samples, factors): ln(1 + quantile-normalised TPM).
        rows: The haplotype and the number of the sample of each row of the signals.
        sessions: Sessions of the network, each for one thread.
        spec: The spec of the model file.
        store: The store of the reference's motif scores, for windows without changes; None to scan these too.
        tracks: Indices of the selected tracks in the network's signal.
        threads: Number of CPU threads.
        say: Called with a sentence for the user.
        clock: Measures the stages `load`, `sequence`, `scan` and `model`.

    Yields:
        Signals with a row for each of `rows`, by bin of the reference; NaN for bins that a haplotype leaves without a
        value, as `HaplotypeReader.to_reference` says.

    Raises:
        EpiGePTError: A window cannot be read or computed; raised in place of its signal.
    """
    with ExitStack() as stack:
        with clock.stage("load"):
            scanner = stack.enter_context(scores_for(spec, sessions[0].ports, None, threads=threads, say=say))
        kept = store if store is not None and sessions[0].ports.takes(MOTIF_SCORES) else scanner
        signals = haplotype_signals(
            genome,
            tiles,
            expression,
            rows,
            sessions,
            sources=(kept, scanner),
            geometry=spec.geometry,
            tracks=tracks,
            threads=threads,
            clock=clock,
        )
        yield from stack.enter_context(closing(signals))


def haplotype_signals(
    genome: Genome,
    tiles: Iterable[Tile],
    expression: NDArray[np.float32],
    rows: Sequence[tuple[Haplotype, int]],
    sessions: Sequence[Session],
    *,
    sources: tuple[Scores | None, Scores | None],
    geometry: Geometry,
    tracks: Sequence[int],
    threads: int,
    clock: StageClock,
) -> Generator[TileSignal, None, None]:
    """Yield what `predict_haplotypes` yields, with sources of motif scores that are open already.

    Args:
        genome: As there, like the other arguments that are not named here.
        tiles: As there.
        expression: As there.
        rows: As there.
        sessions: As there.
        sources: Motif scores of windows without changes, and of edited ones; both None for a network that takes none.
        geometry: The network's window.
        tracks: As there.
        threads: As there.
        clock: As there.
    """
    haplotypes = list(dict.fromkeys(haplotype for haplotype, _ in rows))
    unchanged = WindowReader(genome, sources[0], geometry=geometry, clock=clock)
    reader = HaplotypeReader(genome, unchanged, sources[1], geometry=geometry, clock=clock)
    wanted, again = tee(haplotype_tiles(tile, haplotypes, geometry) for tile in tiles)
    signals = predict(
        reader,
        chain.from_iterable(wanted),
        expression,
        sessions,
        tracks=tracks,
        threads=threads,
        scans=sources[1] is not None,
        clock=clock,
    )
    with closing(signals):
        for of_tile in again:
            by_haplotype: dict[Haplotype, NDArray[np.float32] | None] = {}
            for item in of_tile:
                signal = next(signals)
                values = reader.to_reference(item, signal)
                by_haplotype.update(dict.fromkeys(item.haplotypes, values))
            yield TileSignal(signal.tile, _joined(by_haplotype, rows), signal.has_bases)


def _joined(
    by_haplotype: dict[Haplotype, NDArray[np.float32] | None], rows: Sequence[tuple[Haplotype, int]]
) -> NDArray[np.float32] | None:
    """Return the rows of a window; None if nothing was predicted, because the reference has no base."""
    found = []
    for haplotype, sample in rows:
        values = by_haplotype[haplotype]
        if values is None:
            return None
        found.append(values[sample])
    return np.stack(found)
