"""A part of a prediction, described by paths and values, that any process or machine can compute."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epigept_batch.inference.device import AUTO, Device, RunOptions
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.session import open_sessions
from epigept_batch.prediction.predict import predict_tiles
from epigept_batch.prediction.scores import open_store
from epigept_batch.sequence.genome import Genome
from epigept_batch.timing import StageClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.tiling import Tile


@dataclass(frozen=True, eq=False)
class Part:
    """Some windows of a genome for some samples.

    Attributes:
        model: The model file.
        fasta: The genome.
        tiles: The windows, in genome order.
        expression: float32, (samples, factors): ln(1 + quantile-normalised TPM).
        tracks: Indices of the selected tracks in the network's signal.
        store: The store of motif scores; None to scan during the prediction.
        device: The device that runs the network.
        batch_size: Pairs of a window and a sample per call; None to choose it for the device.
        threads: Number of CPU threads.
    """

    model: Path
    fasta: Path
    tiles: tuple[Tile, ...]
    expression: NDArray[np.float32]
    tracks: tuple[int, ...]
    store: Path | None = None
    device: Device = AUTO
    batch_size: int | None = None
    threads: int = 1


def predict_part(part: Part, *, say: Callable[[str], None]) -> Generator[TileSignal, None, None]:
    """Yield the signal of each window of a part, in order; files and devices are opened and closed here.

    Args:
        part: The part to predict.
        say: Called with a sentence for the user.

    Raises:
        EpiGePTError: Something cannot be opened, read or computed.
    """
    spec, clock = read_spec(part.model), StageClock()
    options = RunOptions(spec.precision, threads=part.threads, batch_size=part.batch_size, samples=len(part.expression))
    sessions = open_sessions(part.model, part.device, options, say=say)
    with Genome(part.fasta) as genome:
        store = None if part.store is None else open_store(part.store, spec, genome, part.tiles, model=part.model)
        signals = predict_tiles(
            genome,
            part.tiles,
            part.expression,
            sessions,
            spec=spec,
            store=store,
            tracks=part.tracks,
            threads=part.threads,
            say=say,
            clock=clock,
        )
        with closing(signals):
            yield from signals
        genome.check_unchanged()
