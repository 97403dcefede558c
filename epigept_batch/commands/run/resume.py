"""Resumes a run: finished windows come from the journals, the others from the network."""

from __future__ import annotations

import math
import resource
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import epigept_batch
from epigept_batch.commands.run.journal import Journal, OtherRunError
from epigept_batch.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from epigept_batch.commands.run.plan import RunPlan, Sample
    from epigept_batch.inference.session import Session
    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.tiling import Tile
    from epigept_batch.timing import StageClock

    Parts = list[NDArray[np.float32]]
    """What each product keeps of a window, (samples, rows, columns)."""

OTHER_FILES = 256
"""Maximum number of open files of a run besides its journals."""
SYNC_SECONDS, SYNC_SHARE = 5.0, 10
"""How often the journals are flushed to the disk: every 5 s, but not before ten times the duration of the last flush.
Otherwise flushing the journals of many samples would take most of the time. If the machine goes down, windows since the
last flush are lost; a killed process loses nothing."""


class Syncs:
    """Flushes journals to the disk from time to time, as often as `SYNC_SECONDS` and `SYNC_SHARE` say."""

    def __init__(self, journals: Sequence[Journal]) -> None:
        self._journals = journals
        self._due = time.monotonic() + SYNC_SECONDS

    def sync_if_due(self) -> None:
        """Flush the journals if it is time; call it after adding to them.

        Raises:
            OutputError: One cannot be written.
        """
        begun = time.monotonic()
        if begun < self._due:
            return
        for journal in self._journals:
            journal.sync()
        ended = time.monotonic()
        self._due = ended + max(SYNC_SECONDS, SYNC_SHARE * (ended - begun))


class RunJournals:
    """The journals of the samples of one run; a window is finished when every sample has it.

    While they are open, no other run can write the same outputs into the same folder.

    Args:
        plan: Plan of the run.
        samples: Samples that are due.
        clock: Times the stage `journal`.

    Raises:
        OutputError: Another run is writing, a run with other inputs was interrupted here, or they cannot be written.
    """

    def __init__(self, plan: RunPlan, samples: Sequence[Sample], clock: StageClock) -> None:
        self._plan = plan
        self._clock = clock
        _allow_open_files(len(samples) * len(plan.products) + OTHER_FILES)
        with ExitStack() as stack:
            self._journals = [stack.enter_context(_journal(plan, sample)) for sample in samples]
            # Those of other commands, which would write some of the same outputs, are held but not used.
            self._held = [stack.enter_context(held) for sample in samples for held in _others(plan, sample)]
            self._stack = stack.pop_all()
        self._syncs = Syncs(self._journals)
        self.finished = frozenset.intersection(*(journal.tiles for journal in self._journals))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self, session: Session) -> None:
        """Record the device that computes the remaining windows.

        Raises:
            OutputError: The finished windows were computed on another kind of device, which rounds differently.
        """
        for journal in self._journals:
            journal.begin({"kind of device": session.provider, "arithmetic": session.arithmetic})

    @property
    def kept(self) -> int:
        """Number of windows that at least one sample has."""
        return len(frozenset.union(*(journal.tiles for journal in self._journals)))

    @property
    def due(self) -> list[Tile]:
        """The windows that are not finished, in genome order."""
        return [tile for tile in self._plan.tiles if tile.index not in self.finished]

    def joined(self, signals: Iterable[TileSignal]) -> Iterator[tuple[Tile, Parts]]:
        """Yield all windows in genome order with what each product keeps, and save each new one as soon as it arrives.

        Args:
            signals: The signals of the `due` windows, in their order.
        """
        source = iter(signals)
        for tile in self._plan.tiles:
            if tile.index in self.finished:
                with self._clock.stage("journal"):
                    parts = self._read(tile, self._journals)
                yield tile, parts
                continue
            signal = next(source, None)
            if signal is None or signal.tile != tile:
                raise RuntimeError(f"tile {tile.index} did not come in its turn")
            with self._clock.stage("journal"):
                parts = [product.kept(signal) for product in self._plan.products]
                self._keep(tile, parts)
            yield tile, parts

    def again(self, sample: int) -> Iterator[tuple[Tile, Parts]]:
        """Yield all windows once more for one of the samples, after all of `joined`."""
        for tile in self._plan.tiles:
            yield tile, self._read(tile, [self._journals[sample]])

    def _read(self, tile: Tile, journals: Sequence[Journal]) -> Parts:
        """Return what each product kept of a window for these samples."""
        kept = np.stack([journal.read(tile.index) for journal in journals])
        products = self._plan.products
        if len(products) == 1 or not kept.size:
            return [kept] * len(products)
        shapes = [product.shape(tile) for product in products]
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        parts = np.split(kept, ends, axis=2)
        return [part.reshape(len(journals), *shape) for part, shape in zip(parts, shapes, strict=True)]

    def _keep(self, tile: Tile, parts: Parts) -> None:
        nothing = np.zeros((0, 0), dtype=np.float32)
        for number, journal in enumerate(self._journals):
            if tile.index not in journal:
                journal.add(tile.index, _record([part[number] for part in parts]) if parts[0].size else nothing)
        self._syncs.sync_if_due()

    def remove(self) -> None:
        """Delete the journals: the outputs are complete."""
        for journal in (*self._journals, *self._held):
            journal.remove()


def _record(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return what the products keep of a window for a sample as one array in two dimensions."""
    return parts[0] if len(parts) == 1 else np.concatenate([part.ravel() for part in parts])[None]


def forget(plan: RunPlan, sample: Sample) -> None:
    """Remove what a run that was interrupted at its very end left of a complete sample.

    The journal of a run with other inputs, which was to replace the sample's files, stays: that run can resume.

    Raises:
        OutputError: Another run is writing the sample.
    """
    files = [product.files(sample) for product in plan.products]
    if files[0].journal.exists():
        with suppress(OtherRunError):
            _journal(plan, sample).remove()
    for of_product in files:
        of_product.changing.unlink(missing_ok=True)


def _journal(plan: RunPlan, sample: Sample) -> Journal:
    """Open the journal of a sample; it keeps the windows of all products."""
    first, *others = sample.inputs
    return _opened(plan, sample, 0, {**first, "set of outputs": others or None})


def _others(plan: RunPlan, sample: Sample) -> Iterator[Journal]:
    for number, inputs in enumerate(sample.inputs[1:], 1):
        yield _opened(plan, sample, number, inputs)


def _opened(plan: RunPlan, sample: Sample, product: int, inputs: Mapping[str, Any]) -> Journal:
    path = plan.products[product].files(sample).journal
    return Journal(path, {**inputs, "version of epigept-batch": epigept_batch.__version__}, fresh=plan.request.fresh)


def _allow_open_files(needed: int) -> None:
    """Raise the process's own limit of open files to the number needed.

    Raises:
        OutputError: The system allows fewer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OutputError(
            f"this many samples require {needed:,} open files, but the system allows {hard:,}; pass fewer samples per "
            "run, or raise the limit (ulimit -n)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
