"""Predict signals from windows and expression vectors, in order; every command that predicts uses this."""

from __future__ import annotations

from contextlib import ExitStack, closing
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from epigept_batch.errors import EpiGePTError
from epigept_batch.inference.ports import SIGNAL
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.prediction.ahead import map_ahead
from epigept_batch.prediction.batches import in_batches
from epigept_batch.prediction.pool import SessionPool
from epigept_batch.prediction.schedule import make_schedule
from epigept_batch.prediction.scores import scores_for
from epigept_batch.prediction.stitch import TileSignal
from epigept_batch.prediction.windows import WindowReader

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.inference.session import Session
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.prediction.windows import Window
    from epigept_batch.sequence.genome import Genome
    from epigept_batch.spec import Spec
    from epigept_batch.tiling import Tile
    from epigept_batch.timing import StageClock


Item = TypeVar("Item")
"""What a window is read for, such as a tile."""


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
    """Yield the signal of each window of a genome, in the order of the tiles; close it if it is not read to its end.

    Args:
        genome: The sequence, open as long as this is read.
        tiles: The windows.
        expression: float32, (samples, factors): ln(1 + quantile-normalised TPM).
        sessions: Sessions of the network, each for one thread.
        spec: The spec of the model file.
        store: The store of motif scores; None to scan during the prediction.
        tracks: Indices of the selected tracks in the network's signal.
        threads: Number of CPU threads.
        say: Called with a sentence for the user.
        clock: Measures the stages `load`, `sequence`, `scan` and `model`.

    Raises:
        EpiGePTError: A window cannot be read or computed; raised in place of its signal.
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
    read: Callable[[Item], Window],
    items: Iterable[Item],
    expression: NDArray[np.float32],
    sessions: Sequence[Session],
    *,
    tracks: Sequence[int],
    threads: int,
    scans: bool,
    clock: StageClock,
) -> Generator[TileSignal, None, None]:
    """Yield the signal of each window, in order, with windows from any source.

    Args:
        read: Returns the window of an item, such as a tile; may be called by several threads.
        items: The items.
        expression: float32, (samples, factors): ln(1 + quantile-normalised TPM).
        sessions: Sessions of the network, each for one thread.
        tracks: Indices of the selected tracks in the network's signal.
        threads: Number of CPU threads.
        scans: Whether `read` scans, so that on a CPU it alternates with the network.
        clock: Measures the stage `model`.

    Raises:
        EpiGePTError: A window cannot be read or computed; raised in place of its signal.
    """
    size = sessions[0].windows_per_call(len(expression))
    schedule = make_schedule(sessions, threads=threads, windows=size, scans=scans)
    windows = map_ahead(read, items, workers=schedule.readers, ahead=schedule.windows_ahead)
    batches = in_batches(windows, size, counts=lambda window: window.inputs is not None)
    predictor = Predictor(sessions, expression, tracks, clock)
    predicted = map_ahead(predictor, batches, workers=schedule.callers, ahead=schedule.batches_ahead)
    with closing(predicted):
        for batch in predicted:
            yield from batch


class Predictor:
    """Predicts batches of windows, each with the next free session; called by one thread per session.

    Args:
        sessions: Sessions of the network.
        expression: float32, (samples, factors).
        tracks: Indices of the selected tracks in the network's signal.
        clock: Measures the stage `model`.
    """

    def __init__(
        self, sessions: Sequence[Session], expression: NDArray[np.float32], tracks: Sequence[int], clock: StageClock
    ) -> None:
        self._pool = SessionPool(sessions, clock)
        self._expression = expression
        self._tracks = list(tracks)

    def __call__(self, batch: Sequence[Window]) -> list[TileSignal]:
        """Predict a batch; windows without any base are not computed.

        Raises:
            EpiGePTError: The network's output is not finite.
        """
        rows = [window.inputs for window in batch if window.inputs is not None]
        outputs: dict[str, NDArray[np.float32]] = {}
        if rows:
            outputs = self._pool.run(rows, self._expression)
        if SIGNAL in outputs:
            outputs[SIGNAL] = outputs[SIGNAL][..., self._tracks]
        numbers = count()
        found = [_of_window(w, {} if w.inputs is None else _row(outputs, next(numbers))) for w in batch]
        for signal in found:
            check_finite(signal.tile, _outputs(signal))
        return found


def _row(outputs: Mapping[str, NDArray[np.float32]], number: int) -> dict[str, NDArray[np.float32]]:
    """Return the outputs of one window of a call, each (samples, …)."""
    return {name: values[number] for name, values in outputs.items()}


def _of_window(window: Window, outputs: dict[str, NDArray[np.float32]]) -> TileSignal:
    return TileSignal(window.tile, outputs.pop(SIGNAL, None), window.has_bases, outputs)


def _outputs(signal: TileSignal) -> list[NDArray[np.float32]]:
    """Return all outputs of a window."""
    return [*signal.others.values()] if signal.signal is None else [signal.signal, *signal.others.values()]


def check_finite(tile: Tile, outputs: Iterable[NDArray[np.float32]]) -> None:
    """Check that a window's values are finite.

    Raises:
        EpiGePTError: Some are not.
    """
    if not all(np.isfinite(values).all() for values in outputs):
        raise EpiGePTError(
            f"{tile.contig.name}:{tile.start + 1:,}: the network's output for the window that starts here is not "
            "finite, and none of it is written; try another --device, or a model file in fp32"
        )
