"""Windows and expression vectors to signals, in order: the core that every command predicts with."""

from __future__ import annotations

from contextlib import ExitStack, closing
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from epigept_batch.errors import EpiGePTError
from epigept_batch.inference.ports import EXPRESSION, WINDOWS, Inputs
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.prediction.ahead import map_ahead
from epigept_batch.prediction.batches import in_batches
from epigept_batch.prediction.schedule import make_schedule
from epigept_batch.prediction.scores import scores_for
from epigept_batch.prediction.stitch import TileSignal
from epigept_batch.prediction.windows import WindowReader

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from epigept_batch.inference.session import Session
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.prediction.windows import Window
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Tile
    from epigept_batch.timing import StageClock


def predict_tiles(
    genome: Genome,
    tiles: Iterable[Tile],
    expression: NDArray[np.float32],
    sessions: Sequence[Session],
    *,
    spec: Spec,
    store: ScoreStore | None,
    tracks: Sequence[int],
    threads: int,
    say: Callable[[str], None],
    clock: StageClock,
) -> Generator[TileSignal, None, None]:
    """What each window of a genome gives, in the order of the tiles; close it if it is not read to its end.

    Args:
        genome: The sequence, open as long as this is read.
        tiles: Which windows.
        expression: float32, (samples, factors): ln(1 + quantile-normalised TPM).
        sessions: Where the network runs, each for one thread.
        spec: Of the model file.
        store: Motif scores that were kept; None to scan on the way.
        tracks: Places of the wanted tracks in the network's signal.
        threads: How many the CPU may use.
        say: Takes a sentence for the user.
        clock: Told of the stages `load`, `sequence`, `scan` and `model`.

    Raises:
        EpiGePTError: What cannot be read or computed, in the place of its window.
    """
    with ExitStack() as stack:
        with clock.stage("load"):
            scores = stack.enter_context(scores_for(spec, sessions[0].ports, store, threads=threads, say=say))
        signals = predict(
            WindowReader(genome, scores, geometry=spec.geometry, clock=clock),
            tiles,
            expression,
            sessions,
            tracks=tracks,
            threads=threads,
            scans=isinstance(scores, MotifScanner),
            clock=clock,
        )
        yield from stack.enter_context(closing(signals))


def predict(
    read: Callable[[Tile], Window],
    tiles: Iterable[Tile],
    expression: NDArray[np.float32],
    sessions: Sequence[Session],
    *,
    tracks: Sequence[int],
    threads: int,
    scans: bool,
    clock: StageClock,
) -> Generator[TileSignal, None, None]:
    """The same for windows from anywhere.

    Args:
        read: Gives the window of a tile; may be called by several threads.
        tiles: Which.
        expression: float32, (samples, factors): ln(1 + quantile-normalised TPM).
        sessions: Where the network runs, each for one thread.
        tracks: Places of the wanted tracks in the network's signal.
        threads: How many the CPU may use.
        scans: Whether `read` scans, so that on a CPU it takes turns with the network.
        clock: Told of the stage `model`.

    Raises:
        EpiGePTError: What cannot be read or computed, in the place of its window.
    """
    size = sessions[0].windows_per_call(len(expression))
    schedule = make_schedule(sessions, threads=threads, windows=size, scans=scans)
    windows = map_ahead(read, tiles, workers=schedule.readers, ahead=schedule.windows_ahead)
    batches = in_batches(windows, size, counts=lambda window: window.inputs is not None)
    predictor = Predictor(sessions, expression, tracks, clock)
    predicted = map_ahead(predictor, batches, workers=schedule.callers, ahead=schedule.batches_ahead)
    with closing(predicted):
        for batch in predicted:
            yield from batch


class Predictor:
    """Batches of windows to signals, each by whichever session is free; called by one thread per session.

    Args:
        sessions: Where the network runs.
        expression: float32, (samples, factors).
        tracks: Places of the wanted tracks in the network's signal.
        clock: Told of the stage `model`.
    """

    def __init__(
        self, sessions: Sequence[Session], expression: NDArray[np.float32], tracks: Sequence[int], clock: StageClock
    ) -> None:
        self._free: SimpleQueue[Session] = SimpleQueue()
        for session in sessions:
            self._free.put(session)
        self._names = [port.name for port in sessions[0].ports.inputs if port.rows == WINDOWS]
        self._samples = {EXPRESSION: expression}
        self._tracks = list(tracks)
        self._clock = clock

    def __call__(self, batch: Sequence[Window]) -> list[TileSignal]:
        """What each window gives; one whose bins have no base is not computed.

        Raises:
            EpiGePTError: The network gave what is no number.
        """
        rows = [window.inputs for window in batch if window.inputs is not None]
        signals: Iterator[NDArray[np.float32]] = iter(())
        if rows:
            inputs = Inputs({name: [row[name] for row in rows] for name in self._names}, self._samples)
            session = self._free.get()
            try:
                with self._clock.stage("model"):
                    signals = iter(session.signal(inputs)[..., self._tracks])
            finally:
                self._free.put(session)
        found = [TileSignal(w.tile, None if w.inputs is None else next(signals), w.has_bases) for w in batch]
        for signal in found:
            _check_finite(signal)
        return found


def _check_finite(signal: TileSignal) -> None:
    """See that a window's values are numbers.

    Raises:
        EpiGePTError: Some are not.
    """
    if signal.signal is not None and not np.isfinite(signal.signal).all():
        tile = signal.tile
        raise EpiGePTError(
            f"{tile.contig.name}:{tile.start + 1:,}: in the window that begins here the network gave values that are "
            "no numbers; none of it is written. Try another --device, or a model file in fp32"
        )
