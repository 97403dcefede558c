"""The contacts that a training takes as targets: read from maps or lists of loops, and kept by window and cell."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from epigept_batch.contacts.contact_file import is_contact_file, listed, resolutions, split_uri
from epigept_batch.contacts.loops import read_loops
from epigept_batch.contacts.measured import MeasuredContacts
from epigept_batch.errors import InputError
from epigept_batch.files import replacing
from epigept_batch.tiling import Contig, ceil_div
from epigept_export.training.contacts import OUTSIDE, ContactTargets, contacts_that_count
from epigept_export.training.mapped import MappedArray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from epigept_batch.tiling import Geometry
    from epigept_export.training.config import TrainingConfig

PIXEL = np.dtype([("row", "<u2"), ("column", "<u2"), ("value", "<f4")])
"""A contact of a window and a cell, above the diagonal; NaN where the map has no value."""
BAND_VALUES = 1 << 18
"""Values of a map that are read at a time."""
LEAST_BINS = 3
"""Contacts' bins that a window must have: with two, each row would have one value, and its cosine would be 1."""


class WindowContacts(NamedTuple):
    """The contacts of a window.

    Attributes:
        groups: int64, (bins,): for each bin of the network the contacts' bin that it belongs to, or `OUTSIDE`.
        size: Contacts' bins per window, at most.
        pixels: For each cell its `PIXEL`s; empty without contacts.
    """

    groups: NDArray[np.int64]
    size: int
    pixels: tuple[NDArray[np.void], ...]


@dataclass(frozen=True, eq=False)
class ContactGrid:
    """The contacts' bins in windows of the network.

    A bin of the network belongs to the contacts' bin that contains its middle. Contacts' bins at a window's edge of
    which the window has less than half do not count.

    Attributes:
        geometry: The network's windows.
        bin_bp: Base pairs per contacts' bin.
    """

    geometry: Geometry
    bin_bp: int

    @property
    def size(self) -> int:
        """Contacts' bins per window, at most."""
        whole, rest = divmod(self.geometry.window_bp, self.bin_bp)
        return whole if rest == 0 else whole + 2

    def first(self, window: int) -> int:
        """Return the first contacts' bin of a window, counted from the start of its contig."""
        return int(self._middles(window)[0] // self.bin_bp)

    def groups(self, window: int, there: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the contacts' bin of each bin, int64, (bins,), from 0 for the first of the window, or `OUTSIDE`.

        Args:
            window: Number of the window on the grid.
            there: bool, (bins,): whether a bin has any base.
        """
        groups = self._middles(window) // self.bin_bp - self.first(window)
        bins = np.bincount(groups[there], minlength=self.size)
        enough = 2 * bins * self.geometry.bin_bp >= self.bin_bp
        return np.where(there & enough[groups], groups, OUTSIDE)

    def _middles(self, window: int) -> NDArray[np.int64]:
        bins = window * self.geometry.bins + np.arange(self.geometry.bins, dtype=np.int64)
        return bins * self.geometry.bin_bp + self.geometry.bin_bp // 2


@dataclass(frozen=True, eq=False)
class ContactStore:
    """The contacts of all windows and cells.

    Attributes:
        grid: The contacts' bins.
        pixels: `PIXEL`, of window after window, and cell after cell within a window; None without any.
        ends: int64, (windows, cells): where the pixels of each end.
        cells: bool, (cells,): whether a cell has a file of contacts.
    """

    grid: ContactGrid
    pixels: MappedArray | None
    ends: NDArray[np.int64]
    cells: NDArray[np.bool_]

    def window(self, number: int, on_contig: int, cells: Sequence[int], there: NDArray[np.bool_]) -> WindowContacts:
        """Return the contacts of a window.

        Args:
            number: Number of the window among all.
            on_contig: Its number on the grid of its contig.
            cells: Numbers of the cells.
            there: bool, (bins,): whether a bin has any base.
        """
        return WindowContacts(
            self.grid.groups(on_contig, there), self.grid.size, tuple(self._of(number, cell) for cell in cells)
        )

    def _of(self, number: int, cell: int) -> NDArray[np.void]:
        if self.pixels is None:
            return np.zeros(0, dtype=PIXEL)
        last = number * self.ends.shape[1] + cell
        ends = self.ends.reshape(-1)
        return np.array(self.pixels.array[ends[last - 1] if last else 0 : ends[last]])


def contact_targets(windows: Sequence[WindowContacts], cells: Sequence[int]) -> ContactTargets | None:
    """Combine the contacts of windows to those of a batch; None if no window has any in these cells.

    Args:
        windows: The windows of the batch.
        cells: Positions of the batch's cells among those of the windows.
    """
    pairs, groups, contacts = [], [], []
    for number, window in enumerate(windows):
        for position, cell in enumerate(cells):
            dense = _dense(window, window.pixels[cell])
            if (dense[contacts_that_count(dense)] > 0).any():
                pairs.append(number * len(cells) + position)
                groups.append(torch.from_numpy(window.groups))
                contacts.append(dense)
    if not pairs:
        return None
    return ContactTargets(torch.tensor(pairs), torch.stack(groups), torch.stack(contacts))


def _dense(window: WindowContacts, pixels: NDArray[np.void]) -> torch.Tensor:
    """Return the symmetric contacts of a window and a cell, float32, (size, size), NaN where they do not count."""
    dense = np.zeros((window.size, window.size), dtype=np.float32)
    dense[pixels["row"], pixels["column"]] = dense[pixels["column"], pixels["row"]] = pixels["value"]
    outside = ~np.isin(np.arange(window.size), window.groups)
    dense[outside] = dense[:, outside] = np.nan
    return torch.from_numpy(dense)


def read_contacts(
    config: TrainingConfig,
    cells: Sequence[str],
    windows: Sequence[tuple[Contig, int]],
    work: Path,
    *,
    say: Callable[[str], None],
) -> ContactStore | None:
    """Return the contacts of every window and cell, from files that are made once; None if the configuration has none.

    Args:
        config: The configuration.
        cells: Names of all cells.
        windows: Contig and number of all windows.
        work: Folder for the files.
        say: Reports a sentence to the user.

    Raises:
        InputError: No cell that is learned from has contacts, or a file cannot be used.
        DeviceError: A library that maps require is not installed.
    """
    if config.contacts is None:
        return None
    uris = {cell: config.data.contacts.replace("{cell}", cell) for cell in cells}
    uris = {cell: uri for cell, uri in uris.items() if split_uri(uri).exists()}
    held_out = {*config.split.validation_cells, *config.split.test_cells}
    if not set(uris) - held_out:
        example = config.data.contacts.replace("{cell}", next(cell for cell in cells if cell not in held_out))
        raise InputError(f"data.contacts: no cell to train on has a file, such as {example}", config.path)
    grid = ContactGrid(config.architecture.geometry, _bin_bp(config, list(uris.values())))
    stats = [split_uri(uri).stat() for uri in uris.values()]
    made_from = [
        [PIXEL.descr, grid.bin_bp, grid.geometry.bins, grid.geometry.bin_bp, list(cells)],
        [[uri, stat.st_size, stat.st_mtime_ns] for uri, stat in zip(uris.values(), stats, strict=True)],
        [[contig.name, contig.length, number] for contig, number in windows],
    ]
    kept = work / f"contacts.{hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]}.npy"
    ends = kept.with_suffix(".ends.npy")
    if not ends.exists():
        _keep(kept, ends, grid, [uris.get(cell) for cell in cells], windows, say=say)
    there = np.array([cell in uris for cell in cells])
    if not any(cell in uris for cell in config.split.validation_cells):
        say("no validation cell has contacts, so they do not decide when training stops")
    pixels = MappedArray(kept, PIXEL) if kept.stat().st_size else None  # an empty file cannot be mapped
    return ContactStore(grid, pixels, np.load(ends), there)


def _bin_bp(config: TrainingConfig, uris: Sequence[str]) -> int:
    """Return the size of the contacts' bins: as configured, else of the first map, else the network's."""
    if config.contacts is None:
        raise ValueError
    geometry, bin_bp = config.architecture.geometry, config.contacts.bin_bp
    first = next((uri for uri in uris if is_contact_file(split_uri(uri))), None)
    if not bin_bp and first is not None:
        found = resolutions(first)
        if len(found) > 1:
            raise InputError(f"has several resolutions: {listed(found)}; set contacts.bin_bp in {config.path}", first)
        bin_bp = found[0]
    bin_bp = bin_bp or geometry.bin_bp
    if bin_bp < geometry.bin_bp:
        raise InputError(
            f"contacts in bins of {bin_bp:,} bp are finer than the network's bins of {geometry.bin_bp:,} bp; set "
            "contacts.bin_bp to a multiple of a resolution of the maps",
            config.path,
        )
    if geometry.window_bp < LEAST_BINS * bin_bp:
        raise InputError(
            f"contacts in bins of {bin_bp:,} bp leave fewer than {LEAST_BINS} bins per window of "
            f"{geometry.window_bp:,} bp; use maps of a finer resolution",
            config.path,
        )
    return bin_bp


def _keep(
    kept: Path,
    ends: Path,
    grid: ContactGrid,
    uris: Sequence[str | None],
    windows: Sequence[tuple[Contig, int]],
    *,
    say: Callable[[str], None],
) -> None:
    """Write the pixels of all windows and cells, and then where those of each end."""
    contigs = list(dict.fromkeys(contig for contig, _ in windows))
    readers = [None if uri is None else _reader(uri, grid, contigs) for uri in uris]
    used = [reader for reader in readers if reader is not None]
    values = ", ".join(sorted({reader.values for reader in used}))
    say(f"reading contacts of {len(used):,} of {len(uris):,} cells in bins of {grid.bin_bp:,} bp: {values}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    counts = np.zeros((len(windows), len(uris)), dtype=np.int64)
    with replacing(kept) as temporary, temporary.open("wb") as stream:
        for number, (contig, on_contig) in enumerate(windows):
            for cell, reader in enumerate(readers):
                if reader is not None:
                    pixels = _pixels(reader.read(contig, grid.first(on_contig)))
                    counts[number, cell] = len(pixels)
                    stream.write(pixels.tobytes())
    with replacing(ends) as temporary, temporary.open("wb") as stream:
        np.save(stream, counts.cumsum().reshape(counts.shape))


def _pixels(dense: NDArray[np.float64]) -> NDArray[np.void]:
    """Return what is not 0 above the diagonal."""
    if np.isnan(dense).all():  # a contig that the file does not have
        return np.zeros(0, dtype=PIXEL)
    rows, columns = np.nonzero(np.triu(dense != 0, 1))
    pixels = np.zeros(len(rows), dtype=PIXEL)
    pixels["row"], pixels["column"], pixels["value"] = rows, columns, dense[rows, columns]
    return pixels


class MapTargets:
    """Contacts of a map, read in bands of many windows, because each reading takes milliseconds."""

    def __init__(self, uri: str, grid: ContactGrid, contigs: Sequence[Contig]) -> None:
        self._map = MeasuredContacts(uri, bin_bp=grid.bin_bp)
        self._map.file.check_genome(contigs)
        self.values = self._map.values
        self._size = grid.size
        self._rows = max(1, BAND_VALUES // grid.size)
        self._of: tuple[Contig, int] | None = None
        self._band = np.zeros((0, grid.size))

    def read(self, contig: Contig, first: int) -> NDArray[np.float64]:
        """Return the contacts of a window from its first contacts' bin on, (size, size), NaN without a value."""
        rows, size = np.arange(first, first + self._size), self._size
        begun = first - first % self._rows
        if self._of != (contig, begun):
            self._band = self._map.band(contig, size, rows=(begun, begun + self._rows + size))
            self._of = contig, begun
        dense = np.full((size, 2 * size), np.nan)
        dense[np.arange(size)[:, None], np.arange(size)[:, None] + np.arange(size)] = self._band[rows - begun]
        upper = np.triu(dense[:, :size])
        symmetric: NDArray[np.float64] = upper + np.triu(upper, 1).T
        return symmetric


class LoopTargets:
    """Loops of a BEDPE: 1 between all bins that overlap both anchors, because the meaning of a score is not known."""

    values = "1 for each loop"

    def __init__(self, uri: str, grid: ContactGrid, contigs: Sequence[Contig]) -> None:
        self._bin_bp, self._size = grid.bin_bp, grid.size
        loops = read_loops(split_uri(uri), contigs).loops
        self._spans: dict[str, NDArray[np.int64]] = {}
        for contig in {loop.first.contig for loop in loops}:
            rows = [self._bins(loop.first.start, loop.first.end) + self._bins(loop.second.start, loop.second.end)
                    for loop in loops if loop.first.contig == contig]  # fmt: skip
            self._spans[contig] = np.array(rows, dtype=np.int64)

    def _bins(self, start: int, end: int) -> tuple[int, int]:
        return start // self._bin_bp, ceil_div(end, self._bin_bp)

    def read(self, contig: Contig, first: int) -> NDArray[np.float64]:
        """Return the contacts of a window from its first contacts' bin on, (size, size)."""
        size = self._size
        dense = np.zeros((size, size))
        spans = self._spans.get(contig.name, np.zeros((0, 4), dtype=np.int64)) - first
        near = (spans[:, [0, 2]] < size).all(axis=1) & (spans[:, [1, 3]] > 0).all(axis=1)
        for left, left_end, right, right_end in spans[near].clip(0, size):
            dense[left:left_end, right:right_end] = dense[right:right_end, left:left_end] = 1
        return dense


def _reader(uri: str, grid: ContactGrid, contigs: Sequence[Contig]) -> MapTargets | LoopTargets:
    return (MapTargets if is_contact_file(split_uri(uri)) else LoopTargets)(uri, grid, contigs)
