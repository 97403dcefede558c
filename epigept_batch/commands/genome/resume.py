"""Resumes a run: finished windows come from the journals, the others from the network."""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

import numpy as np

import epigept_batch
from epigept_batch.commands.genome.journal import Journal, OtherRunError
from epigept_batch.errors import OutputError
from epigept_batch.prediction.stitch import TileSignal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from epigept_batch.commands.genome.plan import GenomePlan, Sample
    from epigept_batch.inference.session import Session
    from epigept_batch.tiling import Tile
    from epigept_batch.timing import StageClock

OTHER_FILES = 256
"""Maximum number of open files of a run besides its journals."""
SYNC_SECONDS, SYNC_SHARE = 5.0, 10
"""How often the journals are flushed to the disk: every 5 s, but not before ten times the duration of the last flush.
Otherwise flushing the journals of many samples would take most of the time. If the machine goes down, windows since the
last flush are lost; a killed process loses nothing."""


class RunJournals:
    """The journals of the samples of one run; a window is finished when every sample has it.

    While they are open, no other run can write the same samples into the same folder.

    Args:
        plan: Plan of the run.
        samples: Samples that are due.
        clock: Times the stage `journal`.

    Raises:
        OutputError: Another run is writing, a run with other inputs was interrupted here, or they cannot be written.
    """

    def __init__(self, plan: GenomePlan, samples: Sequence[Sample], clock: StageClock) -> None:
        self._plan = plan
        self._clock = clock
        _allow_open_files(len(samples) + OTHER_FILES)
        with ExitStack() as stack:
            self._journals = [stack.enter_context(_journal(plan, sample)) for sample in samples]
            self._stack = stack.pop_all()
        self._sync_due = time.monotonic() + SYNC_SECONDS
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

    def joined(self, signals: Iterable[TileSignal]) -> Iterator[TileSignal]:
        """Yield all windows in genome order, and save each new one as soon as it arrives.

        Args:
            signals: The signals of the `due` windows, in their order.
        """
        source = iter(signals)
        for tile in self._plan.tiles:
            if tile.index in self.finished:
                with self._clock.stage("journal"):
                    finished = self._read(tile)
                yield finished
                continue
            signal = next(source, None)
            if signal is None or signal.tile != tile:
                raise RuntimeError(f"tile {tile.index} did not come in its turn")
            with self._clock.stage("journal"):
                self._keep(signal)
            yield signal

    def _read(self, tile: Tile) -> TileSignal:
        geometry = self._plan.spec.geometry
        taken = np.stack([journal.read(tile.index) for journal in self._journals])
        return TileSignal.from_kept(tile, taken, bins=geometry.bins, bin_bp=geometry.bin_bp)

    def _keep(self, signal: TileSignal) -> None:
        nothing = np.zeros((0, 0), dtype=np.float32)
        taken = signal.taken(bin_bp=self._plan.spec.geometry.bin_bp)
        for number, journal in enumerate(self._journals):
            if signal.tile.index not in journal:
                journal.add(signal.tile.index, taken[number] if taken.size else nothing)
        if time.monotonic() >= self._sync_due:
            self._sync()

    def _sync(self) -> None:
        begun = time.monotonic()
        for journal in self._journals:
            journal.sync()
        ended = time.monotonic()
        self._sync_due = ended + max(SYNC_SECONDS, SYNC_SHARE * (ended - begun))

    def remove(self) -> None:
        """Delete the journals: the outputs are complete."""
        for journal in self._journals:
            journal.remove()


def forget(plan: GenomePlan, sample: Sample) -> None:
    """Remove what a run that was interrupted at its very end left of a complete sample.

    The journal of a run with other inputs, which was to replace the sample's files, stays: that run can resume.

    Raises:
        OutputError: Another run is writing the sample.
    """
    if sample.files.journal.exists():
        with suppress(OtherRunError):
            _journal(plan, sample).remove()
    sample.files.changing.unlink(missing_ok=True)


def _journal(plan: GenomePlan, sample: Sample) -> Journal:
    inputs = {**sample.inputs, "version of epigept-batch": epigept_batch.__version__}
    return Journal(sample.files.journal, inputs, fresh=plan.request.fresh)


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
