"""The training data: windows of the genome with motif scores and the signal of every cell."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from epigept_batch.commands.scan import StoreScan
from epigept_batch.errors import InputError
from epigept_batch.expression.vector import network_expression
from epigept_batch.files import replacing
from epigept_batch.motifs.motif_set import read_motif_set
from epigept_batch.motifs.scan import GenomeScan, MotifScanner
from epigept_batch.motifs.store import ScoreKey, ScoreStore
from epigept_batch.sequence.genome import Genome
from epigept_batch.spec import NO_BASE, ExpressionReference
from epigept_batch.tiling import ceil_div
from epigept_batch.tracks.signal import BinnedTrack, SignalTrack
from epigept_export.convert import read_expression_reference
from epigept_export.training.mapped import MappedArray
from epigept_export.training.split import Window, check_names
from epigept_export.training.targets import contact_targets, read_contacts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from epigept_batch.spec import MotifSet
    from epigept_batch.tiling import Contig, Geometry
    from epigept_export.training.config import TrainingConfig
    from epigept_export.training.contacts import ContactTargets
    from epigept_export.training.targets import ContactStore, WindowContacts


class Example(NamedTuple):
    """The data of one window.

    Attributes:
        tokens: uint8, (window_bp,).
        motif_scores: float16, (factors, bins).
        expression: float32, (cells, factors).
        signal: float32, (cells, bins, tracks): ln(1 + signal), NaN without data.
        contacts: Contacts of the window in the cells; None if the training has none.
    """

    tokens: Tensor
    motif_scores: Tensor
    expression: Tensor
    signal: Tensor
    contacts: WindowContacts | None = None


class Batch(NamedTuple):
    """The data of several windows with the same cells.

    Attributes:
        tokens: uint8, (windows, window_bp).
        motif_scores: float16, (windows, factors, bins).
        expression: float32, (cells, factors).
        signal: float32, (windows, cells, bins, tracks): ln(1 + signal), NaN without data.
        contacts: Contacts of the windows and cells that have any; None if none has.
    """

    tokens: Tensor
    motif_scores: Tensor
    expression: Tensor
    signal: Tensor
    contacts: ContactTargets | None = None


@dataclass(frozen=True, eq=False)
class TrainingData:
    """All data, for training and held out.

    Attributes:
        motif_set: The motifs, with the network's scan window.
        cells: Names of the cells.
        reference: TPM of the training cells, which a model file requires.
        expression: float32, (cells, factors): ln(1 + TPM), normalised to the training cells as a sample's is at run
            time.
        windows: Windows on the grid of every contig in use, without those that have no bases.
        has_tracks: bool, (cells,): whether a cell has any track.
        signal: float16, (windows, cells, bins, tracks): ln(1 + signal), NaN without data.
        contacts: Contacts of every window and cell; None if the configuration has none.
    """

    genome: Genome
    store: ScoreStore
    geometry: Geometry
    motif_set: MotifSet
    cells: tuple[str, ...]
    reference: ExpressionReference
    expression: NDArray[np.float32]
    windows: tuple[Window, ...]
    has_tracks: NDArray[np.bool_]
    signal: MappedArray
    contacts: ContactStore | None = None

    def numbers(self, contigs: Sequence[str]) -> list[int]:
        """Return the numbers of the windows of some contigs."""
        return [number for number, window in enumerate(self.windows) if window.contig.name in contigs]


def read_data(config: TrainingConfig, work: Path, *, threads: int, say: Callable[[str], None]) -> TrainingData:
    """Read and check the data; scan the genome and bin the tracks, unless an earlier training did.

    Args:
        config: The configuration.
        work: Folder for the binned tracks.
        threads: Number of threads that scan.
        say: Reports a sentence to the user.

    Raises:
        InputError: Something is missing or does not fit.
    """
    data, geometry = config.data, config.architecture.geometry
    motif_set = read_motif_set(data.motifs, data.motif_factors, window=config.architecture.scan_window, say=say)
    table = read_expression_reference(data.expression, motif_set.factors)
    genome = Genome(data.fasta)
    contigs = _contigs(config, genome)
    check_names(config, "cells", table.cells)
    held_out = {*config.split.validation_cells, *config.split.test_cells}
    learnt = [number for number, cell in enumerate(table.cells) if cell not in held_out]
    if not learnt:
        raise InputError("split leaves no cell to train on", config.path)
    reference = ExpressionReference(tuple(table.cells[n] for n in learnt), table.matrix[:, learnt])
    expression = [network_expression(tpm, reference.distribution) for tpm in table.matrix.T]
    windows = _windows(genome, contigs, geometry)
    return TrainingData(
        genome=genome,
        store=_scan(config, genome, contigs, motif_set, threads=threads, say=say),
        geometry=geometry,
        motif_set=motif_set,
        cells=table.cells,
        reference=reference,
        expression=np.stack(expression),
        windows=windows,
        has_tracks=_having_tracks(config, table.cells, say=say),
        signal=_bin_tracks(config, table.cells, windows, work, say=say),
        contacts=read_contacts(config, table.cells, windows, work, say=say),
    )


def _contigs(config: TrainingConfig, genome: Genome) -> list[Contig]:
    names = {contig.name for contig in genome.contigs}
    check_names(config, "contigs", tuple(names))
    wanted = config.split.contigs or names
    return [contig for contig in genome.contigs if contig.name in wanted]


def _windows(genome: Genome, contigs: Sequence[Contig], geometry: Geometry) -> tuple[Window, ...]:
    """Return the windows that have any base."""

    def has_bases(window: Window) -> bool:
        start = window.number * geometry.window_bp
        return bool((genome.tokens(window.contig, start, start + geometry.window_bp) != NO_BASE).any())

    every = (
        Window(contig, number)
        for contig in contigs
        for number in range(ceil_div(geometry.bins_of(contig.length), geometry.bins))
    )
    return tuple(filter(has_bases, every))


def _scan(
    config: TrainingConfig,
    genome: Genome,
    contigs: Sequence[Contig],
    motif_set: MotifSet,
    *,
    threads: int,
    say: Callable[[str], None],
) -> ScoreStore:
    """Return the store of motif scores, after scanning what it lacks."""
    bin_bp = config.architecture.geometry.bin_bp
    store = ScoreStore.create(config.data.scores, ScoreKey.of_motifs(motif_set, motif_set.factors, bin_bp=bin_bp))
    digests = genome.md5s(contigs)
    for contig in contigs:
        store.add(contig, digests[contig.name])
    due = [(contig, block) for contig in contigs for block in store.missing(contig, store.blocks(contig))]
    if due:
        say(f"scanning {len(due):,} blocks of 1,000 bins into {config.data.scores}")
        scanner = MotifScanner(motif_set, motif_set.factors, bin_bp=bin_bp, threads=threads)
        with GenomeScan(genome, scanner) as scan:
            for _ in StoreScan(store, scan, threads).run(due):
                pass
    return store


def _paths(config: TrainingConfig, cell: str) -> list[str]:
    """Return the path of each track of a cell."""
    return [config.data.signals.format(cell=cell, track=track) for track in config.data.tracks]


def _having_tracks(config: TrainingConfig, cells: Sequence[str], *, say: Callable[[str], None]) -> NDArray[np.bool_]:
    """Return whether each cell has any track, and tell the user of the others."""
    there = np.array([any(Path(path).exists() for path in _paths(config, cell)) for cell in cells])
    if not there.any():
        raise InputError(f"data.signals: no cell has a file, such as {_paths(config, cells[0])[0]}", config.path)
    if not there.all():
        say(
            f"{len(cells) - there.sum():,} of {len(cells):,} cells have no track, so they count only in the expression "
            "reference"
        )
    return there


def _bin_tracks(
    config: TrainingConfig, cells: Sequence[str], windows: Sequence[Window], work: Path, *, say: Callable[[str], None]
) -> MappedArray:
    """Return the tracks of every cell by window, from a file that is made once."""
    data, geometry = config.data, config.architecture.geometry
    shape = (len(windows), len(cells), geometry.bins, len(data.tracks))
    paths = {(c, t): path for c, cell in enumerate(cells) for t, path in enumerate(_paths(config, cell))}
    made_from = [
        shape,
        data.space,
        data.zero_fill,
        [[w.contig.name, w.number] for w in windows],
        sorted(paths.values()),
    ]
    digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
    kept = work / f"signal.{digest}.npy"
    if not kept.exists():
        say(f"binning {len(paths):,} tracks into {kept}")
        work.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            values = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
            for (cell, track), path in paths.items():
                _bin_track(config, path, windows, values[:, cell, :, track])
            values.flush()
    return MappedArray(kept)


def _bin_track(config: TrainingConfig, path: str, windows: Sequence[Window], out: NDArray[np.float16]) -> None:
    """Fill in one track of one cell, (windows, bins); NaN if there is no file.

    Raises:
        InputError: A value cannot be a signal.
    """
    if not Path(path).exists():
        out[:] = np.nan
        return
    geometry, data = config.architecture.geometry, config.data
    with closing(SignalTrack(Path(path))) as track:
        binned = BinnedTrack(
            track,
            bin_bp=geometry.bin_bp,
            space=data.space,
            wanted="log1p",
            zero_fill=data.zero_fill,
            finite=True,
            otherwise=f'set space = "linear" in {config.path}',
        )
        for number, window in enumerate(windows):
            out[number] = binned.read(window.contig, window.number * geometry.bins, geometry.bins)


class WindowDataset(Dataset[Example]):
    """Windows with the signal of some cells."""

    def __init__(self, data: TrainingData, windows: Sequence[int], cells: Sequence[int]) -> None:
        self._data = data
        self._windows = list(windows)
        self._cells = list(cells)
        self._expression = torch.from_numpy(data.expression[self._cells])

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Example:
        data, number = self._data, self._windows[index]
        window, geometry = data.windows[number], data.geometry
        start = window.number * geometry.window_bp
        tokens = data.genome.tokens(window.contig, start, start + geometry.window_bp)
        scores = data.store.read(window.contig, window.number * geometry.bins, geometry.bins)
        signal = data.signal.array[number, self._cells].astype(np.float32)
        there = (tokens.reshape(geometry.bins, -1) != NO_BASE).any(axis=1)
        signal[:, ~there] = np.nan
        store = data.contacts
        return Example(
            torch.from_numpy(tokens),
            torch.from_numpy(np.ascontiguousarray(scores)),
            self._expression,
            torch.from_numpy(signal),
            None if store is None else store.window(number, window.number, self._cells, there),
        )


def collate(examples: Sequence[Example], *, cells: int | None) -> Batch:
    """Combine windows to a batch.

    Args:
        examples: Windows with the same cells.
        cells: How many to draw, the same for all windows; None for all.
    """
    signal = torch.stack([example.signal for example in examples])
    expression = examples[0].expression
    drawn = torch.arange(len(expression))
    if cells is not None and cells < len(expression):
        drawn = torch.randperm(len(expression))[:cells]
        signal, expression = signal[:, drawn], expression[drawn]
    tokens = torch.stack([example.tokens for example in examples])
    windows = [example.contacts for example in examples if example.contacts is not None]
    return Batch(
        tokens,
        torch.stack([example.motif_scores for example in examples]),
        expression,
        signal,
        contact_targets(windows, drawn.tolist()),
    )
