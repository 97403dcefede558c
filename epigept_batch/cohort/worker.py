"""Compute units of a cohort: open the inputs once, and write the files of one unit after another."""

from __future__ import annotations

import os
import platform
import socket
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import epigept_batch
from epigept_batch.cohort.cube import encode_shard, shard_name
from epigept_batch.cohort.marker import Marker, WrittenFile, marker_name
from epigept_batch.cohort.npy import to_npy
from epigept_batch.cohort.totals import totals_name, totals_of
from epigept_batch.cohort.units import tiles_of
from epigept_batch.errors import EpiGePTError, InputError
from epigept_batch.inference.device import RunOptions
from epigept_batch.inference.model_file import file_sha256, read_spec
from epigept_batch.inference.ports import MOTIF_SCORES
from epigept_batch.inference.session import open_sessions, with_fixed_shape
from epigept_batch.machine.processors import processor_name
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.prediction.ahead import map_ahead
from epigept_batch.prediction.predict import predict
from epigept_batch.prediction.scores import open_store, scores_for
from epigept_batch.prediction.windows import WindowReader
from epigept_batch.sequence.genome import Genome
from epigept_batch.timing import StageClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.cohort.opened import Cohort
    from epigept_batch.cohort.units import Unit
    from epigept_batch.inference.device import Device
    from epigept_batch.motifs.store import ScoreStore
    from epigept_batch.prediction.stitch import TileSignal
    from epigept_batch.prediction.windows import Scores
    from epigept_batch.tiling import Contig, Tile


@dataclass(frozen=True)
class Resources:
    """What a worker computes with, on its own machine.

    Attributes:
        model: The model file.
        fasta: The genome.
        scores: The store of motif scores; None to scan.
        device: The device, of the kind that the plan fixes.
    """

    model: Path
    fasta: Path
    scores: Path | None
    device: Device


@dataclass(frozen=True, eq=False)
class Computed:
    """The values of a unit before they are written.

    Attributes:
        unit: The unit.
        values: (tracks, samples, bins) of whole shards, in the plan's type, NaN without a value.
        seconds: How long each stage took.
        pairs: Pairs of a window and a sample that the network computed.
    """

    unit: Unit
    values: NDArray[np.floating[Any]]
    seconds: dict[str, float]
    pairs: int


class Worker:
    """Computes units one after another; a context manager that holds the model, the genome and the scanner.

    Args:
        cohort: The cohort.
        resources: What it computes with.
        say: Called with a sentence for the user.

    Raises:
        EpiGePTError: An input cannot be opened, or is another one than the plan was made with.
    """

    def __init__(self, cohort: Cohort, resources: Resources, *, say: Callable[[str], None]) -> None:
        self._cohort, self._resources = cohort, resources
        plan, how = cohort.plan, cohort.plan.computation
        self._spec = read_spec(resources.model)
        if file_sha256(resources.model) != plan.model:
            raise InputError("is another model file than the cohort was planned with; pass that one", resources.model)
        options = RunOptions(
            how.precision,
            threads=how.threads,
            batch_size=how.windows * how.samples,
            samples=how.samples,
            scan=GpuScanMaker(self._spec, threads=how.threads) if resources.scores is None else None,
        )
        self._sessions = [
            with_fixed_shape(session, (how.windows, how.samples))
            for session in open_sessions(resources.model, resources.device, options, say=say)
        ]
        self._tracks = [self._spec.tracks.index(name) for name in plan.tracks]
        self._store_of = lru_cache(1)(self._open_store)
        with ExitStack() as stack:
            self._genome = stack.enter_context(Genome(resources.fasta))
            ports = self._sessions[0].ports
            self._reads_store = resources.scores is not None and ports.takes(MOTIF_SCORES)
            self._scanner: Scores | None = None
            if not self._reads_store:
                scanner = scores_for(self._spec, ports, None, threads=how.threads, say=say)
                self._scanner = stack.enter_context(scanner)
            self._stack = stack.pop_all()
        self._contigs = {contig.name: contig for contig in self._genome.contigs}
        self._checked: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, unit: Unit) -> Marker:
        """Compute a unit and write its files; see `compute` and `write`."""
        return self.write(self.compute(unit))

    def run_all(self, units: Iterable[Unit]) -> Generator[Marker, None, None]:
        """Compute units one after another; each is written while the next one is computed.

        Raises:
            EpiGePTError: As `compute` and `write`.
        """
        yield from map_ahead(self.write, map(self.compute, units), workers=1, ahead=1)

    def compute(self, unit: Unit) -> Computed:
        """Compute the values of a unit.

        Raises:
            EpiGePTError: A window cannot be read or computed, or a value does not fit into the plan's type.
        """
        plan, clock = self._cohort.plan, StageClock()
        self._check_contig(unit.contig)
        geometry = self._spec.geometry
        tiles = tiles_of(plan, unit, geometry)
        first, last = unit.samples
        values = np.full((len(plan.tracks), plan.shape.samples, plan.shape.bins), np.nan, dtype=plan.dtype)
        scores = self._store_of(tuple(tiles)) if self._reads_store else self._scanner
        pairs = 0
        for signal in predict(
            WindowReader(self._genome, scores, geometry=geometry, clock=clock),
            tiles,
            self._cohort.expression[first:last],
            self._sessions,
            tracks=self._tracks,
            threads=plan.computation.threads,
            scans=isinstance(scores, MotifScanner),
            clock=clock,
        ):
            pairs += 0 if signal.signal is None else last - first
            _take(values, signal, begin=unit.bins[0], bin_bp=plan.bin_bp)
        self._genome.check_unchanged()
        return Computed(unit, values, clock.seconds(), pairs)

    def write(self, computed: Computed) -> Marker:
        """Write the files of a unit, its marker last.

        Raises:
            OutputError: A file cannot be written.
        """
        begun = time.perf_counter()
        plan, storage, unit = self._cohort.plan, self._cohort.storage, computed.unit
        used = computed.values[:, : unit.samples[1] - unit.samples[0], : unit.bins[1] - unit.bins[0]]
        totals: list[NDArray[np.float64]] = []
        files: dict[str, WrittenFile] = {}

        def encoded(number: int) -> tuple[bytes, NDArray[np.float64]]:
            return encode_shard(plan, computed.values[number]), totals_of(used[number : number + 1])

        threads = plan.computation.threads
        numbers = range(len(plan.tracks))
        with closing(map_ahead(encoded, numbers, workers=0 if threads == 1 else threads, ahead=threads)) as shards:
            for track, (content, of_track) in zip(plan.tracks, shards, strict=True):
                name = shard_name(track, unit)
                storage.write(name, content)
                files[name] = WrittenFile.of(content)
                totals.append(of_track)
        content = to_npy(np.concatenate(totals))
        storage.write(totals_name(unit), content)
        files[totals_name(unit)] = WrittenFile.of(content)
        marker = Marker(
            unit=unit.number,
            plan=plan.digest,
            files=files,
            worker=self._about(),
            finished=round(time.time(), 3),
            seconds={**computed.seconds, "write": time.perf_counter() - begun},
            pairs=computed.pairs,
        )
        storage.write(marker_name(unit.number), marker.to_bytes())
        return marker

    def _about(self) -> dict[str, str]:
        """Return who computes."""
        session = self._sessions[0]
        return {
            "host": socket.gethostname(),
            "process": str(os.getpid()),
            "processor": processor_name(),
            "device": session.device,
            "provider": session.provider,
            "arithmetic": session.arithmetic,
            "runtime": session.runtime,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "epigept-batch": epigept_batch.__version__,
        }

    def _check_contig(self, contig: Contig) -> None:
        """Check that the genome has the sequence that the plan was made with.

        Raises:
            InputError: It has not.
        """
        if contig.name in self._checked:
            return
        mine = self._contigs.get(contig.name)
        if mine != contig or self._genome.md5(contig) != self._cohort.plan.genome[contig.name]:
            raise InputError(
                f"its contig '{contig.name}' is not the one that the cohort was planned with; pass the same genome",
                self._resources.fasta,
            )
        self._checked.add(contig.name)

    def _open_store(self, tiles: Iterable[Tile]) -> ScoreStore:
        """Open the store for the windows of a unit."""
        if self._resources.scores is None:
            raise ValueError("a worker without a store")
        return open_store(self._resources.scores, self._spec, self._genome, tiles, model=self._resources.model)


def _take(values: NDArray[np.floating[Any]], signal: TileSignal, *, begin: int, bin_bp: int) -> None:
    """Put the bins that are taken from a window into the values of a unit.

    Raises:
        EpiGePTError: A value is too large for their type.
    """
    taken = signal.taken(bin_bp=bin_bp)
    if not taken.size:
        return
    done = 0
    for first, last in signal.tile.spans:
        part = taken[:, done : done + last - first].transpose(2, 0, 1)
        with np.errstate(over="ignore"):
            values[:, : len(taken), first - begin : last - begin] = part
        done += last - first
    if values.dtype == np.float16 and np.nanmax(np.abs(taken), initial=0) > np.finfo(np.float16).max:
        raise EpiGePTError(
            f"{signal.tile.contig.name}:{signal.tile.start + 1:,}: a value of this window is too large for float16; "
            "start a cohort with --dtype float32"
        )
